//go:build belfrysim

package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/belfry-io/belfry/core"
)

// A pod is a real [core.Scheduler] and what surrounds it: its connection, its clock, and its process, which can be frozen
// or killed.
type pod struct {
	w      *world
	name   string
	queues []string
	conn   *conn
	sched  *core.Scheduler
	cancel context.CancelFunc
	done   chan struct{}
	skew   atomic.Int64 // of its wall clock, nanoseconds
	dead   chan struct{}

	mu      sync.Mutex
	frozen  chan struct{} // closed when it thaws; nil: it is not frozen
	thawed  time.Time     // when it was last thawed
	jumped  time.Time     // when its wall clock last jumped
	killed  bool
	leaving bool
}

// newPod starts a pod. One that serves all has every queue and handler.
func (w *world) newPod(ctx context.Context, name string, r *rand.Rand, all bool) *pod { //nolint:revive // what the pod is
	p := &pod{w: w, name: name, done: make(chan struct{}), dead: make(chan struct{})}
	p.conn = w.connect(name, p.wait)
	p.skew.Store(int64(w.drawSkew(r)))
	p.queues = []string{core.DefaultQueue}
	for q := range w.Queues - 1 {
		if all || r.IntN(3) > 0 {
			p.queues = append(p.queues, fmt.Sprintf("q%d", q+1))
		}
	}
	s, err := core.New(p.conn, &core.Options{
		Name: name, Concurrency: w.Slots, Queues: p.queues, SessionTTL: w.TTL, Drain: time.Duration(r.IntN(4)) * time.Second,
		OnEvent: p.listen, Adopt: true, Now: p.now,
	})
	if err != nil {
		panic(err)
	}
	p.sched = s
	for h := range handlers {
		if all || h == 0 || r.IntN(4) > 0 {
			s.Handle(fmt.Sprintf("h%d", h), p.handle)
		}
	}
	ctx, p.cancel = context.WithCancel(ctx)
	w.mu.Lock()
	w.pods = append(w.pods, p)
	w.mu.Unlock()
	w.strike("%s starts, queues %v, its clock is off by %v", name, p.queues, time.Duration(p.skew.Load()))
	w.life.Go(func() {
		defer close(p.done)
		err := s.Run(ctx)
		w.strike("%s has ended: %v", name, err)
	})
	if w.Locks {
		w.life.Go(func() { p.lockLife(ctx) })
	}
	return p
}

// handlers is how many kinds of handler there are. All pods have the first.
const handlers = 3

func (w *world) drawSkew(r *rand.Rand) time.Duration {
	switch n := r.IntN(8); {
	case n < 4:
		return 0
	case n < 6:
		return time.Duration(r.IntN(20)-10) * time.Millisecond
	case n < 7 || !w.SkewDay:
		return time.Duration(r.IntN(5)-2) * time.Second
	}
	return time.Duration(r.IntN(3)-1) * 24 * time.Hour
}

// wait blocks while the pod is frozen.
func (p *pod) wait() {
	for {
		p.mu.Lock()
		f := p.frozen
		p.mu.Unlock()
		if f == nil {
			return
		}
		<-f
	}
}

// now is the pod's wall clock.
func (p *pod) now() time.Time {
	p.wait()
	return time.Now().Add(time.Duration(p.skew.Load()))
}

// listen takes the pod's events.
func (p *pod) listen(ev core.Event) {
	p.wait()
	switch ev.Kind { //nolint:exhaustive // the others are noted below
	case core.EventClaimed, core.EventStarted, core.EventEnded, core.EventSkipped:
		return // the observer and the handlers tell of them
	default:
	}
	p.w.note(ev.Trigger.Job, "%s says %s %s attempt %d: %v", p.name, ev.Kind, ev.Trigger, ev.Attempt, ev.Err)
}

// freeze stops the process, as SIGSTOP does.
func (p *pod) freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.frozen == nil {
		p.frozen = make(chan struct{})
		p.w.strike("%s is frozen", p.name)
	}
}

func (p *pod) thaw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.frozen != nil {
		close(p.frozen)
		p.frozen, p.thawed = nil, time.Now()
		p.w.strike("%s is thawed", p.name)
	}
}

// kill ends the process, as SIGKILL does. What it has sent may still arrive.
func (p *pod) kill() {
	p.mu.Lock()
	if p.killed {
		p.mu.Unlock()
		return
	}
	p.killed = true
	close(p.dead)
	p.mu.Unlock()
	p.w.strike("%s is killed", p.name)
	_ = p.conn.Close()
	p.thaw() // its goroutines have to end
}

// stop lets the pod drain.
func (p *pod) stop() {
	p.mu.Lock()
	p.leaving = true
	p.mu.Unlock()
	p.w.strike("%s drains", p.name)
	p.cancel()
}

func (p *pod) alive() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.killed
}

// keepPods starts the pods, and lets the nemesis have its way with them until the faults are over.
func (w *world) keepPods(ctx context.Context) {
	n := &nemesis{w: w, ctx: ctx, r: w.fork()}
	for range w.Pods {
		n.pods = append(n.pods, w.newPod(ctx, fmt.Sprintf("p%d", n.next()), n.r, false))
		if !w.pause(time.Duration(n.r.IntN(400)) * time.Millisecond) {
			break
		}
	}
	switch {
	case w.opts.Script != nil:
		w.opts.Script(ctx, n)
		return
	case len(w.Nemesis) == 0:
		return
	}
	for w.faulty() && w.pause(w.Every/2+time.Duration(n.r.Int64N(int64(w.Every)))) {
		if w.faulty() {
			n.strike(w.Nemesis[n.r.IntN(len(w.Nemesis))])
		}
	}
}

// healAll undoes what the nemesis did.
func (w *world) healAll() {
	w.mu.Lock()
	pods := append([]*pod(nil), w.pods...)
	w.mu.Unlock()
	for _, p := range pods {
		p.thaw()
		p.conn.mu.Lock()
		p.conn.cut = false
		p.conn.mu.Unlock()
	}
}

// endPods drains the pods that are left; after a violation it kills them.
func (w *world) endPods() {
	w.healAll()
	w.mu.Lock()
	pods := append([]*pod(nil), w.pods...)
	w.mu.Unlock()
	for _, p := range pods {
		if w.violated() {
			p.kill()
		}
		p.cancel()
	}
}

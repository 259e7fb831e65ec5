package core

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"
)

// start takes a run that this pod has claimed.
func (g *engine) start(s *slot, r run, session string, now moment) {
	if g.live[r.Claim] != nil {
		return
	}
	if session == "" || session != g.sess {
		// The session was lost on the way. Nothing has started, and whoever recovers the run may as well do it now.
		s.events = append(s.events, event{what: evReleased, claim: r.Claim})
		return
	}
	l := &live{run: r, spec: s.spec, slot: s, session: session, until: r.Due}
	l.ctx, l.cancel = context.WithCancelCause(context.WithoutCancel(g.base))
	s.lives = append(s.lives, l)
	g.live[r.Claim] = l
	g.busy++
	if g.notes.wants(EventClaimed) {
		g.notes.tell(g.about(EventClaimed, l, now.store))
	}
	g.starts.add(l, l.came())
}

func (g *engine) about(kind EventKind, l *live, at micros) Event {
	return Event{
		Kind: kind, Time: at.time(), Trigger: Trigger{Job: l.spec.ID, Fire: l.run.Fire.time()},
		Attempt: l.run.Attempt, Token: l.run.Token,
	}
}

// finished reports whether the handler has returned or was given up.
func (l *live) finished() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.done || l.givenUp
}

// stop ends a run's context. A run that has not started never will.
func (g *engine) stop(l *live, cause error, now moment) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.done || l.over != 0 {
		return
	}
	l.over = max(now.mono, 1)
	l.cancel(cause)
	if !l.began {
		l.done = true
		g.busy--
		ev := event{what: evReleased, claim: l.run.Claim}
		if errors.Is(cause, ErrCancelled) {
			ev = event{what: evFinished, claim: l.run.Claim, kind: Cancelled, at: now.store}
		}
		l.slot.events = append(l.slot.events, ev)
		s := l.slot
		g.in.call(func(now moment) { g.place(s, now) })
		return
	}
	g.over = append(g.over, l)
}

// sweepOver gives up handlers that have not returned five seconds after their contexts ended, and ends the contexts of
// runs that could not be vouched for in time.
func (g *engine) sweepOver(now moment) {
	kept := g.over[:0]
	for _, l := range g.over {
		l.mu.Lock()
		due := !l.done && now.mono-l.over >= giveUp
		l.givenUp = l.givenUp || due
		done := l.done || l.givenUp
		l.mu.Unlock()
		if due {
			ev := g.verdict(l, context.Cause(l.ctx), now.store)
			ev.started = l.started
			g.settleRun(l, ev, now)
		}
		if !done {
			kept = append(kept, l)
		}
	}
	clear(g.over[len(kept):])
	g.over = kept
	if now.mono-g.swept < 250*time.Millisecond {
		return
	}
	g.swept = now.mono
	margin := span(g.opts.SessionTTL) - span(g.opts.SessionTTL)/sessionMargin
	for _, l := range g.live {
		if now.store > l.until+margin && !breakNoVouch {
			g.stop(l, fmt.Errorf("the run could not be vouched for: %w", ErrSessionLost), now)
		}
	}
}

// ended takes a handler's return.
func (g *engine) ended(c *completion, now moment) {
	g.busy--
	if c.ev.what == evFinished {
		g.rate.finish(now.mono, (c.ev.at - c.ev.started).duration())
	}
	c.live.mu.Lock()
	givenUp := c.live.givenUp
	c.live.mu.Unlock()
	if !givenUp {
		g.settleRun(c.live, c.ev, now)
	}
}

// settleRun adds a run's end to what its job has to write.
func (g *engine) settleRun(l *live, ev event, now moment) {
	if g.live[l.run.Claim] == nil { // it was taken over, or its record is gone
		g.notes.tell(g.about(EventRefused, l, now.store))
		return
	}
	s := l.slot
	s.events = append(s.events, ev)
	if !s.flying && s.flight == nil {
		g.place(s, now)
	}
}

// run executes one run, from the last check of the session to the handler's return. It is called by a worker.
func (g *engine) run(l *live) {
	now := g.clock.now()
	if now.store < l.came() { // the store's clock turned out to be behind
		g.starts.add(l, l.came())
		return
	}
	if !g.keep.holds(l.session, now) {
		g.in.call(func(now moment) { g.stop(l, ErrSessionLost, now) })
		return
	}
	l.mu.Lock()
	if l.done || l.over != 0 {
		l.mu.Unlock()
		return
	}
	l.began, l.started = true, now.store
	l.mu.Unlock()
	if g.notes.wants(EventStarted) {
		ev := g.about(EventStarted, l, now.store)
		ev.Late = (now.store - l.came()).duration()
		g.notes.tell(ev)
	}
	err := errGoexit
	defer func() { g.returned(l, err) }()
	err = g.call(l)
}

// errGoexit is the error of a handler that neither returned nor panicked.
var errGoexit = errors.New("the handler called runtime.Goexit")

// returned brings a handler's end to the loop.
func (g *engine) returned(l *live, err error) {
	ev := g.verdict(l, err, g.clock.now().store)
	l.mu.Lock()
	ev.started = l.started
	l.done = true
	l.mu.Unlock()
	l.cancel(nil)
	g.in.end(l, ev)
}

// call runs the handler under the job's timeout; a panic is an error.
func (g *engine) call(l *live) (err error) {
	if d := l.spec.Timeout; d > 0 {
		t := time.AfterFunc(d, func() { g.in.call(func(now moment) { g.stop(l, ErrTimeout, now) }) })
		defer t.Stop()
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return g.handlers[l.spec.handler()](l.ctx, g.runOf(l))
}

// runOf is the run as its handler sees it.
func (g *engine) runOf(l *live) Run {
	return Run{
		Trigger: Trigger{Job: l.spec.ID, Fire: l.run.Fire.time()}, Nominal: l.run.Nominal.time(),
		Attempt: l.run.Attempt, Token: l.run.Token, Cause: l.run.Cause,
		Handler: l.spec.handler(), Payload: l.spec.Payload, Queue: l.spec.queue(), Labels: l.spec.Labels,
		Pod: g.opts.Name, Session: l.session, Claimed: l.run.At.time(), log: g.opts.Logger, out: &l.out,
	}
}

// verdict makes a handler's return, or its being given up, into an event. A handler that was cut off because its pod lost
// the session or stops has not failed: the job's Recover decides what becomes of the run.
func (g *engine) verdict(l *live, err error, at micros) event {
	ev := event{what: evFinished, claim: l.run.Claim, kind: Succeeded, at: at, output: l.out.String()}
	if err == nil {
		return ev
	}
	ev.kind, ev.text = Failed, err.Error()
	ev.permanent, ev.after = verdict(err)
	switch cause := context.Cause(l.ctx); {
	case cause == nil:
	case errors.Is(cause, ErrTimeout):
		ev.kind = TimedOut
	case errors.Is(cause, ErrCancelled):
		ev.kind = Cancelled
	case errors.Is(cause, ErrSessionLost), errors.Is(cause, ErrDrained):
		return event{what: evReleased, claim: l.run.Claim}
	}
	return ev
}

// A runner runs what is ready in up to limit goroutines, higher priorities first.
//
// A group of runs that becomes ready at once is shared by a few goroutines, which costs a fraction of one each. But a
// handler that blocks must not hold up the rest: every millisecond for which something had to wait the number of goroutines
// doubles.
type runner struct {
	run   func(*live)
	limit int

	mu      sync.Mutex
	ready   []*live // of the highest priority first; a queue from next on
	next    int
	workers int
	taken   uint64
	watched bool
	wg      sync.WaitGroup
}

// firstWorkers share a group to begin with.
const firstWorkers = 4

// push makes runs ready.
func (r *runner) push(group []*live) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.next == len(r.ready) {
		r.ready, r.next = r.ready[:0], 0
	}
	if r.next > len(r.ready)/2 {
		r.ready = append(r.ready[:0], r.ready[r.next:]...)
		r.next = 0
	}
	r.ready = append(r.ready, group...)
	waiting := r.ready[r.next:]
	if !slices.IsSortedFunc(waiting, byPriority) {
		slices.SortStableFunc(waiting, byPriority)
	}
	r.grow(firstWorkers)
	if !r.watched && r.next < len(r.ready) {
		r.watched = true
		r.watch()
	}
}

// byPriority puts higher priorities first.
func byPriority(a, b *live) int { return cmp.Compare(b.spec.Priority, a.spec.Priority) }

// grow starts up to n more workers, as far as there is something for them and the limit allows.
func (r *runner) grow(n int) {
	for range min(n, len(r.ready)-r.next, r.limit-r.workers) {
		r.workers++
		r.wg.Go(r.work)
	}
}

// watch looks after a millisecond whether what is ready now still waits.
func (r *runner) watch() {
	all := r.taken + uint64(len(r.ready)-r.next) //nolint:gosec // positive
	r.wg.Add(1)
	time.AfterFunc(time.Millisecond, func() {
		defer r.wg.Done()
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.taken < all {
			r.grow(max(r.workers, 1))
		}
		if r.watched = r.next < len(r.ready) && r.workers < r.limit; r.watched {
			r.watch()
		}
	})
}

func (r *runner) work() {
	normal := false
	defer func() {
		if normal {
			return
		}
		r.mu.Lock() // a handler has ended this goroutine
		defer r.mu.Unlock()
		r.workers--
		r.grow(1)
	}()
	for {
		r.mu.Lock()
		if r.next == len(r.ready) {
			r.workers--
			r.mu.Unlock()
			normal = true
			return
		}
		l := r.ready[r.next]
		r.ready[r.next] = nil
		r.next++
		r.taken++
		r.mu.Unlock()
		r.run(l)
	}
}

// A starter holds runs until their fire times, in groups by millisecond on one timer.
type starter struct {
	clock *clock
	work  *runner
	wake  chan struct{}

	mu     sync.Mutex
	groups map[micros][]*live
	times  []micros // a heap of the groups' keys
}

// add starts l at t, or at once if that has passed.
func (s *starter) add(l *live, t micros) {
	k := (t + millisecond - 1) / millisecond
	s.mu.Lock()
	first := s.groups[k] == nil
	s.groups[k] = append(s.groups[k], l)
	if first {
		s.times = append(s.times, k)
		for i := len(s.times) - 1; i > 0 && s.times[i] < s.times[(i-1)/2]; i = (i - 1) / 2 {
			s.times[i], s.times[(i-1)/2] = s.times[(i-1)/2], s.times[i]
		}
	}
	s.mu.Unlock()
	if first {
		nudge(s.wake)
	}
}

// loop hands out the groups whose time has come, until stop is closed.
func (s *starter) loop(stop <-chan struct{}) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-stop:
			return
		case <-s.wake:
		case <-timer.C:
		}
		now := s.clock.now().store
		wait := idle
		for {
			group, next := s.pop(now)
			if group == nil {
				if next != 0 {
					wait = min(wait, (next*millisecond - now).duration())
				}
				break
			}
			s.work.push(group)
		}
		timer.Reset(wait)
	}
}

// pop removes the first group if its time has come, or returns when that is.
func (s *starter) pop(now micros) (group []*live, next micros) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.times) == 0 {
		return nil, 0
	}
	k := s.times[0]
	if k*millisecond > now {
		return nil, k
	}
	last := len(s.times) - 1
	s.times[0] = s.times[last]
	s.times = s.times[:last]
	for i := 0; ; {
		c := 2*i + 1
		if c >= last {
			break
		}
		if c+1 < last && s.times[c+1] < s.times[c] {
			c++
		}
		if s.times[i] <= s.times[c] {
			break
		}
		s.times[i], s.times[c] = s.times[c], s.times[i]
		i = c
	}
	group = s.groups[k]
	delete(s.groups, k)
	return group, 0
}

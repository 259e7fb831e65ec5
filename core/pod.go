package core

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// A pod is a Scheduler's Run: the goroutines of the engine, and the order in which they start and stop.
type pod struct {
	*engine

	stopLoop   chan struct{}
	stopNotes  chan struct{}
	stopStarts chan struct{}
	work       *runner
	readers    sync.WaitGroup
	keeping    sync.WaitGroup
	loops      sync.WaitGroup
	noting     sync.WaitGroup
	fatal      chan error
	cancelled  int // handlers that were cancelled at the drain limit
}

func newPod(ctx context.Context, s *Scheduler, stripes int) *pod {
	g := &engine{
		opts: &s.opts, store: s.store, clock: s.clock, handlers: s.handlers, stripes: stripes,
		notes: newNotifier(&s.opts), specs: &specCache{limit: specBytes},
		slots: map[string]*slot{}, live: map[string]*live{}, missing: map[string]micros{},
		ahead: slotQueue{groups: map[micros]int{}}, deal: dealer{stripes: stripes, deals: map[dealKey]*deal{}},
	}
	g.in.wake = make(chan struct{}, 1)
	p := &pod{engine: g, stopLoop: make(chan struct{}), stopNotes: make(chan struct{}), stopStarts: make(chan struct{}), fatal: make(chan error, 1)}
	p.work = &runner{run: g.run, limit: s.opts.Concurrency}
	g.starts = &starter{clock: s.clock, work: p.work, wake: make(chan struct{}, 1), groups: map[micros][]*live{}}
	started := micros(0)
	handlers := s.handlerNames()
	g.keep = &keeper{
		store: s.store, clock: s.clock, opts: &s.opts, event: g.notes.tell, away: g.away, peers: map[string]*peer{},
		poke: make(chan struct{}, 1), look: make(chan struct{}, 1),
		seen:  func(v *view) { g.in.call(func(moment) { g.takeView(v) }) },
		met:   func(server, epoch string) { g.in.call(func(now moment) { g.meet(server, epoch, now) }) },
		heard: func(sess Session) { g.in.call(func(now moment) { g.newSession(sess, now) }) },
		lost:  func(id string, err error) { g.in.call(func(now moment) { g.loseSession(id, err, now) }) },
		self: func() podInfo {
			if started == 0 {
				started = s.clock.now().store
			}
			info := g.told.Load()
			out := podInfo{
				Started: started, Version: s.opts.Version, Queues: s.opts.Queues, Handlers: handlers, Slots: s.opts.Concurrency,
				Free: s.opts.Concurrency, Format: formatVersion, Deal: dealVersion,
			}
			if info != nil {
				out.Running, out.Free, out.Full, out.Leaving = info.busy, s.opts.Concurrency-info.busy, info.full, info.leaving
			}
			return out
		},
	}
	g.base = context.WithoutCancel(ctx)
	return p
}

// run starts the goroutines, waits for the end, and stops them in order: first what finds work, then the work, then what
// writes its outcomes, last the session.
func (p *pod) run(ctx context.Context) error {
	base, cancelBase := context.WithCancel(p.base)
	defer cancelBase()
	p.base = base
	keepCtx, stopKeeper := context.WithCancel(base)
	readCtx, stopReaders := context.WithCancel(base)

	p.noting.Go(func() { p.notes.loop(p.stopNotes) })
	p.loops.Go(func() { p.loop(p.stopLoop) })
	p.loops.Go(func() { p.starts.loop(p.stopStarts) })
	p.keeping.Go(func() {
		if err := p.keep.run(keepCtx); errors.Is(err, ErrClosed) {
			p.fatal <- err
		}
	})
	for _, read := range []func(*finder, context.Context){(*finder).readAhead, (*finder).sweep, (*finder).watch} {
		f := &finder{g: p.engine, deal: dealer{stripes: p.stripes, deals: map[dealKey]*deal{}}}
		p.readers.Go(func() { read(f, readCtx) })
	}

	var err error
	select {
	case <-ctx.Done():
		err = p.drain()
	case err = <-p.fatal:
	}
	if errors.Is(err, ErrClosed) {
		p.abort()
	}
	stopReaders()
	p.readers.Wait()
	stopKeeper()
	p.keeping.Wait()
	p.call(func(moment) {
		if p.endSession != nil {
			p.endSession(ErrSessionLost) // locks are given up before anybody else can have them
		}
	})
	if !errors.Is(err, ErrClosed) {
		end, cancel := context.WithTimeout(base, 2*time.Second)
		_ = p.keep.end(end) // otherwise the others end it, a TTL later
		cancel()
	}
	cancelBase()
	close(p.stopLoop)
	close(p.stopStarts)
	p.loops.Wait()
	p.tasks.Wait()
	close(p.stopNotes)
	p.noting.Wait()
	return err
}

// call runs f in the loop and waits for it.
func (p *pod) call(f func(moment)) {
	done := make(chan struct{})
	p.in.call(func(now moment) {
		f(now)
		close(done)
	})
	<-done
}

// abort ends everything at once: the store is closed.
func (p *pod) abort() {
	p.call(func(now moment) {
		p.leaving = now.store
		for _, l := range p.live {
			p.stop(l, ErrSessionLost, now)
		}
	})
	_ = p.waitFor(giveUp, func(moment) bool { return p.busy == 0 }) // longer is nobody helped by
}

// drain lets the pod finish: it tells the others, claims on to the end of its bucket, waits for its handlers and for what
// they have to write. What runs longer than the limit is cancelled, and given up as if the pod had died.
func (p *pod) drain() error {
	p.call(func(now moment) {
		p.leaving = bucketStart(bucketOf(now.store) + 1)
		if p.opts.Drain < 0 {
			p.leaving = now.store
		}
		p.tellSelf()
		p.keep.beatNow()
	})
	done := func(now moment) bool { return now.store >= p.leaving && p.idle() }
	if err := p.waitFor(max(p.opts.Drain, 0), done); err == nil || errors.Is(err, ErrClosed) {
		return err
	}
	p.call(func(now moment) {
		p.leaving = now.store
		for _, l := range p.live {
			l.mu.Lock()
			running := l.began && !l.done
			l.mu.Unlock()
			if running {
				p.cancelled++
			}
			p.stop(l, ErrDrained, now)
		}
	})
	err := p.waitFor(giveUp+3*time.Second, done)
	switch {
	case p.cancelled > 0 && !errors.Is(err, ErrClosed):
		return ErrDrained
	case errors.Is(err, errBusy):
		return fmt.Errorf("stop: the store has not taken the last outcomes: %w", ErrUncertain)
	}
	return err
}

// errBusy says that something was still under way at the limit.
var errBusy = errors.New("still busy")

// waitFor waits until done, asked in the loop, says so: errBusy after limit, ErrClosed if the store is closed meanwhile.
func (p *pod) waitFor(limit time.Duration, done func(moment) bool) error {
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	for {
		over := false
		p.call(func(now moment) { over = done(now) })
		if over {
			return nil
		}
		t := time.NewTimer(20 * time.Millisecond)
		select {
		case <-deadline.C:
			t.Stop()
			return errBusy
		case err := <-p.fatal:
			t.Stop()
			return err
		case <-t.C:
		}
	}
}

// idle reports that the pod has nothing under way.
func (g *engine) idle() bool {
	if len(g.live) > 0 || g.flights > 0 || g.busy > 0 {
		return false
	}
	for _, s := range g.slots {
		if s.flight != nil || len(s.events) > 0 {
			return false
		}
	}
	return true
}

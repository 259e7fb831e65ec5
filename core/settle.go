package core

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// land takes the answer to a batch.
func (g *engine) land(b *batch, now moment) {
	g.flights--
	for _, s := range b.slots {
		s.flying = false
		if b.err != nil {
			s.flight.tries-- // nothing of the batch was carried out, nor will be
		}
	}
	switch {
	case b.err == nil:
		g.back()
		uncertain := func(r Result) bool { return errors.Is(r.Err, ErrUncertain) }
		if !slices.ContainsFunc(b.applied.Results, uncertain) {
			g.rate.commit(b.back, b.back-b.sent, len(b.ops))
		}
		if slices.ContainsFunc(b.applied.Results, func(r Result) bool { return !uncertain(r) }) { // some server answered
			g.meet(b.applied.Server, b.applied.Epoch, now)
		}
		for i, s := range b.slots {
			g.settle(s, &b.applied.Results[i], now)
		}
	case errors.Is(b.err, ErrEpoch):
		g.block(b.err, now)
		g.dropFlights(b, now)
	case errors.Is(b.err, ErrInvalid) && len(b.slots) > 1:
		for _, s := range b.slots {
			s.flying = true
		}
		g.halve(b)
	default:
		if errors.Is(b.err, ErrInvalid) {
			b.slots[0].events = nil // it would be refused for ever
		}
		g.away(b.err)
		g.dropFlights(b, now)
	}
}

// away tells that the store cannot be used, once until it can; a closed one ends the pod.
func (g *engine) away(err error) {
	if errors.Is(err, ErrClosed) {
		g.keep.beatNow() // the keeper meets the same error and ends the pod
		return
	}
	if errors.Is(err, ErrEpoch) {
		g.in.call(func(now moment) { g.block(err, now) })
		return
	}
	if !g.shared.away.Swap(true) {
		g.notes.tell(Event{Kind: EventStore, Time: g.clock.now().store.time(), Err: err})
	}
}

// back tells that the store can be used again.
func (g *engine) back() {
	if g.shared.away.Load() && g.shared.away.Swap(false) {
		g.notes.tell(Event{Kind: EventStore, Time: g.clock.now().store.time()})
	}
}

// dropFlights forgets changes of which nothing was applied: they are stepped anew, a little later. Those whose outcome
// was unknown before stay as they are.
func (g *engine) dropFlights(b *batch, now moment) {
	for _, s := range b.slots {
		if s.flight.tries == 0 {
			g.unflight(s)
		}
		wait := 100 * millisecond
		if g.blocked {
			wait = second
		}
		g.timed.push(s, now.store+wait)
	}
}

// meet notices that another server answers, or another life of the store.
func (g *engine) meet(server, epoch string, now moment) {
	known := g.known
	g.known, g.epoch = true, epoch
	g.shared.server.Store(&server)
	if server == g.server {
		return
	}
	if known {
		// Every pod's knowledge of the store is compared with the new server's before anybody claims there.
		g.quiet = now.store + 2*span(g.keep.interval())
		g.clock.forget()
		g.keep.beatNow()
		g.offerAgain(now)
		g.notes.tell(Event{Kind: EventStore, Time: now.store.time(), Err: fmt.Errorf("server %s answers instead of %s: %w", server, g.server, ErrMoved)})
	}
	g.server = server
}

// settle takes the answer to one change.
func (g *engine) settle(s *slot, r *Result, now moment) {
	f := s.flight
	switch {
	case r.Err == nil:
		g.granted(s, r.Version, now)
	case errors.Is(r.Err, ErrUncertain) && breakReadBack:
		g.reread(s, now)
	case errors.Is(r.Err, ErrUncertain):
		if f.session != g.sess && f.session != "" {
			g.reread(s, now)
			return
		}
		if f.since == 0 {
			f.since = now.mono
		}
		if now.mono-f.since > 2*g.opts.SessionTTL {
			g.keep.giveUp(f.session) // what cannot be settled while the session lives ends it
		}
		g.timed.push(s, now.store+min(span(50*time.Millisecond)<<min(f.tries-1, 4), second))
	case errors.Is(r.Err, ErrConflict):
		g.met(s, &r.Current, now)
	case errors.Is(r.Err, ErrMoved):
		g.reread(s, now)
	default:
		g.notes.tell(Event{Kind: EventStore, Time: now.store.time(), Err: fmt.Errorf("change %s: %w", s.rec.Key, r.Err)})
		if errors.Is(r.Err, ErrInvalid) {
			s.events = nil
		}
		if f.tries--; f.tries == 0 {
			g.unflight(s)
		}
		g.timed.push(s, now.store+second)
	}
}

// unflight forgets a slot's change, whatever became of it.
func (g *engine) unflight(s *slot) {
	if s.flight != nil {
		g.promised -= s.flight.claims
		s.flight = nil
	}
}

// granted takes a change that is in the store.
func (g *engine) granted(s *slot, version uint64, now moment) {
	f := s.flight
	g.unflight(s)
	s.rec.Version, s.rec.Queue, s.rec.Due = version, f.op.New.Queue, f.op.New.Due
	s.st, s.due, s.lost = f.st, microsOf(f.op.New.Due), f.over
	for i := range f.ef.Start {
		g.start(s, f.ef.Start[i], f.session, now)
	}
	g.consume(s, f, now)
	g.report(s, &f.ef, now)
	if f.tries <= 1 { // what was sent before may have been taken then
		g.refuse(s, &f.ef, now)
	}
	g.follow(s, now)
	if f.ef.Remove {
		g.forget(s)
		return
	}
	g.place(s, now)
}

// consume removes the events that a change contained, now that it is in the store.
func (g *engine) consume(s *slot, f *flight, now moment) {
	for i := range f.events {
		if ev := &s.events[i]; ev.what == evFinished {
			g.remember(s.rec.Key, ev, now)
		}
	}
	s.events = s.events[f.events:]
	if len(s.events) == 0 {
		s.events, s.wait = nil, 0
	}
}

// completed reports that the change completed runs and that none of them is in the record any more. Of a change that was
// sent before that means that it arrived then.
func (s *slot) completed(f *flight) bool {
	n := 0
	for i := range f.events {
		if ev := &s.events[i]; ev.what == evFinished {
			if s.st.byClaim(ev.claim) != nil {
				return false
			}
			n++
		}
	}
	return n > 0
}

// met takes a conflict: the record is another than the change was computed from. If the change was sent before, it may
// be in there.
func (g *engine) met(s *slot, cur *Record, now moment) {
	f := s.flight
	g.unflight(s)
	if cur.Version == 0 {
		g.vanished(s, now)
		return
	}
	st, err := decodeState(cur.State)
	if err != nil {
		g.notes.tell(Event{Kind: EventStore, Time: now.store.time(), Err: fmt.Errorf("read %s: %w", cur.Key, err)})
		g.vanished(s, now)
		return
	}
	s.rec, s.st, s.due = *cur, st, microsOf(cur.Due)
	s.rec.Spec, s.rec.State = nil, nil
	if f != nil {
		g.takeClaims(s, f, now)
	}
	s.events = slices.DeleteFunc(s.events, func(e event) bool { return e.what == evVouched }) // made anew
	g.follow(s, now)
	g.place(s, now)
}

// takeClaims starts the runs of a change that turned out to be in the store, or tells that another pod was first.
func (g *engine) takeClaims(s *slot, f *flight, now moment) {
	mine := f.tries > 1 && s.completed(f)
	for i := range f.ef.Start {
		for j := range s.st.Runs {
			if s.st.Runs[j].Claim == f.ef.Start[i].Claim {
				mine = true
				g.start(s, s.st.Runs[j], f.session, now)
			}
		}
	}
	switch {
	case mine:
		g.consume(s, f, now)
		g.report(s, &f.ef, now)
	case len(f.ef.Start) > 0:
		s.lost = true
		g.notes.tell(Event{Kind: EventConflict, Time: now.store.time(), Trigger: Trigger{Job: s.spec.ID, Fire: f.ef.Start[0].Fire.time()}})
	}
}

// vanished drops a slot whose record is gone. The runs of a record that is gone cannot be completed.
func (g *engine) vanished(s *slot, now moment) {
	for _, l := range s.lives {
		g.notes.tell(Event{
			Kind: EventStore, Time: now.store.time(), Trigger: Trigger{Job: s.spec.ID, Fire: l.run.Fire.time()},
			Err: errors.New("the record of a live run has vanished: was the store emptied or rolled back?"),
		})
		g.stop(l, ErrSessionLost, now)
		delete(g.live, l.run.Claim)
	}
	s.lives, s.events = nil, nil
	g.forget(s)
}

// follow brings the pod's runs of a job in line with its record: what is to be cancelled, and what was taken away.
func (g *engine) follow(s *slot, now moment) {
	kept := s.lives[:0]
	for _, l := range s.lives {
		r := s.st.byClaim(l.run.Claim)
		if r == nil {
			delete(g.live, l.run.Claim)
			if !l.finished() {
				g.stop(l, fmt.Errorf("the run was taken over: %w", ErrSessionLost), now)
			}
			continue
		}
		l.until = r.Due
		if r.Cancel != "" {
			g.stop(l, ErrCancelled, now)
		}
		kept = append(kept, l)
	}
	clear(s.lives[len(kept):])
	s.lives = kept
}

// reread drops a change that must not be sent again, and reads the record to see what became of it.
func (g *engine) reread(s *slot, now moment) {
	f := s.flight
	s.unqueue()
	s.flying = true // nothing else until the answer is there
	g.tasks.Go(func() {
		for {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(g.base), 2*time.Second)
			recs, err := g.store.Get(ctx, GetQuery{Keys: []string{s.rec.Key}})
			cancel()
			if err == nil {
				g.in.call(func(now moment) { g.reread2(s, f, &recs[0], now) })
				return
			}
			if errors.Is(err, ErrClosed) || g.base.Err() != nil {
				return
			}
			sleep(g.base, 200*time.Millisecond)
		}
	})
	_ = now
}

func (g *engine) reread2(s *slot, f *flight, cur *Record, now moment) {
	s.flying, s.flight = false, f
	if f != nil && f.session != g.sess {
		f.ef.Start = nil // claimed under a session that is over
	}
	g.met(s, cur, now)
}

// block stops claiming because the store is not the one the pod knew, and waits for somebody to decide.
func (g *engine) block(err error, now moment) {
	if g.blocked {
		return
	}
	g.blocked = true
	g.notes.tell(Event{Kind: EventStore, Time: now.store.time(), Err: fmt.Errorf(
		"claims are stopped: the store was emptied or rolled back; restart the pods to go on with it as it is, or let them adopt it: %w", err)})
	g.tasks.Go(func() {
		for {
			sleep(g.base, g.keep.interval())
			if g.base.Err() != nil {
				return
			}
			if g.probe() {
				g.in.call(func(now moment) {
					g.blocked = false
					g.quiet = now.store + 2*span(g.keep.interval())
					g.notes.tell(Event{Kind: EventStore, Time: now.store.time()})
				})
				return
			}
		}
	})
}

// probe asks the store whether it can be used again, and adopts it if the pod may.
func (g *engine) probe() bool {
	ctx, cancel := context.WithTimeout(g.base, g.opts.SessionTTL/2)
	defer cancel()
	if a, ok := g.store.(Adopter); ok && g.opts.Adopt {
		if _, err := a.Adopt(ctx); err != nil {
			return false
		}
	}
	a, err := g.store.Apply(ctx, nil)
	if err != nil {
		return false
	}
	g.in.call(func(now moment) { g.meet(a.Server, a.Epoch, now) })
	return true
}

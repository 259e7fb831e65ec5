package core

import (
	"context"
	"slices"
	"time"
)

// A batch is a group commit under way.
type batch struct {
	slots   []*slot
	ops     []Op
	applied Applied
	err     error
	sent    time.Duration
	back    time.Duration
}

// pump commits what is ready: claims first, then what has gathered.
func (g *engine) pump(now moment) {
	for g.known && g.flights < maxFlight {
		b := &batch{}
		g.addClaims(b, now)
		g.addEvents(b, now)
		if len(b.ops) == 0 {
			return
		}
		g.launch(b)
	}
}

// addClaims adds held entries whose time to be claimed has come.
func (g *engine) addClaims(b *batch, now moment) {
	budget := g.budget(now)
	for budget > 0 && len(b.ops) < maxGroup && len(g.at.slots) > 0 && g.at.slots[0].when <= now.store {
		budget -= g.add(b, g.at.slots[0], budget, 0, now)
	}
	if len(g.ahead.slots) > 0 && g.claimTime() <= now.store {
		lead := g.lead()
		for budget > 0 && len(b.ops) < maxGroup && len(g.ahead.slots) > 0 && g.ahead.slots[0].when <= now.store+lead {
			budget -= g.add(b, g.ahead.slots[0], budget, lead, now)
			g.claimed = now.store
		}
	}
	// Full is who cannot start in time; who only has to wait for a few short runs before it is not.
	g.tellFull(budget <= 0 && g.sess != "" && g.overdue(now.store))
}

// overdue reports that entries which the pod holds should have been claimed a while ago.
func (g *engine) overdue(now micros) bool {
	limit := now - 20*millisecond
	return len(g.ahead.slots) > 0 && g.ahead.slots[0].when < limit || len(g.at.slots) > 0 && g.at.slots[0].when < limit
}

// addEvents adds slots whose events have waited long enough, changes to be sent again, and claims to vouch for.
func (g *engine) addEvents(b *batch, now moment) {
	for len(b.ops) < maxGroup && len(g.timed.slots) > 0 && g.timed.slots[0].when <= now.store {
		s := g.timed.slots[0]
		if s.flight != nil {
			g.resend(b, s)
			continue
		}
		g.add(b, s, g.budget(now), g.lead(), now)
	}
}

// add steps a slot and adds the change to the batch, if there is one. It returns how many triggers that claims.
func (g *engine) add(b *batch, s *slot, budget int, lead micros, now moment) int {
	s.unqueue()
	if s.spec.Rev != s.st.SpecRev { // a conflict brought a state of another definition, which has to be read first
		g.fetch([]string{s.rec.Key})
		g.timed.push(s, now.store+250*millisecond) // or as soon as it is there
		return 0
	}
	g.vouchFor(s, now)
	st, ef := step(s.spec, s.st, s.events, env{
		Now: now.store, Lead: lead, TTL: span(g.opts.SessionTTL), Epoch: g.epoch, Self: g.sess,
		Free: max(budget, 0), Able: g.able(s.spec), Alive: g.alive, Held: g.holds, Claim: g.nextClaim,
	})
	switch {
	case ef.Sessions:
		g.keep.refresh()
		g.timed.push(s, now.store+100*millisecond)
		return 0
	case ef.Err != nil:
		g.notes.tell(Event{Kind: EventStore, Time: now.store.time(), Err: ef.Err})
		s.events, s.wait = nil, 0
		g.release(s, now)
		return 0
	case !ef.Changed && !ef.Remove && (ef.Due == s.due || s.due != 0 && s.due <= ef.Due && ef.Due <= now.store):
		g.refuse(s, &ef, now)
		s.events, s.wait = nil, 0
		g.release(s, now)
		return 0
	}
	if len(ef.Start) > 0 {
		g.late, g.lateAt = now.store-s.due, now.store
	}
	f := &flight{st: st, ef: ef, events: len(s.events) - len(ef.Left), session: g.sess}
	f.op = g.opOf(s, f)
	f.over = g.handsOver(s, ef.Due, now)
	f.op.Announce = f.op.Announce || f.over
	f.claims = len(ef.Start)
	g.promised += f.claims
	s.flight, s.flying = f, true
	b.slots, b.ops = append(b.slots, s), append(b.ops, f.op)
	return len(ef.Start)
}

// opOf makes the change that a step asked for.
func (g *engine) opOf(s *slot, f *flight) Op {
	op := changeOf(s.rec, s.spec, &f.st, &f.ef, func(session string) string {
		if session != "" && session == g.sess {
			return g.opts.Name
		}
		return ""
	})
	if !breakCrossServers {
		op.Server = g.server
	}
	return op
}

// changeOf makes a step's change of a record into an operation. pod names the pod of a session, if it can.
func changeOf(rec Record, sp *spec, st *state, ef *effects, pod func(session string) string) Op {
	rec.Spec, rec.State = nil, nil
	op := Op{Old: rec, New: rec, Announce: ef.Announce, Delete: ef.Remove}
	if ef.Remove {
		return op
	}
	op.New.Queue, op.New.Due, op.New.State = sp.queue(), ef.Due.time(), encodeState(st)
	keep := sp.keep()
	for i := max(0, len(ef.Ended)-min(MaxEntries, keep)); i < len(ef.Ended); i++ {
		o := &ef.Ended[i]
		if !o.text() {
			continue // it stands in the state
		}
		out := outcomeOf(sp, o)
		out.Pod = pod(o.Session)
		op.History = append(op.History, Entry{
			Slot: int(o.Seq % uint64(keep)), Time: o.End.time(), Data: encodeOutcome(out), Incident: o.Kind != Succeeded, //nolint:gosec // positive
		})
	}
	return op
}

// vouchFor adds what the slot's runs need to stay vouched for.
func (g *engine) vouchFor(s *slot, now moment) {
	for _, l := range s.lives {
		claim := l.run.Claim
		if now.store < g.vouchTime(l) || l.finished() {
			continue
		}
		if !slices.ContainsFunc(s.events, func(e event) bool { return e.what == evVouched && e.claim == claim }) {
			s.events = append(s.events, event{what: evVouched, claim: l.run.Claim})
		}
	}
}

// vouchTime is when a run is to be vouched for: half a TTL before what it is vouched for ends.
func (g *engine) vouchTime(l *live) micros { return l.until - span(g.opts.SessionTTL)/2 }

// resend adds a change with an unknown outcome again, as it was.
func (g *engine) resend(b *batch, s *slot) {
	s.unqueue()
	s.flying = true
	b.slots, b.ops = append(b.slots, s), append(b.ops, s.flight.op)
}

// launch sends a batch.
func (g *engine) launch(b *batch) {
	g.flights++
	for _, s := range b.slots {
		s.flight.tries++
	}
	g.tasks.Go(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(g.base), max(g.opts.SessionTTL/2, time.Second))
		defer cancel()
		b.sent = g.clock.now().mono
		b.applied, b.err = g.store.Apply(ctx, b.ops)
		b.back = g.clock.now().mono
		g.clock.observe(b.applied.Now, b.sent, b.back)
		g.in.batch(b)
	})
}

// halve sends a batch that was refused as a whole again, in two: one bad operation must not stop the others.
func (g *engine) halve(b *batch) {
	for half := range slices.Chunk(b.slots, (len(b.slots)+1)/2) {
		h := &batch{slots: half}
		for _, s := range half {
			h.ops = append(h.ops, s.flight.op)
		}
		g.launch(h)
	}
}

package core

import "slices"

// How long before its start a bucket is read ahead: as late as the reading takes, so that few entries come due in a bucket
// that was read already.
const (
	minReadLead = 250 * millisecond
	maxReadLead = 700 * millisecond
)

// readLead is how long before its start this pod reads a bucket ahead.
func (g *engine) readLead() micros {
	return max(minReadLead, min(maxReadLead, 200*millisecond+2*micros(g.shared.reading.Load())))
}

// keepMargin is how much staler than that another pod's reading may be: it grows with the store's own slowness. It is
// bounded, for an entry that two pods hold costs a conflict, and conflicts make a slow store slower.
func (g *engine) keepMargin() micros { return 20*millisecond + min(2*g.rate.worst(), 130*millisecond) }

// place decides where a slot waits after it has changed: for its events to gather, for its entry to be claimed, for its
// runs to be vouched for, or not at all.
func (g *engine) place(s *slot, now moment) {
	s.unqueue()
	if s.flying {
		return
	}
	if s.flight != nil {
		g.timed.push(s, now.store)
		return
	}
	held := s.due != 0 && !s.lost && g.keeps(s.due, now.store)
	if len(s.events) > 0 {
		at := g.eventTime(s, now)
		if held {
			at = min(at, s.due)
		}
		g.timed.push(s, at)
		return
	}
	vouch := g.nextVouch(s)
	switch {
	case vouch != 0: // never behind what waits for free slots: its runs are to be vouched for in time
		if held {
			vouch = min(vouch, g.claimableAt(s))
		}
		g.timed.push(s, vouch)
	case held:
		g.hold(s)
	case len(s.lives) == 0:
		g.forget(s)
	}
}

// claimableAt is when a held entry is to be claimed.
func (g *engine) claimableAt(s *slot) micros {
	if s.ahead() {
		return s.due - g.lead()
	}
	return s.due
}

// ahead reports whether the entry may be claimed before it is due: it is due for its schedule's next fire time, and the
// job allows it.
func (s *slot) ahead() bool {
	return s.st.Mode == modeEnabled && s.st.Cursor != 0 && s.spec.claimsAhead() && s.due == s.spec.came(s.st.Cursor)
}

// keeps reports whether the pod holds an entry itself, since the bucket it falls in has been read already, by whoever
// it is dealt to: nobody would find it in time.
func (g *engine) keeps(due, now micros) bool {
	return g.leaving == 0 && due < bucketStart(bucketOf(now+g.readLead()+g.keepMargin())+1)
}

// handsOver reports whether another pod should be told of an entry that this one would keep. A job that fires several times
// a second always comes due in a bucket that was read already; without this it would stay on one pod for ever.
func (g *engine) handsOver(s *slot, due micros, now moment) bool {
	period := s.spec.sched.period()
	if period == 0 || period >= bucketLength || due < now.store+50*millisecond || bucketOf(due) == bucketOf(now.store) || !g.keeps(due, now.store) {
		return false
	}
	return g.deal.of(s.spec.queue(), bucketOf(due)).rankOf(s.rec.Stripe, g.sess) > 0
}

// hold queues an entry until it is to be claimed.
func (g *engine) hold(s *slot) {
	if s.ahead() {
		g.ahead.push(s, s.due)
		return
	}
	g.at.push(s, s.due)
}

// eventTime is when a slot's events are written at the latest: when they have gathered, or when the job fires next.
func (g *engine) eventTime(s *slot, now moment) micros {
	if s.wait == 0 {
		s.wait = now.store + g.gather()
		if c := s.st.Cursor; c != 0 && s.st.Mode == modeEnabled && s.spec.Overlap != OverlapAllow {
			s.wait = max(now.store, min(s.wait, s.spec.came(c)-g.rate.worst()-5*millisecond))
		}
	}
	return s.wait
}

// nextVouch is when the first of the slot's runs is to be vouched for; 0: there is none.
func (g *engine) nextVouch(s *slot) micros {
	next := micros(0)
	for _, l := range s.lives {
		if t := g.vouchTime(l); !l.finished() && (next == 0 || t < next) {
			next = t
		}
	}
	return next
}

// release lets go of an entry with which nothing can be done here and now; who may take it finds it by the sweep.
func (g *engine) release(s *slot, now moment) {
	s.unqueue()
	next := g.nextVouch(s)
	if s.due > now.store && !s.lost && g.keeps(s.due, now.store) && (next == 0 || s.due < next) {
		next = s.due
	}
	if next != 0 {
		g.timed.push(s, max(next, now.store+10*millisecond))
		return
	}
	if len(s.lives) == 0 {
		g.forget(s)
	}
}

// forget drops a slot.
func (g *engine) forget(s *slot) {
	s.unqueue()
	if g.slots[s.rec.Key] == s {
		delete(g.slots, s.rec.Key)
	}
}

// offer takes a record that was read: ahead, by the sweep, or because of a hint.
func (g *engine) offer(f *found, now moment) {
	s := g.slots[f.rec.Key]
	if s == nil {
		if f.rec.Version == 0 || f.rec.Due.IsZero() || !g.serves(f, now) {
			return
		}
		s = &slot{rec: f.rec, st: f.st, spec: f.spec, due: microsOf(f.rec.Due)}
		g.slots[f.rec.Key] = s
		g.place(s, now)
		return
	}
	if f.rec.Version == 0 && !s.flying && s.flight == nil {
		g.vanished(s, now)
		return
	}
	if s.flying || s.flight != nil || f.rec.Version < s.rec.Version {
		return
	}
	if f.rec.Version > s.rec.Version || s.spec.Rev != f.spec.Rev {
		s.rec, s.st, s.spec, s.due = f.rec, f.st, f.spec, microsOf(f.rec.Due)
		g.follow(s, now)
	}
	s.lost = false
	if s.queue == nil || s.due < s.when || f.rec.Version > s.rec.Version {
		g.place(s, now)
	}
}

// able reports whether this pod has what a job needs.
func (g *engine) able(sp *spec) bool {
	return g.handlers[sp.handler()] != nil && slices.Contains(g.opts.Queues, sp.queue())
}

// serves reports whether this pod can run the job; otherwise the next rank gets it, and if nobody can that is told.
func (g *engine) serves(f *found, now moment) bool {
	if f.spec == nil || f.st.Mode == modeDeleted {
		return f.spec != nil
	}
	if g.able(f.spec) {
		return true
	}
	h := f.spec.handler()
	if last := g.missing[h]; now.store-last >= minute {
		g.missing[h] = now.store
		g.tellUnserved(h, f, now)
	}
	return false
}

package core

import (
	"fmt"
	"slices"
	"time"
)

// env is all that a step may know besides the record: no clock, no I/O, no randomness.
type env struct {
	Now   micros // the store's time, as the pod estimates it
	Lead  micros // how far ahead of its fire time a trigger may be claimed
	TTL   micros // for how long a claim is vouched
	Epoch string // the life of the store; "" if unknown
	Self  string // the pod's session; "" for a client
	Free  int    // triggers it may claim; 0 for clients and full pods
	Able  bool   // it serves the job's queue and has its handler
	Alive func(session string) liveness
	Held  func(claim string) bool // it still holds that claim of its own
	Claim func() string           // the next claim id
}

// liveness is what a pod knows of a session.
type liveness uint8

const (
	unknown liveness = iota // not in its view, which may be old: neither alive nor dead
	alive
	dead // ended, for ever
)

// effects is what a step decided besides the new state.
type effects struct {
	Changed  bool    // the state differs
	Due      micros  // when the record must be looked at again; 0: never
	Start    []run   // granted to Self once the change is in the store
	Ended    []ended // outcomes, in order
	Retries  []run   // runs that wait for their next attempt from now on
	Refused  []event // completions that came too late
	Spec     *spec   // the new definition, to be written
	Fire     micros  // the manual trigger that was made
	Err      error   // an administrative event was refused; nothing may be written
	Sessions bool    // an owner is unknown: read the sessions and step again; nothing was decided
	Left     []event // events not looked at, because the work of one step is bounded: step again
	Remove   bool    // the tombstone's time is over
	Announce bool    // others hold something that this changes
}

// An ended is an outcome on its way from the step to the history.
type ended struct {
	Run     run // its trigger; for a skipped range Fire is the first
	Through micros
	Count   int
	Kind    OutcomeKind
	Session string
	Start   micros
	End     micros
	Reason  string
	Error   string
	Output  string
	Seq     uint64 // its number among the job's outcomes
}

// maxDecided bounds the fire times that one step decides one by one.
const maxDecided = 10000

// tombstoneTime is how long a deleted job is remembered, so that its re-creation cannot repeat a fire time.
const tombstoneTime = day

// step is a job's whole life: what becomes of its record when events arrive or time passes. It is pure. sp is nil
// for a job that does not exist. The order of the decisions is the order of the calls; each has a file of its own.
func step(sp *spec, st state, events []event, e env) (state, effects) {
	s := &stepper{env: e, spec: sp, st: st, budget: maxDecided, free: e.Free}
	s.st.Runs = slices.Clone(st.Runs)
	if s.askSessions() {
		return st, effects{Sessions: true}
	}
	whole := s.wake()
	if !whole {
		s.ef.Left = events
	}
	for i := 0; i < len(events) && whole; i++ {
		if whole = s.event(&events[i]); !whole {
			s.ef.Left = events[i:]
		}
	}
	if s.ef.Err != nil {
		return st, s.ef
	}
	if whole && s.spec != nil {
		s.takeOver()
		s.claimWaiting(false)
		s.claimDue()
		s.claimWaiting(true)
		s.claimFill()
	}
	s.ef.Due = s.nextDue(whole)
	if err := s.st.check(); err != nil && s.spec != nil {
		return st, effects{Err: fmt.Errorf("step %s: %w", s.spec.ID, err)}
	}
	return s.st, s.ef
}

// A stepper is one step under way.
type stepper struct {
	env    env
	spec   *spec
	st     state
	ef     effects
	budget int  // fire times that may still be decided one by one
	free   int  // triggers that may still be claimed
	behind bool // what came during a run that ended in this step stands behind backlog
}

// askSessions reports whether the outcome may depend on a session that the pod does not know.
func (s *stepper) askSessions() bool {
	for i := range s.st.Runs {
		r := &s.st.Runs[i]
		if o := r.owner(); o != "" && o != s.env.Self && r.Due <= s.env.Now && s.env.Alive(o) == unknown && !breakAbsentDead {
			return true
		}
	}
	return false
}

// wake settles what became due while nobody looked: a pause that ends by itself, fire times that passed before a new
// epoch was adopted, overlaps that were left over. It reports whether that is all done.
func (s *stepper) wake() bool {
	if s.spec == nil {
		return true
	}
	if s.st.Mode == modePaused && s.st.Until != 0 && s.env.Now >= s.st.Until {
		s.resumeAt(s.st.Until - 1) // a fire time at the very end of the pause fires
	}
	if s.env.Epoch != "" && s.st.Epoch != s.env.Epoch {
		if s.st.Epoch != "" && !s.settle("adopted after the store was rolled back") {
			return false
		}
		s.st.Epoch = s.env.Epoch
		s.ef.Changed = true
	}
	if s.st.Over != 0 {
		if !s.skipTo(s.st.Over, SkippedOverlap, "") {
			return false
		}
		s.st.Over = 0
	}
	return true
}

// settle decides the fire times that have come and that nobody claimed, because the schedule is about to be taken
// away. It reports whether all are decided.
func (s *stepper) settle(act string) bool {
	if s.st.Mode != modeEnabled {
		return true
	}
	sp := *s.spec
	sp.Jitter = 0 // a fire time that has passed is one, though its start was put off
	return s.skipBy(&sp, s.env.Now, SkippedMisfire, act)
}

// restart sets the cursor to the first fire time after both t and everything ever decided.
func (s *stepper) restart(t micros) {
	if !breakNoLast {
		t = max(t, s.st.Last)
	}
	s.st.Cursor = s.spec.next(t)
	if s.finished() {
		s.st.Cursor = 0
	}
	s.ef.Changed = true
}

// finished reports that MaxRuns is reached.
func (s *stepper) finished() bool {
	return s.spec.MaxRuns > 0 && s.st.Claimed >= uint64(s.spec.MaxRuns)
}

// advance moves the cursor past f, which has been decided.
func (s *stepper) advance(f micros) {
	s.st.Last, s.st.Cursor = f, s.spec.next(f)
	if s.finished() {
		s.st.Cursor = 0
	}
	s.ef.Changed = true
}

// skipTo decides every undecided fire time that is due by t as one range, and reports whether none is left.
func (s *stepper) skipTo(t micros, kind OutcomeKind, reason string) bool {
	return s.skipBy(s.spec, t, kind, reason)
}

// skipBy is skipTo for what is due by sp.
func (s *stepper) skipBy(sp *spec, t micros, kind OutcomeKind, reason string) bool {
	for s.st.Cursor != 0 && s.budget > 0 {
		last, n := sp.through(s.st.Cursor, t, s.budget)
		if n == 0 {
			break
		}
		s.skipRange(last, n, kind, reason)
	}
	return s.st.Cursor == 0 || sp.came(s.st.Cursor) > t
}

// skipRange decides the n fire times from the cursor to last.
func (s *stepper) skipRange(last micros, n int, kind OutcomeKind, reason string) {
	if s.spec.sched.period() != 0 {
		s.budget-- // they were counted by arithmetic
	} else {
		s.budget -= min(n, s.budget)
	}
	s.st.Counts.Fires += uint64(n) //nolint:gosec // positive
	s.record(ended{Run: run{Fire: s.st.Cursor}, Through: last, Count: n, Kind: kind, End: s.env.Now, Reason: reason})
	s.advance(last)
}

// end gives the i-th run its outcome. Start, Session, Error and Output of o are kept.
func (s *stepper) end(i int, o ended) {
	o.Run, o.Count = s.st.Runs[i], 1
	if o.Session == "" {
		o.Session = o.Run.owner()
	}
	s.st.Runs = slices.Delete(s.st.Runs, i, i+1)
	s.record(o)
}

// record counts an outcome and remembers it.
func (s *stepper) record(o ended) {
	*s.st.Counts.of(o.Kind) += uint64(o.Count) //nolint:gosec // positive
	o.Seq = s.st.Seq
	s.st.Seq++
	s.ef.Ended = append(s.ef.Ended, o)
	s.ef.Changed = true
	s.remember(&o)
}

// remember keeps an outcome in short.
func (s *stepper) remember(o *ended) {
	keep := s.spec.keep()
	if keep == 0 {
		s.st.Recent = nil
		return
	}
	r := recent{Fire: o.Run.Fire, Kind: o.Kind, Count: o.Count, Attempt: o.Run.Attempt, Start: o.Start, End: o.End, Text: o.text()}
	if o.Count > 1 {
		r.Through = o.Through
	}
	if !s.spec.fast() {
		r.Session = o.Session
	}
	old := s.st.Recent
	if len(old) >= keep {
		old = old[len(old)-keep+1:]
	}
	s.st.Recent = append(slices.Clip(slices.Clone(old)), r)
}

// text reports that the outcome has more to say than a recent holds.
func (o *ended) text() bool { return o.Kind != Succeeded || o.Output != "" }

// active counts the runs that a fire time can overlap with: all but manual triggers that nobody has claimed yet.
func (s *stepper) active() int {
	n := 0
	for i := range s.st.Runs {
		if r := &s.st.Runs[i]; !r.fresh() || !r.manual() {
			n++
		}
	}
	return n
}

// under counts the runs that a pod holds.
func (s *stepper) under() int {
	n := 0
	for i := range s.st.Runs {
		if s.st.Runs[i].Claim != "" {
			n++
		}
	}
	return n
}

// room reports whether another run may begin beside those that are live.
func (s *stepper) room() bool {
	return len(s.st.Runs) < maxLive && (s.spec.Overlap == OverlapAllow || s.active() == 0)
}

// claim gives the i-th run, which waits, to this pod.
func (s *stepper) claim(i int) {
	r := &s.st.Runs[i]
	s.st.Token = max(s.st.Token+1, uint64(s.env.Now)) //nolint:gosec // positive
	r.Claim, r.Token, r.At = s.env.Claim(), s.st.Token, s.env.Now
	r.Due = max(s.env.Now, s.came(r)) + s.env.TTL
	s.free--
	s.ef.Start = append(s.ef.Start, *r)
	s.ef.Changed = true
}

// came returns when a run's trigger is due.
func (s *stepper) came(r *run) micros {
	if r.manual() {
		return r.Fire
	}
	return s.spec.came(r.Fire)
}

// recheck is when a claim that is past its vouched time is looked at again, while nobody knows that its owner is dead.
const recheck = 250 * millisecond

// nextDue returns when the record must be looked at again.
func (s *stepper) nextDue(whole bool) micros { //nolint:revive // how far the step came is an input of the answer
	if s.spec == nil {
		return 0
	}
	if !whole || s.st.Over != 0 {
		return s.env.Now
	}
	due := micros(0)
	soonest := func(t micros) {
		if t != 0 && (due == 0 || t < due) {
			due = t
		}
	}
	soonest(s.cursorDue())
	for i := range s.st.Runs {
		r := &s.st.Runs[i]
		switch {
		case r.Claim != "" && r.Due <= s.env.Now:
			soonest(s.env.Now + recheck)
		case r.Claim != "" || !s.waitsForOthers(r):
			soonest(r.Due)
		}
	}
	if len(s.st.Ranges) > 0 && s.room() {
		soonest(s.env.Now)
	}
	if s.st.Mode == modePaused {
		soonest(s.st.Until)
	}
	if s.st.Mode == modeDeleted && len(s.st.Runs) == 0 {
		s.ef.Remove = s.env.Now >= s.st.Gone
		soonest(s.st.Gone)
	}
	return due
}

// cursorDue returns when the scheduled fire times must be looked at; 0: not before a run ends, or never.
func (s *stepper) cursorDue() micros {
	if s.st.Mode != modeEnabled || s.st.Cursor == 0 {
		return 0
	}
	f := s.st.Cursor
	if s.active() > 0 && s.spec.Overlap != OverlapAllow && (!breakEager || s.spec.Overlap != OverlapSkip) {
		if s.spec.Overlap != OverlapReplace {
			return 0
		}
		if f = s.overlapping(); f == 0 {
			return 0
		}
	}
	return s.spec.came(f)
}

// waitsForOthers reports that a run that waits cannot be claimed before another ends. Only runs under way block it, and
// for manual triggers live ones too: two that wait for one another would wait for ever.
func (s *stepper) waitsForOthers(r *run) bool {
	if s.spec.Overlap == OverlapAllow {
		return false
	}
	return s.under() > 0 || r.fresh() && r.manual() && s.active() > 0
}

// check is the sum that contract line 2 promises, and what else must hold after every step.
func (st *state) check() error {
	switch {
	case st.Counts.Fires != st.Counts.outcomes()+uint64(len(st.Runs)):
		return fmt.Errorf("%d fire times but %d outcomes and %d live runs", st.Counts.Fires, st.Counts.outcomes(), len(st.Runs))
	case st.Cursor != 0 && st.Cursor <= st.Last && !breakNoLast:
		return fmt.Errorf("cursor %s is not after the last decided %s", st.Cursor.time().Format(time.RFC3339Nano), st.Last.time().Format(time.RFC3339Nano))
	case len(st.Runs) > maxLive || len(st.Ranges) > maxFills || len(st.Acts) > maxActs:
		return fmt.Errorf("%d runs, %d backfills, %d requests: a list has outgrown its bound", len(st.Runs), len(st.Ranges), len(st.Acts))
	}
	return nil
}

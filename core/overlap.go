package core

import "slices"

const full = "64 runs are live"

// blocked decides the fire time under the cursor, which came while runs are live and leave it no room, as far as that
// can be decided before they end. It reports whether it did.
func (s *stepper) blocked(came micros) bool {
	if came > s.env.Now && (!breakEager || s.spec.Overlap != OverlapSkip) {
		return false
	}
	switch s.spec.Overlap {
	case OverlapAllow: // beyond the bound of live runs
		s.skipTo(s.env.Now, SkippedOverlap, full)
		return true
	case OverlapReplace:
		if f := s.overlapping(); s.active() == 0 || f == 0 || s.spec.came(f) > s.env.Now {
			return false // backlog runs in its turn
		}
		s.replace()
		s.claimWaiting(false) // it may have given way to nothing but runs that waited
		return true
	case OverlapSkip:
		if breakEager {
			s.skipRange(s.st.Cursor, 1, SkippedOverlap, "")
			return true
		}
	case OverlapQueue:
	}
	return false // decided when the run ends
}

// replace cancels what is live and lets the fire time under the cursor wait in the one place; an earlier one that
// waits there gives way.
func (s *stepper) replace() {
	for i := len(s.st.Runs) - 1; i >= 0; i-- {
		r := &s.st.Runs[i]
		switch {
		case r.Claim != "" && r.Cancel == "":
			r.Cancel = "replaced"
			s.ef.Announce = true
		case r.Claim != "" || r.fresh() && r.manual():
		case r.fresh():
			s.end(i, ended{Kind: SkippedOverlap, End: s.env.Now, Reason: "replaced"})
		default:
			s.end(i, ended{Kind: Cancelled, End: s.env.Now, Reason: "replaced"})
		}
	}
	s.addLatest(s.env.Now)
}

// addLatest lets the latest fire time that came by t wait in the one place. The others give way, backlog too.
func (s *stepper) addLatest(t micros) {
	last, n := s.spec.through(s.st.Cursor, t, s.budget)
	if len(s.st.Runs) >= maxLive { // they were begun under another policy
		s.skipRange(last, n, SkippedOverlap, full)
		return
	}
	more := n >= s.budget && s.spec.sched.period() == 0 // which is the latest cannot be seen from here
	if n > 1 {
		s.skipRange(s.spec.skip(s.st.Cursor, n-2), n-1, SkippedOverlap, "replaced")
	}
	if more {
		s.budget = 0
		return
	}
	s.add(CauseSchedule)
}

// overlapping returns the first undecided fire time that is no backlog: it comes after the claim of the run that is
// live. 0: there is none.
func (s *stepper) overlapping() micros {
	f := s.st.Cursor
	if s.spec.came(f) > s.st.Busy {
		return f
	}
	f = s.spec.next(max(f, s.st.Busy-span(s.spec.Jitter)))
	for f != 0 && s.spec.came(f) <= s.st.Busy {
		f = s.spec.next(f)
	}
	return f
}

// runEnded decides the fire times that came during a run that ended at t, unless others are still live.
//
// Deciding them here and not when they come makes a run overlap only with what really came before its end, and costs
// one outcome for all of them.
func (s *stepper) runEnded(t micros) {
	if s.spec.Overlap == OverlapAllow || s.active() > 0 || s.st.Mode != modeEnabled || s.st.Cursor == 0 {
		return
	}
	f := s.overlapping()
	if f == 0 || s.spec.came(f) > t {
		return // none came
	}
	switch s.spec.Overlap {
	case OverlapReplace: // the latest has the place; nobody looked when they came
		s.addLatest(t)
		return
	case OverlapQueue, OverlapSkip, OverlapAllow:
	}
	if f != s.st.Cursor {
		s.behind = true // backlog first
		return
	}
	if s.spec.Overlap == OverlapQueue { // the first has the one place
		s.add(CauseSchedule)
	}
	s.st.Over = max(s.st.Over, t)
	if s.skipTo(t, SkippedOverlap, "") {
		s.st.Over = 0
	}
}

// drop removes the runs that wait and answers with how many there were.
func (s *stepper) drop(reason string) {
	for i, r := range slices.Backward(s.st.Runs) {
		if r.Claim == "" {
			s.end(i, ended{Kind: Cancelled, End: s.env.Now, Reason: reason})
		}
	}
	s.st.Runs = slices.Clip(s.st.Runs)
}

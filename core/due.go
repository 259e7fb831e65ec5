package core

import "slices"

// claimDue decides the scheduled fire times whose time has come: claim, misfire, overlap, or leave it for later.
func (s *stepper) claimDue() {
	for s.st.Mode == modeEnabled && s.st.Cursor != 0 && s.budget > 0 {
		came := s.spec.came(s.st.Cursor)
		if came > s.env.Now+s.lead() {
			return
		}
		if !s.room() {
			if !s.blocked(came) {
				return
			}
			continue
		}
		cause := CauseSchedule
		if came < s.env.Now-s.spec.Misfire.after() {
			run, again := s.misfire()
			if again {
				continue
			}
			if !run {
				return
			}
			cause = CauseMisfire
		}
		if s.free <= 0 || !s.env.Able {
			return
		}
		s.claimCursor(cause, came)
	}
}

// lead is how far ahead the job's triggers may be claimed. Nothing is claimed ahead while a run is live, which room
// sees to, or while a manual trigger waits: it would never get its turn between the runs of a busy job.
func (s *stepper) lead() micros {
	manual := func(r run) bool { return r.fresh() && r.manual() && r.Due <= s.env.Now }
	if !s.spec.claimsAhead() || s.spec.Overlap != OverlapAllow && slices.ContainsFunc(s.st.Runs, manual) {
		return 0
	}
	return s.env.Lead
}

// claimCursor claims the fire time under the cursor.
func (s *stepper) claimCursor(cause Cause, came micros) {
	if s.active() == 0 && (!s.behind || came > s.st.Busy) {
		// What was due before this claim is backlog. But what came during a run that has ended just now, and is
		// still behind the backlog, stays an overlap.
		s.st.Busy = max(came, s.env.Now)
	}
	s.add(cause)
	s.claim(len(s.st.Runs) - 1)
}

// add makes the fire time under the cursor a live trigger that waits.
func (s *stepper) add(cause Cause) {
	f := s.st.Cursor
	s.st.Runs = append(s.st.Runs, run{Fire: f, Attempt: 1, Cause: cause, Due: s.env.Now})
	s.st.Counts.Fires++
	s.st.Claimed++
	s.budget--
	s.advance(f)
}

// claimWaiting claims runs that wait, oldest first: retries, take-overs and queued fire times before the scheduled
// ones, manual triggers after them.
func (s *stepper) claimWaiting(manual bool) { //nolint:revive // one walk, in two passes
	for i := 0; i < len(s.st.Runs) && s.free > 0 && s.env.Able; i++ {
		r := &s.st.Runs[i]
		if r.Claim != "" || r.Due > s.env.Now || (r.fresh() && r.manual()) != manual {
			continue
		}
		if s.waitsForOthers(r) {
			continue
		}
		if manual && s.spec.Overlap != OverlapAllow {
			s.st.Busy = max(s.st.Busy, s.env.Now)
		}
		s.claim(i)
	}
}

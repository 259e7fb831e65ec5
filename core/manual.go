package core

import (
	"fmt"
	"slices"
)

// manualFire returns a fire time for a manual trigger: unique and growing in the job, and never a whole millisecond,
// so that no schedule can name it.
func (s *stepper) manualFire() micros {
	f := s.env.Now - s.env.Now%millisecond + millisecond/2
	for f <= s.st.Manual {
		f += millisecond
	}
	s.st.Manual = f
	return f
}

func (s *stepper) runNow() {
	if len(s.st.Runs) >= maxLive {
		s.ef.Err = &FieldError{Field: "job", Problem: fmt.Sprintf("%d runs are live already", maxLive), Remedy: "wait for some to end, or cancel them"}
		return
	}
	f := s.manualFire()
	s.st.Runs = append(s.st.Runs, run{Fire: f, Nominal: s.env.Now - s.env.Now%millisecond, Attempt: 1, Cause: CauseManual, Due: s.env.Now})
	s.st.Counts.Fires++
	s.ef.Fire, s.ef.Changed = f, true
}

func (s *stepper) backfill(from, to micros) {
	if len(s.st.Ranges) >= maxFills {
		s.ef.Err = &FieldError{Field: "job", Problem: fmt.Sprintf("%d backfills are under way already", maxFills), Remedy: "wait for one to end"}
		return
	}
	if first := s.spec.next(from - 1); first != 0 && first < to {
		s.st.Ranges = append(slices.Clone(s.st.Ranges), fill{Next: first, To: to})
		s.ef.Changed = true
	}
}

// claimFill makes triggers of the oldest backfill and claims them, one at a time unless runs may overlap.
func (s *stepper) claimFill() {
	for len(s.st.Ranges) > 0 && s.free > 0 && s.env.Able && s.budget > 0 && s.room() {
		s.budget--
		g := s.st.Ranges[0]
		s.st.Runs = append(s.st.Runs, run{Fire: s.manualFire(), Nominal: g.Next, Attempt: 1, Cause: CauseBackfill, Due: s.env.Now})
		s.st.Counts.Fires++
		if s.spec.Overlap != OverlapAllow {
			s.st.Busy = max(s.st.Busy, s.env.Now)
		}
		s.claim(len(s.st.Runs) - 1)
		s.st.Ranges = slices.Clone(s.st.Ranges)
		if g.Next = s.spec.next(g.Next); g.Next == 0 || g.Next >= g.To {
			s.st.Ranges = s.st.Ranges[1:]
			continue
		}
		s.st.Ranges[0] = g
	}
}

// cancel ends a trigger that waits, or marks a run under way so that its owner cancels it.
func (s *stepper) cancel(fire micros, reason string) {
	for i := range s.st.Runs {
		r := &s.st.Runs[i]
		if r.Fire != fire {
			continue
		}
		s.ef.Changed = true
		if r.Claim != "" {
			r.Cancel = reason
			s.ef.Announce = true
			return
		}
		behind := r.fresh() && r.manual() // nothing has come during it
		s.end(i, ended{Kind: Cancelled, End: s.env.Now, Reason: reason})
		if !behind {
			s.runEnded(s.env.Now)
		}
		return
	}
	s.ef.Err = fmt.Errorf("no live run at %s: %w", fire.time().Format(timeLayout), ErrNotFound)
}

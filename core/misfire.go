package core

// misfire decides fire times that are later than the job's threshold. It reports whether the one under the cursor
// shall run, or that it decided some and the cursor must be looked at again; if neither, the work of this step is
// used up.
func (s *stepper) misfire() (run, again bool) {
	m := &s.spec.Misfire
	cut := s.env.Now - m.after() - 1 // what was due by then is a misfire
	last, n := s.spec.through(s.st.Cursor, cut, s.budget)
	more := n > 0 && n >= s.budget && s.spec.sched.period() == 0
	keep := m.keep()
	if drop := n - keep; drop > 0 {
		if keep > 0 {
			last = s.spec.skip(s.st.Cursor, drop-1)
		}
		s.skipRange(last, drop, SkippedMisfire, "")
		return false, !more
	}
	if more { // which of them are the newest cannot be seen from here
		s.budget = 0
		return false, false
	}
	if until := s.validity(); s.env.Now-s.spec.came(s.st.Cursor) >= until {
		last, n := s.spec.through(s.st.Cursor, min(s.env.Now-until, cut), s.budget)
		s.skipRange(last, n, SkippedMisfire, "too old to run")
		return false, true
	}
	return true, false
}

// validity is the age at which the misfire under the cursor is not worth running any more.
func (s *stepper) validity() micros {
	m := &s.spec.Misfire
	came := s.spec.came(s.st.Cursor)
	until := span(m.Until)
	switch {
	case until > 0:
		return until
	case m.Mode == MisfireOnce:
		until = day
		if next := s.spec.next(s.st.Cursor); next != 0 {
			until = min(until, s.spec.came(next)-came)
		}
		return until
	}
	return day
}

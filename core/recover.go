package core

// maxMoves is how often a run is taken over from dead pods: a job that kills its pod must not go through all of them.
const maxMoves = 3

// takeOver recovers the runs whose owners are dead, or do not hold them any more.
func (s *stepper) takeOver() {
	for i := len(s.st.Runs) - 1; i >= 0; i-- {
		r := &s.st.Runs[i]
		if r.Claim == "" || !s.abandoned(r) {
			continue
		}
		why := "its pod died"
		if r.owner() == s.env.Self || s.env.Alive(r.owner()) == alive {
			why = "its pod does not hold it"
		}
		s.recover(i, why)
	}
}

// abandoned reports that nobody works on a claimed run.
func (s *stepper) abandoned(r *run) bool {
	owner := r.owner()
	if owner == s.env.Self {
		return !s.env.Held(r.Claim)
	}
	switch s.env.Alive(owner) {
	case dead:
		return true
	case unknown:
		return breakAbsentDead
	case alive:
	}
	// A live owner vouches for what it holds every half TTL. If it has not for a TTL after the time vouched for, it
	// does not hold the run: a completion was lost, or forgotten.
	return s.env.Now > r.Due+s.env.TTL && !breakNoVouch
}

// recover decides what becomes of the i-th run, whose pod is gone.
func (s *stepper) recover(i int, why string) {
	r := &s.st.Runs[i]
	switch {
	case r.Cancel != "":
		s.end(i, ended{Kind: Cancelled, End: s.env.Now, Reason: r.Cancel})
	case s.spec.Recover == RecoverRerun && s.st.Mode != modeDeleted && r.Moves < maxMoves:
		*r = run{Fire: r.Fire, Nominal: r.Nominal, Attempt: r.Attempt + 1, Moves: r.Moves + 1, Cause: r.Cause, Due: s.env.Now}
		s.ef.Retries = append(s.ef.Retries, *r)
		s.ef.Changed = true
		return
	case s.spec.Recover == RecoverRerun && r.Moves >= maxMoves:
		s.end(i, ended{Kind: Lost, End: s.env.Now, Reason: "its pods died too often"})
	default:
		s.end(i, ended{Kind: Lost, End: s.env.Now, Reason: why})
	}
	s.runEnded(s.env.Now)
}

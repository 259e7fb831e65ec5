package core

import (
	"math"
	"time"
)

// finish takes a handler's verdict. A completion is accepted if and only if its claim is still in the record: who took
// the run over has removed it.
func (s *stepper) finish(e *event) {
	i := s.held(e.claim)
	if i < 0 {
		s.ef.Refused = append(s.ef.Refused, *e)
		return
	}
	r := &s.st.Runs[i]
	kind, reason := e.kind, ""
	if r.Cancel != "" && kind != Succeeded {
		kind, reason = Cancelled, r.Cancel
	}
	s.ef.Changed = true
	if (kind == Failed || kind == TimedOut) && s.retry(r, e) {
		return
	}
	s.end(i, ended{Kind: kind, Start: e.started, End: e.at, Reason: reason, Error: e.text, Output: e.output})
	s.runEnded(e.at)
}

// retry makes the run wait for its next attempt, if it has one left.
func (s *stepper) retry(r *run, e *event) bool {
	n := r.Attempt - r.Moves // the number of the retry that would follow
	if s.st.Mode == modeDeleted || e.permanent || n > s.spec.Retry.Max {
		return false
	}
	wait := max(s.spec.backoff(r.Fire, n), span(e.after))
	*r = run{Fire: r.Fire, Nominal: r.Nominal, Attempt: r.Attempt + 1, Moves: r.Moves, Cause: r.Cause, Due: e.at + wait}
	s.ef.Retries = append(s.ef.Retries, *r)
	return true
}

// backoff is how long the n-th retry of a trigger waits: the same on every pod, differently for each trigger.
func (s *spec) backoff(fire micros, n int) micros {
	delay, limit, jitter := s.Retry.Delay, s.Retry.Cap, s.Retry.Jitter
	if delay == 0 {
		delay = 10 * time.Second
	}
	if limit == 0 {
		limit = max(time.Hour, delay)
	}
	if jitter == 0 {
		jitter = 0.1
	}
	d := min(float64(delay)*math.Pow(2, float64(n-1)), float64(limit))
	u := float64(mix(hashString(s.ID)^uint64(fire)+uint64(n))>>11) / (1 << 53) //nolint:gosec // positive
	return span(time.Duration(d * (1 + jitter*(2*u-1))))
}

// held returns the index of the run with that claim, or -1.
func (s *stepper) held(claim string) int {
	for i := range s.st.Runs {
		if claim != "" && s.st.Runs[i].Claim == claim {
			return i
		}
	}
	return -1
}

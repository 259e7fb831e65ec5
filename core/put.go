package core

import (
	"slices"
	"time"
)

// timeLayout is how messages write instants.
const timeLayout = time.RFC3339Nano

// put creates the job, gives it a new definition, or revives it. It reports whether it was done: the fire times of a
// schedule that it replaces may be too many for one step.
func (s *stepper) put(e *event) bool {
	j := *e.job
	exists := s.spec != nil && s.st.Mode != modeDeleted
	if exists {
		if e.create {
			s.ef.Err = ErrExists
			return true
		}
		if j.Revision != 0 && j.Revision < s.spec.Revision {
			return true
		}
		if j.Revision == 0 {
			j.Revision = s.spec.Revision
		}
		if s.spec.same(&j) {
			return true
		}
	}
	moved := !exists || s.spec.Schedule != j.Schedule || !s.spec.NotBefore.Equal(j.NotBefore) || !s.spec.NotAfter.Equal(j.NotAfter)
	next := newSpec(j, s.nextRev())
	if at := j.Schedule.fixed(); at != 0 && at <= s.env.Now && moved {
		s.ef.Err = &FieldError{Field: "schedule", Problem: at.time().Format(timeLayout) + " is past", Remedy: "name a later time, or run the job now"}
		return true
	}
	// A definition under which the job is finished takes the schedule away too.
	moved = moved || j.MaxRuns > 0 && s.st.Claimed >= uint64(j.MaxRuns)
	if exists && moved && !s.settle("edited") {
		return false
	}
	if !exists {
		s.st.Mode, s.st.Gone, s.st.Claimed, s.st.Busy, s.st.Over = modeEnabled, 0, 0, 0, 0
	}
	s.redefine(next)
	if s.st.Mode == modeEnabled && (moved || s.st.Cursor == 0) {
		s.restart(s.env.Now)
	}
	return true
}

// nextRev numbers a definition. The number grows with time too: a job that is created anew after it was forgotten, or
// whose latest definition a fail-over has lost, must not get a number under which a pod still remembers another one.
func (s *stepper) nextRev() uint64 { return max(s.st.SpecRev+1, uint64(s.env.Now)) } //nolint:gosec // positive

// redefine makes next the definition in force.
func (s *stepper) redefine(next *spec) {
	s.spec, s.ef.Spec = next, next
	s.st.Format, s.st.SpecRev = formatVersion, next.Rev
	if s.st.Epoch == "" {
		s.st.Epoch = s.env.Epoch
	}
	if keep := next.keep(); len(s.st.Recent) > keep {
		s.st.Recent = slices.Clone(s.st.Recent[len(s.st.Recent)-keep:])
	}
	s.ef.Changed = true
}

// pause stops the schedule; what is claimed or waits goes on.
func (s *stepper) pause(e *event) bool {
	if e.until != 0 && e.until <= s.env.Now {
		s.ef.Err = &FieldError{Field: "until", Problem: e.until.time().Format(timeLayout) + " is past", Remedy: "name a later time, or none"}
		return true
	}
	if !s.settle("paused" + because(e.reason)) {
		return false
	}
	if s.st.Mode == modeEnabled {
		s.st.Since = s.env.Now
	}
	s.st.Mode, s.st.Why, s.st.Until, s.st.Cursor, s.st.Over = modePaused, e.reason, e.until, 0, 0
	s.ef.Changed = true
	return true
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}

// resumeAt ends a pause as of t.
func (s *stepper) resumeAt(t micros) {
	if s.st.Mode != modePaused {
		return
	}
	s.st.Mode, s.st.Why, s.st.Since, s.st.Until = modeEnabled, "", 0, 0
	s.restart(t)
}

// remove makes the record a tombstone. Runs that a pod holds go on to their outcome.
func (s *stepper) remove() bool {
	if !s.settle("deleted") {
		return false
	}
	s.st.Mode, s.st.Cursor, s.st.Over, s.st.Ranges = modeDeleted, 0, 0, nil
	s.st.Why, s.st.Since, s.st.Until = "", 0, 0
	s.st.Gone = s.env.Now + tombstoneTime
	s.drop("deleted")
	s.ef.Changed = true
	return true
}

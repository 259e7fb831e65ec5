package core

import (
	"slices"
	"time"
)

// An event is what happened to a job since its record was read. Several are folded into one step.
type event struct {
	what   what
	act    string // administrative: the id of the request
	claim  string // finished, vouched, released: which run
	reason string // paused, cancelled

	kind      OutcomeKind // finished: Succeeded, Failed, TimedOut or Cancelled
	permanent bool        // finished: no retry can mend it
	after     time.Duration
	started   micros
	at        micros // when the handler returned
	text      string // the error
	output    string

	job      *Job // put
	create   bool // put: it must not exist
	fire     micros
	until    micros
	from, to micros
}

// what is the kind of an event.
type what uint8

const (
	evFinished what = iota + 1 // a handler returned
	evVouched                  // the owner still holds the run
	evReleased                 // the owner gives the run up, as if it had died
	evPut
	evPause
	evResume
	evDelete
	evRunNow
	evBackfill
	evCancel
)

// event applies one event, and reports whether it could be done within the work of one step.
func (s *stepper) event(e *event) bool {
	switch e.what {
	case evFinished:
		s.finish(e)
		return true
	case evVouched:
		s.vouch(e.claim)
		return true
	case evReleased:
		if i := s.held(e.claim); i >= 0 {
			s.recover(i, "its pod stopped")
		}
		return true
	case evPut, evPause, evResume, evDelete, evRunNow, evBackfill, evCancel:
	}
	if slices.Contains(s.st.Acts, e.act) {
		return true // sent again after its answer was lost
	}
	if (s.spec == nil || s.st.Mode == modeDeleted) && e.what != evPut {
		s.ef.Err = ErrNotFound
		return true
	}
	if !s.administer(e) {
		return false
	}
	if !s.ef.Changed || s.ef.Err != nil {
		return true
	}
	s.ef.Announce = true
	if e.act != "" {
		acts := s.st.Acts
		if len(acts) >= maxActs {
			acts = acts[len(acts)-maxActs+1:]
		}
		s.st.Acts = append(slices.Clip(slices.Clone(acts)), e.act)
	}
	return true
}

func (s *stepper) administer(e *event) bool {
	switch e.what {
	case evPut:
		return s.put(e)
	case evPause:
		return s.pause(e)
	case evResume:
		s.resumeAt(s.env.Now)
	case evDelete:
		return s.remove()
	case evRunNow:
		s.runNow()
	case evBackfill:
		s.backfill(e.from, e.to)
	case evCancel:
		s.cancel(e.fire, e.reason)
	case evFinished, evVouched, evReleased:
	}
	return true
}

// vouch moves the time until which a run is vouched for.
func (s *stepper) vouch(claim string) {
	if i := s.held(claim); i >= 0 && !breakNoVouch {
		s.st.Runs[i].Due = max(s.st.Runs[i].Due, s.env.Now+s.env.TTL)
		s.ef.Changed = true
	}
}

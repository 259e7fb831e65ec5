package core

import (
	"encoding/json"
	"time"
)

// JobStatus is a job and what has become of it.
type JobStatus struct {
	Job

	Version  uint64      `json:"version"`           // the store's number of the record's latest change
	Next     time.Time   `json:"next,omitzero"`     // the next fire time; zero: none
	Paused   *Paused     `json:"paused,omitempty"`  // nil: not paused
	Finished bool        `json:"finished,omitzero"` // the schedule has no fire times left
	Pending  []RunStatus `json:"pending,omitempty"` // running, queued or waiting for a retry
	Recent   []Outcome   `json:"recent,omitempty"`  // the latest outcomes, newest first, as far back as Job.Keep says
	Counts   Counts      `json:"counts"`
}

// MarshalJSON writes the job's fields and the status side by side.
func (s JobStatus) MarshalJSON() ([]byte, error) {
	type plain struct { // JobStatus without the embedded Job, whose MarshalJSON would hide the rest
		Version  uint64      `json:"version"`
		Next     time.Time   `json:"next,omitzero"`
		Paused   *Paused     `json:"paused,omitempty"`
		Finished bool        `json:"finished,omitzero"`
		Pending  []RunStatus `json:"pending,omitempty"`
		Recent   []Outcome   `json:"recent,omitempty"`
		Counts   Counts      `json:"counts"`
	}
	return json.Marshal(struct {
		jobJSON
		plain
	}{s.toJSON(), plain{s.Version, s.Next, s.Paused, s.Finished, s.Pending, s.Recent, s.Counts}})
}

// Paused says why a job does not fire.
type Paused struct {
	Reason string    `json:"reason,omitempty"`
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until,omitzero"` // zero: until Resume
}

// RunStatus is a run that has not ended.
type RunStatus struct {
	Run

	State  RunState  `json:"state"`
	At     time.Time `json:"at,omitzero"`     // when it may start, if it waits
	Cancel string    `json:"cancel,omitzero"` // why it is being cancelled
}

// RunState is where a run stands.
type RunState uint8

// The states of a run.
const (
	RunQueued  RunState = iota // waits for another run of its job
	RunWaiting                 // waits for its retry
	RunClaimed                 // claimed by a pod ahead of its fire time
	RunStarted                 // claimed by a pod, and its fire time has come
)

//nolint:gochecknoglobals // constant table
var runStateNames = []string{"queued", "waiting", "claimed", "started"}

// String returns the state's name.
func (r RunState) String() string { return enumString("state", runStateNames, uint8(r)) }

// MarshalText returns the state's name.
func (r RunState) MarshalText() ([]byte, error) { return enumText("state", runStateNames, uint8(r)) }

// UnmarshalText reads the state's name.
func (r *RunState) UnmarshalText(b []byte) error {
	v, err := enumValue("state", runStateNames, b)
	*r = RunState(v)
	return err
}

// A JobQuery selects jobs; empty fields select all.
type JobQuery struct {
	Prefix string // of the id
	Queue  string
	Labels map[string]string // all of these
	After  string            // only greater ids: for paging
	Limit  int               // 0: no limit
}

// An OutcomeQuery selects outcomes; empty fields select all.
type OutcomeQuery struct {
	Job   string
	Kinds []OutcomeKind
	Since time.Time // ended at or after
	Until time.Time // ended before
	Limit int       // 0: no limit
}

// A Pod is a running Scheduler as it describes itself at each beat of its session.
type Pod struct {
	Name     string        `json:"name"`
	Session  string        `json:"session"`
	Started  time.Time     `json:"started"`
	Version  string        `json:"version,omitempty"` // Options.Version
	Queues   []string      `json:"queues"`
	Handlers []string      `json:"handlers"`
	Running  int           `json:"running"` // handlers running
	Slots    int           `json:"slots"`   // handlers that may run at once
	Skew     time.Duration `json:"skew"`    // its clock minus the backend's
	Draining bool          `json:"draining,omitzero"`
}

// LockInfo describes a held lock.
type LockInfo struct {
	Name    string    `json:"name"`
	Pod     string    `json:"pod,omitempty"`
	Session string    `json:"session"`
	Token   uint64    `json:"token"`
	Since   time.Time `json:"since"`
}

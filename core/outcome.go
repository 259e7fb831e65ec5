package core

import (
	"fmt"
	"time"
)

// An Outcome says how fire times ended. A range of fire times skipped for one reason is one Outcome.
type Outcome struct {
	Trigger

	Through time.Time   `json:"through,omitzero"` // the last fire time of a skipped range; zero: Fire only
	Count   int         `json:"count"`            // the fire times it accounts for; 1 unless a range
	Kind    OutcomeKind `json:"kind"`
	Nominal time.Time   `json:"nominal,omitzero"` // of manual triggers, as in [Run]
	Attempt int         `json:"attempt,omitempty"`
	Token   uint64      `json:"token,omitempty"`
	Cause   Cause       `json:"cause"`
	Pod     string      `json:"pod,omitempty"`
	Session string      `json:"session,omitempty"`
	Started time.Time   `json:"started,omitzero"`
	Ended   time.Time   `json:"ended"`
	Reason  string      `json:"reason,omitempty"` // of a skip or a cancel: "paused by ann: freeze", "replaced"
	Error   string      `json:"error,omitempty"`  // at most 1 KiB
	Output  string      `json:"output,omitempty"` // the last 16 KiB the handler wrote
}

// String returns the trigger and the kind.
func (o Outcome) String() string {
	if o.Count > 1 {
		return fmt.Sprintf("%s..%s %s (%d)", o.Trigger, o.Through.UTC().Format(time.RFC3339Nano), o.Kind, o.Count)
	}
	return fmt.Sprintf("%s %s", o.Trigger, o.Kind)
}

// OutcomeKind is one of the ways in which a fire time can end; there are no others.
type OutcomeKind uint8

// The kinds of outcome.
const (
	Succeeded      OutcomeKind = iota + 1
	Failed                     // the handler returned an error, and no retry was left
	TimedOut                   // Job.Timeout passed, and no retry was left
	Cancelled                  // by Cancel, by OverlapReplace, or because the job was deleted while the trigger waited
	Lost                       // the pod died, and the job's Recover says no more
	SkippedMisfire             // nobody was there in time, or the schedule was taken away before anybody claimed it
	SkippedOverlap             // an earlier run was live
)

//nolint:gochecknoglobals // constant table
var outcomeNames = []string{"", "succeeded", "failed", "timed-out", "cancelled", "lost", "skipped-misfire", "skipped-overlap"}

// String returns the kind's name.
func (k OutcomeKind) String() string { return enumString("outcome", outcomeNames, uint8(k)) }

// MarshalText returns the kind's name.
func (k OutcomeKind) MarshalText() ([]byte, error) {
	return enumText("outcome", outcomeNames, uint8(k))
}

// UnmarshalText reads the kind's name.
func (k *OutcomeKind) UnmarshalText(b []byte) error {
	v, err := enumValue("outcome", outcomeNames[1:], b)
	*k = OutcomeKind(v + 1)
	return err
}

// Counts adds up the fire times of a job since it was created: Fires is always Pending plus all the others.
type Counts struct {
	Fires          uint64 `json:"fires"`
	Pending        uint64 `json:"pending"` // running, queued, or waiting for a retry
	Succeeded      uint64 `json:"succeeded"`
	Failed         uint64 `json:"failed"`
	TimedOut       uint64 `json:"timed_out"`
	Cancelled      uint64 `json:"cancelled"`
	Lost           uint64 `json:"lost"`
	SkippedMisfire uint64 `json:"skipped_misfire"`
	SkippedOverlap uint64 `json:"skipped_overlap"`
}

// Balanced reports whether every fire time is accounted for.
func (c Counts) Balanced() bool { return c.Fires == c.Pending+c.outcomes() }

// outcomes is the number of fire times that have ended.
func (c *Counts) outcomes() uint64 {
	return c.Succeeded + c.Failed + c.TimedOut + c.Cancelled + c.Lost + c.SkippedMisfire + c.SkippedOverlap
}

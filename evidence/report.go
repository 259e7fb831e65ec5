package evidence

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// A Report is what a check of one run found. Its JSON form holds everything that the text shows, and every
// violation where the text stops after some.
type Report struct {
	Run     string        `json:"run,omitempty"`
	Started time.Time     `json:"started,omitzero"`
	Now     time.Time     `json:"now"`
	Live    bool          `json:"live"` // the run goes on: what is younger than Settle was not required yet
	Skew    time.Duration `json:"-"`
	Settle  time.Duration `json:"-"`

	Executions int `json:"executions"`
	Low        int `json:"low"`  // fewer executions than this are too few: each due fire time needs one
	High       int `json:"high"` // more are too many

	Jobs     []JobReport `json:"jobs"`
	Pods     []PodReport `json:"pods"`
	Sessions int         `json:"sessions"` // the number of pods: sessions that executed something or were announced

	Idle           []IdleFile `json:"idle,omitempty"`
	SpreadRequired bool       `json:"spread_required"` // there were at least 7 triggers a pod

	Lateness   Lateness     `json:"lateness"`
	Torn       []Unreadable `json:"torn,omitempty"` // forgiven; not in Violations
	Violations []Violation  `json:"violations"`
}

// A JobReport counts the executions of a job. Expected to Most of them are right.
type JobReport struct {
	Job        string `json:"job"`
	Schedule   string `json:"schedule,omitempty"` // empty: the run does not list the job
	Executions int    `json:"executions"`
	Expected   int    `json:"expected"` // the fire times that are due
	Most       int    `json:"most"`     // the fire times that have come, manual triggers and further attempts
	OK         bool   `json:"ok"`       // no violation of the job either
}

func (l *JobReport) inRange() bool { return l.Executions >= l.Expected && l.Executions <= l.Most }

// A PodReport counts the executions under one pod name. More than one session means replicas that share the name,
// or a pod that lost its session and opened another.
type PodReport struct {
	Pod        string `json:"pod"`
	Executions int    `json:"executions"`
	Sessions   int    `json:"sessions"`
}

// A CheckName names one of the things that are checked.
type CheckName string

// The checks.
const (
	CheckTwice      CheckName = "trigger-twice"
	CheckNear       CheckName = "near-simultaneous"
	CheckMissing    CheckName = "missing"
	CheckUnexpected CheckName = "unexpected"
	CheckEarly      CheckName = "early"
	CheckTokens     CheckName = "tokens"
	CheckSpread     CheckName = "spread"
	CheckReadable   CheckName = "readable"
	CheckNothing    CheckName = "nothing-checked" // there was nothing to compare with
)

// A Violation is one thing that should not be, with all that is needed to follow it up.
type Violation struct {
	Check   CheckName `json:"check"`
	Job     string    `json:"job,omitempty"`
	Fire    time.Time `json:"fire,omitzero"`
	Detail  string    `json:"detail"`
	Records []Record  `json:"records,omitempty"` // the executions concerned; of a missing one those before and after
	Files   []string  `json:"files,omitempty"`   // where there is no execution to point at
}

// OK reports whether nothing is wrong: the total is right and no check found a violation.
func (rep *Report) OK() bool { return len(rep.Violations) == 0 && rep.TotalOK() }

// TotalOK reports whether the number of executions is in range, and the range is more than nothing.
func (rep *Report) TotalOK() bool {
	return rep.Low > 0 && rep.Executions >= rep.Low && rep.Executions <= rep.High
}

// Found returns the violations of some checks.
func (rep *Report) Found(checks ...CheckName) []Violation {
	var found []Violation
	for _, v := range rep.Violations {
		if slices.Contains(checks, v.Check) {
			found = append(found, v)
		}
	}
	return found
}

// MarshalJSON adds "ok" and the bounds, in milliseconds, to the fields.
func (rep Report) MarshalJSON() ([]byte, error) {
	type plain Report
	b, err := json.Marshal(struct {
		OK       bool    `json:"ok"`
		SkewMS   float64 `json:"skew_ms"`
		SettleMS float64 `json:"settle_ms"`
		plain
	}{rep.OK(), inMillis(rep.Skew), inMillis(rep.Settle), plain(rep)})
	if err != nil {
		return nil, fmt.Errorf("encode report of run %s: %w", rep.Run, err)
	}
	return b, nil
}

// Lateness says how long after their fire times the first attempts of scheduled triggers started. Below zero is
// before it.
type Lateness struct {
	Count              int
	Min, P50, P90, P99 time.Duration
	Max                time.Duration
}

// measure leaves out retries, which are meant to be late, and manual triggers, whose fire time is when they were
// asked for.
func measure(records []Record) Lateness {
	var late []time.Duration
	for i := range records {
		if r := &records[i]; r.Attempt == 1 && r.Nominal.IsZero() {
			late = append(late, r.Start.Sub(r.Fire))
		}
	}
	if len(late) == 0 {
		return Lateness{}
	}
	slices.Sort(late)
	rank := func(percent int) time.Duration { return late[(len(late)*percent+99)/100-1] } // nearest rank
	return Lateness{
		Count: len(late), Min: late[0], P50: rank(50), P90: rank(90), P99: rank(99), Max: late[len(late)-1],
	}
}

// MarshalJSON writes milliseconds.
func (l Lateness) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Count int     `json:"count"`
		Min   float64 `json:"min_ms"`
		P50   float64 `json:"p50_ms"`
		P90   float64 `json:"p90_ms"`
		P99   float64 `json:"p99_ms"`
		Max   float64 `json:"max_ms"`
	}{l.Count, inMillis(l.Min), inMillis(l.P50), inMillis(l.P90), inMillis(l.P99), inMillis(l.Max)})
}

func inMillis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

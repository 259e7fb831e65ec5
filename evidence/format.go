package evidence

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/belfry-io/belfry/core"
)

// An Execution is one line of evidence: a handler ran once, from Start to End by the pod's clock.
// Times are written in UTC, as RFC 3339 with up to nine decimals.
type Execution struct {
	Job     string    `json:"job"`
	Fire    time.Time `json:"fire"`             // with Job the trigger
	Start   time.Time `json:"start"`            // the handler's first instruction
	End     time.Time `json:"end"`              // just before the line was written
	Pod     string    `json:"pod"`              // need not be unique
	Session string    `json:"session"`          // is
	Attempt int       `json:"attempt"`          // 1, 2, ...
	Token   uint64    `json:"token"`            // the fencing token of the claim; at least 1
	Nominal time.Time `json:"nominal,omitzero"` // of manual triggers only: the fire time they stand for
}

func (e Execution) utc() Execution {
	e.Fire, e.Start, e.End = e.Fire.UTC(), e.Start.UTC(), e.End.UTC()
	if !e.Nominal.IsZero() {
		e.Nominal = e.Nominal.UTC()
	}
	return e
}

func (e *Execution) validate() error {
	switch {
	case e.Job == "":
		return errors.New(`"job" is missing`)
	case e.Session == "":
		return errors.New(`"session" is missing`)
	case e.Fire.IsZero():
		return errors.New(`"fire" is missing`)
	case e.Start.IsZero():
		return errors.New(`"start" is missing`)
	case e.End.IsZero():
		return errors.New(`"end" is missing`)
	case e.Attempt < 1:
		return fmt.Errorf(`"attempt" is %d or missing; attempts count from 1`, e.Attempt)
	case e.Token < 1:
		return errors.New(`"token" is missing or 0`)
	}
	return nil
}

// decodeExecution reads one line. Fields it does not know are ignored, so that the format can grow.
func decodeExecution(line []byte) (Execution, error) {
	var e Execution
	if err := json.Unmarshal(line, &e); err != nil {
		return Execution{}, fmt.Errorf("decode execution: %w", err)
	}
	if err := e.validate(); err != nil {
		return Execution{}, fmt.Errorf("decode execution: %w", err)
	}
	return e.utc(), nil
}

// A Run says what should be executed: the content of jobs.json.
type Run struct {
	ID      string    `json:"run"`            // names the run; it becomes part of a file name
	Started time.Time `json:"started"`        // orders the runs of a directory
	Pods    int       `json:"pods,omitempty"` // how many pods take part; 0: not known beforehand
	Jobs    []Job     `json:"jobs"`
}

// A Job is one job of a [Run]. Every fire time f of Schedule with From <= f <= To has to be executed; both ends are
// included, as with not_before and not_after of a job.
type Job struct {
	Job      string    `json:"job"`
	Schedule string    `json:"schedule"` // the text form of [core.Schedule]
	From     time.Time `json:"from"`
	To       time.Time `json:"to"`

	// Attempts is the highest attempt a trigger may legitimately reach: 1 for a job that has no retries and whose
	// runs are abandoned when their pod dies. 0: not said, any number.
	Attempts int `json:"attempts,omitempty"`
}

func decodeRun(data []byte) (Run, error) {
	var r Run
	if err := json.Unmarshal(data, &r); err != nil {
		return Run{}, fmt.Errorf("decode run: %w", err)
	}
	if err := r.validate(); err != nil {
		return Run{}, fmt.Errorf("decode run: %w", err)
	}
	return r.utc(), nil
}

func (r Run) utc() Run {
	r.Started = r.Started.UTC()
	jobs := make([]Job, len(r.Jobs))
	for i, j := range r.Jobs {
		j.From, j.To = j.From.UTC(), j.To.UTC()
		jobs[i] = j
	}
	r.Jobs = jobs
	return r
}

func (r *Run) validate() error {
	if r.ID == "" {
		return errors.New(`"run" is missing`)
	}
	if r.Started.IsZero() {
		return fmt.Errorf(`run %q: "started" is missing`, r.ID)
	}
	if r.Pods < 0 {
		return fmt.Errorf(`run %q: "pods" is %d`, r.ID, r.Pods)
	}
	seen := make(map[string]bool, len(r.Jobs))
	for i := range r.Jobs {
		j := &r.Jobs[i]
		if err := j.validate(); err != nil {
			return fmt.Errorf("run %q: job %q: %w", r.ID, j.Job, err)
		}
		if seen[j.Job] {
			return fmt.Errorf("run %q: job %q is listed twice", r.ID, j.Job)
		}
		seen[j.Job] = true
	}
	return nil
}

func (j *Job) validate() error {
	switch {
	case j.Job == "":
		return errors.New(`"job" is missing`)
	case j.From.IsZero() || j.To.IsZero():
		return errors.New(`"from" or "to" is missing`)
	case j.To.Before(j.From):
		return fmt.Errorf("to (%s) is before from (%s)", stamp(j.To), stamp(j.From))
	case j.Attempts < 0:
		return fmt.Errorf(`"attempts" is %d`, j.Attempts)
	}
	_, err := j.schedule()
	return err
}

func (j *Job) schedule() (core.Schedule, error) {
	s, err := core.ParseSchedule(j.Schedule)
	if err != nil {
		return core.Schedule{}, fmt.Errorf("parse schedule %q: %w", j.Schedule, err)
	}
	s = s.For(j.Job)
	if err := s.Err(); err != nil {
		return core.Schedule{}, fmt.Errorf("parse schedule %q: %w", j.Schedule, err)
	}
	return s, nil
}

// begin is the first instant that can belong to the run.
func (r *Run) begin() time.Time {
	first := r.Started
	for _, j := range r.Jobs {
		if j.From.Before(first) {
			first = j.From
		}
	}
	return first
}

// end is the last fire time that the run can have.
func (r *Run) end() time.Time {
	last := r.Started
	for _, j := range r.Jobs {
		if j.To.After(last) {
			last = j.To
		}
	}
	return last
}

// find returns the entry of a job, or nil.
func (r *Run) find(job string) *Job {
	for i := range r.Jobs {
		if r.Jobs[i].Job == job {
			return &r.Jobs[i]
		}
	}
	return nil
}

func (j *Job) covers(fire time.Time) bool { return !fire.Before(j.From) && !fire.After(j.To) }

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

package core

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// A Job says what to run and when. It is data: it is stored, exported and compared, and holds no function. Only
// ID and Schedule are needed; the zero value of any other field is its default.
//
// What changes while a job lives (whether it is paused, when it fires next, its counts) is not here but in
// [JobStatus]. So a program can put its jobs at every start: that changes nothing, and wakes no job that somebody
// has paused.
type Job struct {
	// ID names the job: 1 to 200 letters, digits and ". _ / : @ -".
	ID string `json:"id"`

	// Handler names what runs; empty: the ID. Only pods that have registered it claim the job.
	Handler string `json:"handler,omitempty"`

	// Payload is handed to the handler; at most 256 KiB. Make it with [JSON], [Bytes] or [Kind.Job].
	Payload Payload `json:"payload,omitzero"`

	// Schedule says when: [Every], [Cron] or [At].
	Schedule Schedule `json:"schedule"`

	Overlap Overlap `json:"overlap,omitempty"` // a fire time comes while an earlier run is live; default skip
	Misfire Misfire `json:"misfire,omitzero"`  // a fire time is found too late; default: the latest runs
	Recover Recover `json:"recover,omitempty"` // the pod died during the run; default abandon
	Claim   Claim   `json:"claim,omitempty"`   // how early a trigger may be claimed; default auto
	Retry   Retry   `json:"retry,omitzero"`    // the handler returned an error or timed out; default: no retry

	Timeout  time.Duration `json:"timeout,omitempty"`  // of one attempt; 0: none
	Jitter   time.Duration `json:"jitter,omitempty"`   // the start is put off by up to this much, differently for each fire time but the same on every pod; at most the time to the next fire
	Priority int           `json:"priority,omitempty"` // -100 to 100: which of the runs that one pod holds go first when its slots are short; no order over pods

	NotBefore time.Time `json:"not_before,omitzero"` // no fire time before it
	NotAfter  time.Time `json:"not_after,omitzero"`  // no fire time after it
	MaxRuns   int       `json:"max_runs,omitempty"`  // finished once so many scheduled triggers were claimed or queued; 0: never

	// Revision orders definitions: a Put with a lower one than the stored changes nothing, so a pod of an older
	// build that restarts in the middle of a deploy does not take a newer definition back. 0 always applies, and
	// keeps the stored one.
	Revision uint64 `json:"revision,omitempty"`

	// Keep is how many outcomes the job's history holds: -1 none, at most 200; 0 means 20, or 5 if the job
	// fires more often than once a minute. Counts are kept for ever.
	Keep int `json:"keep,omitempty"`

	Queue  string            `json:"queue,omitempty"`  // pods choose theirs by [Options.Queues]; empty: "default"
	Labels map[string]string `json:"labels,omitempty"` // for filtering and tenancy; at most 32
}

// LogValue names the job without its payload.
func (j Job) LogValue() slog.Value {
	return slog.GroupValue(slog.String("id", j.ID), slog.String("handler", j.handler()), slog.Any("payload", j.Payload))
}

func (j *Job) handler() string {
	if j.Handler == "" {
		return j.ID
	}
	return j.Handler
}

func (j *Job) queue() string {
	if j.Queue == "" {
		return DefaultQueue
	}
	return j.Queue
}

// DefaultQueue is the queue of jobs that name none and of pods that serve none by name.
const DefaultQueue = "default"

const (
	maxID       = 200
	maxName     = 100
	maxPayload  = 256 << 10
	maxLabels   = 32
	maxLabel    = 200
	maxDuration = 10 * 365 * 24 * time.Hour
)

// Validate reports everything that is wrong with the job: [*FieldError] values, joined. Put, Create and Edit call
// it.
func (j Job) Validate() error {
	var c checker
	c.name("id", j.ID, maxID)
	if j.Handler != "" {
		c.name("handler", j.Handler, maxID)
	}
	if j.Queue != "" {
		c.name("queue", j.Queue, maxName)
	}
	c.add(j.Payload.check())
	c.schedule(j)
	c.policies(j)
	c.between("timeout", j.Timeout, 0, maxDuration)
	c.between("jitter", j.Jitter, 0, maxDuration)
	c.within("priority", j.Priority, -100, 100)
	c.within("max_runs", j.MaxRuns, 0, 1<<40)
	c.within("keep", j.Keep, -1, MaxSlots)
	if !j.NotBefore.IsZero() && !j.NotAfter.IsZero() && j.NotAfter.Before(j.NotBefore) {
		c.field("not_after", j.NotAfter.Format(time.RFC3339)+" is before not_before", "swap the two")
	}
	c.labels(j.Labels)
	return errors.Join(c...)
}

// A checker gathers what is wrong.
type checker []error

func (c *checker) add(err error) {
	if err != nil {
		*c = append(*c, err)
	}
}

func (c *checker) field(name, problem, remedy string) {
	*c = append(*c, &FieldError{Field: name, Problem: problem, Remedy: remedy})
}

func (c *checker) name(field, v string, limit int) {
	switch {
	case v == "":
		c.field(field, "is empty", "give it a name of letters, digits and ._/:@-")
	case len(v) > limit:
		c.field(field, fmt.Sprintf("has %d bytes", len(v)), fmt.Sprintf("use at most %d", limit))
	case strings.IndexFunc(v, notInName) >= 0:
		c.field(field, fmt.Sprintf("%q has a character that names may not have", v), "use letters, digits and ._/:@-")
	}
}

func notInName(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._/:@-", r)
}

func (c *checker) within(field string, v, low, high int) {
	if v < low || v > high {
		c.field(field, fmt.Sprintf("%d is out of range", v), fmt.Sprintf("use %d to %d", low, high))
	}
}

func (c *checker) between(field string, d, low, high time.Duration) {
	if d < low || d > high {
		c.field(field, fmt.Sprintf("%v is out of range", d), fmt.Sprintf("use %v to %v", low, high))
	}
}

func (c *checker) schedule(j Job) {
	if err := j.Schedule.For(j.ID).Err(); err != nil {
		c.add(err)
	}
	for _, b := range []struct {
		name string
		t    time.Time
	}{{"not_before", j.NotBefore}, {"not_after", j.NotAfter}} {
		if !b.t.IsZero() && (b.t.Year() < 1970 || b.t.Year() > 2200) {
			c.field(b.name, fmt.Sprintf("year %d is out of range", b.t.Year()), "use 1970 to 2200")
		}
	}
}

func (c *checker) policies(j Job) {
	c.enum("overlap", int(j.Overlap), int(OverlapReplace))
	c.enum("recover", int(j.Recover), int(RecoverRerun))
	c.enum("claim", int(j.Claim), int(ClaimAt))
	c.enum("misfire.mode", int(j.Misfire.Mode), int(MisfireAll))
	c.between("misfire.after", j.Misfire.After, 0, maxDuration)
	c.between("misfire.until", j.Misfire.Until, 0, maxDuration)
	c.within("misfire.limit", j.Misfire.Limit, 0, maxMisfireLimit)
	c.within("retry.max", j.Retry.Max, 0, 1000)
	c.between("retry.delay", j.Retry.Delay, 0, maxDuration)
	c.between("retry.cap", j.Retry.Cap, 0, maxDuration)
	if j.Retry.Jitter < 0 || j.Retry.Jitter > 1 {
		c.field("retry.jitter", fmt.Sprintf("%v is out of range", j.Retry.Jitter), "use 0 to 1")
	}
}

func (c *checker) enum(field string, v, high int) {
	if v > high {
		c.field(field, fmt.Sprintf("%d is no such policy", v), "use one of the declared constants")
	}
}

func (c *checker) labels(l map[string]string) {
	if len(l) > maxLabels {
		c.field("labels", fmt.Sprintf("there are %d", len(l)), fmt.Sprintf("use at most %d", maxLabels))
	}
	for _, k := range slices.Sorted(maps.Keys(l)) {
		c.name("labels."+k, k, maxName)
		if v := l[k]; len(v) > maxLabel || !utf8.ValidString(v) {
			c.field("labels."+k, "its value is too long or not UTF-8", fmt.Sprintf("use at most %d bytes of UTF-8", maxLabel))
		}
	}
}

// plainJob is Job without its methods.
type plainJob Job

// jobJSON is Job's JSON form: durations are text such as "1m30s". The outer fields win over the embedded ones.
type jobJSON struct {
	plainJob
	Timeout durationText `json:"timeout,omitempty"`
	Jitter  durationText `json:"jitter,omitempty"`
}

func (j *Job) toJSON() jobJSON {
	return jobJSON{plainJob: plainJob(*j), Timeout: durationText(j.Timeout), Jitter: durationText(j.Jitter)}
}

// MarshalJSON writes the form of job files. Fields with their default are left out.
func (j Job) MarshalJSON() ([]byte, error) { return json.Marshal(j.toJSON()) }

// UnmarshalJSON reads what MarshalJSON writes. It does not validate.
func (j *Job) UnmarshalJSON(b []byte) error {
	var v jobJSON
	if err := json.Unmarshal(b, &v); err != nil {
		return err //nolint:wrapcheck // the caller names the job
	}
	*j = Job(v.plainJob)
	j.Timeout, j.Jitter = time.Duration(v.Timeout), time.Duration(v.Jitter)
	return nil
}

// same reports whether two jobs are the same definition, revision included.
func (j *Job) same(other *Job) bool {
	a, errA := json.Marshal(j)
	b, errB := json.Marshal(other)
	return errA == nil && errB == nil && bytes.Equal(a, b)
}

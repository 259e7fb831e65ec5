package core

import (
	"io"
	"log/slog"
	"time"
)

// A Trigger is a job and a fire time: the unit of exactly-once. Its text is the same for every attempt, so it is a
// good idempotency key.
type Trigger struct {
	Job  string    `json:"job"`
	Fire time.Time `json:"fire"` // UTC; whole milliseconds, but for manual triggers, which never have that
}

// String returns "job@2026-01-02T03:04:05Z".
func (t Trigger) String() string { return t.Job + "@" + t.Fire.UTC().Format(time.RFC3339Nano) }

// A Run is a claimed trigger as its handler sees it. It is a plain value: a test can make one and call the handler.
type Run struct {
	Trigger

	Nominal time.Time `json:"nominal,omitzero"` // the fire time that a backfilled trigger stands for, or the instant RunNow was asked for; zero for scheduled ones
	Attempt int       `json:"attempt"`          // 1, 2, ...
	Token   uint64    `json:"token"`            // grows with every claim of this job; whoever it is passed to can refuse older ones
	Cause   Cause     `json:"cause"`

	Handler string            `json:"handler"`
	Payload Payload           `json:"payload,omitzero"`
	Queue   string            `json:"queue,omitempty"`
	Labels  map[string]string `json:"labels,omitempty"` // shared: do not change

	Pod     string    `json:"pod"`
	Session string    `json:"session"`
	Claimed time.Time `json:"claimed"` // by the backend's clock

	log *slog.Logger
	out *tail
}

// Logger returns the pod's logger with job, fire, attempt and token added.
func (r Run) Logger() *slog.Logger {
	l := r.log
	if l == nil {
		l = slog.Default()
	}
	return l.With(slog.String("job", r.Job), slog.Time("fire", r.Fire), slog.Int("attempt", r.Attempt), slog.Uint64("token", r.Token))
}

// LogValue names the run without its payload.
func (r Run) LogValue() slog.Value {
	return slog.GroupValue(slog.String("job", r.Job), slog.Time("fire", r.Fire), slog.Int("attempt", r.Attempt), slog.Uint64("token", r.Token))
}

// Output is where the handler may write what shall be seen with the outcome: the last 16 KiB are kept. It may be
// used by several goroutines at once, and never fails.
func (r Run) Output() io.Writer {
	if r.out == nil {
		return io.Discard
	}
	return r.out
}

// Cause says why a trigger exists.
type Cause uint8

// The causes.
const (
	CauseSchedule Cause = iota // its time came
	CauseMisfire               // its time had passed; the misfire policy runs it
	CauseManual                // RunNow
	CauseBackfill              // Backfill
)

//nolint:gochecknoglobals // constant table
var causeNames = []string{"schedule", "misfire", "manual", "backfill"}

// String returns the cause's name.
func (c Cause) String() string { return enumString("cause", causeNames, uint8(c)) }

// MarshalText returns the cause's name.
func (c Cause) MarshalText() ([]byte, error) { return enumText("cause", causeNames, uint8(c)) }

// UnmarshalText reads the cause's name.
func (c *Cause) UnmarshalText(b []byte) error {
	v, err := enumValue("cause", causeNames, b)
	*c = Cause(v)
	return err
}

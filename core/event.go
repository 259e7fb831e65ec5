package core

import (
	"log/slog"
	"time"
)

// An Event tells what a pod did or found. Fields that do not apply are zero.
type Event struct {
	Kind    EventKind
	Time    time.Time // by the backend's clock
	Pod     string
	Trigger Trigger
	Attempt int
	Token   uint64
	Outcome Outcome       // EventEnded, EventSkipped
	Late    time.Duration // EventStarted: start minus the time it was due (fire time plus jitter)
	Took    time.Duration // EventEnded
	Retry   time.Time     // EventRetry: when
	Err     error
}

// EventKind is what happened.
type EventKind uint8

// The kinds of event.
const (
	EventClaimed  EventKind = iota + 1 // this pod has a trigger
	EventStarted                       // its handler starts
	EventRetry                         // the run failed or was lost and will be tried again
	EventEnded                         // a run has its outcome
	EventSkipped                       // fire times were skipped by a policy
	EventConflict                      // another pod was first: harmless
	EventRefused                       // a completion came too late: another attempt had begun, or the outcome was written
	EventSession                       // this pod's session was opened, lost or ended; Err says why it was lost
	EventPod                           // another pod's session was ended because it was silent
	EventClock                         // a pod's clock is wrong; Err names it
	EventStore                         // the store is away or changed (Err) or back (no Err)
	EventUnserved                      // Err names a handler or queue that no live pod serves
)

//nolint:gochecknoglobals // constant table
var eventNames = []string{
	"", "claimed", "started", "retry", "ended", "skipped", "conflict", "refused", "session", "pod", "clock", "store", "unserved",
}

// String returns the kind's name.
func (k EventKind) String() string { return enumString("event", eventNames, uint8(k)) }

// level is how loud the default listener is.
func (e *Event) level() slog.Level {
	switch e.Kind {
	case EventClaimed, EventStarted, EventConflict:
		return slog.LevelDebug
	case EventRetry, EventRefused, EventPod, EventClock, EventUnserved:
		return slog.LevelWarn
	case EventSession, EventStore:
		if e.Err != nil {
			return slog.LevelWarn
		}
		return slog.LevelInfo
	case EventSkipped:
		return slog.LevelInfo
	case EventEnded:
		if e.Outcome.Kind == Succeeded {
			return slog.LevelDebug
		}
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// LogValue makes an event a group of attributes; the default listener logs it so.
func (e Event) LogValue() slog.Value { return slog.GroupValue(e.attrs()...) }

func (e *Event) attrs() []slog.Attr {
	a := []slog.Attr{slog.String("pod", e.Pod)}
	if e.Trigger.Job != "" {
		a = append(a, slog.String("job", e.Trigger.Job), slog.Time("fire", e.Trigger.Fire))
	}
	if e.Attempt > 0 {
		a = append(a, slog.Int("attempt", e.Attempt), slog.Uint64("token", e.Token))
	}
	if e.Outcome.Kind != 0 {
		a = append(a, slog.String("outcome", e.Outcome.Kind.String()))
		if e.Outcome.Count > 1 {
			a = append(a, slog.Int("count", e.Outcome.Count))
		}
		if e.Outcome.Reason != "" {
			a = append(a, slog.String("reason", e.Outcome.Reason))
		}
		if e.Outcome.Error != "" {
			a = append(a, slog.String("error", e.Outcome.Error))
		}
	}
	if e.Late > 0 {
		a = append(a, slog.Duration("late", e.Late))
	}
	if e.Took > 0 {
		a = append(a, slog.Duration("took", e.Took))
	}
	if !e.Retry.IsZero() {
		a = append(a, slog.Time("retry", e.Retry))
	}
	if e.Err != nil {
		a = append(a, slog.String("error", e.Err.Error()))
	}
	return a
}

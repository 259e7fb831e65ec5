package core

import (
	"errors"
	"fmt"
)

// Sentinels that callers decide on. They arrive wrapped with the act and the id it was about, so test
// for them with [errors.Is].
var (
	// ErrNotFound says that no such job, lock, run or session exists.
	ErrNotFound = errors.New("not found")

	// ErrExists refuses to create a job whose id is taken.
	ErrExists = errors.New("already exists")

	// ErrInvalid refuses an argument; a [*FieldError] in the chain names the field and the remedy.
	ErrInvalid = errors.New("invalid")

	// ErrConflict says that a compare-and-set met another version than the one it expected. Nothing was
	// changed.
	ErrConflict = errors.New("version conflict")

	// ErrUncertain says that the answer to a change was lost, so it may or may not have happened, or may
	// happen yet. Only sending the very same change again gives a definite answer.
	ErrUncertain = errors.New("outcome of the change is unknown")

	// ErrMoved says that another server now answers than the one whose records a change was computed from
	// (see [Op.Server]). The change was not applied there.
	ErrMoved = errors.New("another server answers now")

	// ErrFenced refuses a change under a token that is no longer the newest one.
	ErrFenced = errors.New("fenced by a newer token")

	// ErrLocked says that another session holds the lock.
	ErrLocked = errors.New("locked")

	// ErrSessionLost says that the pod's session has ended or cannot be trusted any more. It is the
	// cause ([context.Cause]) with which handlers' contexts end then.
	ErrSessionLost = errors.New("session lost")

	// ErrTimeout is the cause with which a handler's context ends after [Job.Timeout].
	ErrTimeout = errors.New("run timed out")

	// ErrCancelled is the cause with which a handler's context ends because of [Scheduler.Cancel] or
	// [OverlapReplace].
	ErrCancelled = errors.New("run cancelled")

	// ErrDrained is the cause with which a handler's context ends because the pod stops and
	// [Options.Drain] has passed. [Scheduler.Run] returns it if that happened to any run.
	ErrDrained = errors.New("drain limit reached")

	// ErrEpoch says that the store was emptied, restored or rolled back since this pod last used it.
	// Pods claim nothing until somebody decides to go on ([Adopter]).
	ErrEpoch = errors.New("store epoch changed")

	// ErrFormat says that a record was written by a newer belfry than this one.
	ErrFormat = errors.New("written by a newer belfry")

	// ErrClosed is returned by every method of a store after Close.
	ErrClosed = errors.New("store closed")
)

// A FieldError says which field was refused, why, and what would be right. It is an [ErrInvalid].
type FieldError struct {
	Field   string // as the job file spells it: "schedule", "retry.max"
	Problem string // what is wrong, with the value in it: `cron field 2: "25" is not in 0-23`
	Remedy  string // what to write instead; may be empty
}

// Error returns "field: problem; remedy".
func (e *FieldError) Error() string {
	if e.Remedy == "" {
		return fmt.Sprintf("%s: %s", e.Field, e.Problem)
	}
	return fmt.Sprintf("%s: %s; %s", e.Field, e.Problem, e.Remedy)
}

// Unwrap makes every FieldError an ErrInvalid.
func (*FieldError) Unwrap() error { return ErrInvalid }

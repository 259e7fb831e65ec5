package core

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A Handler does a run's work. nil means succeeded; an error means failed, and the job's [Retry] says what
// follows; a panic counts as an error.
//
// ctx has the values of [Scheduler.Run]'s context but does not end with it. It ends when the run may not act any
// more; [context.Cause] is then [ErrTimeout], [ErrCancelled], [ErrSessionLost] or [ErrDrained]. No library can stop
// a handler that goes on after that; its result is refused if another attempt has begun.
type Handler func(ctx context.Context, run Run) error

// Middleware wraps a handler; the first of [Options.Middleware] is the outermost.
type Middleware func(Handler) Handler

// Permanent marks err as one that no retry can mend: the run fails now.
func Permanent(err error) error { return &verdictError{err: err, permanent: true} }

// RetryAfter marks err as one to retry no sooner than after d, such as a server asked for. It counts as a retry
// like any other.
func RetryAfter(err error, d time.Duration) error { return &verdictError{err: err, after: d} }

type verdictError struct {
	err       error
	permanent bool
	after     time.Duration
}

func (v *verdictError) Error() string { return v.err.Error() }
func (v *verdictError) Unwrap() error { return v.err }

// verdict returns what the handler itself said of a retry.
func verdict(err error) (permanent bool, after time.Duration) {
	if v, ok := errors.AsType[*verdictError](err); ok {
		return v.permanent, v.after
	}
	return false, 0
}

// A Kind binds a handler's name to the type of its payload, for the code that puts jobs and the code that runs
// them. Declare it once, as a constant:
//
//	const Digest core.Kind[DigestArgs] = "digest"
type Kind[P any] string

// Handle registers h on s. A payload that is not a P fails the run without retries.
func (k Kind[P]) Handle(s *Scheduler, h func(ctx context.Context, run Run, args P) error) {
	s.Handle(string(k), func(ctx context.Context, run Run) error {
		var args P
		if err := run.Payload.Decode(&args); err != nil {
			return Permanent(fmt.Errorf("decode payload of %s: %w", run.Job, err))
		}
		return h(ctx, run, args)
	})
}

// Job returns a job with its ID, Handler and Payload set.
func (k Kind[P]) Job(id string, args P) Job {
	return Job{ID: id, Handler: string(k), Payload: JSON(args)}
}

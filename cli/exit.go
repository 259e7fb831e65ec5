package cli

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/belfry-io/belfry/core"
)

// The exit codes of [Main].
const (
	ExitOK          = 0   // done
	ExitFailed      = 1   // the operation failed, or a check found violations
	ExitUsage       = 2   // the command line or an input is wrong
	ExitUnreachable = 3   // the backend could not be reached, or did not answer in time
	ExitInterrupted = 130 // a signal ended it
)

// errReported ends a command whose output has said already what is wrong.
var errReported = errors.New("see the report")

// A usageError is a mistake in the command line.
type usageError struct{ err error }

func (u *usageError) Error() string { return u.err.Error() }
func (u *usageError) Unwrap() error { return u.err }

func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// An unreachableError is a backend that could not be opened.
type unreachableError struct{ err error }

func (u *unreachableError) Error() string { return u.err.Error() }
func (u *unreachableError) Unwrap() error { return u.err }

// exitCode tells errors apart; ctx is Main's, so that its end is told from a timeout of our own.
func exitCode(ctx context.Context, err error) int {
	switch {
	case errors.Is(err, core.ErrDrained), errors.Is(err, core.ErrUncertain): // a signal stops a pod, but cutting runs off, or losing their outcomes, is a failure
		return ExitFailed
	case ctx.Err() != nil:
		return ExitInterrupted
	case isType[*usageError](err), errors.Is(err, core.ErrInvalid):
		return ExitUsage
	case isType[*unreachableError](err), errors.Is(err, context.DeadlineExceeded), isType[*net.OpError](err):
		return ExitUnreachable
	}
	return ExitFailed
}

func isType[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

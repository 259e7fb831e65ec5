package redis

import (
	"context"
	"errors"
	"fmt"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/belfry-io/belfry/core"
)

// run calls fn and returns when it has or, at the latest, when ctx or the store has ended: go-redis notices the
// end of a context between commands only. In that case fn goes on behind for up to the store's timeout; Close
// waits for it.
func run[T any](ctx context.Context, s *Store, fn func(context.Context) (T, error)) (T, error) {
	var zero T
	if err := ctx.Err(); err != nil {
		return zero, err
	}
	if err := s.begin(); err != nil {
		return zero, err
	}
	type answer struct {
		value T
		err   error
	}
	ch := make(chan answer, 1)
	callCtx, cancel := context.WithCancel(ctx)
	go func() {
		defer s.calls.Done()
		defer cancel()
		v, err := fn(callCtx)
		ch <- answer{v, err}
	}()
	select {
	case a := <-ch:
		if a.err != nil {
			a.err = s.cause(ctx, a.err)
		}
		return a.value, a.err
	case <-s.done:
		cancel()
		return zero, core.ErrClosed
	case <-ctx.Done():
		return zero, ctx.Err()
	}
}

// cause names what cut a call off, if something did: by itself the error of a closed or expired connection does
// not tell.
func (s *Store) cause(ctx context.Context, err error) error {
	select {
	case <-s.done:
		return fmt.Errorf("%w: %w", core.ErrClosed, err)
	default:
	}
	if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) {
		<-ctx.Done() // the connection's deadline is the same and was noticed first
	}
	end := ctx.Err()
	if end == nil || errors.Is(err, end) {
		return err
	}
	return fmt.Errorf("%w: %w", end, err)
}

// readTries is how often a read is sent before its error is passed on.
const readTries = 3

// read runs fn on the current generation, again if the connection broke or led to another server. fn must not
// change anything, or nothing that doing it twice could harm.
func read[T any](ctx context.Context, s *Store, fn func(context.Context, *goredis.Client) (T, error)) (T, error) {
	for try := 1; ; try++ {
		gen := s.current()
		v, err := run(ctx, s, func(ctx context.Context) (T, error) { return fn(ctx, gen.client) })
		if err == nil || try == readTries || ctx.Err() != nil || errors.Is(err, core.ErrClosed) {
			return v, err
		}
		var moved *movedError
		var reply goredis.Error
		var identity *identityError
		var version *versionError
		switch {
		case errors.As(err, &moved):
			s.move(gen, moved.to)
		case errors.As(err, &reply), errors.As(err, &identity), errors.As(err, &version), errors.Is(err, errDamaged):
			return v, err
		}
	}
}

package backendtest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/belfry-io/belfry/core"
)

func closeCases() []Case {
	return []Case{
		{"closed", []string{
			"After Close every method returns [ErrClosed]",
		}, closed},
		{"close ends watches", []string{
			"After Close every method returns [ErrClosed]",
		}, closeEndsWatch},
		{"close one of several", []string{
			"Close gives back what Open took",
			"It ends no session",
		}, closeOne},
	}
}

// closed calls everything after Close.
func closed(e *env) error {
	s, err := e.open(e.store, "one")
	if err != nil {
		return err
	}
	if err := e.store.Close(); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	after := append(calls(s),
		call{"watch", func(ctx context.Context, s core.Store) error {
			ctx, cancel := context.WithTimeout(ctx, soon)
			defer cancel()
			return s.Watch(ctx, func(core.Change) {})
		}},
		call{"close", func(_ context.Context, s core.Store) error { return s.Close() }},
	)
	for _, c := range after {
		if err := c.do(e.ctx, e.store); !errors.Is(err, core.ErrClosed) {
			return fmt.Errorf("%s after close: got %v, want %w", c.method, err, core.ErrClosed)
		}
	}
	return nil
}

// closeEndsWatch closes a store that is being watched.
func closeEndsWatch(e *env) error {
	f := e.watch(e.store, nil)
	defer f.cancel()
	if err := e.wait(50 * time.Millisecond); err != nil {
		return err
	}
	if err := e.store.Close(); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	select {
	case <-f.done:
	case <-time.After(soon):
		return fmt.Errorf("watch has not returned %v after close", soon)
	}
	if !errors.Is(f.err, core.ErrClosed) {
		return fmt.Errorf("watch of a store that was closed: got %v, want %w", f.err, core.ErrClosed)
	}
	return nil
}

// closeOne closes one of two connections: the other one works on, with the data and the sessions of both.
func closeOne(e *env) error {
	other, err := e.connect()
	if err != nil {
		return err
	}
	r, err := e.must(e.store, create(record("a")))
	if err != nil {
		return err
	}
	s, err := e.open(e.store, "one")
	if err != nil {
		return err
	}
	if err := e.store.Close(); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	if r, err = e.must(other, update(r, r)); err != nil {
		return fmt.Errorf("after another connection was closed: %w", err)
	}
	return first(
		e.holds(other, r),
		e.within(fresh, func() error { return e.listed(other, s) }),
	)
}

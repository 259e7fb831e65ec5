// Package memory is a store within one process: the reference model that the other backends are compared with,
// and what tests and demonstrations run on. Its data is lost when the process ends.
package memory

import (
	"context"
	"fmt"
	"sync"

	"github.com/belfry-io/belfry/core"
)

// A Store is one connection to data in memory. It is a [core.Store], a [core.Checker] and a [core.Adopter]. Several
// pods of one process may share a Store, or have one each by [Store.Connect].
//
// Its clock is time.Now, so that it works inside a testing/synctest bubble. It never blocks: the lock is held for
// microseconds, and a watcher that is slow misses changes.
type Store struct {
	core.RecordLocker

	data      *data
	closed    chan struct{}
	closeOnce sync.Once

	mu   sync.Mutex
	life int // the life of the data this connection was last told of; 0: none yet
}

var (
	_ core.Store   = (*Store)(nil)
	_ core.Checker = (*Store)(nil)
	_ core.Adopter = (*Store)(nil)
)

// New returns a connection to new, empty data.
func New() *Store { return connect(newData()) }

// Connect returns another connection to the same data. Closing one does not close another.
func (s *Store) Connect() *Store { return connect(s.data) }

// connect makes a Store whose sessions are records of its own.
func connect(d *data) *Store {
	s := &Store{data: d, closed: make(chan struct{})}
	s.Records = s
	return s
}

// Close implements [core.Store]: this connection answers no more, and its watches end. The data stays as long as
// there is another one.
func (s *Store) Close() error {
	err := fmt.Errorf("close: %w", core.ErrClosed)
	s.closeOnce.Do(func() {
		close(s.closed)
		err = nil
	})
	return err
}

// Empty removes everything, as a server would that lost its data: connections that have been told of it are
// refused with [core.ErrEpoch] until somebody adopts the empty store. Versions still do not come twice.
func (s *Store) Empty() { s.data.empty() }

// Check implements [core.Checker].
func (s *Store) Check(ctx context.Context) ([]core.Finding, error) {
	if err := s.ready(ctx, "check"); err != nil {
		return nil, err
	}
	return []core.Finding{{
		Severe:  true,
		Setting: "memory",
		Problem: "data is lost when the process ends",
		Remedy:  "use a store that outlives its pods for anything but tests",
	}}, nil
}

// Adopt implements [core.Adopter]. All connections go on then.
func (s *Store) Adopt(ctx context.Context) (string, error) {
	if err := s.ready(ctx, "adopt"); err != nil {
		return "", err
	}
	return s.data.adopt(), nil
}

// ready says whether the act may begin: the store is open and the context has not ended.
func (s *Store) ready(ctx context.Context, act string) error {
	select {
	case <-s.closed:
		return fmt.Errorf("%s: %w", act, core.ErrClosed)
	default:
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", act, err)
	}
	return nil
}

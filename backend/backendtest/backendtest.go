// Package backendtest says when a backend is done: it has a case for each sentence of the contract of
// [core.Store] and [core.Locker] that can be tested from outside, and each failure quotes the sentences that were
// broken. A backend's own test is this:
//
//	func TestContract(t *testing.T) {
//		backendtest.Run(t, func(t *testing.T) backendtest.Place {
//			dir := t.TempDir() // or whatever a place of its own is
//			return backendtest.Place{Connect: func(ctx context.Context) (core.Store, error) { return open(ctx, dir) }}
//		})
//	}
//
// No case is ever skipped. Cases return errors, so that the suite itself can be tested: see [Case.Check].
package backendtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/belfry-io/belfry/core"
)

// A Place is somewhere that stores can connect to and that holds nothing yet: a database, a prefix, a directory.
type Place struct {
	// Connect opens a connection, as each of several pods would. The suite closes all it opened.
	Connect func(ctx context.Context) (core.Store, error)

	// Empty removes everything behind the connections' backs, as an operator or a failed disk would. If it is nil
	// the suite cannot see whether that is noticed, and the backend has to test it by itself.
	Empty func(ctx context.Context) error

	// NoClock says that the store has no clock of its own, so that its Now must be zero.
	NoClock bool
}

// A Case enforces some sentences of the contract.
type Case struct {
	Name  string
	Rules []string // word for word

	run func(*env) error
}

// limit is how long one case may take; none takes a tenth of it on a store that works.
const limit = 2 * time.Minute

// Run runs every case as a subtest, each in a fresh place.
func Run(t *testing.T, fresh func(t *testing.T) Place) {
	t.Helper()
	for _, c := range Cases() {
		t.Run(strings.ReplaceAll(c.Name, " ", "_"), func(t *testing.T) {
			if err := c.Check(t.Context(), fresh(t)); err != nil {
				t.Errorf("%v\n\tthe contract says:\n\t- %s", err, strings.Join(c.Rules, "\n\t- "))
			}
		})
	}
}

// Check runs the case in a place that holds nothing yet and says what was broken, or returns nil. It closes the
// connections it opened.
func (c Case) Check(ctx context.Context, place Place) (err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	e := &env{ctx: ctx, place: place}
	defer func() { err = errors.Join(err, e.close()) }()
	if e.store, err = e.connect(); err != nil {
		return err
	}
	return c.run(e)
}

// Cases returns all cases, in the order in which a new backend wants to pass them.
func Cases() []Case {
	return slices.Concat(
		casCases(),
		batchCases(),
		getCases(),
		dueCases(),
		dueRangeCases(),
		listCases(),
		logCases(),
		incidentCases(),
		hostileCases(),
		sizeCases(),
		pageCases(),
		feedCases(),
		sessionCases(),
		sessionEndCases(),
		freshCases(),
		epochCases(),
		contextCases(),
		closeCases(),
		concurrentCases(),
	)
}

// env is what a case works with.
type env struct {
	ctx    context.Context //nolint:containedctx // lives as long as one case
	place  Place
	store  core.Store // the first connection
	opened []core.Store
}

// connect opens another connection.
func (e *env) connect() (core.Store, error) {
	s, err := e.place.Connect(e.ctx)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	e.opened = append(e.opened, s)
	return s, nil
}

// close closes every connection that the case left open.
func (e *env) close() error {
	var errs []error
	for _, s := range e.opened {
		if err := s.Close(); err != nil && !errors.Is(err, core.ErrClosed) {
			errs = append(errs, fmt.Errorf("close: %w", err))
		}
	}
	return errors.Join(errs...)
}

// within tries until fn returns nil, for at most d, and returns fn's last error.
func (e *env) within(d time.Duration, fn func() error) error {
	end := time.Now().Add(d)
	for {
		err := fn()
		if err == nil || time.Now().After(end) {
			return err
		}
		if over := e.wait(20 * time.Millisecond); over != nil {
			return fmt.Errorf("%w; %w", err, over)
		}
	}
}

// wait waits, unless the case's time is over.
func (e *env) wait(d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-e.ctx.Done():
		return fmt.Errorf("the case took too long: %w", e.ctx.Err())
	}
}

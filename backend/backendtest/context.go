package backendtest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/belfry-io/belfry/core"
)

// soon is how long a method may take to return after its context has ended.
const soon = 5 * time.Second

func contextCases() []Case {
	return []Case{
		{"context has ended", []string{
			"A method returns soon after its context has ended, with an error that wraps the context's",
		}, contextEnded},
		{"context ends amid", []string{
			"Apply is the exception: what was under way then is answered by results with ErrUncertain",
			"If it is not nil nothing was changed and nothing will be",
		}, contextAmid},
	}
}

// A call is one method with arguments that would succeed.
type call struct {
	method string
	do     func(ctx context.Context, s core.Store) error
}

// calls are all methods but Watch, whose end is not an error, and Close. They need the session open.
func calls(opened core.Session) []call {
	return []call{
		{"apply", func(ctx context.Context, s core.Store) error {
			_, err := s.Apply(ctx, []core.Op{create(record("a"))})
			return err
		}},
		{"apply of nothing", func(ctx context.Context, s core.Store) error {
			_, err := s.Apply(ctx, nil)
			return err
		}},
		{"get", func(ctx context.Context, s core.Store) error {
			_, err := s.Get(ctx, core.GetQuery{Keys: []string{"a"}})
			return err
		}},
		{"due", func(ctx context.Context, s core.Store) error {
			_, err := s.Due(ctx, wholeQueue(7))
			return err
		}},
		{"list", func(ctx context.Context, s core.Store) error {
			_, err := s.List(ctx, core.ListQuery{Limit: 1})
			return err
		}},
		{"log", func(ctx context.Context, s core.Store) error {
			_, err := s.Log(ctx, core.LogQuery{Limit: 1})
			return err
		}},
		{"open session", func(ctx context.Context, s core.Store) error {
			_, err := s.OpenSession(ctx, session("another"))
			return err
		}},
		{"renew session", func(ctx context.Context, s core.Store) error {
			_, err := s.RenewSession(ctx, opened)
			return err
		}},
		{"sessions", func(ctx context.Context, s core.Store) error {
			_, err := s.Sessions(ctx)
			return err
		}},
		{"end session", func(ctx context.Context, s core.Store) error {
			return s.EndSession(ctx, opened.ID, opened.Beat)
		}},
	}
}

// contextEnded calls everything with contexts that have ended; nothing may have happened then.
func contextEnded(e *env) error {
	s, err := e.open(e.store, "one")
	if err != nil {
		return err
	}
	cancelled, cancel := context.WithCancel(e.ctx)
	cancel()
	expired, cancel := context.WithDeadline(e.ctx, time.Now().Add(-time.Second))
	defer cancel()
	for _, ctx := range []context.Context{cancelled, expired} {
		for _, c := range calls(s) {
			if err := e.endsSoon(ctx, c); err != nil {
				return err
			}
		}
	}
	if _, there, err := e.sessionOf(e.store, "another"); err != nil || there {
		return fmt.Errorf("sessions after calls with a context that had ended: opened %t, error %v", there, err)
	}
	return first(e.holds(e.store, core.Record{Key: "a"}), e.listed(e.store, s))
}

// endsSoon says whether a call returns soon and with the error of its context.
func (e *env) endsSoon(ctx context.Context, c call) error {
	begin := time.Now()
	err := c.do(ctx, e.store)
	if took := time.Since(begin); took > soon {
		return fmt.Errorf("%s with a context that has ended took %v", c.method, took)
	}
	if !errors.Is(err, ctx.Err()) {
		return fmt.Errorf("%s with a context that has ended: got %v, want %w", c.method, err, ctx.Err())
	}
	return nil
}

// contextAmid ends contexts while batches are under way, and then finds out what became of each operation.
func contextAmid(e *env) error {
	for round := range 60 {
		ctx, cancel := context.WithTimeout(e.ctx, time.Duration(round)*50*time.Microsecond)
		var ops []core.Op
		for i := range 20 {
			op := create(dueRecord(fmt.Sprintf("key-%d-%d", round, i), time.Second))
			op.Old.Stripe = i
			ops = append(ops, op)
		}
		begin := time.Now()
		a, err := e.store.Apply(ctx, ops)
		ended := ctx.Err()
		cancel()
		if took := time.Since(begin); took > soon {
			return fmt.Errorf("round %d: apply took %v, its context ended after %v", round, took, time.Duration(round)*50*time.Microsecond)
		}
		if err != nil {
			err = e.nothingChanged(ops, err, ended)
		} else {
			err = e.settled(ops, a.Results)
		}
		if err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
	}
	return nil
}

// nothingChanged looks at a batch that was refused because its context had ended.
func (e *env) nothingChanged(ops []core.Op, err, ended error) error {
	if ended == nil || !errors.Is(err, ended) {
		return fmt.Errorf("apply: got %v, want what the context says: %v", err, ended)
	}
	if err := e.wait(10 * time.Millisecond); err != nil {
		return err
	}
	for _, op := range ops {
		if err := e.holds(e.store, core.Record{Key: op.Old.Key}); err != nil {
			return fmt.Errorf("apply returned an error, and yet: %w", err)
		}
	}
	return nil
}

// settled sends each uncertain operation again: it has to be granted, or to have been carried out before.
func (e *env) settled(ops []core.Op, results []core.Result) error {
	if len(results) != len(ops) {
		return fmt.Errorf("%d results for %d operations", len(results), len(ops))
	}
	for i, res := range results {
		switch {
		case res.Err == nil:
			if err := e.holds(e.store, applied(ops[i], res)); err != nil {
				return err
			}
		case errors.Is(res.Err, core.ErrUncertain):
			if err := e.sendAgain(ops[i]); err != nil {
				return err
			}
		default:
			return fmt.Errorf("operation %d: got %v, want nil or %w", i, res.Err, core.ErrUncertain)
		}
	}
	return nil
}

// sendAgain sends a creation that may have happened.
func (e *env) sendAgain(op core.Op) error {
	res, err := e.one(e.store, op)
	if err != nil {
		return err
	}
	if errors.Is(res.Err, core.ErrConflict) {
		res = core.Result{Version: res.Current.Version}
	}
	if res.Err != nil {
		return fmt.Errorf("an uncertain operation sent again: %w", res.Err)
	}
	return e.holds(e.store, applied(op, res))
}

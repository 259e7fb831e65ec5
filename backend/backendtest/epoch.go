package backendtest

import (
	"errors"
	"fmt"

	"github.com/belfry-io/belfry/core"
)

func epochCases() []Case {
	return []Case{
		{"epoch and server", []string{
			"names the server that answered; it changes when another one, or a restarted one, answers",
		}, epochConstant},
		{"emptied", []string{
			"A store that was emptied, restored or rolled back, as far as this client can tell from what it was told before, refuses the batch with [ErrEpoch]",
			"An empty batch is answered with Now, Epoch and Server, and with [ErrEpoch] as any other",
			"names the life of the store's data: it changes when the store is emptied, and by [Adopter]",
		}, emptied},
		{"adopt", []string{
			"An Adopter is a Store that can begin a new epoch, once somebody has decided to go on after it was emptied or rolled back",
		}, adopt},
	}
}

// epochConstant compares the names over time and over connections.
func epochConstant(e *env) error {
	want, err := e.store.Apply(e.ctx, nil)
	if err != nil {
		return fmt.Errorf("apply nothing: %w", err)
	}
	if want.Epoch == "" || want.Server == "" {
		return fmt.Errorf("epoch %q and server %q, want names", want.Epoch, want.Server)
	}
	other, err := e.connect()
	if err != nil {
		return err
	}
	for i := range 5 {
		for _, s := range []core.Store{e.store, other} {
			got, err := s.Apply(e.ctx, []core.Op{create(record(fmt.Sprintf("%d-%t", i, s == other)))})
			if err != nil {
				return fmt.Errorf("apply: %w", err)
			}
			if got.Epoch != want.Epoch {
				return fmt.Errorf("epoch %q, before that it was %q", got.Epoch, want.Epoch)
			}
			if s == e.store && got.Server != want.Server {
				return fmt.Errorf("server %q, before that it was %q", got.Server, want.Server)
			}
		}
	}
	return nil
}

// told makes sure that a connection has been told of the data, and returns the epoch.
func (e *env) told(s core.Store) (string, error) {
	a, err := s.Apply(e.ctx, []core.Op{create(record("told"))})
	if err != nil {
		return "", fmt.Errorf("apply: %w", err)
	}
	return a.Epoch, a.Results[0].Err
}

// wantEpoch says whether a connection is refused as it has to be.
func (e *env) wantEpoch(s core.Store) error {
	for _, ops := range [][]core.Op{nil, {create(record("a"))}} {
		if _, err := s.Apply(e.ctx, ops); !errors.Is(err, core.ErrEpoch) {
			return fmt.Errorf("a batch of %d after the store was emptied: got %v, want %w", len(ops), err, core.ErrEpoch)
		}
	}
	return nil
}

// emptied empties the store behind a connection that knows it. Where that cannot be done from here the epoch must at
// least be the same for a new connection.
func emptied(e *env) error {
	before, err := e.told(e.store)
	if err != nil {
		return err
	}
	if e.place.Empty != nil {
		if err := e.place.Empty(e.ctx); err != nil {
			return fmt.Errorf("empty the place: %w", err)
		}
		if err := first(e.wantEpoch(e.store), e.wantEpoch(e.store)); err != nil {
			return err
		}
	}
	next, err := e.connect()
	if err != nil {
		return err
	}
	a, err := next.Apply(e.ctx, nil)
	if err != nil {
		return fmt.Errorf("apply nothing on a new connection: %w", err)
	}
	if (a.Epoch != before) != (e.place.Empty != nil) {
		return fmt.Errorf("epoch %q, before that %q; the store was emptied: %t", a.Epoch, before, e.place.Empty != nil)
	}
	return nil
}

// adopt begins a new epoch: after the store was emptied if that can be done from here, and in any case once more.
func adopt(e *env) error {
	adopter, ok := e.store.(core.Adopter)
	if !ok {
		return nil // not every store is one
	}
	before, err := e.told(e.store)
	if err != nil {
		return err
	}
	if e.place.Empty != nil {
		if err := first(e.place.Empty(e.ctx), e.wantEpoch(e.store)); err != nil {
			return err
		}
	}
	for range 2 {
		epoch, err := adopter.Adopt(e.ctx)
		if err != nil {
			return fmt.Errorf("adopt: %w", err)
		}
		a, err := e.store.Apply(e.ctx, nil)
		if err != nil {
			return fmt.Errorf("apply after adoption: %w", err)
		}
		if a.Epoch != epoch || epoch == before || epoch == "" {
			return fmt.Errorf("after adoption of %q the epoch is %q, before that %q", epoch, a.Epoch, before)
		}
		before = epoch
	}
	_, err = e.must(e.store, create(record("goes on")))
	return err
}

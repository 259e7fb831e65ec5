package backendtest

import (
	"context"
	"testing"
	"time"

	"github.com/belfry-io/belfry/backend/memory"
	"github.com/belfry-io/belfry/core"
)

// A breakage makes a working store break the contract in one way; data is shared by the connections to one place.
type breakage struct {
	name   string
	caught string // by the case of that name
	broken func(s *memory.Store, shared *shared) core.Store
}

// shared is what the broken connections to one place know together.
type shared struct {
	data  *memory.Store
	notes notes
}

// placeOf is a place whose connections are broken, or not if broken is nil.
func placeOf(broken func(*memory.Store, *shared) core.Store) Place {
	sh := &shared{data: memory.New()}
	return Place{
		Connect: func(context.Context) (core.Store, error) {
			s := sh.data.Connect()
			if broken == nil {
				return s, nil
			}
			return broken(s, sh), nil
		},
		Empty: func(context.Context) error {
			sh.data.Empty()
			return nil
		},
	}
}

func TestMutantsAreCaught(t *testing.T) {
	t.Parallel()
	byName := make(map[string]Case)
	for _, c := range Cases() {
		byName[c.Name] = c
	}
	seen := make(map[string]bool)
	for _, m := range breakages() {
		if seen[m.name] {
			t.Errorf("two mutants are named %q", m.name)
		}
		seen[m.name] = true
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			c, ok := byName[m.caught]
			if !ok {
				t.Fatalf("no case is named %q", m.caught)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second) // for those that hang
			defer cancel()
			err := c.Check(ctx, placeOf(m.broken))
			if err == nil {
				t.Fatalf("case %q did not catch it", m.caught)
			}
			t.Logf("caught: %v", err)
		})
	}
}

func TestHealthyStorePasses(t *testing.T) { //nolint:tparallel // the suite runs its cases one by one
	t.Parallel()
	Run(t, func(*testing.T) Place { return placeOf(nil) })
}

func TestSuiteWithoutEmptying(t *testing.T) {
	t.Parallel()
	for _, c := range epochCases() {
		p := placeOf(nil)
		p.Empty = nil
		if err := c.Check(t.Context(), p); err != nil {
			t.Errorf("case %q: %v", c.Name, err)
		}
	}
}

// A wrapper is a store some of whose methods are replaced. A nil one is the inner store's.
type wrapper struct {
	core.Store

	apply    func(context.Context, []core.Op) (core.Applied, error)
	get      func(context.Context, core.GetQuery) ([]core.Record, error)
	due      func(context.Context, core.DueQuery) ([]core.Record, error)
	list     func(context.Context, core.ListQuery) ([]core.Record, error)
	log      func(context.Context, core.LogQuery) ([]core.Entry, error)
	watch    func(context.Context, func(core.Change)) error
	close    func() error
	open     func(context.Context, core.Session) (core.Session, error)
	renew    func(context.Context, core.Session) (core.Session, error)
	end      func(context.Context, string, uint64) error
	sessions func(context.Context) ([]core.Session, error)
}

func (w *wrapper) Apply(ctx context.Context, ops []core.Op) (core.Applied, error) {
	if w.apply == nil {
		return w.Store.Apply(ctx, ops)
	}
	return w.apply(ctx, ops)
}

func (w *wrapper) Get(ctx context.Context, q core.GetQuery) ([]core.Record, error) {
	if w.get == nil {
		return w.Store.Get(ctx, q)
	}
	return w.get(ctx, q)
}

func (w *wrapper) Due(ctx context.Context, q core.DueQuery) ([]core.Record, error) {
	if w.due == nil {
		return w.Store.Due(ctx, q)
	}
	return w.due(ctx, q)
}

func (w *wrapper) List(ctx context.Context, q core.ListQuery) ([]core.Record, error) {
	if w.list == nil {
		return w.Store.List(ctx, q)
	}
	return w.list(ctx, q)
}

func (w *wrapper) Log(ctx context.Context, q core.LogQuery) ([]core.Entry, error) {
	if w.log == nil {
		return w.Store.Log(ctx, q)
	}
	return w.log(ctx, q)
}

func (w *wrapper) Watch(ctx context.Context, fn func(core.Change)) error {
	if w.watch == nil {
		return w.Store.Watch(ctx, fn)
	}
	return w.watch(ctx, fn)
}

func (w *wrapper) Close() error {
	if w.close == nil {
		return w.Store.Close()
	}
	return w.close()
}

func (w *wrapper) OpenSession(ctx context.Context, s core.Session) (core.Session, error) {
	if w.open == nil {
		return w.Store.OpenSession(ctx, s)
	}
	return w.open(ctx, s)
}

func (w *wrapper) RenewSession(ctx context.Context, s core.Session) (core.Session, error) {
	if w.renew == nil {
		return w.Store.RenewSession(ctx, s)
	}
	return w.renew(ctx, s)
}

func (w *wrapper) EndSession(ctx context.Context, id string, beat uint64) error {
	if w.end == nil {
		return w.Store.EndSession(ctx, id, beat)
	}
	return w.end(ctx, id, beat)
}

func (w *wrapper) Sessions(ctx context.Context) ([]core.Session, error) {
	if w.sessions == nil {
		return w.Store.Sessions(ctx)
	}
	return w.sessions(ctx)
}

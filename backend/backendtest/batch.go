package backendtest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/belfry-io/belfry/core"
)

func batchCases() []Case {
	return []Case{
		{"batch items are independent", []string{
			"Each is atomic by itself; together they are not, and they have no order: one that is refused does not touch the others",
		}, batchIndependent},
		{"batch results in order", []string{
			"If the error is nil there is one result for each operation, in their order",
			"Applied is the answer to a batch",
		}, batchOrder},
		{"batch of a thousand", []string{
			"Apply carries out up to 1,000 operations on distinct keys",
		}, batchThousand},
		{"batch names a key twice", []string{
			"If it is not nil nothing was changed and nothing will be",
			"A batch that names a key twice is refused so, with [ErrInvalid]",
		}, batchTwice},
		{"result errors", []string{
			"Err is nil, [ErrConflict], [ErrUncertain], [ErrMoved] or [ErrInvalid], wrapped or not",
			"With any other error too the Op was not carried out and will not be",
		}, resultErrors},
		{"empty batch", []string{
			"An empty batch is answered with Now, Epoch and Server, and with [ErrEpoch] as any other",
		}, emptyBatch},
		{"clock", []string{
			"the store's clock at some moment of the call; zero if it has none",
		}, clock},
	}
}

// batchIndependent mixes what must pass with what must be refused, both first and last.
func batchIndependent(e *env) error {
	recs, err := e.createAll(e.store, record("a"), record("b"), record("c"))
	if err != nil {
		return err
	}
	stale := recs[1]
	stale.Version += 7
	ops := []core.Op{
		create(record("a")), // conflict: it is there
		update(recs[2], dueRecord("c", time.Second)),
		update(stale, record("b")), // conflict
		create(record("d")),
		remove(core.Record{Key: "e", Version: 5}), // conflict: it is not there
		create(record("f")),
		create(record("bad\nkey")), // invalid
		create(dueRecord("g", time.Second)),
		create(record("h")),
	}
	a, err := e.store.Apply(e.ctx, ops)
	if err != nil {
		return fmt.Errorf("apply: %w", err)
	}
	want := []error{core.ErrConflict, nil, core.ErrConflict, nil, core.ErrConflict, nil, core.ErrInvalid, nil, nil}
	if len(a.Results) != len(want) {
		return fmt.Errorf("%d results for %d operations", len(a.Results), len(want))
	}
	for i, res := range a.Results {
		if !errors.Is(res.Err, want[i]) {
			return fmt.Errorf("operation %d on %q: got %v, want %v", i, ops[i].Old.Key, res.Err, want[i])
		}
	}
	for i, res := range a.Results {
		if want[i] != nil {
			continue
		}
		if err := e.holds(e.store, applied(ops[i], res)); err != nil {
			return err
		}
	}
	return e.holdsAll(e.store, recs[0], recs[1], core.Record{Key: "e"})
}

// batchOrder sends keys in no order at all, over many stripes and queues.
func batchOrder(e *env) error {
	var ops []core.Op
	for i := range 60 {
		r := dueRecord(fmt.Sprintf("key-%02d", i*37%60), time.Duration(i)*time.Second)
		r.Stripe, r.Queue = i*61%4096, fmt.Sprintf("q%d", i%3)
		ops = append(ops, create(r))
	}
	recs, err := e.mustAll(e.store, ops)
	if err != nil {
		return err
	}
	if err := e.holdsAll(e.store, recs...); err != nil {
		return err
	}
	ops = ops[:0]
	for i, r := range recs {
		if i%2 == 0 {
			r.Version++ // refused
		}
		ops = append(ops, update(r, r))
	}
	a, err := e.store.Apply(e.ctx, ops)
	if err != nil || len(a.Results) != len(ops) {
		return fmt.Errorf("apply: %d results for %d operations, error %v", len(a.Results), len(ops), err)
	}
	for i, res := range a.Results {
		if i%2 == 0 && (!errors.Is(res.Err, core.ErrConflict) || res.Current.Key != recs[i].Key) {
			return fmt.Errorf("result %d is about %q (%v), want a conflict of %q", i, res.Current.Key, res.Err, recs[i].Key)
		}
		if i%2 == 1 && res.Err != nil {
			return fmt.Errorf("result %d is %w, want none", i, res.Err)
		}
	}
	return nil
}

// batchThousand sends the largest batch there is, and one that is larger.
func batchThousand(e *env) error {
	var ops []core.Op
	for i := range core.MaxBatch + 1 {
		r := dueRecord(fmt.Sprintf("key-%04d", i), time.Duration(i)*time.Millisecond)
		r.Stripe = i % 64
		ops = append(ops, create(r))
	}
	if a, err := e.store.Apply(e.ctx, ops); !errors.Is(err, core.ErrInvalid) {
		return fmt.Errorf("%d operations: got %d results and %v, want %w", len(ops), len(a.Results), err, core.ErrInvalid)
	}
	if err := e.wantList(e.store, core.ListQuery{Limit: 10}, nil); err != nil {
		return fmt.Errorf("after a batch that was too long: %w", err)
	}
	recs, err := e.mustAll(e.store, ops[:core.MaxBatch])
	if err != nil {
		return err
	}
	got, err := e.listAll(e.store, core.ListQuery{Limit: core.MaxPage, Spec: true})
	if err != nil {
		return err
	}
	return sameAll(got, recs)
}

// batchTwice names a key twice, in every way that is tempting.
func batchTwice(e *env) error {
	recs, err := e.createAll(e.store, record("a"), record("b"))
	if err != nil {
		return err
	}
	a := recs[0]
	next := a
	next.State = []byte("next")
	twice := map[string][]core.Op{
		"two updates":           {update(a, next), create(record("c")), update(a, next)},
		"a deletion and update": {remove(a), update(a, next)},
		"deletion, re-creation": {remove(a), create(record("a"))},
		"two creations":         {create(record("c")), create(record("c"))},
		"one of another stripe": {update(a, next), {Old: core.Record{Key: "a", Stripe: 8}, New: next}},
		"one that is refused":   {update(a, next), create(record("a"))},
	}
	for name, ops := range twice {
		if _, err := e.store.Apply(e.ctx, ops); !errors.Is(err, core.ErrInvalid) {
			return fmt.Errorf("%s of a key in one batch: got %v, want %w", name, err, core.ErrInvalid)
		}
		if err := e.holdsAll(e.store, recs[0], recs[1], core.Record{Key: "c"}); err != nil {
			return fmt.Errorf("after %s of a key in one batch: %w", name, err)
		}
	}
	return nil
}

// resultErrors collects what operations that cannot be carried out are answered with.
func resultErrors(e *env) error {
	good := record("a")
	bad := []core.Op{
		create(record("a\x00b")),
		update(core.Record{Key: "c", Version: 9}, good),
		{Old: core.Record{Key: "d"}, New: core.Record{State: make([]byte, core.MaxState+1)}},
		{Old: core.Record{Key: "e", Stripe: 4096}, New: good},
		{Old: core.Record{Key: "f", Stripe: -1}, New: good},
		{Old: core.Record{Key: "g"}, New: good, History: []core.Entry{{Slot: core.MaxSlots}}},
		{Old: core.Record{Key: "h"}, New: good, History: []core.Entry{{Slot: -1}}},
		create(record(strings.Repeat("k", core.MaxKey+1))),
	}
	a, err := e.store.Apply(e.ctx, bad)
	if err != nil || len(a.Results) != len(bad) {
		return fmt.Errorf("apply: %d results for %d operations, error %v", len(a.Results), len(bad), err)
	}
	for i, res := range a.Results {
		if !errors.Is(res.Err, core.ErrConflict) && !errors.Is(res.Err, core.ErrInvalid) {
			return fmt.Errorf("operation %d on %.20q: got %v, want a conflict or invalid", i, bad[i].Old.Key, res.Err)
		}
	}
	if err := e.wantList(e.store, core.ListQuery{Limit: 10}, nil); err != nil {
		return fmt.Errorf("after refusals: %w", err)
	}
	return nil
}

// emptyBatch asks for nothing but the store's clock and names.
func emptyBatch(e *env) error {
	for _, ops := range [][]core.Op{nil, {}} {
		a, err := e.store.Apply(e.ctx, ops)
		if err != nil {
			return fmt.Errorf("apply nothing: %w", err)
		}
		if len(a.Results) != 0 || a.Epoch == "" || a.Server == "" || a.Now.IsZero() != e.place.NoClock {
			return fmt.Errorf("apply nothing: got %d results, now %v, epoch %q, server %q",
				len(a.Results), a.Now, a.Epoch, a.Server)
		}
	}
	return nil
}

// clock watches the store's clock for a moment.
func clock(e *env) error {
	before, err := e.store.Apply(e.ctx, nil)
	if err != nil {
		return fmt.Errorf("apply nothing: %w", err)
	}
	if err := e.wait(50 * time.Millisecond); err != nil {
		return err
	}
	next, err := e.store.Apply(e.ctx, []core.Op{create(record("a"))})
	if err != nil {
		return fmt.Errorf("apply: %w", err)
	}
	switch passed := next.Now.Sub(before.Now); {
	case e.place.NoClock && (!before.Now.IsZero() || !next.Now.IsZero()):
		return fmt.Errorf("a store without a clock says that it is %v", next.Now)
	case e.place.NoClock:
		return nil
	case passed < 10*time.Millisecond || passed > limit:
		return fmt.Errorf("after 50 ms the store's clock went from %v to %v", before.Now, next.Now)
	case next.Now.Location() != time.UTC || !next.Now.Equal(cut(next.Now)):
		return fmt.Errorf("the store's clock says %v, want whole microseconds in UTC", next.Now)
	}
	return nil
}

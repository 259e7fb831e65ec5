package backendtest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/belfry-io/belfry/core"
)

// start is a time that the cases count from: whole microseconds, no whole milliseconds.
var start = time.Date(2030, time.January, 2, 3, 4, 5, 678_901_000, time.UTC)

// after is a due time d later than start.
func after(d time.Duration) time.Time { return start.Add(d) }

// record is one to be created: in queue "q" and stripe 7, with a State and a Spec, not due.
func record(key string) core.Record {
	return core.Record{Key: key, Queue: "q", Stripe: 7, Spec: []byte("spec of " + key), State: []byte("state of " + key)}
}

// dueRecord is one that is due d after start.
func dueRecord(key string, d time.Duration) core.Record {
	r := record(key)
	r.Due = after(d)
	return r
}

// create is the Op that creates r.
func create(r core.Record) core.Op {
	return core.Op{Old: core.Record{Key: r.Key, Stripe: r.Stripe}, New: r}
}

// update is the Op that makes old, as it was read, into r.
func update(old, r core.Record) core.Op { return core.Op{Old: old, New: r} }

// remove is the Op that deletes r, as it was read.
func remove(r core.Record) core.Op { return core.Op{Old: r, Delete: true} }

// one applies a single Op and returns its result; the error is that of the batch.
func (e *env) one(s core.Store, op core.Op) (core.Result, error) {
	a, err := s.Apply(e.ctx, []core.Op{op})
	if err != nil {
		return core.Result{}, fmt.Errorf("apply to %q: %w", op.Old.Key, err)
	}
	if len(a.Results) != 1 {
		return core.Result{}, fmt.Errorf("apply to %q: %d results for one operation", op.Old.Key, len(a.Results))
	}
	return a.Results[0], nil
}

// must applies an Op that has to succeed and returns the record as it is then.
func (e *env) must(s core.Store, op core.Op) (core.Record, error) {
	res, err := e.one(s, op)
	if err != nil {
		return core.Record{}, err
	}
	if res.Err != nil {
		return core.Record{}, fmt.Errorf("apply to %q at version %d: %w", op.Old.Key, op.Old.Version, res.Err)
	}
	return applied(op, res), nil
}

// applied is the record that an Op left.
func applied(op core.Op, res core.Result) core.Record {
	if op.Delete {
		return core.Record{Key: op.Old.Key}
	}
	r := op.New
	r.Key, r.Stripe, r.Version = op.Old.Key, op.Old.Stripe, res.Version
	if len(r.Spec) == 0 {
		r.Spec = op.Old.Spec
	}
	return r
}

// refused applies an Op that has to be refused with want.
func (e *env) refused(s core.Store, op core.Op, want error) (core.Result, error) {
	res, err := e.one(s, op)
	if err != nil {
		return res, err
	}
	if !errors.Is(res.Err, want) {
		return res, fmt.Errorf("apply to %q at version %d: got %v, want %w", op.Old.Key, op.Old.Version, res.Err, want)
	}
	return res, nil
}

// createAll creates records in batches, all of which have to succeed, and returns them as they are then.
func (e *env) createAll(s core.Store, recs ...core.Record) ([]core.Record, error) {
	ops := make([]core.Op, len(recs))
	for i, r := range recs {
		ops[i] = create(r)
	}
	return e.mustAll(s, ops)
}

// mustAll applies Ops in batches of 1,000, all of which have to succeed, and returns the records as they are then.
func (e *env) mustAll(s core.Store, ops []core.Op) ([]core.Record, error) {
	var recs []core.Record
	for batch := range slices.Chunk(ops, core.MaxBatch) {
		a, err := s.Apply(e.ctx, batch)
		if err != nil {
			return nil, fmt.Errorf("apply %d operations: %w", len(batch), err)
		}
		if len(a.Results) != len(batch) {
			return nil, fmt.Errorf("apply: %d results for %d operations", len(a.Results), len(batch))
		}
		for i, res := range a.Results {
			if res.Err != nil {
				return nil, fmt.Errorf("apply to %q: %w", batch[i].Old.Key, res.Err)
			}
			recs = append(recs, applied(batch[i], res))
		}
	}
	return recs, nil
}

// get reads one record with its Spec.
func (e *env) get(s core.Store, key string) (core.Record, error) {
	recs, err := s.Get(e.ctx, core.GetQuery{Keys: []string{key}, Spec: true})
	if err != nil {
		return core.Record{}, fmt.Errorf("get %q: %w", key, err)
	}
	if len(recs) != 1 {
		return core.Record{}, fmt.Errorf("get %q: %d records for one key", key, len(recs))
	}
	return recs[0], nil
}

// holds says whether the store has exactly the record want; Version 0: none.
func (e *env) holds(s core.Store, want core.Record) error {
	got, err := e.get(s, want.Key)
	if err != nil {
		return err
	}
	if want.Version == 0 {
		if got.Version != 0 {
			return fmt.Errorf("get %q: version %d, want no record", want.Key, got.Version)
		}
		return nil
	}
	if err := same(got, want); err != nil {
		return fmt.Errorf("get: %w", err)
	}
	return nil
}

// holdsAll is holds for many.
func (e *env) holdsAll(s core.Store, want ...core.Record) error {
	for _, r := range want {
		if err := e.holds(s, r); err != nil {
			return err
		}
	}
	return nil
}

// same says how got differs from want; times finer than a microsecond count as cut off.
func same(got, want core.Record) error {
	bad := func(field string, has, wants any) error {
		return fmt.Errorf("record %.80q: %s is %.80s, want %.80s", want.Key, field, fmt.Sprint(has), fmt.Sprint(wants))
	}
	switch {
	case got.Key != want.Key:
		return bad("Key", got.Key, want.Key)
	case got.Version != want.Version:
		return bad("Version", got.Version, want.Version)
	case got.Queue != want.Queue:
		return bad("Queue", got.Queue, want.Queue)
	case got.Stripe != want.Stripe:
		return bad("Stripe", got.Stripe, want.Stripe)
	case !got.Due.Equal(cut(want.Due)):
		return bad("Due", got.Due, cut(want.Due))
	case !bytes.Equal(got.State, want.State):
		return bad(fmt.Sprintf("State (%d, want %d bytes)", len(got.State), len(want.State)), string(got.State), string(want.State))
	case !bytes.Equal(got.Spec, want.Spec):
		return bad(fmt.Sprintf("Spec (%d, want %d bytes)", len(got.Spec), len(want.Spec)), string(got.Spec), string(want.Spec))
	case got.Due.Location() != time.UTC:
		return bad("Due's zone", got.Due.Location(), time.UTC)
	}
	return nil
}

// cut cuts off what is finer than a microsecond.
func cut(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// sameAll says how a list of records differs from another one, in their order.
func sameAll(got, want []core.Record) error {
	if len(got) != len(want) {
		return fmt.Errorf("got the %d records %.200q, want the %d %.200q", len(got), keys(got), len(want), keys(want))
	}
	for i := range got {
		if err := same(got[i], want[i]); err != nil {
			return fmt.Errorf("place %d: %w", i, err)
		}
	}
	return nil
}

// keys are the keys of records.
func keys(recs []core.Record) []string {
	out := make([]string, len(recs))
	for i, r := range recs {
		out[i] = r.Key
	}
	return out
}

// bare are the records without their Spec.
func bare(recs ...core.Record) []core.Record {
	out := slices.Clone(recs)
	for i := range out {
		out[i].Spec = nil
	}
	return out
}

// first returns the first error; for checks that do not depend on one another and read best in a row.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

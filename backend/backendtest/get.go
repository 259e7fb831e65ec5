package backendtest

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/belfry-io/belfry/core"
)

func getCases() []Case {
	return []Case{
		{"get", []string{
			"A GetQuery names records",
			"Get returns the records of the keys, in their order",
			"An absent one has Version 0",
		}, getOrder},
		{"get spec", []string{
			"return their Spec; otherwise it is nil",
		}, getSpec},
		{"get a thousand", []string{
			"at most 1,000",
		}, getThousand},
	}
}

// getOrder asks for records in no order, some absent, one twice.
func getOrder(e *env) error {
	a, err := e.must(e.store, create(record("a")))
	if err != nil {
		return err
	}
	r := record("b")
	r.Stripe, r.Queue, r.Due = 4095, "another", after(time.Second)
	b, err := e.must(e.store, create(r))
	if err != nil {
		return err
	}
	got, err := e.store.Get(e.ctx, core.GetQuery{Keys: []string{"b", "none", "a", "A", "b"}, Spec: true})
	if err != nil {
		return fmt.Errorf("get: %w", err)
	}
	if len(got) != 5 {
		return fmt.Errorf("%d records for 5 keys", len(got))
	}
	if got[1].Version != 0 || got[3].Version != 0 {
		return fmt.Errorf("absent records have versions %d and %d, want 0", got[1].Version, got[3].Version)
	}
	if err := sameAll([]core.Record{got[0], got[2], got[4]}, []core.Record{b, a, b}); err != nil {
		return err
	}
	got, err = e.store.Get(e.ctx, core.GetQuery{})
	if err != nil || len(got) != 0 {
		return fmt.Errorf("get nothing: %d records, error %v", len(got), err)
	}
	return nil
}

// getSpec asks for records with and without their Spec.
func getSpec(e *env) error {
	r, err := e.must(e.store, create(record("a")))
	if err != nil {
		return err
	}
	for _, spec := range []bool{true, false} {
		got, err := e.store.Get(e.ctx, core.GetQuery{Keys: []string{"a"}, Spec: spec})
		if err != nil || len(got) != 1 {
			return fmt.Errorf("get: %d records, error %v", len(got), err)
		}
		want := r
		if !spec {
			want.Spec = nil
		}
		if err := same(got[0], want); err != nil {
			return fmt.Errorf("spec wanted: %t: %w", spec, err)
		}
		if !spec && got[0].Spec != nil {
			return errors.New("a Spec that nobody asked for is empty, want nil")
		}
	}
	return nil
}

// getThousand asks for as many records as allowed, and for one more.
func getThousand(e *env) error {
	var (
		recs []core.Record
		q    core.GetQuery
	)
	for i := range core.MaxBatch {
		r := record(strconv.Itoa(i))
		r.Stripe = i % 64
		recs = append(recs, r)
		q.Keys = append(q.Keys, r.Key)
	}
	want, err := e.createAll(e.store, recs...)
	if err != nil {
		return err
	}
	got, err := e.store.Get(e.ctx, q)
	if err != nil {
		return fmt.Errorf("get %d keys: %w", len(q.Keys), err)
	}
	if err := sameAll(got, bare(want...)); err != nil {
		return err
	}
	q.Keys = append(q.Keys, "more")
	if _, err := e.store.Get(e.ctx, q); !errors.Is(err, core.ErrInvalid) {
		return fmt.Errorf("get %d keys: got %v, want %w", len(q.Keys), err, core.ErrInvalid)
	}
	return nil
}

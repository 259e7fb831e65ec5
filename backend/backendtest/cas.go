package backendtest

import (
	"errors"
	"fmt"
	"time"

	"github.com/belfry-io/belfry/core"
)

func casCases() []Case {
	return []Case{
		{"compare and set", []string{
			"An Op is one conditional change of one record",
			"Version must be the stored one, 0 meaning that there must be no record; otherwise the Op is refused with ErrConflict",
			"0: there is no such record",
		}, compareAndSet},
		{"new values", []string{
			"New is what the record becomes: Queue, Due, State, and Spec unless it is empty, which keeps the old one",
			"A Record is what a store keeps under a key",
		}, newValues},
		{"result version", []string{
			"A Result is the answer to one Op",
			"the record's new version if Err is nil; 0 after Delete",
		}, resultVersion},
		{"conflict has the current record", []string{
			"Current is, with ErrConflict, the record as it is, so that nobody need read it again; its Spec only if the Op carried one",
		}, conflictCurrent},
		{"versions never repeat", []string{
			"A change gives its key a version greater than every version the key ever had, over deletion, re-creation, restart and fail-over",
		}, versionsNeverRepeat},
		{"delete", []string{
			"Delete removes the record, its index entry and its history instead",
			"Incidents stay",
		}, deleteRemoves},
		{"another server", []string{
			"Server, if not empty, is the [Applied.Server] whose records this Op was computed from",
			"Any other server must not carry it out; the result is then ErrMoved",
			"A store whose fail-overs lose nothing may ignore it",
		}, anotherServer},
	}
}

// compareAndSet tries each operation at the right version and at wrong ones.
func compareAndSet(e *env) error {
	want := record("a")
	v1, err := e.must(e.store, create(want))
	if err != nil {
		return err
	}
	other := record("a")
	other.State, other.Spec = []byte("other"), []byte("other")
	for _, version := range []uint64{0, v1.Version - 1, v1.Version + 1, 1 << 62} {
		old := v1
		old.Version = version
		if _, err := e.refused(e.store, update(old, other), core.ErrConflict); err != nil {
			return err
		}
		if _, err := e.refused(e.store, remove(old), core.ErrConflict); err != nil {
			return err
		}
	}
	absent := record("b")
	absent.Version = v1.Version
	if _, err := e.refused(e.store, update(absent, absent), core.ErrConflict); err != nil {
		return err
	}
	if _, err := e.refused(e.store, remove(absent), core.ErrConflict); err != nil {
		return err
	}
	if err := e.holdsAll(e.store, v1, core.Record{Key: "b"}); err != nil {
		return fmt.Errorf("after refusals: %w", err)
	}
	v2, err := e.must(e.store, update(v1, other))
	if err != nil {
		return err
	}
	if _, err := e.refused(e.store, update(v1, want), core.ErrConflict); err != nil {
		return fmt.Errorf("the old version: %w", err)
	}
	return e.holds(e.store, v2)
}

// newValues changes each field by itself.
func newValues(e *env) error {
	r, err := e.must(e.store, create(dueRecord("a", time.Second)))
	if err != nil {
		return err
	}
	changes := []func(*core.Record){
		func(r *core.Record) { r.State = []byte("next") },
		func(r *core.Record) { r.Due = after(time.Hour) },
		func(r *core.Record) { r.Queue = "another" },
		func(r *core.Record) { r.Spec = []byte("next") },
		func(r *core.Record) { r.Spec = nil; r.State = []byte("spec stays") },
		func(r *core.Record) { r.Spec = []byte{}; r.Due = time.Time{} },
		func(r *core.Record) { r.State = nil },
		func(r *core.Record) { r.Queue = "" },
	}
	for i, change := range changes {
		next := r
		change(&next)
		if r, err = e.must(e.store, update(r, next)); err != nil {
			return fmt.Errorf("change %d: %w", i, err)
		}
		if err := e.holds(e.store, r); err != nil {
			return fmt.Errorf("change %d: %w", i, err)
		}
	}
	return nil
}

// resultVersion compares what Apply says with what Get says.
func resultVersion(e *env) error {
	res, err := e.one(e.store, create(record("a")))
	if err != nil {
		return err
	}
	got, err := e.get(e.store, "a")
	if err != nil {
		return err
	}
	if res.Err != nil || res.Version == 0 || res.Version != got.Version {
		return fmt.Errorf("created with version %d (%v), stored with %d", res.Version, res.Err, got.Version)
	}
	res, err = e.one(e.store, remove(got))
	if err != nil {
		return err
	}
	if res.Err != nil || res.Version != 0 {
		return fmt.Errorf("deleted with version %d (%v), want 0", res.Version, res.Err)
	}
	return nil
}

// conflictCurrent looks at the record that comes with a conflict.
func conflictCurrent(e *env) error {
	r, err := e.must(e.store, create(dueRecord("a", time.Minute)))
	if err != nil {
		return err
	}
	old := r
	old.Version++
	withSpec, withoutSpec := update(old, record("a")), update(old, record("a"))
	withoutSpec.New.Spec = nil
	for _, op := range []core.Op{withSpec, withoutSpec} {
		want := r
		if len(op.New.Spec) == 0 {
			want.Spec = nil
		}
		res, err := e.refused(e.store, op, core.ErrConflict)
		if err != nil {
			return err
		}
		if err := same(res.Current, want); err != nil {
			return fmt.Errorf("current: %w", err)
		}
	}
	res, err := e.refused(e.store, update(core.Record{Key: "b", Version: 1}, record("b")), core.ErrConflict)
	if err != nil {
		return err
	}
	if res.Current.Version != 0 {
		return fmt.Errorf("current of an absent record has version %d, want 0", res.Current.Version)
	}
	return nil
}

// versionsNeverRepeat takes a key through several lives, over several connections.
func versionsNeverRepeat(e *env) error {
	var last uint64
	s := e.store
	for life := range 4 {
		r := record("a")
		for change := range 5 {
			next, err := e.must(s, update(r, r))
			if err != nil {
				return err
			}
			if next.Version <= last {
				return fmt.Errorf("life %d, change %d: version %d after %d", life, change, next.Version, last)
			}
			r, last = next, next.Version
		}
		if _, err := e.must(s, remove(r)); err != nil {
			return err
		}
		if _, err := e.refused(s, update(r, r), core.ErrConflict); err != nil {
			return fmt.Errorf("after the deletion: %w", err)
		}
		if err := s.Close(); err != nil {
			return fmt.Errorf("close: %w", err)
		}
		var err error
		if s, err = e.connect(); err != nil {
			return err
		}
	}
	return nil
}

// deleteRemoves looks for what a deletion leaves.
func deleteRemoves(e *env) error {
	op := create(dueRecord("a", time.Second))
	op.History = []core.Entry{
		{Slot: 0, Time: after(0), Data: []byte("plain")},
		{Slot: 1, Time: after(time.Second), Data: []byte("incident"), Incident: true},
	}
	r, err := e.must(e.store, op)
	if err != nil {
		return err
	}
	if _, err := e.must(e.store, remove(r)); err != nil {
		return err
	}
	checks := func(when string) error {
		err := first(
			e.wantDue(e.store, 7, nil),
			e.wantLog(e.store, core.LogQuery{Key: "a"}, nil),
			e.wantLog(e.store, core.LogQuery{}, []core.Entry{{Key: "a", Slot: 1, Time: after(time.Second), Data: []byte("incident")}}),
		)
		if err != nil {
			return fmt.Errorf("%s: %w", when, err)
		}
		return nil
	}
	if err := first(checks("after the deletion"), e.holds(e.store, core.Record{Key: "a"})); err != nil {
		return err
	}
	next := record("a")
	next.Spec = nil
	if r, err = e.must(e.store, create(next)); err != nil {
		return err
	}
	return first(checks("after the re-creation"), e.holds(e.store, r))
}

// anotherServer sends what was computed from another server's records.
func anotherServer(e *env) error {
	a, err := e.store.Apply(e.ctx, nil)
	if err != nil {
		return fmt.Errorf("apply nothing: %w", err)
	}
	op := create(record("a"))
	op.Server = a.Server
	r, err := e.must(e.store, op)
	if err != nil {
		return fmt.Errorf("with the server's own name: %w", err)
	}
	next := r
	next.State = []byte("next")
	op = update(r, next)
	op.Server = a.Server + "x"
	a, err = e.store.Apply(e.ctx, []core.Op{op, create(record("b"))})
	if err != nil {
		return fmt.Errorf("with another server's name: %w", err)
	}
	if len(a.Results) != 2 || a.Results[1].Err != nil {
		return fmt.Errorf("with another server's name in one of two operations: %v", a.Results)
	}
	if errors.Is(a.Results[0].Err, core.ErrMoved) {
		return e.holds(e.store, r)
	}
	if a.Results[0].Err != nil {
		return fmt.Errorf("with another server's name: %w", a.Results[0].Err)
	}
	return e.holds(e.store, applied(op, a.Results[0]))
}

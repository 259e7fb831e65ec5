package backendtest

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/belfry-io/belfry/core"
)

func sizeCases() []Case {
	return []Case{
		{"sizes", []string{
			"what the user wrote; at most 1 MiB",
			"what the engine keeps; at most 64 KiB",
		}, sizes},
	}
}

func pageCases() []Case {
	return []Case{
		{"large pages", []string{
			"Pages hold at most Limit items and about 4 MiB",
			"A short page does not mean the end; an empty one does",
		}, largePages},
	}
}

// invalid says whether an operation was refused as it has to be.
func invalid(err error) error {
	if !errors.Is(err, core.ErrInvalid) {
		return fmt.Errorf("got %v, want %w", err, core.ErrInvalid)
	}
	return nil
}

// sizes stores as much as allowed, and tries one byte more.
func sizes(e *env) error {
	r := record("a")
	r.Spec = bytes.Repeat([]byte("s"), core.MaxSpec)
	r.State = bytes.Repeat([]byte("t"), core.MaxState)
	stored, err := e.must(e.store, create(r))
	if err != nil {
		return err
	}
	if err := e.holds(e.store, stored); err != nil {
		return err
	}
	for field, change := range map[string]func(*core.Record){
		"Spec":  func(r *core.Record) { r.Spec = make([]byte, core.MaxSpec+1) },
		"State": func(r *core.Record) { r.State = make([]byte, core.MaxState+1) },
	} {
		large := record("a")
		change(&large)
		a, err := e.store.Apply(e.ctx, []core.Op{update(stored, large), create(record("beside " + field))})
		if err != nil || len(a.Results) != 2 {
			return fmt.Errorf("a %s that is too large: %d results, error %v", field, len(a.Results), err)
		}
		if err := first(invalid(a.Results[0].Err), a.Results[1].Err); err != nil {
			return fmt.Errorf("a %s that is too large: %w", field, err)
		}
	}
	return e.holds(e.store, stored)
}

// largePages reads more than 4 MiB in each way there is.
func largePages(e *env) error {
	var want []core.Record
	for i := range 7 {
		r := record(fmt.Sprint("spec-", i))
		r.Spec = bytes.Repeat([]byte{byte(i)}, core.MaxSpec)
		stored, err := e.must(e.store, create(r))
		if err != nil {
			return err
		}
		want = append(want, stored)
	}
	got, err := e.listAll(e.store, core.ListQuery{Limit: 100, Spec: true})
	if err := first(err, sameAll(got, want)); err != nil {
		return fmt.Errorf("large Specs: %w", err)
	}
	return first(e.largeStates(), e.largeHistory())
}

// largeStates reads 7 MiB of States by due time.
func (e *env) largeStates() error {
	var want []core.Record
	for i := range 112 {
		r := dueRecord(fmt.Sprintf("state-%03d", i), time.Duration(i)*time.Second)
		r.State = bytes.Repeat([]byte{byte(i)}, core.MaxState)
		stored, err := e.must(e.store, create(r))
		if err != nil {
			return err
		}
		want = append(want, stored)
	}
	q := wholeQueue(7)
	got, err := e.dueAll(q)
	if err := first(err, sameAll(got, bare(want...))); err != nil {
		return fmt.Errorf("large States: %w", err)
	}
	return nil
}

// largeHistory reads 6 MiB of history, of a record and of all.
func (e *env) largeHistory() error {
	r, err := e.must(e.store, create(record("log")))
	if err != nil {
		return err
	}
	var want []core.Entry
	for i := 0; i < core.MaxSlots-8; i += 8 {
		op := update(r, r)
		for slot := i; slot < i+8; slot++ {
			en := incidentOf("log", slot, time.Duration(slot)*time.Second)
			en.Data = bytes.Repeat([]byte{byte(slot)}, core.MaxEntry)
			op.History = append(op.History, en)
			want = append([]core.Entry{en}, want...)
		}
		if r, err = e.must(e.store, op); err != nil {
			return err
		}
	}
	for _, key := range []string{"log", ""} {
		got, err := e.logAll(core.LogQuery{Key: key, Limit: 1000})
		if err := first(err, sameEntries(got, want)); err != nil {
			return fmt.Errorf("large history of %q: %w", key, err)
		}
	}
	return nil
}

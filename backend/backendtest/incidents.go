package backendtest

import (
	"fmt"
	"slices"
	"time"

	"github.com/belfry-io/belfry/core"
)

func incidentCases() []Case {
	return []Case{
		{"incidents", []string{
			"Incident lets the entry also appear among the incidents of all records, of which the newest 10,000 stay readable, also when the record is deleted",
			"of one record; empty: the incidents of all",
		}, incidents},
		{"incident pages", []string{
			"and of those at Before exactly, those with a smaller Key",
		}, incidentPages},
		{"ten thousand incidents", []string{
			"Incident lets the entry also appear among the incidents of all records, of which the newest 10,000 stay readable, also when the record is deleted",
		}, manyIncidents},
	}
}

// incidentOf is an entry that is one.
func incidentOf(key string, slot int, d time.Duration) core.Entry {
	en := entry(key, slot, d)
	en.Incident = true
	return en
}

// incidents writes some of several records, overwrites their slots and deletes a record.
func incidents(e *env) error {
	var recs []core.Record
	for i, key := range []string{"a", "b"} {
		r := record(key)
		r.Stripe = i
		op := create(r)
		op.History = []core.Entry{
			incidentOf(key, 0, time.Duration(i)*time.Second),
			entry(key, 1, 10*time.Second),
		}
		stored, err := e.must(e.store, op)
		if err != nil {
			return err
		}
		recs = append(recs, stored)
	}
	op := update(recs[0], recs[0])
	op.History = []core.Entry{incidentOf("a", 0, 5*time.Second)} // over the first
	if _, err := e.must(e.store, op); err != nil {
		return err
	}
	want := []core.Entry{
		incidentOf("a", 0, 5*time.Second), incidentOf("b", 0, time.Second), incidentOf("a", 0, 0),
	}
	if err := e.wantLog(e.store, core.LogQuery{}, want); err != nil {
		return err
	}
	err := e.wantLog(e.store, core.LogQuery{Key: "a"}, []core.Entry{entry("a", 1, 10*time.Second), want[0]})
	if err != nil {
		return err
	}
	if _, err := e.must(e.store, remove(recs[1])); err != nil {
		return err
	}
	if err := e.wantLog(e.store, core.LogQuery{}, want); err != nil {
		return fmt.Errorf("after a deletion: %w", err)
	}
	return nil
}

// incidentPages reads incidents of many records, many of them at the same time, in pages.
func incidentPages(e *env) error {
	var (
		ops  []core.Op
		want []core.Entry
	)
	for i := range 30 {
		r := record(fmt.Sprintf("key-%02d", i))
		r.Stripe = i % 4
		op := create(r)
		op.History = []core.Entry{incidentOf(r.Key, i, time.Duration(i/13)*time.Second)}
		ops = append(ops, op)
		want = append(want, op.History[0])
	}
	slices.Reverse(want)
	if _, err := e.mustAll(e.store, ops); err != nil {
		return err
	}
	for _, limit := range []int{1, 2, 7, 13, 29, 30, 31} {
		got, err := e.logAll(core.LogQuery{Limit: limit})
		if err != nil {
			return fmt.Errorf("in pages of %d: %w", limit, err)
		}
		if err := sameEntries(got, want); err != nil {
			return fmt.Errorf("in pages of %d: %w", limit, err)
		}
	}
	q := core.LogQuery{Before: after(time.Second)}
	return e.wantLog(e.store, q, want[17:])
}

// manyIncidents writes more of them than have to stay.
func manyIncidents(e *env) error {
	const (
		stay    = 10000
		written = stay + 5*core.MaxEntries
	)
	var (
		ops []core.Op
		all []core.Entry
	)
	for i := 0; i < written; i += core.MaxEntries {
		r := record(fmt.Sprintf("key-%03d", i/core.MaxEntries))
		r.Stripe = i / core.MaxEntries % 64
		op := create(r)
		for slot := range core.MaxEntries {
			en := incidentOf(r.Key, slot, time.Duration(i+slot)*time.Millisecond)
			op.History = append(op.History, en)
			all = append(all, en)
		}
		ops = append(ops, op)
	}
	for batch := range slices.Chunk(ops, 20) { // some servers take no more at once
		if _, err := e.mustAll(e.store, batch); err != nil {
			return err
		}
	}
	got, err := e.logAll(core.LogQuery{Limit: 1000})
	if err != nil {
		return err
	}
	if len(got) < stay {
		return fmt.Errorf("log: %d incidents of the newest %d", len(got), stay)
	}
	slices.Reverse(all)
	return sameEntries(got[:stay], all[:stay])
}

package backendtest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/belfry-io/belfry/core"
)

func listCases() []Case {
	return []Case{
		{"list", []string{
			"A ListQuery selects records by key",
			"only greater keys",
		}, list},
		{"list pages", []string{
			"A short page does not mean the end; an empty one does",
		}, listPages},
		{"list while others write", []string{
			"List returns records in bytewise order of their keys: at least those that existed throughout the call",
		}, listWhileWriting},
	}
}

// wantList says how the answer to a query differs from want.
func (e *env) wantList(s core.Store, q core.ListQuery, want []core.Record) error {
	got, err := s.List(e.ctx, q)
	if err != nil {
		return fmt.Errorf("list: %w", err)
	}
	if err := sameAll(got, want); err != nil {
		return fmt.Errorf("list: %w", err)
	}
	return nil
}

// listAll reads pages until one is empty.
func (e *env) listAll(s core.Store, q core.ListQuery) ([]core.Record, error) {
	var all []core.Record
	for range 10000 {
		page, err := s.List(e.ctx, q)
		if err != nil {
			return nil, fmt.Errorf("list: %w", err)
		}
		if len(page) == 0 {
			return all, nil
		}
		if err := pageSize(page, q.Limit); err != nil {
			return nil, fmt.Errorf("list: %w", err)
		}
		all = append(all, page...)
		q.After = page[len(page)-1].Key
	}
	return nil, errors.New("list: after 10,000 pages there is no end")
}

// list asks for parts of the keys.
func list(e *env) error {
	names := []string{"B", "a", "a/", "a/1", "a/10", "a/2", "aa", "b", "z", "é", "€"}
	var recs []core.Record
	for i, k := range names {
		r := record(k)
		r.Stripe = i * 99
		recs = append(recs, r)
	}
	slices.Reverse(recs)
	recs, err := e.createAll(e.store, recs...)
	if err != nil {
		return err
	}
	slices.Reverse(recs)
	cases := []struct {
		prefix, after string
		limit         int
		want          []core.Record
	}{
		{"", "", 100, recs},
		{"", "", 3, recs[:3]},
		{"", "a/1", 2, recs[4:6]},
		{"", "a/11", 2, recs[5:7]},
		{"", "€", 5, nil},
		{"a/", "", 100, recs[2:6]},
		{"a/", "a/1", 100, recs[4:6]},
		{"a/", "A", 2, recs[2:4]},
		{"a/", "b", 100, nil},
		{"a/1", "", 100, recs[3:5]},
		{"a", "", 100, recs[1:7]},
		{"é", "", 100, recs[9:10]},
		{"none", "", 100, nil},
		{"*", "", 100, nil},
	}
	for _, c := range cases {
		q := core.ListQuery{Prefix: c.prefix, After: c.after, Limit: c.limit}
		if err := e.wantList(e.store, q, bare(c.want...)); err != nil {
			return fmt.Errorf("prefix %q after %q: %w", c.prefix, c.after, err)
		}
		q.Spec = true
		if err := e.wantList(e.store, q, c.want); err != nil {
			return fmt.Errorf("prefix %q after %q with Spec: %w", c.prefix, c.after, err)
		}
	}
	return nil
}

// listPages reads in pages of every size.
func listPages(e *env) error {
	var recs []core.Record
	for i := range 50 {
		r := record(fmt.Sprintf("job/%02d", i))
		r.Stripe = i * 31 % 64
		recs = append(recs, r)
	}
	want, err := e.createAll(e.store, recs...)
	if err != nil {
		return err
	}
	if _, err := e.createAll(e.store, record("job"), record("jobs")); err != nil {
		return err
	}
	for _, limit := range []int{1, 2, 7, 49, 50, 51} {
		got, err := e.listAll(e.store, core.ListQuery{Prefix: "job/", Limit: limit, Spec: true})
		if err != nil {
			return fmt.Errorf("in pages of %d: %w", limit, err)
		}
		if err := sameAll(got, want); err != nil {
			return fmt.Errorf("in pages of %d: %w", limit, err)
		}
	}
	return nil
}

// listWhileWriting lists over and over while every second key comes and goes.
func listWhileWriting(e *env) error {
	var stay, leave []core.Record
	for i := range 40 {
		stay = append(stay, record(fmt.Sprintf("key-%02d-stays", i)))
		leave = append(leave, record(fmt.Sprintf("key-%02d-comes-and-goes", i)))
	}
	if _, err := e.createAll(e.store, stay...); err != nil {
		return err
	}
	writer, err := e.connect()
	if err != nil {
		return err
	}
	var (
		stop    = make(chan struct{})
		failure error
		wg      sync.WaitGroup
	)
	wg.Go(func() { failure = e.comeAndGo(writer, leave, stop) })
	for i := 0; i < 25 && err == nil; i++ {
		err = e.listStays(stay)
	}
	close(stop)
	wg.Wait()
	return first(err, failure)
}

// comeAndGo creates and deletes records, one after another, until stop is closed.
func (e *env) comeAndGo(s core.Store, recs []core.Record, stop <-chan struct{}) error {
	for i := 0; ; i++ {
		select {
		case <-stop:
			return nil
		default:
		}
		r, err := e.must(s, create(recs[i%len(recs)]))
		if err != nil {
			return err
		}
		if _, err := e.must(s, remove(r)); err != nil {
			return err
		}
	}
}

// listStays says whether a whole listing has what has been there all the time, in order.
func (e *env) listStays(stay []core.Record) error {
	got, err := e.listAll(e.store, core.ListQuery{Limit: 7})
	if err != nil {
		return err
	}
	names := keys(got)
	if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
		return fmt.Errorf("list: keys are out of order or come twice: %.500q", names)
	}
	names = slices.DeleteFunc(names, func(k string) bool { return !strings.HasSuffix(k, "-stays") })
	if !slices.Equal(names, keys(stay)) {
		return fmt.Errorf("list: of %d records that were there all the time it has %d", len(stay), len(names))
	}
	return nil
}

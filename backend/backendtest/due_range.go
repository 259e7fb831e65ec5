package backendtest

import (
	"errors"
	"fmt"
	"time"

	"github.com/belfry-io/belfry/core"
)

func dueRangeCases() []Case {
	return []Case{
		{"due range", []string{
			"A DueQuery selects records of a queue by stripe and due time: From <= Due < To",
			"the part of the due index, with Stripe",
			"0 to 4095; the engine computes it from the key, it never changes",
		}, dueRange},
		{"due pages at equal times", []string{
			"of records due at From exactly, only those with a greater key: the next page starts at the last record",
			"A short page does not mean the end; an empty one does",
		}, duePages},
		{"limits of pages", []string{
			"1 to 10,000",
			"Pages hold at most Limit items and about 4 MiB",
		}, pageLimits},
		{"microseconds", []string{
			"Times are UTC with a precision of one microsecond; what is finer is cut off",
		}, microseconds},
	}
}

// dueRange asks for parts of the index.
func dueRange(e *env) error {
	var recs []core.Record
	for i, stripe := range []int{0, 1, 4095, 1, 0} {
		r := dueRecord(fmt.Sprint("key-", i), time.Duration(i)*time.Second)
		r.Stripe = stripe
		recs = append(recs, r)
	}
	other := dueRecord("other", time.Second)
	other.Queue = "q2"
	recs, err := e.createAll(e.store, append(recs, other)...)
	if err != nil {
		return err
	}
	all := []int{0, 1, 4095}
	cases := []struct {
		stripes  []int
		from, to time.Duration
		want     []int
	}{
		{all, 0, time.Hour, []int{0, 1, 2, 3, 4}},
		{all, time.Second, 3 * time.Second, []int{1, 2}},
		{all, time.Second + time.Microsecond, 3*time.Second + time.Microsecond, []int{2, 3}},
		{all, time.Second, time.Second, nil},
		{all, 3 * time.Second, time.Second, nil},
		{[]int{1}, 0, time.Hour, []int{1, 3}},
		{[]int{4095, 0}, 0, time.Hour, []int{0, 2, 4}},
		{[]int{1, 1, 1}, 0, time.Hour, []int{1, 3}},
		{[]int{2, 3}, 0, time.Hour, nil},
		{nil, 0, time.Hour, nil},
	}
	for _, c := range cases {
		var want []core.Record
		for _, i := range c.want {
			want = append(want, recs[i])
		}
		q := core.DueQuery{Queue: "q", Stripes: c.stripes, From: after(c.from), To: after(c.to), Limit: 100}
		if err := e.wantDueOf(e.store, q, want); err != nil {
			return fmt.Errorf("stripes %d from %v to %v: %w", c.stripes, c.from, c.to, err)
		}
	}
	q := core.DueQuery{Queue: "none", Stripes: all, To: after(time.Hour), Limit: 100}
	return e.wantDueOf(e.store, q, nil)
}

// duePages reads many records that are due at the same few times, in pages of every size.
func duePages(e *env) error {
	var recs []core.Record
	for i := range 40 {
		r := dueRecord(fmt.Sprintf("key-%02d", i), time.Duration(i/17)*time.Second)
		r.Stripe = i % 3
		recs = append(recs, r)
	}
	want, err := e.createAll(e.store, recs...)
	if err != nil {
		return err
	}
	for _, limit := range []int{1, 2, 3, 7, 17, 39, 40, 41} {
		q := wholeQueue(0, 1, 2)
		q.Limit = limit
		got, err := e.dueAll(q)
		if err != nil {
			return fmt.Errorf("in pages of %d: %w", limit, err)
		}
		if err := sameAll(got, bare(want...)); err != nil {
			return fmt.Errorf("in pages of %d: %w", limit, err)
		}
	}
	return nil
}

// dueAll reads pages until one is empty.
func (e *env) dueAll(q core.DueQuery) ([]core.Record, error) {
	var all []core.Record
	for range 1000 {
		page, err := e.store.Due(e.ctx, q)
		if err != nil {
			return nil, fmt.Errorf("due: %w", err)
		}
		if len(page) == 0 {
			return all, nil
		}
		if err := pageSize(page, q.Limit); err != nil {
			return nil, fmt.Errorf("due: %w", err)
		}
		all = append(all, page...)
		last := page[len(page)-1]
		q.From, q.AfterKey = last.Due, last.Key
	}
	return nil, errors.New("due: after 1,000 pages there is no end")
}

// pageSize says whether a page is too large.
func pageSize(page []core.Record, limit int) error {
	size := 0
	for _, r := range page {
		size += len(r.Key) + len(r.State) + len(r.Spec)
	}
	if len(page) > limit || size > 6<<20 {
		return fmt.Errorf("a page of %d records and %d bytes, the limit is %d and about 4 MiB", len(page), size, limit)
	}
	return nil
}

// pageLimits asks for pages of sizes that are not allowed, and of those that are.
func pageLimits(e *env) error {
	if _, err := e.createAll(e.store, dueRecord("a", 0), dueRecord("b", 0)); err != nil {
		return err
	}
	ask := func(limit int) map[string]error {
		q := wholeQueue(7)
		q.Limit = limit
		_, due := e.store.Due(e.ctx, q)
		_, list := e.store.List(e.ctx, core.ListQuery{Limit: limit})
		_, log := e.store.Log(e.ctx, core.LogQuery{Limit: limit})
		return map[string]error{"due": due, "list": list, "log": log}
	}
	for _, limit := range []int{0, -1, core.MaxPage + 1} {
		for method, err := range ask(limit) {
			if !errors.Is(err, core.ErrInvalid) {
				return fmt.Errorf("%s with a limit of %d: got %v, want %w", method, limit, err, core.ErrInvalid)
			}
		}
	}
	for _, limit := range []int{1, core.MaxPage} {
		for method, err := range ask(limit) {
			if err != nil {
				return fmt.Errorf("%s with a limit of %d: %w", method, limit, err)
			}
		}
	}
	return nil
}

// microseconds stores times that are finer, of another zone, and of another century.
func microseconds(e *env) error {
	zone := time.FixedZone("east", 3*3600)
	times := []time.Time{
		start.Add(999),
		start.Add(1500),
		start.In(zone).Add(1999),
		time.Date(1969, time.December, 31, 23, 59, 59, 999_999_999, time.UTC),
		time.Date(1970, time.January, 1, 0, 0, 0, 0, time.UTC),
		time.Date(2262, time.April, 12, 0, 0, 0, 1999, time.UTC), // beyond nanoseconds in 64 bits
	}
	for i, due := range times {
		r := dueRecord(fmt.Sprint("key-", i), 0)
		r.Due, r.Stripe = due, i
		op := create(r)
		op.History = []core.Entry{{Time: due, Data: []byte("x")}}
		stored, err := e.must(e.store, op)
		if err != nil {
			return err
		}
		exact := core.DueQuery{Queue: "q", Stripes: []int{i}, From: cut(due), To: cut(due).Add(time.Microsecond), Limit: 9}
		finer := exact
		finer.From, finer.To = due, due.Add(time.Microsecond)
		want := []core.Record{stored}
		err = first(
			e.holds(e.store, stored),
			e.wantDueOf(e.store, exact, want),
			e.wantDueOf(e.store, finer, want),
			e.wantLog(e.store, core.LogQuery{Key: r.Key}, []core.Entry{{Key: r.Key, Time: cut(due), Data: []byte("x")}}),
		)
		if err != nil {
			return fmt.Errorf("due at %v: %w", due, err)
		}
	}
	return nil
}

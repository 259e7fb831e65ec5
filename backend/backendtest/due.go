package backendtest

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/belfry-io/belfry/core"
)

func dueCases() []Case {
	return []Case{
		{"due order", []string{
			"A Store holds versioned records with a due index",
			"Due returns records without their Spec, ordered by due time and then key",
		}, dueOrder},
		{"due follows changes", []string{
			"Old is the record as it was read: Key, Version, Queue, Stripe and Due count",
			"zero: not in the due index",
		}, dueFollows},
		{"due of refused operations", []string{
			"Version must be the stored one, 0 meaning that there must be no record; otherwise the Op is refused with ErrConflict",
		}, dueRefused},
		{"due at random", []string{
			"A Store holds versioned records with a due index",
		}, dueRandom},
	}
}

// wholeQueue is a query for everything due in queue "q" on stripes.
func wholeQueue(stripes ...int) core.DueQuery {
	return core.DueQuery{Queue: "q", Stripes: stripes, To: after(1000 * time.Hour), Limit: core.MaxPage}
}

// wantDue says how what is due in queue "q" on a stripe differs from want.
func (e *env) wantDue(s core.Store, stripe int, want []core.Record) error {
	return e.wantDueOf(s, wholeQueue(stripe), want)
}

// wantDueOf says how the answer to a query differs from want, whose Spec does not count.
func (e *env) wantDueOf(s core.Store, q core.DueQuery, want []core.Record) error {
	got, err := s.Due(e.ctx, q)
	if err != nil {
		return fmt.Errorf("due: %w", err)
	}
	if err := sameAll(got, bare(want...)); err != nil {
		return fmt.Errorf("due: %w", err)
	}
	return nil
}

// dueOrder writes records in no order and reads them in theirs.
func dueOrder(e *env) error {
	recs, err := e.createAll(e.store,
		dueRecord("d", 2*time.Second),
		dueRecord("c", time.Second),
		dueRecord("b", 3*time.Second),
		dueRecord("B", time.Second),
		dueRecord("a", time.Second),
		dueRecord("aa", time.Second),
		dueRecord("e", time.Second+time.Microsecond),
		record("never"),
	)
	if err != nil {
		return err
	}
	want := []core.Record{recs[3], recs[4], recs[5], recs[1], recs[6], recs[0], recs[2]}
	return e.wantDue(e.store, 7, want)
}

// dueFollows moves one record about: it has to be in the index once, where it says, or not at all.
func dueFollows(e *env) error {
	r, err := e.must(e.store, create(record("a")))
	if err != nil {
		return err
	}
	if _, err := e.must(e.store, create(dueRecord("b", 1500*time.Millisecond))); err != nil {
		return err
	}
	moves := []func(*core.Record){
		func(r *core.Record) { r.Due = after(time.Second) },
		func(r *core.Record) { r.Due = after(2 * time.Second) },
		func(r *core.Record) { r.State = []byte("due stays") },
		func(r *core.Record) { r.Due = after(time.Second) },
		func(r *core.Record) { r.Queue = "another" },
		func(r *core.Record) { r.Queue, r.Due = "q", after(3*time.Second) },
		func(r *core.Record) { r.Due = time.Time{} },
		func(r *core.Record) { r.Queue = "another" },
		func(r *core.Record) { r.Queue, r.Due = "", after(time.Second) },
	}
	for i, move := range moves {
		next := r
		move(&next)
		if r, err = e.must(e.store, update(r, next)); err != nil {
			return fmt.Errorf("move %d: %w", i, err)
		}
		if err := e.dueOnlyThere(r); err != nil {
			return fmt.Errorf("move %d: %w", i, err)
		}
	}
	gone, err := e.must(e.store, remove(r))
	if err != nil {
		return err
	}
	return e.dueOnlyThere(gone)
}

// dueOnlyThere says whether the index has r where r says, and nowhere else.
func (e *env) dueOnlyThere(r core.Record) error {
	for _, queue := range []string{"q", "another", ""} {
		q := wholeQueue(7)
		q.Queue = queue
		got, err := e.store.Due(e.ctx, q)
		if err != nil {
			return fmt.Errorf("due: %w", err)
		}
		got = slices.DeleteFunc(got, func(o core.Record) bool { return o.Key != r.Key })
		var want []core.Record
		if r.Queue == queue && !r.Due.IsZero() {
			want = bare(r)
		}
		if err := sameAll(got, want); err != nil {
			return fmt.Errorf("due in queue %q: %w", queue, err)
		}
	}
	return nil
}

// dueRefused looks whether refused operations touch the index.
func dueRefused(e *env) error {
	r, err := e.must(e.store, create(dueRecord("a", time.Second)))
	if err != nil {
		return err
	}
	stale := r
	stale.Version++
	for _, op := range []core.Op{
		create(dueRecord("a", time.Hour)),
		update(stale, dueRecord("a", time.Hour)),
		update(stale, record("a")),
		remove(stale),
		update(core.Record{Key: "b", Version: 3, Stripe: 7}, dueRecord("b", time.Hour)),
	} {
		if _, err := e.refused(e.store, op, core.ErrConflict); err != nil {
			return err
		}
		if err := e.wantDue(e.store, 7, []core.Record{r}); err != nil {
			return fmt.Errorf("after a refused operation: %w", err)
		}
	}
	return nil
}

// dueRandom makes many changes and compares the whole index with a model each time.
func dueRandom(e *env) error {
	const seed = 1
	rnd := rand.New(rand.NewPCG(seed, seed))
	model := make(map[string]core.Record)
	for round := range 12 {
		var ops []core.Op
		for _, i := range rnd.Perm(200)[:60] {
			key := fmt.Sprintf("key-%d", i)
			old, there := model[key]
			next := record(key)
			next.Stripe = i % 4
			next.Due = after(time.Duration(rnd.IntN(20)) * time.Second)
			switch {
			case !there:
				ops = append(ops, create(next))
			case rnd.IntN(4) == 0:
				ops = append(ops, remove(old))
			default:
				if rnd.IntN(5) == 0 {
					next.Due = time.Time{}
				}
				ops = append(ops, update(old, next))
			}
		}
		recs, err := e.mustAll(e.store, ops)
		if err != nil {
			return fmt.Errorf("seed %d, round %d: %w", seed, round, err)
		}
		for _, r := range recs {
			if model[r.Key] = r; r.Version == 0 {
				delete(model, r.Key)
			}
		}
		if err := e.wantDueOf(e.store, wholeQueue(0, 1, 2, 3), dueOf(model)); err != nil {
			return fmt.Errorf("seed %d, round %d: %w", seed, round, err)
		}
	}
	return nil
}

// dueOf returns what of a model is due, in order.
func dueOf(model map[string]core.Record) []core.Record {
	var due []core.Record
	for _, r := range model {
		if !r.Due.IsZero() {
			due = append(due, r)
		}
	}
	slices.SortFunc(due, func(a, b core.Record) int {
		return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.Key, b.Key))
	})
	return due
}

package table_test

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/belfry-io/belfry/backend/internal/table"
	"github.com/belfry-io/belfry/core"
)

var start = time.Date(2030, time.January, 2, 3, 4, 5, 0, time.UTC)

// A driver makes random batches that know what the table holds.
type driver struct {
	rnd   *rand.Rand
	model map[string]core.Record
	now   time.Time
}

func newDriver(seed uint64) *driver {
	return &driver{rnd: rand.New(rand.NewPCG(seed, seed)), model: make(map[string]core.Record), now: start}
}

// batch returns operations on distinct keys: creations, moves, deletions, and some that have to be refused.
func (d *driver) batch() []core.Op {
	var ops []core.Op
	for _, i := range d.rnd.Perm(120)[:1+d.rnd.IntN(50)] {
		key := fmt.Sprintf("key-%03d", i)
		old := d.model[key]
		op := core.Op{Old: core.Record{Key: key, Version: old.Version, Stripe: i % 5}}
		op.New = core.Record{Queue: fmt.Sprintf("q%d", d.rnd.IntN(2)), State: fmt.Appendf(nil, "%d", d.rnd.Int())}
		if d.rnd.IntN(4) > 0 {
			op.New.Due = start.Add(time.Duration(d.rnd.IntN(15)) * time.Second)
		}
		if d.rnd.IntN(3) == 0 {
			op.New.Spec = fmt.Appendf(nil, "spec %d", d.rnd.Int())
		}
		if d.rnd.IntN(3) == 0 {
			at := start.Add(time.Duration(d.rnd.IntN(1000)) * time.Second)
			op.History = []core.Entry{{Slot: d.rnd.IntN(4), Time: at, Data: []byte(key), Incident: d.rnd.IntN(2) == 0}}
		}
		op.Delete = old.Version != 0 && d.rnd.IntN(5) == 0
		if d.rnd.IntN(7) == 0 {
			op.Old.Version += 3
		}
		ops = append(ops, op)
	}
	d.now = d.now.Add(time.Duration(d.rnd.IntN(2000)-500) * time.Millisecond) // a clock that also goes back
	return ops
}

// note makes the model follow the results, and says which of them are wrong.
func (d *driver) note(ops []core.Op, results []core.Result) error {
	for i, op := range ops {
		old, res := d.model[op.Old.Key], results[i]
		if op.Old.Version != old.Version {
			if !errors.Is(res.Err, core.ErrConflict) || res.Current.Version != old.Version {
				return fmt.Errorf("%s: got %+v, want a conflict with version %d", op.Old.Key, res, old.Version)
			}
			continue
		}
		if res.Err != nil {
			return fmt.Errorf("%s: %w", op.Old.Key, res.Err)
		}
		if op.Delete {
			delete(d.model, op.Old.Key)
			continue
		}
		r := op.New
		r.Key, r.Stripe, r.Version = op.Old.Key, op.Old.Stripe, res.Version
		if len(r.Spec) == 0 {
			r.Spec = old.Spec
		}
		d.model[r.Key] = r
	}
	return nil
}

// compare compares everything that the table can be asked with the model.
func (d *driver) compare(t *table.Table) error {
	var all []core.Record
	for _, r := range d.model {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b core.Record) int { return cmp.Compare(a.Key, b.Key) })
	got, err := t.List(core.ListQuery{Limit: 1000, Spec: true})
	if err := differ("list", got, all, err); err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b core.Record) int { return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.Key, b.Key)) })
	from := start.Add(time.Duration(d.rnd.IntN(15)) * time.Second)
	q := core.DueQuery{Queue: "q1", Stripes: []int{0, 1, 2, 4}, From: from, To: from.Add(5 * time.Second), Limit: 1 + d.rnd.IntN(20)}
	var want []core.Record
	for _, r := range all {
		if r.Queue == q.Queue && r.Stripe != 3 && !r.Due.Before(q.From) && r.Due.Before(q.To) && len(want) < q.Limit {
			r.Spec = nil
			want = append(want, r)
		}
	}
	got, err = t.Due(q)
	return differ("due", got, want, err)
}

// differ says how records differ.
func differ(what string, got, want []core.Record, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); g != w {
		return fmt.Errorf("%s: got %s\nwant %s", what, g, w)
	}
	return nil
}

func TestTableAgainstModel(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		d, tab := newDriver(seed), table.New()
		for round := range 60 {
			ops := d.batch()
			results, err := tab.Apply(ops, d.now)
			if err != nil {
				t.Fatalf("seed %d, round %d: %v", seed, round, err)
			}
			if err := cmp.Or(d.note(ops, results), d.compare(tab)); err != nil {
				t.Fatalf("seed %d, round %d: %v", seed, round, err)
			}
			if tab.Len() != len(d.model) {
				t.Fatalf("seed %d, round %d: %d records, want %d", seed, round, tab.Len(), len(d.model))
			}
		}
	}
}

func TestSameBatchesSameTable(t *testing.T) {
	t.Parallel()
	d := newDriver(1)
	one, two := table.New(), table.New()
	for round := range 100 {
		ops := d.batch()
		a, err := one.Apply(ops, d.now)
		if err != nil {
			t.Fatal(err)
		}
		if round == 50 { // one of them takes the way over a snapshot
			two = restored(t, two)
		}
		b, err := two.Apply(ops, d.now)
		if err != nil {
			t.Fatal(err)
		}
		if x, y := fmt.Sprintf("%+v", a), fmt.Sprintf("%+v", b); x != y {
			t.Fatalf("round %d: results differ:\n%s\n%s", round, x, y)
		}
		if err := d.note(ops, a); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(snapshot(t, one), snapshot(t, two)) {
			t.Fatalf("round %d: snapshots differ", round)
		}
	}
}

// snapshot returns a table's bytes.
func snapshot(t *testing.T, tab *table.Table) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := tab.Snapshot(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// restored returns a table made of another one's snapshot.
func restored(t *testing.T, tab *table.Table) *table.Table {
	t.Helper()
	got, err := table.Restore(bytes.NewReader(snapshot(t, tab)))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

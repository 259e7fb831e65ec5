package table_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/belfry-io/belfry/backend/internal/table"
	"github.com/belfry-io/belfry/core"
)

// put applies one operation that has to succeed and returns the version.
func put(t testing.TB, tab *table.Table, op core.Op, now time.Time) uint64 {
	t.Helper()
	results, err := tab.Apply([]core.Op{op}, now)
	if err != nil {
		t.Fatal(err)
	}
	if results[0].Err != nil {
		t.Fatalf("apply to %q: %v", op.Old.Key, results[0].Err)
	}
	return results[0].Version
}

func TestVersionsFollowTheClockAndNeverFallBack(t *testing.T) {
	t.Parallel()
	tab := table.New()
	v1 := put(t, tab, core.Op{Old: core.Record{Key: "a"}}, start)
	if want := uint64(start.UnixMicro()); v1 != want {
		t.Errorf("version %d, want the clock: %d", v1, want)
	}
	v2 := put(t, tab, core.Op{Old: core.Record{Key: "a", Version: v1}}, start.Add(-time.Hour))
	if v2 != v1+1 {
		t.Errorf("with a clock that went back version %d, want %d", v2, v1+1)
	}
	if !tab.Now().Equal(start) {
		t.Errorf("now is %v, want the greatest so far: %v", tab.Now(), start)
	}
	tab.Raise(math.MaxUint64 / 2)
	if v3 := put(t, tab, core.Op{Old: core.Record{Key: "b"}}, start); v3 != math.MaxUint64/2+1 {
		t.Errorf("raised, version %d", v3)
	}
	tab.Raise(1)
	if tab.Version() != math.MaxUint64/2+1 {
		t.Errorf("raised to less, version %d", tab.Version())
	}
	old := table.New()
	if v := put(t, old, core.Op{Old: core.Record{Key: "a"}}, time.Unix(-5, 0)); v != 1 {
		t.Errorf("before 1970 version %d, want 1", v)
	}
}

func TestRefusedBatchChangesNothing(t *testing.T) {
	t.Parallel()
	tab := table.New()
	before := snapshot(t, tab)
	for range 3 {
		twice := []core.Op{{Old: core.Record{Key: "a"}}, {Old: core.Record{Key: "b"}}, {Old: core.Record{Key: "a"}}}
		if _, err := tab.Apply(twice, start); !errors.Is(err, core.ErrInvalid) {
			t.Fatalf("got %v", err)
		}
		if err := table.CheckBatch(twice); !errors.Is(err, core.ErrInvalid) {
			t.Fatalf("got %v", err)
		}
	}
	if _, err := tab.Apply(make([]core.Op, core.MaxBatch+1), start); !errors.Is(err, core.ErrInvalid) {
		t.Fatalf("got %v", err)
	}
	if !slices.Equal(before, snapshot(t, tab)) {
		t.Error("a refused batch changed the table")
	}
}

func TestTimesThatCannotBeStored(t *testing.T) {
	t.Parallel()
	tab := table.New()
	for _, year := range []int{-300000, -1, 0, 10000, 300000} {
		at := time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)
		ops := []core.Op{
			{Old: core.Record{Key: "a"}, New: core.Record{Due: at}},
			{Old: core.Record{Key: "b"}, History: []core.Entry{{Time: at}}},
		}
		results, err := tab.Apply(ops, start)
		if err != nil || !errors.Is(results[0].Err, core.ErrInvalid) || !errors.Is(results[1].Err, core.ErrInvalid) {
			t.Errorf("year %d: %v, %v", year, results, err)
		}
	}
}

func TestIncidentsOutOfOrder(t *testing.T) {
	t.Parallel()
	tab := table.New()
	var version uint64
	const n = table.MaxIncidents + 2000
	for i := range n {
		at := start.Add(time.Duration(i^1) * time.Second) // each pair the wrong way round
		op := core.Op{Old: core.Record{Key: "a", Version: version}}
		op.History = []core.Entry{{Time: at, Data: fmt.Append(nil, i), Incident: true}}
		version = put(t, tab, op, start)
	}
	var times []time.Time
	q := core.LogQuery{Limit: 999}
	for {
		page, err := tab.Log(q)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, e := range page {
			times = append(times, e.Time)
		}
		q.Before = page[len(page)-1].Time
	}
	if len(times) != table.MaxIncidents {
		t.Fatalf("%d incidents are readable, want %d", len(times), table.MaxIncidents)
	}
	for i, at := range times {
		if want := start.Add(time.Duration(n-1-i) * time.Second); !at.Equal(want) {
			t.Fatalf("place %d: %v, want %v", i, at, want)
		}
	}
}

func TestManyKeysInOrder(t *testing.T) {
	t.Parallel()
	tab := table.New()
	const n = 5000
	var ops []core.Op
	for i := range n {
		key := fmt.Sprintf("%04d", i*2749%n)
		ops = append(ops, core.Op{Old: core.Record{Key: key}, New: core.Record{Due: start}})
	}
	for batch := range slices.Chunk(ops, core.MaxBatch) {
		if _, err := tab.Apply(batch, start); err != nil {
			t.Fatal(err)
		}
	}
	left := n
	for i := 0; left > 0; i++ {
		got, err := tab.List(core.ListQuery{Limit: core.MaxPage})
		if err != nil || len(got) != left {
			t.Fatalf("%d keys are listed, want %d; error %v", len(got), left, err)
		}
		if !slices.IsSortedFunc(got, func(a, b core.Record) int { return compare(a.Key, b.Key) }) {
			t.Fatal("keys are not in order")
		}
		ops = ops[:0]
		for j, r := range got {
			if (j+i)%2 == 0 && len(ops) < core.MaxBatch {
				ops = append(ops, core.Op{Old: r, Delete: true})
			}
		}
		if _, err := tab.Apply(ops, start); err != nil {
			t.Fatal(err)
		}
		left -= len(ops)
		if len(ops) == 0 {
			continue
		}
		due, err := tab.Due(core.DueQuery{Stripes: []int{0}, From: start, To: start.Add(1000), Limit: core.MaxPage})
		if err != nil || len(due) != left {
			t.Fatalf("%d keys are due, want %d; error %v", len(due), left, err)
		}
	}
	if tab.Len() != 0 || tab.String() == "" {
		t.Errorf("left: %v", tab)
	}
}

func compare(a, b string) int {
	if a < b {
		return -1
	}
	return 1
}

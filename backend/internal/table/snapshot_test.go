package table_test

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"
	"time"

	"github.com/belfry-io/belfry/backend/internal/table"
	"github.com/belfry-io/belfry/core"
)

// filled returns a table with something of everything.
func filled(t testing.TB) *table.Table {
	t.Helper()
	d, tab := newDriver(7), table.New()
	for range 30 {
		ops := d.batch()
		results, err := tab.Apply(ops, d.now)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.note(ops, results); err != nil {
			t.Fatal(err)
		}
	}
	return tab
}

// small returns a table with little of everything.
func small(t testing.TB) *table.Table {
	t.Helper()
	tab := table.New()
	for _, key := range []string{"a", "b", "c"} {
		op := core.Op{Old: core.Record{Key: key, Stripe: 300}}
		op.New = core.Record{Queue: "q", Due: start, Spec: []byte("spec"), State: []byte("state")}
		op.History = []core.Entry{{Slot: 1, Time: start, Data: []byte("x"), Incident: true}, {Slot: 0, Time: start}}
		put(t, tab, op, start)
	}
	return tab
}

func TestSnapshotRoundTrip(t *testing.T) {
	t.Parallel()
	for name, tab := range map[string]*table.Table{"empty": table.New(), "filled": filled(t)} {
		want := snapshot(t, tab)
		got := restored(t, tab)
		if !bytes.Equal(snapshot(t, got), want) {
			t.Errorf("%s: the snapshot of the restored table differs", name)
		}
		if got.String() != tab.String() || !got.Now().Equal(tab.Now()) || got.Len() != tab.Len() {
			t.Errorf("%s: restored %v, want %v", name, got, tab)
		}
	}
}

func TestImageStaysAsItWas(t *testing.T) {
	t.Parallel()
	tab := filled(t)
	want := snapshot(t, tab)
	image := tab.Freeze()
	recs, err := tab.List(core.ListQuery{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range recs {
		next := r
		next.Queue, next.State, next.Due = "moved", []byte("moved"), start
		op := core.Op{Old: r, New: next, Delete: i%3 == 0}
		op.History = []core.Entry{{Slot: 1, Time: start, Data: []byte("later"), Incident: true}}
		put(t, tab, op, start.Add(time.Hour))
	}
	var b bytes.Buffer
	n, err := image.WriteTo(&b)
	if err != nil || n != int64(b.Len()) {
		t.Fatalf("wrote %d bytes and said %d, error %v", b.Len(), n, err)
	}
	if !bytes.Equal(b.Bytes(), want) {
		t.Error("the image changed with the table")
	}
}

func TestRestoreRefusesEveryDamage(t *testing.T) {
	t.Parallel()
	good := snapshot(t, small(t))
	for n := range good {
		if _, err := table.Restore(bytes.NewReader(good[:n])); !errors.Is(err, table.ErrCorrupt) {
			t.Fatalf("cut at %d of %d bytes: %v", n, len(good), err)
		}
	}
	if _, err := table.Restore(bytes.NewReader(append(bytes.Clone(good), 0))); !errors.Is(err, table.ErrCorrupt) {
		t.Errorf("with a byte more: %v", err)
	}
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 0x11
		if _, err := table.Restore(bytes.NewReader(bad)); err == nil {
			t.Fatalf("byte %d of %d changed: no error", i, len(good))
		}
	}
	newer := bytes.Clone(good)
	newer[0] = 2
	if _, err := table.Restore(bytes.NewReader(newer)); !errors.Is(err, core.ErrFormat) {
		t.Errorf("a newer format: %v, want %v", err, core.ErrFormat)
	}
}

func TestSnapshotPassesOnErrors(t *testing.T) {
	t.Parallel()
	good := snapshot(t, filled(t))
	disk := errors.New("disk")
	r := io.MultiReader(bytes.NewReader(good[:len(good)/2]), iotest.ErrReader(disk))
	if _, err := table.Restore(r); !errors.Is(err, disk) {
		t.Errorf("restore: %v, want %v", err, disk)
	}
	w := writer(func([]byte) (int, error) { return 0, disk })
	if err := filled(t).Snapshot(w); !errors.Is(err, disk) {
		t.Errorf("snapshot: %v, want %v", err, disk)
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(b []byte) (int, error) { return w(b) }

func FuzzRestore(f *testing.F) {
	var b bytes.Buffer
	if err := small(f).Snapshot(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte{1, 0, 0, 0, 0})
	f.Add([]byte{1, 5, 2, 1, 1, 'a', 5, 7, 1, 'q', 1, 4, 0, 0, 1, 3, 1, 2, 1, 'd', 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		tab, err := table.Restore(bytes.NewReader(data))
		if err != nil {
			return
		}
		var again bytes.Buffer
		if err := tab.Snapshot(&again); err != nil {
			t.Fatal(err)
		}
		if _, err := table.Restore(&again); err != nil {
			t.Fatalf("its own snapshot: %v", err)
		}
	})
}

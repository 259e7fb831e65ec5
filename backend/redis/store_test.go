package redis

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/belfry-io/belfry/core"
	"github.com/belfry-io/belfry/internal/proctest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open connects to a server and closes the store with the test.
func open(t testing.TB, url string) *Store {
	t.Helper()
	s, err := Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil && !errors.Is(err, core.ErrClosed) {
			t.Error(err)
		}
	})
	return s
}

// raw is a client of the test's own.
func raw(t testing.TB, r *proctest.Redis) *goredis.Client {
	t.Helper()
	c := goredis.NewClient(&goredis.Options{Addr: r.Addr, DisableIdentity: true, Protocol: 2})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// create is an op that makes a record where its stripe is its shard, as in an ordinary store.
func create(key string, due time.Time, state string) core.Op {
	old := core.Record{Key: key, Stripe: shardOf(key)}
	return core.Op{Old: old, New: core.Record{Key: key, Queue: "default", Due: due, State: []byte(state)}}
}

// update is an op on a record as it was read.
func update(r core.Record, due time.Time, state string) core.Op {
	return core.Op{Old: r, New: core.Record{Key: r.Key, Queue: r.Queue, Due: due, State: []byte(state)}}
}

// apply demands that every op is carried out.
func apply(t testing.TB, s core.Store, ops ...core.Op) core.Applied {
	t.Helper()
	a, err := s.Apply(t.Context(), ops)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range a.Results {
		if r.Err != nil {
			t.Fatalf("op %d: %v", i, r.Err)
		}
	}
	return a
}

func get(t testing.TB, s core.Store, key string) core.Record {
	t.Helper()
	recs, err := s.Get(t.Context(), core.GetQuery{Keys: []string{key}, Spec: true})
	if err != nil {
		t.Fatal(err)
	}
	return recs[0]
}

func allStripes() []int {
	var all []int
	for i := range shards {
		all = append(all, i)
	}
	return all
}

var epochDay = time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC)

func TestLayoutIsReadable(t *testing.T) {
	r := proctest.StartRedis(t)
	s := open(t, r.URL("prefix=bells"))
	op := create("job/digest", epochDay, `{"cursor":1}`)
	op.New.Spec = []byte("every 5s")
	op.History = []core.Entry{{Slot: 3, Time: epochDay, Data: []byte("exit 1"), Incident: true}}
	a := apply(t, s, op)
	c := raw(t, r)
	tag := fmt.Sprintf("bells:{%d}:", shardOf("job/digest"))
	want := fmt.Sprintf(`%d %d %d 7:default {"cursor":1}`, a.Results[0].Version, epochDay.UnixMicro(), shardOf("job/digest"))
	if got := c.HGet(t.Context(), tag+"state", "job/digest").Val(); got != want {
		t.Errorf("state is %q, want %q", got, want)
	}
	if enc := c.ObjectEncoding(t.Context(), tag+"state").Val(); enc != "hashtable" {
		t.Errorf("state hash is a %s: HMGET on it costs a scan", enc)
	}
	keys := c.Keys(t.Context(), "*").Val()
	slices.Sort(keys)
	wantKeys := []string{
		tag + "due:default", tag + "keys", tag + "log:job/digest", tag + "spec", tag + "state",
		"bells:{meta}:epoch", "bells:{meta}:incidents",
	}
	slices.Sort(wantKeys)
	if !slices.Equal(keys, wantKeys) {
		t.Errorf("keys are %q, want %q", keys, wantKeys)
	}
	apply(t, s, core.Op{Old: get(t, s, "job/digest"), Delete: true})
	keys = c.Keys(t.Context(), "*").Val()
	slices.Sort(keys)
	wantKeys = []string{tag + "floor", tag + "state", "bells:{meta}:epoch", "bells:{meta}:incidents"}
	slices.Sort(wantKeys)
	if !slices.Equal(keys, wantKeys) {
		t.Errorf("after deletion keys are %q, want %q", keys, wantKeys)
	}
}

func TestConflictTellsTheRecord(t *testing.T) {
	r := proctest.StartRedis(t)
	s := open(t, r.URL(""))
	op := create("a", epochDay, "one")
	op.New.Spec = []byte("spec")
	apply(t, s, op)
	now := get(t, s, "a")

	stale := update(core.Record{Key: "a", Version: now.Version - 1, Queue: now.Queue, Stripe: now.Stripe, Due: now.Due}, epochDay, "two")
	withSpec := stale
	withSpec.New.Spec = []byte("other")
	absent := update(core.Record{Key: "b", Version: 5}, epochDay, "two")
	for _, tc := range []struct {
		name string
		op   core.Op
		want core.Record
	}{
		{"stale", stale, core.Record{Key: "a", Version: now.Version, Queue: "default", Stripe: now.Stripe, Due: epochDay, State: []byte("one")}},
		{"stale with spec", withSpec, now},
		{"exists", create("a", epochDay, "x"), core.Record{Key: "a", Version: now.Version, Queue: "default", Stripe: now.Stripe, Due: epochDay, State: []byte("one")}},
		{"absent", absent, core.Record{Key: "b"}},
		{"delete absent", core.Op{Old: core.Record{Key: "b", Version: 5}, Delete: true}, core.Record{Key: "b"}},
	} {
		a, err := s.Apply(t.Context(), []core.Op{tc.op})
		if err != nil || !errors.Is(a.Results[0].Err, core.ErrConflict) {
			t.Errorf("%s: %v, %v", tc.name, err, a.Results)
			continue
		}
		if !same(a.Results[0].Current, tc.want) {
			t.Errorf("%s: current is %+v, want %+v", tc.name, a.Results[0].Current, tc.want)
		}
	}
	if got := get(t, s, "a"); !same(got, now) {
		t.Errorf("record is %+v, was %+v", got, now)
	}
}

func same(a, b core.Record) bool {
	return a.Key == b.Key && a.Version == b.Version && a.Queue == b.Queue && a.Stripe == b.Stripe &&
		a.Due.Equal(b.Due) && bytes.Equal(a.Spec, b.Spec) && bytes.Equal(a.State, b.State)
}

// A version is max(old+1, clock), so one ahead of the clock shows that the clock alone is not asked.
func TestVersionsGrowThoughTheClockGoesBack(t *testing.T) {
	r := proctest.StartRedis(t)
	s := open(t, r.URL(""))
	c := raw(t, r)
	apply(t, s, create("a", epochDay, "one"))
	shard := shardOf("a")
	ahead := uint64(time.Now().Add(time.Hour).UnixMicro())
	value := fmt.Sprintf("%d %d %d 7:default one", ahead, epochDay.UnixMicro(), shard)
	if err := c.HSet(t.Context(), s.layout.state(shard), "a", value).Err(); err != nil {
		t.Fatal(err)
	}
	rec := get(t, s, "a")
	if rec.Version != ahead {
		t.Fatalf("version %d, want %d", rec.Version, ahead)
	}
	if v := apply(t, s, update(rec, epochDay, "two")).Results[0].Version; v != ahead+1 {
		t.Errorf("update gave version %d, want %d", v, ahead+1)
	}
	apply(t, s, core.Op{Old: get(t, s, "a"), Delete: true})
	if v := apply(t, s, create("a", epochDay, "three")).Results[0].Version; v != ahead+2 {
		t.Errorf("re-creation gave version %d, want %d", v, ahead+2)
	}
	if got := get(t, s, "a"); got.Version != ahead+2 || string(got.State) != "three" {
		t.Errorf("record is %+v", got)
	}
}

func TestBatchOfAThousand(t *testing.T) {
	r := proctest.StartRedis(t)
	s := open(t, r.URL(""))
	var ops []core.Op
	for i := range core.MaxBatch {
		op := create(fmt.Sprintf("job/%04d", i), epochDay.Add(time.Duration(i%7)*time.Second), strings.Repeat("x", 110))
		op.New.Spec = []byte("spec")
		op.History = []core.Entry{{Slot: 0, Time: epochDay, Data: []byte("d"), Incident: true}}
		op.Announce = true
		ops = append(ops, op)
	}
	apply(t, s, ops...)
	all := listAll(t, s, core.ListQuery{Limit: 300})
	if len(all) != core.MaxBatch {
		t.Fatalf("%d records", len(all))
	}
	var moves, deletes []core.Op
	for _, rec := range all {
		moves = append(moves, update(rec, rec.Due.Add(time.Hour), "moved"))
	}
	apply(t, s, moves...)
	if due := dueAll(t, s, epochDay, epochDay.Add(time.Minute), 1000); len(due) != 0 {
		t.Errorf("%d records are still due at their old time", len(due))
	}
	due := dueAll(t, s, epochDay, epochDay.Add(2*time.Hour), 97)
	if len(due) != core.MaxBatch {
		t.Errorf("%d of %d records are due", len(due), core.MaxBatch)
	}
	for _, rec := range due {
		deletes = append(deletes, core.Op{Old: rec, Delete: true})
	}
	apply(t, s, deletes...)
	if left := listAll(t, s, core.ListQuery{Limit: 1000}); len(left) != 0 {
		t.Errorf("%d records are left", len(left))
	}
	if incidents, err := s.Log(t.Context(), core.LogQuery{Limit: 2000}); err != nil || len(incidents) != core.MaxBatch {
		t.Errorf("%d incidents, %v", len(incidents), err)
	}
	_, err := s.Apply(t.Context(), append(ops, create("one more", epochDay, "")))
	if !errors.Is(err, core.ErrInvalid) {
		t.Errorf("1,001 ops: %v", err)
	}
	_, err = s.Apply(t.Context(), []core.Op{ops[0], ops[0]})
	if !errors.Is(err, core.ErrInvalid) {
		t.Errorf("a key named twice: %v", err)
	}
}

// The client refuses a key named twice, and so does the script by itself: it reads before it writes.
func TestScriptRefusesKeyNamedTwice(t *testing.T) {
	r := proctest.StartRedis(t)
	s := open(t, r.URL(""))
	b := &batch{ops: []core.Op{create("a", epochDay, "1"), create("a", epochDay, "2")}, left: []int{0, 1}}
	b.applied.Results = make([]core.Result, 2)
	if err := s.applySome(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if b.applied.Results[0].Err != nil || !errors.Is(b.applied.Results[1].Err, core.ErrInvalid) {
		t.Errorf("results: %+v", b.applied.Results)
	}
	if got := get(t, s, "a"); string(got.State) != "1" {
		t.Errorf("state is %q", got.State)
	}
}

func listAll(t testing.TB, s core.Store, q core.ListQuery) []core.Record {
	t.Helper()
	var all []core.Record
	for {
		page, err := s.List(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			return all
		}
		if len(page) > q.Limit {
			t.Fatalf("page of %d, limit %d", len(page), q.Limit)
		}
		all = append(all, page...)
		q.After = page[len(page)-1].Key
	}
}

func dueAll(t testing.TB, s core.Store, from, to time.Time, limit int) []core.Record {
	t.Helper()
	q := core.DueQuery{Queue: "default", Stripes: allStripes(), From: from, To: to, Limit: limit}
	var all []core.Record
	for {
		page, err := s.Due(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			return all
		}
		if len(page) > q.Limit {
			t.Fatalf("page of %d, limit %d", len(page), q.Limit)
		}
		all = append(all, page...)
		last := page[len(page)-1]
		q.From, q.AfterKey = last.Due, last.Key
	}
}

// Pages of every size give the same records in the same order, also with many at one time and after the index
// entries of some have become stale.
func TestPagesAreInOrderWithoutGaps(t *testing.T) {
	r := proctest.StartRedis(t)
	s := open(t, r.URL(""))
	rnd := rand.New(rand.NewPCG(1, 2))
	var ops []core.Op
	letters := []string{"a", "b", "é", "日", "}", "{x}", " ", "\t", "\x01", "~", "A", "\xf4\x8f\xbf\xbf"}
	seen := map[string]bool{}
	for len(ops) < 900 {
		var key string
		for range 1 + rnd.IntN(6) {
			key += letters[rnd.IntN(len(letters))]
		}
		if !seen[key] {
			seen[key] = true
			ops = append(ops, create(key, epochDay.Add(time.Duration(rnd.IntN(3))*time.Microsecond), key))
		}
	}
	apply(t, s, ops...)
	want := slices.Clone(ops)
	slices.SortFunc(want, func(a, b core.Op) int { return strings.Compare(a.Old.Key, b.Old.Key) })
	for _, limit := range []int{1, 7, 100, 10000} {
		got := listAll(t, s, core.ListQuery{Limit: limit})
		if !slices.EqualFunc(got, want, func(r core.Record, op core.Op) bool { return r.Key == op.Old.Key && string(r.State) == r.Key }) {
			t.Errorf("list by pages of %d: %d records, not the %d expected in order", limit, len(got), len(want))
		}
	}
	for _, prefix := range []string{"a", "é", "\x01", "\xf4\x8f\xbf\xbf", "{x}", "none"} {
		got := listAll(t, s, core.ListQuery{Prefix: prefix, Limit: 11})
		n := 0
		for _, op := range want {
			if strings.HasPrefix(op.Old.Key, prefix) {
				if n < len(got) && got[n].Key != op.Old.Key {
					t.Errorf("prefix %q: item %d is %q, want %q", prefix, n, got[n].Key, op.Old.Key)
				}
				n++
			}
		}
		if n != len(got) {
			t.Errorf("prefix %q: %d records, want %d", prefix, len(got), n)
		}
	}
	slices.SortFunc(want, func(a, b core.Op) int {
		if c := a.New.Due.Compare(b.New.Due); c != 0 {
			return c
		}
		return strings.Compare(a.Old.Key, b.Old.Key)
	})
	for _, limit := range []int{1, 7, 100, 10000} {
		got := dueAll(t, s, epochDay, epochDay.Add(time.Second), limit)
		if !slices.EqualFunc(got, want, func(r core.Record, op core.Op) bool { return r.Key == op.Old.Key }) {
			t.Errorf("due by pages of %d: %d records, not the %d expected in order", limit, len(got), len(want))
		}
	}
	if got := dueAll(t, s, epochDay.Add(time.Microsecond), epochDay.Add(2*time.Microsecond), 50); len(got) == 0 || len(got) == len(want) {
		t.Errorf("range of one microsecond: %d records", len(got))
	}
}

func TestStaleIndexEntriesAreDropped(t *testing.T) {
	r := proctest.StartRedis(t)
	s := open(t, r.URL(""))
	c := raw(t, r)
	var ops []core.Op
	for i := range 100 {
		ops = append(ops, create(fmt.Sprintf("k%02d", i), epochDay.Add(time.Minute), ""))
	}
	apply(t, s, ops...)
	// A reader meets entries that were moved between its two round trips; here they stay for good.
	for i := range 99 {
		key := fmt.Sprintf("k%02d", i)
		if err := c.ZAdd(t.Context(), s.layout.due(shardOf(key), "default"), goredis.Z{Score: float64(epochDay.UnixMicro()), Member: key}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for _, limit := range []int{1, 10, 1000} {
		if got := dueAll(t, s, epochDay, epochDay.Add(time.Hour), limit); len(got) != 1 || got[0].Key != "k99" {
			t.Errorf("limit %d: %d records", limit, len(got))
		}
	}
}

// The contract lets a caller choose stripes; then records and index entries stand under different hash tags.
func TestStripesOtherThanShards(t *testing.T) {
	r := proctest.StartRedis(t)
	s := open(t, r.URL(""))
	op := create("a", epochDay, "one")
	op.Old.Stripe = 4095
	op.New.Queue = "q\x00\n} odd"
	apply(t, s, op)
	q := core.DueQuery{Queue: op.New.Queue, Stripes: []int{4095}, From: epochDay, To: epochDay.Add(time.Second), Limit: 5}
	due, err := s.Due(t.Context(), q)
	if err != nil || len(due) != 1 || due[0].Stripe != 4095 || due[0].Queue != op.New.Queue {
		t.Fatalf("due: %+v, %v", due, err)
	}
	move := update(due[0], epochDay, "two")
	move.New.Queue = "other"
	apply(t, s, move)
	if due, err := s.Due(t.Context(), q); err != nil || len(due) != 0 {
		t.Errorf("due in the old queue: %+v, %v", due, err)
	}
	if n := raw(t, r).Exists(t.Context(), s.layout.due(4095, op.New.Queue)).Val(); n != 0 {
		t.Error("the old queue's index has an entry left")
	}
	q.Queue = "other"
	if due, err := s.Due(t.Context(), q); err != nil || len(due) != 1 {
		t.Errorf("due in the new queue: %+v, %v", due, err)
	}
}

// An op that tells the version alone still moves the entry that the record has.
func TestVersionAloneDecides(t *testing.T) {
	r := proctest.StartRedis(t)
	s := open(t, r.URL(""))
	op := create("a", epochDay, "one")
	op.New.Queue = "first"
	version := apply(t, s, op).Results[0].Version
	index := func() (first, second int64) {
		c := raw(t, r)
		n := shardOf("a")
		return c.ZCard(t.Context(), s.layout.due(n, "first")).Val(), c.ZCard(t.Context(), s.layout.due(n, "default")).Val()
	}
	op = create("a", epochDay.Add(time.Second), "two")
	op.Old.Version = version
	version = apply(t, s, op).Results[0].Version
	if first, second := index(); first != 0 || second != 1 {
		t.Errorf("indexes hold %d and %d entries", first, second)
	}
	if due := dueAll(t, s, epochDay, epochDay.Add(time.Minute), 9); len(due) != 1 || string(due[0].State) != "two" {
		t.Errorf("due: %+v", due)
	}
	apply(t, s, core.Op{Old: core.Record{Key: "a", Version: version}, Delete: true})
	if first, second := index(); first != 0 || second != 0 {
		t.Errorf("after deletion indexes hold %d and %d entries", first, second)
	}
}

func TestLargeSpecsGoInSeveralCalls(t *testing.T) {
	r := proctest.StartRedis(t)
	s := open(t, r.URL(""))
	var ops []core.Op
	for i := range 12 {
		op := create(fmt.Sprintf("k%d", i), epochDay, "s")
		op.New.Spec = bytes.Repeat([]byte{byte(i)}, core.MaxSpec)
		ops = append(ops, op)
	}
	apply(t, s, ops...)
	got := listAll(t, s, core.ListQuery{Limit: 100, Spec: true})
	if len(got) != len(ops) {
		t.Fatalf("%d records", len(got))
	}
	for _, rec := range got {
		if len(rec.Spec) != core.MaxSpec {
			t.Errorf("%s: spec of %d bytes", rec.Key, len(rec.Spec))
		}
	}
	page, err := s.List(t.Context(), core.ListQuery{Limit: 100, Spec: true})
	if err != nil || len(page) < 1 || len(page) > 5 {
		t.Errorf("a page holds %d MiB, %v", len(page), err)
	}
	ops[0].New.Spec = append(ops[0].New.Spec, 'x')
	a, err := s.Apply(t.Context(), ops[:1])
	if err != nil || !errors.Is(a.Results[0].Err, core.ErrInvalid) {
		t.Errorf("a spec too large: %v, %v", err, a.Results)
	}
}

func TestIncidentsAreBoundedAndPaged(t *testing.T) {
	r := proctest.StartRedis(t)
	s := open(t, r.URL(""))
	n := 0
	for range 11 {
		var ops []core.Op
		for range 20 {
			op := create(fmt.Sprintf("k%03d", n), time.Time{}, "")
			for slot := range 50 {
				op.History = append(op.History, core.Entry{
					Slot: slot, Time: epochDay.Add(time.Duration(n) * time.Second), Data: fmt.Appendf(nil, "%d", slot), Incident: true,
				})
			}
			ops = append(ops, op)
			n++
		}
		apply(t, s, ops...)
	}
	var all []core.Entry
	q := core.LogQuery{Limit: 777}
	for {
		page, err := s.Log(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		all = append(all, page...)
		last := page[len(page)-1]
		q.Before, q.BeforeKey = last.Time, last.Key
	}
	if len(all) != 10000 {
		t.Fatalf("%d incidents are readable", len(all))
	}
	if first, last := all[0], all[len(all)-1]; first.Key != "k219" || last.Key != "k020" || first.Slot != 49 {
		t.Errorf("they go from %+v to %+v", first, last)
	}
	if !slices.IsSortedFunc(all, newestFirst) {
		t.Error("they are not in order")
	}
}

func TestContextEndsACall(t *testing.T) {
	r := proctest.StartRedis(t)
	change := func(ctx context.Context, s *Store) error {
		a, err := s.Apply(ctx, []core.Op{create("a", epochDay, "")})
		if err != nil {
			return err
		}
		return a.Results[0].Err
	}
	for _, tc := range []struct {
		name string
		call func(context.Context, *Store) error
		also error
	}{
		{"apply", change, core.ErrUncertain},
		{"get", func(ctx context.Context, s *Store) error {
			_, err := s.Get(ctx, core.GetQuery{Keys: []string{"a"}})
			return err
		}, nil},
		{"list", func(ctx context.Context, s *Store) error {
			_, err := s.List(ctx, core.ListQuery{Limit: 1})
			return err
		}, nil},
	} {
		for _, want := range []error{context.Canceled, context.DeadlineExceeded} {
			s := open(t, r.URL(""))
			r.Pause()
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			if errors.Is(want, context.Canceled) {
				cancel()
				ctx, cancel = context.WithCancel(t.Context())
				time.AfterFunc(50*time.Millisecond, cancel)
			}
			start := time.Now()
			err := tc.call(ctx, s)
			cancel()
			r.Resume()
			if took := time.Since(start); took > time.Second {
				t.Errorf("%s returned after %v", tc.name, took)
			}
			if !errors.Is(err, want) || tc.also != nil && !errors.Is(err, tc.also) {
				t.Errorf("%s: %v, want %v and %v", tc.name, err, want, tc.also)
			}
		}
	}
	s := open(t, r.URL(""))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := change(ended, s); !errors.Is(err, context.Canceled) || errors.Is(err, core.ErrUncertain) {
		t.Errorf("apply with an ended context: %v", err)
	}
}

func TestCloseEndsCalls(t *testing.T) {
	r := proctest.StartRedis(t)
	s := open(t, r.URL(""))
	r.Pause()
	defer r.Resume()
	done := make(chan error, 2)
	go func() { done <- s.Watch(context.WithoutCancel(t.Context()), func(core.Change) {}) }()
	go func() {
		_, err := s.Get(context.WithoutCancel(t.Context()), core.GetQuery{Keys: []string{"a"}})
		done <- err
	}()
	start := time.Now()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := <-done; !errors.Is(err, core.ErrClosed) {
			t.Errorf("call cut off by Close: %v", err)
		}
	}
	if took := time.Since(start); took > 4*time.Second {
		t.Errorf("Close took %v", took)
	}
	if _, err := s.Apply(t.Context(), nil); !errors.Is(err, core.ErrClosed) {
		t.Errorf("apply after Close: %v", err)
	}
	if err := s.Watch(t.Context(), func(core.Change) {}); !errors.Is(err, core.ErrClosed) {
		t.Errorf("watch after Close: %v", err)
	}
}

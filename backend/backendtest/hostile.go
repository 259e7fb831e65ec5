package backendtest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/belfry-io/belfry/core"
)

func hostileCases() []Case {
	return []Case{
		{"hostile keys", []string{
			"Keys are 1 to 512 bytes of UTF-8 without NUL and newline",
			"No other byte means anything to a backend",
		}, hostileKeys},
		{"hostile queues", []string{
			"the part of the due index, with Stripe",
		}, hostileQueues},
		{"refused keys", []string{
			"Keys are 1 to 512 bytes of UTF-8 without NUL and newline",
		}, refusedKeys},
		{"hostile values", []string{
			"Spec and State are opaque, and written apart: Spec seldom, State at every step",
		}, hostileValues},
	}
}

// hostileNames mean something somewhere: to globs, URLs, shells, JSON, Lua, Redis, etcd, file systems, collations.
func hostileNames() []string {
	return []string{
		" ", "  ", " a", "a ", "a", "A", "\t", "\r", "\x01", "\x7f", "\v",
		"*", "?", "[a]", "[^a]", "a*", "\\", "\\*", "/", "//", "a/", "a//b", "/a", ".", "..", "../a", "~", "-", "--", "-inf", "+inf",
		"(a", "[a", "+", "%", "%00", "%2F", "%s%d", "{", "{}", "{a}", "{a}b", "}", ":", "::", "a:b", ";", "|", "&", "#", "@", "=", "$", "$1",
		"'", "\"", "`", "<b>", "null", "nil", "0", "-1", "1e9", "NaN", "true", "job:1", "due", "seen", "epoch", "_",
		"é", "e\u0301", "ß", "ss", "İ", "i", "ſ", "\u00a0", "\u200b", "\ufeff", "\ufffd", "\u2028", "日本", "\U0001f514", "\u202ea",
		strings.Repeat("k", core.MaxKey), strings.Repeat("k", core.MaxKey-1) + "l", strings.Repeat("€", core.MaxKey/3) + "ab",
	}
}

// hostileKeys stores a record under each name and wants to see each everywhere, as it is.
func hostileKeys(e *env) error {
	var ops []core.Op
	for i, name := range hostileNames() {
		r := dueRecord(name, time.Second)
		r.State = []byte(name)
		op := create(r)
		op.History = []core.Entry{incidentOf(name, i%core.MaxSlots, time.Second)}
		ops = append(ops, op)
	}
	recs, err := e.mustAll(e.store, ops)
	if err != nil {
		return err
	}
	slices.SortFunc(recs, func(a, b core.Record) int { return strings.Compare(a.Key, b.Key) })
	got, err := e.listAll(e.store, core.ListQuery{Limit: 10, Spec: true})
	if err != nil {
		return err
	}
	if err := first(sameAll(got, recs), e.wantDue(e.store, 7, recs), e.holdsAll(e.store, recs...)); err != nil {
		return err
	}
	for i, op := range ops {
		if err := e.wantLog(e.store, core.LogQuery{Key: op.Old.Key}, op.History); err != nil {
			return fmt.Errorf("key %d: %w", i, err)
		}
	}
	for _, r := range recs {
		if err := e.prefixOf(r.Key, recs); err != nil {
			return err
		}
	}
	return e.deleteHalf(recs)
}

// prefixOf lists by a hostile prefix.
func (e *env) prefixOf(prefix string, recs []core.Record) error {
	var want []core.Record
	for _, r := range recs {
		if strings.HasPrefix(r.Key, prefix) {
			want = append(want, r)
		}
	}
	if err := e.wantList(e.store, core.ListQuery{Prefix: prefix, Limit: 1000, Spec: true}, want); err != nil {
		return fmt.Errorf("prefix %.40q: %w", prefix, err)
	}
	return nil
}

// deleteHalf deletes every second record and wants the others untouched.
func (e *env) deleteHalf(recs []core.Record) error {
	var (
		ops  []core.Op
		want []core.Record
	)
	for i, r := range recs {
		if i%2 == 0 {
			ops = append(ops, remove(r))
			continue
		}
		want = append(want, r)
	}
	if _, err := e.mustAll(e.store, ops); err != nil {
		return err
	}
	return e.wantDue(e.store, 7, want)
}

// hostileQueues uses the same names, and none, as queues on stripes that could be confused with them.
func hostileQueues(e *env) error {
	var recs []core.Record
	for i, queue := range append([]string{"", "q", "q:1", "q:11", "1"}, hostileNames()...) {
		for _, stripe := range []int{1, 11} {
			r := dueRecord(fmt.Sprintf("%d-%d", i, stripe), time.Second)
			r.Queue, r.Stripe = queue, stripe
			recs = append(recs, r)
		}
	}
	recs, err := e.createAll(e.store, recs...)
	if err != nil {
		return err
	}
	for _, r := range recs {
		q := wholeQueue(r.Stripe)
		q.Queue = r.Queue
		if err := e.wantDueOf(e.store, q, []core.Record{r}); err != nil {
			return fmt.Errorf("queue %.40q, stripe %d: %w", r.Queue, r.Stripe, err)
		}
	}
	return nil
}

// refusedKeys tries keys that are none, beside one that is.
func refusedKeys(e *env) error {
	for i, key := range []string{"", strings.Repeat("k", core.MaxKey+1), "a\x00b", "a\n", "\n", "\xff", "a\xc3", "\xed\xa0\x80"} {
		good := record(fmt.Sprint("good-", i))
		bad := record("x")
		bad.Key = key
		a, err := e.store.Apply(e.ctx, []core.Op{create(bad), create(good)})
		if err != nil || len(a.Results) != 2 || a.Results[1].Err != nil {
			return fmt.Errorf("key %.20q and a good one: %v, error %v", key, a.Results, err)
		}
		if err := invalid(a.Results[0].Err); err != nil {
			return fmt.Errorf("key %.20q: %w", key, err)
		}
	}
	return nil
}

// hostileValues stores every byte there is, and values of every awkward size.
func hostileValues(e *env) error {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	values := [][]byte{
		{},
		{0},
		[]byte("\n"), []byte(" "), all, []byte("1 {\"a\":1}"), []byte("null"), []byte("\xff\xfe"), []byte("'; --"),
		make([]byte, 64), bytes.Repeat([]byte("x"), 65), bytes.Repeat(all, 16),
	}
	var recs []core.Record
	for i, v := range values {
		r := record(fmt.Sprint("key-", i))
		r.State, r.Spec = v, values[(i+1)%len(values)]
		recs = append(recs, r)
	}
	stored, err := e.createAll(e.store, recs...)
	if err != nil {
		return err
	}
	if err := e.holdsAll(e.store, stored...); err != nil {
		return err
	}
	return e.ownBytes()
}

// ownBytes changes the bytes that went into a store and those that came out of it: they are the caller's.
func (e *env) ownBytes() error {
	r := record("own")
	want, err := e.must(e.store, create(record("own")))
	if err != nil {
		return err
	}
	if want, err = e.must(e.store, update(want, r)); err != nil {
		return err
	}
	want.State, want.Spec = bytes.Clone(want.State), bytes.Clone(want.Spec)
	clear(r.State)
	clear(r.Spec)
	for range 2 {
		got, err := e.get(e.store, "own")
		if err != nil {
			return err
		}
		if err := same(got, want); err != nil {
			return fmt.Errorf("after the caller changed its own bytes: %w", err)
		}
		clear(got.State)
		clear(got.Spec)
	}
	return nil
}

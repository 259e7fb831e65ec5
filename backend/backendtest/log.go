package backendtest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/belfry-io/belfry/core"
)

func logCases() []Case {
	return []Case{
		{"history", []string{
			"An Entry is a line of a record's history",
			"A LogQuery selects history",
			"Log returns the history of a record or, if no key is given, the incidents of all, newest first",
			"of the record; may be empty within an Op",
		}, history},
		{"history slots", []string{
			"0 to 199: the place in the record's ring; what was there is overwritten",
		}, historySlots},
		{"history of refused operations", []string{
			"History is written in the same atomic step, and not if the Op is refused",
		}, historyRefused},
		{"history pages", []string{
			"only entries with an earlier Time; zero: from the newest on",
		}, historyPages},
		{"history sizes", []string{
			"at most 32 KiB",
			"At most 64 entries",
		}, historySizes},
	}
}

// wantLog says how the answer to a query differs from want; a Limit of 0 is 100.
func (e *env) wantLog(s core.Store, q core.LogQuery, want []core.Entry) error {
	if q.Limit == 0 {
		q.Limit = 100
	}
	got, err := s.Log(e.ctx, q)
	if err != nil {
		return fmt.Errorf("log: %w", err)
	}
	if err := sameEntries(got, want); err != nil {
		return fmt.Errorf("log of %q: %w", q.Key, err)
	}
	return nil
}

// sameEntries says how entries differ from others, in their order; Incident does not count.
func sameEntries(got, want []core.Entry) error {
	if len(got) != len(want) {
		return fmt.Errorf("got %d entries %.300s, want %d %.300s", len(got), show(got), len(want), show(want))
	}
	for i, g := range got {
		w := want[i]
		switch {
		case g.Key != w.Key || g.Slot != w.Slot || !g.Time.Equal(w.Time) || !bytes.Equal(g.Data, w.Data):
			return fmt.Errorf("place %d: got %s, want %s", i, show(got[i:i+1]), show(want[i:i+1]))
		case g.Time.Location() != time.UTC:
			return fmt.Errorf("place %d: time %v is not UTC", i, g.Time)
		}
	}
	return nil
}

// show prints entries, for people.
func show(entries []core.Entry) string {
	var b strings.Builder
	for _, en := range entries {
		fmt.Fprintf(&b, "[%q slot %d %v %.20q]", en.Key, en.Slot, en.Time, en.Data)
	}
	return b.String()
}

// entry is one of the record of key, d after start.
func entry(key string, slot int, d time.Duration) core.Entry {
	return core.Entry{Key: key, Slot: slot, Time: after(d), Data: fmt.Appendf(nil, "%s at %v", key, d)}
}

// history writes entries with creations and changes, in no order.
func history(e *env) error {
	op := create(record("a"))
	op.History = []core.Entry{entry("a", 3, time.Second), entry("", 1, 3*time.Second)}
	r, err := e.must(e.store, op)
	if err != nil {
		return err
	}
	op = update(r, r)
	op.History = []core.Entry{entry("a", 199, 2*time.Second), entry("a", 0, 4*time.Second)}
	if _, err := e.must(e.store, op); err != nil {
		return err
	}
	if _, err := e.must(e.store, create(record("b"))); err != nil {
		return err
	}
	second := entry("", 1, 3*time.Second)
	second.Key = "a"
	want := []core.Entry{
		entry("a", 0, 4*time.Second), second, entry("a", 199, 2*time.Second), entry("a", 3, time.Second),
	}
	return first(
		e.wantLog(e.store, core.LogQuery{Key: "a"}, want),
		e.wantLog(e.store, core.LogQuery{Key: "b"}, nil),
		e.wantLog(e.store, core.LogQuery{Key: "none"}, nil),
		e.wantLog(e.store, core.LogQuery{}, nil),
	)
}

// historySlots goes round the ring several times.
func historySlots(e *env) error {
	r, err := e.must(e.store, create(record("a")))
	if err != nil {
		return err
	}
	const ring = 5
	var want []core.Entry
	for i := range 4*ring + 2 {
		op := update(r, r)
		en := entry("a", i%ring, time.Duration(i)*time.Second)
		op.History = []core.Entry{en}
		if r, err = e.must(e.store, op); err != nil {
			return err
		}
		want = append([]core.Entry{en}, want...)
		want = want[:min(len(want), ring)]
		if err := e.wantLog(e.store, core.LogQuery{Key: "a"}, want); err != nil {
			return fmt.Errorf("after %d entries in %d slots: %w", i+1, ring, err)
		}
	}
	op := update(r, r)
	op.History = []core.Entry{entry("a", 0, time.Hour), entry("a", 0, 2*time.Hour)}
	op.History[1].Data = nil
	if _, err = e.must(e.store, op); err != nil {
		return err
	}
	return e.wantLog(e.store, core.LogQuery{Key: "a", Limit: 1}, []core.Entry{{Key: "a", Time: after(2 * time.Hour)}})
}

// historyRefused looks whether refused operations write history.
func historyRefused(e *env) error {
	r, err := e.must(e.store, create(record("a")))
	if err != nil {
		return err
	}
	stale := r
	stale.Version++
	ops := map[error][]core.Op{
		core.ErrConflict: {update(stale, r), remove(stale), create(record("a")), update(core.Record{Key: "b", Version: 1}, r)},
		core.ErrInvalid:  {update(r, core.Record{State: make([]byte, core.MaxState+1)})},
	}
	for want, refused := range ops {
		for _, op := range refused {
			op.History = []core.Entry{{Slot: 1, Time: after(0), Data: []byte("x"), Incident: true}}
			if _, err := e.refused(e.store, op, want); err != nil {
				return err
			}
		}
	}
	return first(
		e.wantLog(e.store, core.LogQuery{Key: "a"}, nil),
		e.wantLog(e.store, core.LogQuery{Key: "b"}, nil),
		e.wantLog(e.store, core.LogQuery{}, nil),
	)
}

// historyPages reads a full ring in pages.
func historyPages(e *env) error {
	r, err := e.must(e.store, create(record("a")))
	if err != nil {
		return err
	}
	var want []core.Entry
	for i := 0; i < core.MaxSlots; i += 50 {
		op := update(r, r)
		for slot := i; slot < i+50; slot++ {
			en := entry("a", slot, time.Duration(slot)*time.Millisecond)
			op.History = append(op.History, en)
			want = append([]core.Entry{en}, want...)
		}
		if r, err = e.must(e.store, op); err != nil {
			return err
		}
	}
	for _, limit := range []int{1, 3, 64, 199, 200, 201} {
		got, err := e.logAll(core.LogQuery{Key: "a", Limit: limit})
		if err != nil {
			return fmt.Errorf("in pages of %d: %w", limit, err)
		}
		if err := sameEntries(got, want); err != nil {
			return fmt.Errorf("in pages of %d: %w", limit, err)
		}
	}
	return e.wantLog(e.store, core.LogQuery{Key: "a", Before: after(3 * time.Millisecond)}, want[197:])
}

// logAll reads pages until one is empty.
func (e *env) logAll(q core.LogQuery) ([]core.Entry, error) {
	var all []core.Entry
	for range 20000 {
		page, err := e.store.Log(e.ctx, q)
		if err != nil {
			return nil, fmt.Errorf("log: %w", err)
		}
		if len(page) == 0 {
			return all, nil
		}
		size := 0
		for _, en := range page {
			size += len(en.Data)
		}
		if len(page) > q.Limit || size > 6<<20 {
			return nil, fmt.Errorf("log: a page of %d entries and %d bytes, the limit is %d and about 4 MiB",
				len(page), size, q.Limit)
		}
		all = append(all, page...)
		last := page[len(page)-1]
		q.Before, q.BeforeKey = last.Time, last.Key
	}
	return nil, errors.New("log: after 20,000 pages there is no end")
}

// historySizes writes as much as allowed, and a little more.
func historySizes(e *env) error {
	op := create(record("a"))
	big := entry("a", 0, time.Hour)
	big.Data = bytes.Repeat([]byte{0, '\n', 0xff, 'x'}, core.MaxEntry/4)
	op.History = append(op.History, big)
	for i := 1; i < core.MaxEntries; i++ {
		op.History = append(op.History, entry("a", i, time.Duration(i)*time.Second))
	}
	r, err := e.must(e.store, op)
	if err != nil {
		return err
	}
	got, err := e.logAll(core.LogQuery{Key: "a", Limit: 100})
	if err != nil {
		return err
	}
	if len(got) != core.MaxEntries {
		return fmt.Errorf("log: %d entries of %d", len(got), core.MaxEntries)
	}
	if err := sameEntries(got[:1], []core.Entry{big}); err != nil {
		return err
	}
	tooBig, tooMany, foreign := update(r, r), update(r, r), update(r, r)
	tooBig.History = []core.Entry{{Data: make([]byte, core.MaxEntry+1)}}
	tooMany.History = make([]core.Entry, core.MaxEntries+1)
	foreign.History = []core.Entry{entry("b", 0, 0)}
	for _, op := range []core.Op{tooBig, tooMany, foreign} {
		if _, err := e.refused(e.store, op, core.ErrInvalid); err != nil {
			return err
		}
	}
	return nil
}

package redis

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/belfry-io/belfry/core"
)

func FuzzRecordValue(f *testing.F) {
	f.Add(uint64(1), int64(0), 0, "", "", true)
	f.Add(uint64(1<<53), int64(-5), 4095, "7:default x\x00\n", "1 2 3", false)
	f.Fuzz(func(t *testing.T, version uint64, due int64, stripe int, queue, state string, never bool) {
		r := core.Record{Key: "k", Version: max(version, 1), Queue: queue, Stripe: stripe, State: []byte(state)}
		if !never {
			// Beyond it UnixMicro itself overflows.
			r.Due = time.UnixMicro(due % (1 << 57)).UTC()
		}
		if r.Due.IsZero() {
			r.Due = time.Time{}
		}
		text := newTexts([]core.Op{{Old: r, New: r}}, []int{0})
		head, body := text.head(&r), text.body(&r, stripe)
		text.finish()
		stored := *head + state
		if !strings.HasSuffix(stored, " "+*body) {
			t.Fatalf("head %q and body %q differ", stored, *body)
		}
		got, err := parseRecord("k", stored)
		if err != nil || !same(got, r) {
			t.Fatalf("%q reads as %+v, %v; was %+v", stored, got, err, r)
		}
	})
}

func FuzzParseRecord(f *testing.F) {
	f.Add("1732430000000000 1732430005000000 12 7:default {}")
	f.Add("1 - 0 0: ")
	f.Add("1 - 0 9999999999999999999:x ")
	f.Add("1 - 0 -1: ")
	f.Fuzz(func(t *testing.T, v string) {
		r, err := parseRecord("k", v)
		if err == nil && (r.Version == 0 || len(r.Queue)+len(r.State) > len(v)) {
			t.Fatalf("%q reads as %+v", v, r)
		}
	})
}

func FuzzEntry(f *testing.F) {
	f.Add("job/a", 3, int64(1), "exit 1", true)
	f.Add("k", 0, int64(-7), "", false)
	f.Fuzz(func(t *testing.T, key string, slot int, at int64, data string, incident bool) {
		key = strings.ReplaceAll(key, "\x00", "")
		e := core.Entry{Key: key, Slot: slot, Time: time.UnixMicro(at % exact).UTC(), Data: []byte(data), Incident: incident}
		got, err := parseEntry(key, "5", entryValue(&e))
		if err != nil || got.Slot != 5 || !got.Time.Equal(e.Time) || string(got.Data) != data || got.Incident != incident {
			t.Fatalf("entry reads as %+v, %v; was %+v", got, err, e)
		}
		got, err = parseIncident(incidentMember(key, &e), e.Time)
		if err != nil || got.Key != key || got.Slot != slot || string(got.Data) != data || !got.Incident {
			t.Fatalf("incident reads as %+v, %v; was %+v", got, err, e)
		}
	})
}

func FuzzParseChange(f *testing.F) {
	f.Add("a\x001\x00-\x00default")
	f.Add("a\x001\x0017\x00q\x00q")
	f.Fuzz(func(t *testing.T, m string) {
		c, ok := parseChange(m)
		if ok && c.Key != "" && !strings.HasPrefix(m, c.Key+"\x00") {
			t.Fatalf("%q reads as %+v", m, c)
		}
	})
}

func TestMergeHasNoGaps(t *testing.T) {
	parts := [][]int{{1, 4, 9}, {2, 3, 5}, {7}, {}}
	for _, tc := range []struct {
		share, limit int
		want         []int
		more         bool
	}{
		{4, 100, []int{1, 2, 3, 4, 5, 7, 9}, false},
		{3, 100, []int{1, 2, 3, 4, 5}, true}, // behind 5 the second part may go on
		{4, 2, []int{1, 2}, true},
		{1, 100, []int{1}, true},
	} {
		m := merge[int]{share: tc.share, limit: tc.limit, compare: func(a, b int) int { return a - b }}
		for _, p := range parts {
			m.add(p[:min(len(p), tc.share)])
		}
		if got, more := m.result(); !slices.Equal(got, tc.want) || more != tc.more {
			t.Errorf("share %d, limit %d: %v, %v; want %v, %v", tc.share, tc.limit, got, more, tc.want, tc.more)
		}
	}
}

func TestLogPagesKeepTogetherWhatOneCursorCannotPart(t *testing.T) {
	at := func(key string, second int) core.Entry {
		return core.Entry{Key: key, Time: epochDay.Add(time.Duration(second) * time.Second)}
	}
	entries := []core.Entry{at("b", 3), at("a", 3), at("a", 3), at("a", 3), at("c", 1)}
	for limit, want := range map[int]int{1: 1, 2: 1, 3: 1, 4: 4, 5: 5, 9: 5} {
		if got := len(cutLog(entries, limit)); got != want {
			t.Errorf("limit %d: page of %d, want %d", limit, got, want)
		}
	}
	if got := len(cutLog(entries[1:], 2)); got != 2 {
		t.Errorf("a group larger than the page: %d, want 2", got)
	}
}

func TestSealIsSentOnceOrNever(t *testing.T) {
	var sent, void, unsent seal
	if _, err := sent.MarshalBinary(); err != nil {
		t.Error(err)
	}
	if _, err := sent.MarshalBinary(); err == nil {
		t.Error("sent twice")
	}
	if !sent.withdraw() {
		t.Error("withdrawn after it was sent")
	}
	if void.withdraw() || unsent.withdraw() {
		t.Error("never asked for, yet sent")
	}
	if _, err := void.MarshalBinary(); err == nil {
		t.Error("sent after it was withdrawn")
	}
}

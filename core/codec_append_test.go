package core

import (
	"encoding/json"
	"testing"
	"testing/quick"
	"unicode/utf8"
)

func TestAppendString(t *testing.T) {
	same := func(s string) bool {
		var got, want string
		reference, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(reference, &want); err != nil {
			t.Fatal(err)
		}
		b := appendString(nil, s)
		if err := json.Unmarshal(b, &got); err != nil || got != want || !utf8.Valid(b) {
			t.Errorf("%q is written as %s: %q, %v; want %q", s, b, got, err, want)
			return false
		}
		d := decoder{b: b}
		if back := d.text(); back != want || d.err != nil {
			t.Errorf("%s is read as %q, %v; want %q", b, back, d.err, want)
			return false
		}
		return true
	}
	for c := range 256 {
		same(string([]byte{'a', byte(c), 'z'}))
	}
	if err := quick.Check(func(b []byte) bool { return same(string(b)) }, nil); err != nil {
		t.Error(err)
	}
}

func TestAppendMillis(t *testing.T) {
	for m, want := range map[micros]string{
		0: "0", 1: "0.001", 20: "0.02", 300: "0.3", 999: "0.999", 1000: "1", 1767225600000120: "1767225600000.12", -1: "-0.001", -1500: "-1.5",
	} {
		got := string(appendMillis(nil, m))
		d := decoder{b: []byte(got)}
		if back := d.millis(); got != want || back != m || d.err != nil {
			t.Errorf("%d is written as %s, want %s, and read as %d, %v", m, got, want, back, d.err)
		}
	}
}

// TestAppendRecents checks that defaults are left out at the end, and only there.
func TestAppendRecents(t *testing.T) {
	const at = 1000 * millisecond
	plain := recent{Fire: at, Kind: Succeeded, Count: 1, Attempt: 1, Start: at, End: at}
	for _, c := range []struct {
		want   string
		change func(*recent)
	}{
		{`[[1000,1]]`, func(*recent) {}},
		{`[[1000,1,3]]`, func(o *recent) { o.Start, o.End = at+3*millisecond, at+3*millisecond }},
		{`[[1000,1,0,4]]`, func(o *recent) { o.End = at + 4*millisecond }},
		{`[[1000,1,-2,4]]`, func(o *recent) { o.Start, o.End = at-2*millisecond, at+2*millisecond }},
		{`[[1000,1,0,0,"s"]]`, func(o *recent) { o.Session = "s" }},
		{`[[1000,2,0,0,"",1]]`, func(o *recent) { o.Kind, o.Text = Failed, true }},
		{`[[1000,1,0,0,"",0,2]]`, func(o *recent) { o.Attempt = 2 }},
		{`[[1000,1,0,0,"",0,0]]`, func(o *recent) { o.Attempt = 0 }},
		{`[[1000,1,0,0,"",0,1,5]]`, func(o *recent) { o.Count = 5 }},
		{`[[1000,1,0,0,"",0,1,1,0.001]]`, func(o *recent) { o.Through = at + 1 }},
		{`[[1000,5,null]]`, func(o *recent) { o.Kind, o.Start, o.Attempt = Lost, 0, 0 }},
		{`[[1000,5,null,null,"",0,1]]`, func(o *recent) { o.Kind, o.Start, o.End = Lost, 0, 0 }},
		{`[[1000,7,null,9]]`, func(o *recent) { o.Kind, o.Start, o.End, o.Attempt = SkippedOverlap, 0, at+9*millisecond, 0 }},
	} {
		o := plain
		c.change(&o)
		got := string(appendRecents(nil, "", []recent{o}))
		d := decoder{b: []byte(got)}
		back := d.recents()
		d.end()
		if got != c.want || d.err != nil || len(back) != 1 || back[0] != o {
			t.Errorf("%+v\nis written as %s, want %s, and read as %+v, %v", o, got, c.want, back, d.err)
		}
	}
}

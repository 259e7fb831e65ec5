package core

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestStateByHand(t *testing.T) {
	const edited = ` {
		"o" : [ [ 1767225600000.5 , 1 ] , [-0.5,2,-4,7,"s\u0031"] ],
		"n" : [ 2, 1 ,1 ], "acts":[], "zz" : [ 1 , {"a":"\"}]"} ],
		"runs":[ { "d":5, "new":{}, "a":1, "f" : 7 } ],
		"\u0072": 3, "why": "\ud83d\udd14 caf\u00e9", "f" : 1
	} `
	want := state{
		Format: 1, SpecRev: 3, Why: "🔔 café", Runs: []run{{Fire: 7, Attempt: 1, Due: 5}},
		Recent: []recent{
			{Fire: 1767225600000500, Kind: Succeeded, Count: 1, Attempt: 1, Start: 1767225600000500, End: 1767225600000500},
			{Fire: 1767225600000000, Kind: Failed, Count: 1, Attempt: 1, Start: 1767225599996000, End: 1767225600003000, Session: "s1"},
		},
		Counts: counts{Fires: 2, Succeeded: 1, Failed: 1},
		extra:  []rawField{{"zz", []byte(`[ 1 , {"a":"\"}]"} ]`)}},
	}
	got, err := decodeState([]byte(edited))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

// TestStateTwice checks that of a field that stands twice the last one counts, as with encoding/json.
func TestStateTwice(t *testing.T) {
	const twice = `{"f":1,"c":3,"o":[[5,1],[6,1]],"runs":[{"f":1}],"o":[[7,1]],"runs":[],"c":4}`
	at := 7 * millisecond
	want := state{Format: 1, Cursor: 4, Recent: []recent{{Fire: at, Kind: Succeeded, Count: 1, Attempt: 1, Start: at, End: at}}}
	got, err := decodeState([]byte(twice))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
}

func TestStateCorrupt(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{``, `decode state: must begin with {, at byte 0`},
		{`{`, `decode state: must be text, at byte 1`},
		{`{}`, `decode state: f: is missing, at byte 2`},
		{`{"f":0}`, `decode state: f: is missing, at byte 7`},
		{`{"f":1}x`, `decode state: something follows the record, at byte 7`},
		{"{\"f\":1}\x00", `decode state: something follows the record, at byte 7`},
		{`{"f":1,}`, `decode state: must be text, at byte 7`},
		{`{"f":1 "r":2}`, `decode state: must go on with a comma or }, at byte 7`},
		{`{"f":1,"r" 2}`, `decode state: a field must be a name, a colon and a value, at byte 11`},
		{`{"f":1,"r":-1}`, `decode state: r: must be a number, at byte 11`},
		{`{"f":1,"r":18446744073709551616}`, `decode state: r: is too large, at byte 11`},
		{`{"f":1,"c":01}`, `decode state: c: must not begin with 0, at byte 11`},
		{`{"f":1,"c":1e9}`, `decode state: c: must be a whole number, at byte 12`},
		{`{"f":1,"c":253402300800000000}`, `decode state: c: is too large, at byte 29`},
		{`{"f":1,"c":-253402300800000000}`, `decode state: c: is too small, at byte 30`},
		{`{"f":1,"m":3}`, `decode state: m: is too large, at byte 12`},
		{`{"f":1,"why":7}`, `decode state: why: must be text, at byte 13`},
		{"{\"f\":1,\"why\":\"a\nb\"}", `decode state: why: is not JSON, at byte 13`},
		{`{"f":1,"why":"a`, `decode state: why: the text has no end, at byte 13`},
		{`{"f":1,"why":"é`, `decode state: why: is not JSON, at byte 13`},
		{`{"f":1,"runs":{}}`, `decode state: runs: must begin with [, at byte 14`},
		{`{"f":1,"runs":[{"f":1},{"d":"x"}]}`, `decode state: runs[1].d: must be a number, at byte 28`},
		{`{"f":1,"runs":[{"c":4}]}`, `decode state: runs[0].c: is too large, at byte 21`},
		{`{"f":1,"bf":[{"to":null}]}`, `decode state: bf[0].to: must be a number, at byte 19`},
		{`{"f":1,"acts":["a",2]}`, `decode state: acts[1]: must be text, at byte 19`},
		{`{"f":1,"o":[[]]}`, `decode state: o[0]: has no fire time or no kind, at byte 14`},
		{`{"f":1,"o":[[5]]}`, `decode state: o[0]: has no fire time or no kind, at byte 15`},
		{`{"f":1,"o":[[0,1]]}`, `decode state: o[0][0]: is out of range, at byte 14`},
		{`{"f":1,"o":[[5,1],[-5,1]]}`, `decode state: o[1][0]: is out of range, at byte 21`},
		{`{"f":1,"o":[[253402300799999,1],[1,1]]}`, `decode state: o[1][0]: is out of range, at byte 34`},
		{`{"f":1,"o":[[5,8]]}`, `decode state: o[0][1]: is too large, at byte 16`},
		{`{"f":1,"o":[[5,1,-5]]}`, `decode state: o[0]: has an instant before 1970, at byte 20`},
		{`{"f":1,"o":[[5.1234,1]]}`, `decode state: o[0][0]: must have one to three decimals, at byte 19`},
		{`{"f":1,"o":[[253402300800000,1]]}`, `decode state: o[0][0]: is too large, at byte 28`},
		{`{"f":1,"o":[[5.,1]]}`, `decode state: o[0][0]: must have one to three decimals, at byte 15`},
		{`{"f":1,"o":[[5,1,-]]}`, `decode state: o[0][2]: must be a number, at byte 18`},
		{`{"f":1,"o":[[5,1,nul]]}`, `decode state: o[0][2]: must be a number, at byte 17`},
		{`{"f":1,"o":[[5,1,1.5]]}`, `decode state: o[0][2]: must be a whole number, at byte 18`},
		{`{"f":1,"n":[1,2,3,4,5,6,7,8,9]}`, `decode state: n: has more counts than this build knows, at byte 28`},
		{`{"f":1,"n":[1,"2"]}`, `decode state: n[1]: must be a number, at byte 14`},
		{`{"f":1,"new":tru}`, `decode state: new: is not JSON, at byte 13`},
		{`{"f":1,"new":[}`, `decode state: new: is not JSON, at byte 13`},
	} {
		_, err := decodeState([]byte(c.in))
		if err == nil || err.Error() != c.want {
			t.Errorf("%q\n got %v\nwant %s", c.in, err, c.want)
		}
	}
}

// TestStateCutShort checks that no beginning of a state passes for a whole one.
func TestStateCutShort(t *testing.T) {
	_, whole := golden()
	for n := range len(whole) {
		if st, err := decodeState([]byte(whole[:n])); err == nil {
			t.Errorf("%s was read as %+v", whole[:n], st)
		}
	}
}

func TestStateLaterFormat(t *testing.T) {
	_, err := decodeState([]byte(`{"f":2,"r":{"other":"type"}}`))
	if !errors.Is(err, ErrFormat) {
		t.Errorf("got %v, want ErrFormat", err)
	}
}

func TestStateBounds(t *testing.T) {
	for _, c := range []struct {
		name, item string
		limit      int
	}{{"runs", "{}", maxLive}, {"bf", "{}", maxFills}, {"acts", `""`, maxActs}, {"o", "[5,1]", MaxSlots}} {
		with := func(n int) []byte {
			return []byte(`{"f":1,"` + c.name + `":[` + strings.TrimSuffix(strings.Repeat(c.item+",", n), ",") + `]}`)
		}
		if _, err := decodeState(with(c.limit)); err != nil {
			t.Errorf("%d %s: %v", c.limit, c.name, err)
		}
		if _, err := decodeState(with(c.limit + 1)); err == nil || !strings.Contains(err.Error(), c.name+": has more than") {
			t.Errorf("%d %s: %v", c.limit+1, c.name, err)
		}
	}
}

// TestStateShares checks that what is appended to one copy of a state is not seen in another, and that the state
// does not change with the bytes it was read from.
func TestStateShares(t *testing.T) {
	want, text := golden()
	b := []byte(text)
	st, err := decodeState(b)
	if err != nil {
		t.Fatal(err)
	}
	for i := range b {
		b[i] = '#'
	}
	if !reflect.DeepEqual(st, want) {
		t.Errorf("the state changed with its bytes: %+v", st)
	}
	if cap(st.Runs) != len(st.Runs) || cap(st.Ranges) != len(st.Ranges) || cap(st.Acts) != len(st.Acts) || cap(st.Recent) != len(st.Recent) {
		t.Error("a list has room to grow")
	}
}

func FuzzDecodeState(f *testing.F) {
	_, whole := golden()
	f.Add([]byte(whole))
	f.Add([]byte(`{"f":1,"r":2,"c":1767225605000000,"zz":[{}],"runs":[{"f":1,"a":1,"d":2,"x":"\u00e9"}],"n":[1]}`))
	f.Add([]byte(` { "o" : [ [ 5.125 , 7 , null , -3 , "" , 1 , 2 , 3 , -1.5 , {} ] ] , "f":1 } `))
	f.Add([]byte(`{"f":2}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		st, err := decodeState(b)
		if err != nil {
			return
		}
		out := encodeState(&st)
		if !json.Valid(b) || !json.Valid(out) {
			t.Fatalf("not JSON: %q read, %q written", b, out)
		}
		again, err := decodeState(out)
		if err != nil || !reflect.DeepEqual(again, st) {
			t.Fatalf("%q\nbecame %+v\n  then %+v, %v", b, st, again, err)
		}
	})
}

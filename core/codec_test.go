package core

import (
	"bytes"
	"encoding/json"
	"math"
	"math/rand"
	"reflect"
	"strings"
	"testing"
	"testing/quick"
)

// golden is a state with every field, and its stored form. The stored form must not change: records written by this
// build are read by the next.
func golden() (state, string) {
	st := state{
		Format: 1, SpecRev: 2, Epoch: "e1", Mode: modePaused, Why: `by ann: "frost" <é>`, Since: 1767225600000001,
		Until: 1767225600000002, Gone: 1767225600000003, Cursor: 1767225600000004, Last: 1767225600000005,
		Manual: 1767225600000006, Busy: 1767225600000007, Over: 1767225600000008, Token: math.MaxUint64, Claimed: 9, Seq: 10,
		Runs: []run{
			{
				Fire: 1767225600000000, Nominal: 1767225500000000, Attempt: 2, Moves: 1, Cause: CauseBackfill,
				Claim: "s7.42", Token: 1767225600000123, At: 1767225600000200, Due: 1767225610000200, Cancel: "replaced",
			},
			{Fire: 1767225601000000, Attempt: 1, Due: 1767225601000000},
		},
		Ranges: []fill{{Next: 1767225600000000, To: 1767229200000000}},
		Acts:   []string{"a1", "a2"},
		Recent: []recent{
			{Fire: 1767225600000000, Kind: Succeeded, Count: 1, Attempt: 1, Start: 1767225600003000, End: 1767225600015000},
			{Fire: 1767225605000000, Kind: Succeeded, Count: 1, Attempt: 1, Start: 1767225605000000, End: 1767225605000000},
			{Fire: 1767225605000120, Kind: Failed, Count: 1, Attempt: 3, Start: 1767225605001120, End: 1767225605003120, Session: "s7", Text: true},
			{Fire: 1767225605000000, Kind: SkippedMisfire, Count: 17, Through: 1767225621000000, End: 1767225705000000},
			{Fire: 1767225605000000, Kind: Cancelled, Count: 1, Attempt: 2, End: 1767225605000000},
			{Fire: 1767225605000000, Kind: Lost, Count: 1, Attempt: 1, Start: 1767225605000000},
		},
		Counts: counts{Fires: 30, Succeeded: 8, Failed: 1, TimedOut: 0, Cancelled: 1, Lost: 1, SkippedMisfire: 17},
		extra:  []rawField{{"later", []byte(`{"x":[1, "}"]}`)}},
	}
	return st, `{"f":1,"r":2,"e":"e1","m":1,"why":"by ann: \"frost\" <é>","since":1767225600000001,` +
		`"until":1767225600000002,"g":1767225600000003,"c":1767225600000004,"l":1767225600000005,` +
		`"ma":1767225600000006,"b":1767225600000007,"ov":1767225600000008,"t":18446744073709551615,"cl":9,"s":10,` +
		`"runs":[{"f":1767225600000000,"n":1767225500000000,"a":2,"k":1,"c":3,"id":"s7.42","t":1767225600000123,` +
		`"at":1767225600000200,"d":1767225610000200,"x":"replaced"},{"f":1767225601000000,"a":1,"d":1767225601000000}],` +
		`"bf":[{"n":1767225600000000,"to":1767229200000000}],"acts":["a1","a2"],` +
		`"o":[[1767225600000,1,3,12],[5000,1],[0.12,2,1,2,"s7",1,3],` +
		`[-0.12,6,null,100000,"",0,0,17,16000],[0,4,null,0,"",0,2],[0,5,0,null]],` +
		`"n":[30,8,1,0,1,1,17],"later":{"x":[1, "}"]}}`
}

func TestStateGolden(t *testing.T) {
	st, want := golden()
	if got := string(encodeState(&st)); got != want {
		t.Errorf("encodeState\n got %s\nwant %s", got, want)
	}
	got, err := decodeState([]byte(want))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, st) {
		t.Errorf("decodeState\n got %+v\nwant %+v", got, st)
	}
	const least = `{"f":1,"r":0,"n":[]}`
	if got := string(encodeState(&state{Format: 1})); got != least {
		t.Errorf("the least state is %s, want %s", got, least)
	}
}

// TestStateFields sets each declared field by itself, so that one that encode or decode forgets is found.
func TestStateFields(t *testing.T) {
	eachField(t, reflect.TypeFor[state](), func(v reflect.Value) state {
		st := v.Interface().(state) //nolint:forcetypeassert // by construction
		st.Format = 1
		return st
	})
	eachField(t, reflect.TypeFor[run](), func(v reflect.Value) state {
		return state{Format: 1, Runs: []run{v.Interface().(run)}} //nolint:forcetypeassert // by construction
	})
	eachField(t, reflect.TypeFor[fill](), func(v reflect.Value) state {
		return state{Format: 1, Ranges: []fill{v.Interface().(fill)}} //nolint:forcetypeassert // by construction
	})
	eachField(t, reflect.TypeFor[counts](), func(v reflect.Value) state {
		return state{Format: 1, Counts: v.Interface().(counts)} //nolint:forcetypeassert // by construction
	})
}

// eachField checks the round trip of a value of type typ that is zero but for one field, for each of its fields.
func eachField(t *testing.T, typ reflect.Type, within func(reflect.Value) state) {
	t.Helper()
	for i := range typ.NumField() {
		f := typ.Field(i)
		if !f.IsExported() {
			continue
		}
		v := reflect.New(typ).Elem()
		setSome(v.Field(i))
		st := within(v)
		b := encodeState(&st)
		got, err := decodeState(b)
		if err != nil || !reflect.DeepEqual(got, st) {
			t.Errorf("%s.%s: from %+v through %s to %+v, %v", typ.Name(), f.Name, st, b, got, err)
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name != "" && !bytes.Contains(b, []byte(`"`+name+`":`)) {
			t.Errorf("%s.%s: no %q in %s", typ.Name(), f.Name, name, b)
		}
	}
}

// setSome gives v a value other than its zero.
func setSome(v reflect.Value) {
	switch v.Kind() { //nolint:exhaustive // the kinds that records have
	case reflect.String:
		v.SetString("some")
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	case reflect.Uint8, reflect.Uint64:
		v.SetUint(1)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		setSome(v.Index(0))
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).Type.Kind() != reflect.Bool {
				setSome(v.Field(i))
			}
		}
		if o, ok := reflect.TypeAssert[*recent](v.Addr()); ok { // whole milliseconds, or the round trip is not exact
			o.Start, o.End = o.Fire+millisecond, o.Fire+2*millisecond
		}
	default:
		panic("add " + v.Kind().String())
	}
}

// stored returns o as the stored form keeps it: lateness and duration in whole milliseconds.
func stored(o recent) recent {
	from := o.Fire
	kept := o
	if o.Start != 0 {
		from = o.Start
		kept.Start = o.Fire + (o.Start-o.Fire)/1000*1000
	}
	if o.End != 0 {
		kept.End = max(kept.Start, min(o.Fire, from)) + (o.End-from)/1000*1000
	}
	return kept
}

func TestStateRoundTrip(t *testing.T) {
	const seed = 1
	property := func(s someState) bool {
		st := state(s)
		b := encodeState(&st)
		for i := range st.Recent {
			kept, o := stored(st.Recent[i]), st.Recent[i]
			if o.Start-kept.Start >= millisecond || o.End-kept.End >= 2*millisecond || o.End-kept.End <= -2*millisecond {
				t.Errorf("%+v is kept as %+v", o, kept)
			}
			st.Recent[i] = kept
		}
		got, err := decodeState(b)
		switch {
		case err != nil:
			t.Errorf("%s: %v", b, err)
		case !json.Valid(b):
			t.Errorf("not JSON: %s", b)
		case !reflect.DeepEqual(got, st):
			t.Errorf("%s\n got %+v\nwant %+v", b, got, st)
		case !bytes.Equal(encodeState(&got), b):
			t.Errorf("%s\nis written back as %s", b, encodeState(&got))
		default:
			return true
		}
		return false
	}
	//nolint:gosec // the same cases at every run
	if err := quick.Check(property, &quick.Config{MaxCount: 1000, Rand: rand.New(rand.NewSource(seed))}); err != nil {
		t.Errorf("seed %d: %.200v", seed, err)
	}
}

type (
	plainState state
	plainRun   run

	// referenceState and referenceRun make encoding/json read the stored form by the tags of state and run.
	referenceState struct {
		plainState
		Runs   []referenceRun    `json:"runs"`
		Recent []json.RawMessage `json:"o"`
		Counts []uint64          `json:"n"`
	}
	referenceRun struct {
		plainRun
		Cause uint8 `json:"c"`
	}
)

// TestStateReference reads what encodeState writes with encoding/json.
func TestStateReference(t *testing.T) {
	st, text := golden()
	var ref referenceState
	if err := json.Unmarshal([]byte(text), &ref); err != nil {
		t.Fatal(err)
	}
	got := state(ref.plainState)
	for _, r := range ref.Runs {
		r.plainRun.Cause = Cause(r.Cause)
		got.Runs = append(got.Runs, run(r.plainRun))
	}
	list := got.Counts.list()
	for i, n := range ref.Counts {
		*list[i] = n
	}
	if len(ref.Recent) != len(st.Recent) {
		t.Errorf("%d outcomes, want %d", len(ref.Recent), len(st.Recent))
	}
	st.Recent, st.extra = nil, nil
	if !reflect.DeepEqual(got, st) {
		t.Errorf("got %+v\nwant %+v", got, st)
	}
}

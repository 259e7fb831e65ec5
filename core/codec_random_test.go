package core

import (
	"math/rand"
	"reflect"
)

// someState is a random state such as steps make.
type someState state

// Generate implements [quick.Generator].
func (someState) Generate(r *rand.Rand, size int) reflect.Value {
	g := generator{r}
	st := someState{
		Format: 1, SpecRev: r.Uint64(), Epoch: g.text(), Mode: mode(r.Intn(3)), Why: g.text(), Since: g.instant(), //nolint:gosec // small
		Until: g.instant(), Gone: g.instant(), Cursor: g.instant(), Last: g.instant(), Manual: g.instant(),
		Busy: g.instant(), Over: g.instant(), Token: r.Uint64(), Claimed: uint64(r.Intn(3)), Seq: r.Uint64() >> r.Intn(64), //nolint:gosec // positive
	}
	for range r.Intn(min(size, maxLive) + 1) {
		st.Runs = append(st.Runs, run{
			Fire: g.instant(), Nominal: g.instant(), Attempt: r.Intn(4), Moves: r.Intn(3), Cause: Cause(r.Intn(4)), //nolint:gosec // small
			Claim: g.text(), Token: r.Uint64(), At: g.instant(), Due: g.instant(), Cancel: g.text(),
		})
	}
	for range r.Intn(maxFills + 1) {
		st.Ranges = append(st.Ranges, fill{g.instant(), g.instant()})
	}
	for range r.Intn(maxActs + 1) {
		st.Acts = append(st.Acts, g.text())
	}
	for range r.Intn(min(size, MaxSlots) + 1) {
		st.Recent = append(st.Recent, g.recent())
	}
	for _, c := range st.Counts.list() {
		*c = r.Uint64() >> r.Intn(65)
	}
	for range r.Intn(3) {
		st.extra = append(st.extra, rawField{"x" + g.text(), []byte(`[{"y":"]\""},-1.5e3,null]`)})
	}
	return reflect.ValueOf(st)
}

type generator struct{ *rand.Rand }

func (g generator) instant() micros {
	if g.Intn(3) == 0 {
		return 0
	}
	return 1 + micros(g.Int63n(int64(maxInstant)))
}

func (g generator) text() string {
	return []string{"", "a", "s7k2m9.41", "\x00\n\t\r\"\\/", "é 漢 \U0001f514 \u2028", "\ufffd<&>\x7f"}[g.Intn(6)]
}

func (g generator) recent() recent {
	o := recent{
		Fire: 1 + micros(g.Int63n(4e15)), Kind: OutcomeKind(1 + g.Intn(7)), Count: 1 + g.Intn(2)*g.Intn(1e6), //nolint:gosec // small
		Attempt: g.Intn(3), Session: g.text(), Text: g.Intn(2) == 0,
	}
	o.Start = g.maybe(o.Fire + micros(g.Int63n(1e9)))
	o.End = g.maybe(o.Fire + micros(g.Int63n(1e10)))
	o.Through = g.maybe(o.Fire + micros(g.Int63n(1e12)))
	return o
}

func (g generator) maybe(m micros) micros {
	if g.Intn(3) == 0 {
		return 0
	}
	return m
}

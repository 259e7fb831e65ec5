package core

import "testing"

// fastJob is the state of a job that fires every few seconds, with a run under way and the last five outcomes: what
// nearly every read and write of a busy store is.
func fastJob() state {
	const at = micros(1767225600000000)
	st := state{
		Format: 1, SpecRev: 1, Epoch: "k3v9q2", Cursor: at + 5*second, Last: at, Busy: at,
		Token: uint64(at) + 12, Claimed: 720, Seq: 719,
		Runs:   []run{{Fire: at, Attempt: 1, Claim: "7k2m9q4x.1841", Token: uint64(at) + 12, At: at - 20*millisecond, Due: at + 10*second}},
		Counts: counts{Fires: 720, Succeeded: 719},
	}
	for i := range micros(5) {
		fire := at - (5-i)*5*second
		st.Recent = append(st.Recent, recent{
			Fire: fire, Kind: Succeeded, Count: 1, Attempt: 1, Start: fire + millisecond, End: fire + (20+i)*millisecond,
		})
	}
	return st
}

func TestStateSize(t *testing.T) {
	st := fastJob()
	b := encodeState(&st)
	t.Logf("%d bytes: %s", len(b), b)
	const limit = 360
	if len(b) > limit {
		t.Errorf("the state of a fast job takes %d bytes, at most %d are meant", len(b), limit)
	}
	if n := testing.AllocsPerRun(100, func() { encodeState(&st) }); n != 1 {
		t.Errorf("encodeState allocates %v times", n)
	}
}

func BenchmarkEncodeState(b *testing.B) {
	st := fastJob()
	b.ReportAllocs()
	for b.Loop() {
		encodeState(&st)
	}
}

func BenchmarkDecodeState(b *testing.B) {
	st := fastJob()
	text := encodeState(&st)
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := decodeState(text); err != nil {
			b.Fatal(err)
		}
	}
}

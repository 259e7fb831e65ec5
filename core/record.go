package core

import (
	"strings"
	"time"
)

// micros is an instant in microseconds since 1970 UTC, the precision of the store; 0 is none. It exists because a
// step compares and stores instants by the dozen, and because it is what a record holds.
type micros int64

const (
	millisecond = micros(1000)
	second      = 1000 * millisecond
	minute      = 60 * second
	day         = 24 * 60 * minute
)

func microsOf(t time.Time) micros {
	if t.IsZero() {
		return 0
	}
	return micros(t.UnixMicro())
}

func span(d time.Duration) micros { return micros(d.Microseconds()) }

func (m micros) time() time.Time {
	if m == 0 {
		return time.Time{}
	}
	return time.UnixMicro(int64(m)).UTC()
}

func (m micros) duration() time.Duration { return time.Duration(m) * time.Microsecond }

// mode says whether a job fires.
type mode uint8

const (
	modeEnabled mode = iota
	modePaused
	modeDeleted // a tombstone: it keeps what a re-creation must not forget
)

// formatVersion is the format of State that this build reads and writes. A pod never steps a higher one.
const formatVersion = 1

// A state is what the engine keeps of a job: what a step may change. Every list in it is bounded. The JSON names are
// the stored format.
type state struct {
	Format  int    `json:"f"`
	SpecRev uint64 `json:"r"`           // the definition it belongs to; both change in one compare-and-set
	Epoch   string `json:"e,omitempty"` // the life of the store in which it was last stepped

	Mode  mode   `json:"m,omitempty"`
	Why   string `json:"why,omitempty"`   // paused: the reason
	Since micros `json:"since,omitempty"` // paused: from
	Until micros `json:"until,omitempty"` // paused: to; 0: until resumed
	Gone  micros `json:"g,omitempty"`     // tombstone: when the record is removed

	Cursor  micros `json:"c,omitempty"`  // the next scheduled fire time not yet decided; 0: none. Always > Last
	Last    micros `json:"l,omitempty"`  // the newest scheduled fire time ever decided; outlives edit, deletion and re-creation
	Manual  micros `json:"ma,omitempty"` // the newest fire time given to a manual trigger
	Busy    micros `json:"b,omitempty"`  // fire times that come after it while a run is live are overlaps; those before are backlog
	Over    micros `json:"ov,omitempty"` // fire times up to it that are still undecided were overlaps of a run that has ended
	Token   uint64 `json:"t,omitempty"`  // the newest fencing token
	Claimed uint64 `json:"cl,omitempty"` // scheduled triggers claimed or queued in this life of the job: what MaxRuns counts
	Seq     uint64 `json:"s,omitempty"`  // outcomes recorded; a range is one

	Runs   []run    `json:"runs,omitempty"` // live triggers, at most maxLive
	Ranges []fill   `json:"bf,omitempty"`   // backfills under way, at most maxFills
	Acts   []string `json:"acts,omitempty"` // ids of the latest administrative requests: sending one again is harmless
	Recent []recent `json:"o,omitempty"`    // the latest outcomes, oldest first
	Counts counts   `json:"n"`

	extra []rawField // fields of a newer build of the same format, kept as they are
}

// A rawField is a field of a record that this build does not know.
type rawField struct {
	name  string
	value []byte // JSON
}

const (
	maxLive  = 64
	maxFills = 8
	maxActs  = 8
)

// A run is a live trigger. Without a claim it waits: for its retry, behind another run, or for a pod.
type run struct {
	Fire    micros `json:"f"`
	Nominal micros `json:"n,omitempty"`
	Attempt int    `json:"a"`
	Moves   int    `json:"k,omitempty"` // take-overs from dead pods
	Cause   Cause  `json:"c,omitempty"` // by number in the stored form
	Claim   string `json:"id,omitempty"`
	Token   uint64 `json:"t,omitempty"`
	At      micros `json:"at,omitempty"` // when it was claimed
	Due     micros `json:"d"`            // waits: not before; claimed: vouched for until then
	Cancel  string `json:"x,omitempty"`  // why it is to be cancelled
}

// owner returns the session that holds the run; "" if it waits. A claim id is the session's id, a dot and a number.
func (r *run) owner() string { return claimOwner(r.Claim) }

func claimOwner(claim string) string {
	s, _, _ := strings.Cut(claim, ".")
	return s
}

func (r *run) manual() bool { return r.Cause == CauseManual || r.Cause == CauseBackfill }

// fresh reports that the run waits and was never claimed.
func (r *run) fresh() bool { return r.Claim == "" && r.Attempt == 1 && r.Moves == 0 }

// A fill is a backfill under way: a range of fire times with a cursor. It is never expanded.
type fill struct {
	Next micros `json:"n"` // the next fire time to make a trigger for
	To   micros `json:"to"`
}

// A recent is an outcome in short. What is longer stands in the record's history, in slot Seq mod keep.
type recent struct {
	Fire    micros
	Kind    OutcomeKind
	Count   int // 1 unless a range
	Through micros
	Attempt int
	Start   micros // 0: never started
	End     micros
	Session string // jobs that fire at most once a minute only
	Text    bool   // the history has more
}

// counts is Counts as stored: Pending is the number of runs.
type counts struct {
	Fires, Succeeded, Failed, TimedOut, Cancelled, Lost, SkippedMisfire, SkippedOverlap uint64
}

func (c *counts) outcomes() uint64 {
	return c.Succeeded + c.Failed + c.TimedOut + c.Cancelled + c.Lost + c.SkippedMisfire + c.SkippedOverlap
}

func (c *counts) of(k OutcomeKind) *uint64 {
	switch k {
	case Succeeded:
		return &c.Succeeded
	case Failed:
		return &c.Failed
	case TimedOut:
		return &c.TimedOut
	case Cancelled:
		return &c.Cancelled
	case Lost:
		return &c.Lost
	case SkippedMisfire:
		return &c.SkippedMisfire
	case SkippedOverlap:
		return &c.SkippedOverlap
	}
	panic("core: no such outcome: " + k.String())
}

func (c counts) public(pending int) Counts {
	return Counts{
		Fires: c.Fires, Pending: uint64(pending), Succeeded: c.Succeeded, Failed: c.Failed, TimedOut: c.TimedOut, //nolint:gosec // a length
		Cancelled: c.Cancelled, Lost: c.Lost, SkippedMisfire: c.SkippedMisfire, SkippedOverlap: c.SkippedOverlap,
	}
}

// A spec is a job's definition with its number; it is immutable.
type spec struct {
	Job

	Rev   uint64   // grows by one with every change
	sched Schedule // the schedule with H resolved
	size  int      // bytes of the stored form
}

func newSpec(j Job, rev uint64) *spec { return &spec{Job: j, Rev: rev, sched: j.Schedule.For(j.ID)} }

// fast reports whether the job fires more often than once a minute, and claimsAhead and keep what follows from it.
func (s *spec) fast() bool { return s.sched.fast() }

func (s *spec) claimsAhead() bool {
	return s.Claim == ClaimAhead || s.Claim == ClaimAuto && s.fast()
}

// keep is the size of the job's ring of outcomes.
func (s *spec) keep() int {
	switch {
	case s.Keep < 0:
		return 0
	case s.Keep > 0:
		return s.Keep
	case s.fast():
		return 5
	}
	return 20
}

// next returns the first fire time after t within the job's bounds; 0: none.
func (s *spec) next(t micros) micros {
	if !s.NotBefore.IsZero() {
		t = max(t, microsOf(s.NotBefore)-1)
	}
	f := microsOf(s.sched.Next(t.time()))
	if f != 0 && !s.NotAfter.IsZero() && f > microsOf(s.NotAfter) {
		return 0
	}
	return f
}

// came returns the instant at which fire time f is due: f plus its jitter, which is below the gap to the next fire
// time, so that what is due keeps the order of the fire times.
func (s *spec) came(f micros) micros {
	j := span(s.Jitter)
	if j == 0 {
		return f
	}
	if gap := microsOf(s.sched.Next(f.time())) - f; gap > 0 {
		j = min(j, gap)
	}
	return f + micros(mix(hashString(s.ID)^uint64(f))%uint64(j)) //nolint:gosec // both are positive
}

// through counts the fire times from f on that are due by t, at most limit, and returns the last of them. limit does
// not bind Every schedules, which are counted by arithmetic.
func (s *spec) through(f, t micros, limit int) (last micros, n int) {
	if period := s.sched.period(); period > 0 {
		bound := t
		if !s.NotAfter.IsZero() {
			bound = min(bound, microsOf(s.NotAfter))
		}
		if f == 0 || f > bound {
			return 0, 0
		}
		n = int((bound-f)/period) + 1
		last = f + micros(n-1)*period
		if s.came(last) > t { // only the last can be put off past t: jitter is below the period
			last, n = last-period, n-1
		}
		if n == 0 {
			last = 0
		}
		return last, n
	}
	for f != 0 && n < limit && s.came(f) <= t {
		last, n = f, n+1
		f = s.next(f)
	}
	return last, n
}

// skip returns the n-th fire time after f.
func (s *spec) skip(f micros, n int) micros {
	if period := s.sched.period(); period > 0 {
		return f + micros(n)*period
	}
	for range n {
		f = s.next(f)
	}
	return f
}

// period returns the time between two fire times of an Every schedule; 0 for any other.
func (s Schedule) period() micros {
	if s.kind != scheduleEvery || s.problem != "" {
		return 0
	}
	return micros(s.every) * millisecond
}

// fixed returns the instant of an At schedule; 0 for any other.
func (s Schedule) fixed() micros {
	if s.kind != scheduleAt || s.problem != "" {
		return 0
	}
	return micros(s.at) * millisecond
}

// byClaim returns the run with that claim, nil if there is none.
func (st *state) byClaim(claim string) *run {
	for i := range st.Runs {
		if st.Runs[i].Claim == claim {
			return &st.Runs[i]
		}
	}
	return nil
}

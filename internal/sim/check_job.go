//go:build belfrysim

package sim

import (
	"slices"
	"strings"
	"time"

	"github.com/belfry-io/belfry/core"
)

// A step is one commit of a job's record: what it was, and what it has become.
type step struct {
	*change

	c      *checker
	j      *jobWatch
	old    core.SimState
	oldJob core.Job
	plan   plan // the old one
	new    core.SimState
	known  bool           // there was a record
	ends   []core.Outcome // what was recorded
	whole  bool           // ends has all of it
}

// jobCommit checks one change of a job's record.
func (c *checker) jobCommit(ch *change) {
	j := c.watch(strings.TrimPrefix(ch.key, "job/"))
	s := &step{change: ch, c: c, j: j, known: ch.before.Version != 0}
	if s.known {
		if s.old = j.state; j.version != ch.before.Version { // a fail-over went back
			s.old = decode(ch.before.State)
		}
		j.define(ch.before.Spec)
		s.oldJob, s.plan = j.job, j.plan
	}
	if ch.now.Version == 0 {
		if len(s.old.Runs) > 0 {
			s.fail("removed", "the record was removed with %d live runs", len(s.old.Runs))
		}
		j.state, j.version = core.SimState{}, 0
		return
	}
	s.new = decode(ch.now.State)
	j.define(ch.now.Spec)
	n := int(s.new.Seq - s.old.Seq)
	s.whole = n >= 0 && n <= len(s.new.Recent)
	if s.whole {
		s.ends = s.new.Recent[len(s.new.Recent)-n:]
	}
	j.state, j.version = s.new, ch.now.Version
	s.note()
	if s.new.Rev != s.old.Rev {
		s.c.w.note(j.id, "%s is now %s", j.id, j.spec)
	}
	s.checkSum()
	s.checkCursor()
	s.checkDecided()
	s.checkClaims()
	s.checkGone()
	s.checkOverlaps()
	s.checkRevision()
}

func decode(b []byte) core.SimState {
	st, err := core.SimDecode(b)
	if err != nil {
		panic(err)
	}
	return st
}

func (s *step) fail(check, format string, args ...any) { s.c.w.fail(check, s.j.id, format, args...) }

// note writes the commit into the history.
func (s *step) note() {
	var b strings.Builder
	for i := range s.new.Runs {
		r := &s.new.Runs[i]
		b.WriteString(" " + stamp(r.Fire) + "#" + string(rune('0'+min(r.Attempt, 9))) + ":")
		switch r.Claim {
		case "":
			b.WriteString("waits")
		default:
			b.WriteString(r.Claim)
		}
		b.WriteString("<" + stamp(r.Due))
	}
	for i := range s.ends {
		b.WriteString(" -" + stamp(s.ends[i].Fire) + " " + s.ends[i].Kind.String())
	}
	late := ""
	if d := time.Since(s.sent); d > 20*time.Millisecond {
		late = " (sent " + d.String() + " ago)"
	}
	s.c.w.note(s.j.id, "commit by %s: %s v%d rev %d %s last %s cursor %s due %s%s%s", s.conn.name, s.j.id, s.now.Version%1e9, s.new.Rev, s.new.Mode,
		stamp(s.new.Last), stamp(s.new.Cursor), stamp(s.now.Due), b.String(), late)
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Format("04:05.000")
}

// checkSum holds the sum of contract line 2 against the counts, and what was recorded against how they grew.
func (s *step) checkSum() {
	if !s.new.Counts.Balanced() {
		s.fail("sum", "%+v", s.new.Counts)
	}
	if !s.whole {
		return
	}
	grown := map[core.OutcomeKind]uint64{}
	for i := range s.ends {
		grown[s.ends[i].Kind] += uint64(s.ends[i].Count)
	}
	for kind, of := range map[core.OutcomeKind]func(*core.Counts) uint64{
		core.Succeeded: func(c *core.Counts) uint64 { return c.Succeeded }, core.Lost: func(c *core.Counts) uint64 { return c.Lost },
		core.SkippedMisfire: func(c *core.Counts) uint64 { return c.SkippedMisfire }, core.SkippedOverlap: func(c *core.Counts) uint64 { return c.SkippedOverlap },
	} {
		if of(&s.new.Counts)-of(&s.old.Counts) != grown[kind] {
			s.fail("sum", "%d outcomes %s were recorded, but their count went from %d to %d", grown[kind], kind, of(&s.old.Counts), of(&s.new.Counts))
		}
	}
}

// checkCursor holds that what is decided stays decided (rule R3).
func (s *step) checkCursor() {
	if !s.new.Cursor.IsZero() && !s.new.Cursor.After(s.new.Last) {
		s.fail("cursor", "the cursor %v is not after the last decided fire time %v", s.new.Cursor, s.new.Last)
	}
	if s.new.Last.Before(s.old.Last) {
		s.fail("last", "the last decided fire time went back from %v to %v", s.old.Last, s.new.Last)
	}
	if s.new.Token < s.old.Token {
		s.fail("token", "the record's token went back from %d to %d", s.old.Token, s.new.Token)
	}
}

// slack is how long before it was sent a client's change may have been computed: it read the record meanwhile.
const slack = 3500 * time.Millisecond

// checkDecided counts the fire times between the old cursor and the last one decided, and holds that none was left out
// (contract lines 1 and 2).
func (s *step) checkDecided() {
	from := s.old.Cursor
	if s.old.Mode == "paused" {
		from = s.old.Until
		if next := s.old.Last.Add(time.Millisecond); !from.IsZero() && next.After(from) {
			from = next // claimed before the pause
		}
	}
	var fires []int64
	if s.new.Last.After(s.old.Last) && !from.IsZero() {
		fires = s.plan.fires(&s.oldJob, from, s.new.Last)
	}
	manual := 0
	for i := range s.new.Runs {
		r := &s.new.Runs[i]
		if manualCause(r.Cause) && !slices.ContainsFunc(s.old.Runs, func(o core.SimRun) bool { return o.Fire.Equal(r.Fire) }) {
			manual++
		}
	}
	if got, want := int(s.new.Counts.Fires-s.old.Counts.Fires), len(fires)+manual; got != want && s.known {
		s.fail("count", "%d fire times were decided, but the schedule names %d from %v to %v, and %d triggers are manual", got, len(fires), from, s.new.Last, manual)
	}
	s.c.tot.Fires += uint64(len(fires) + manual)
	for _, f := range fires {
		if _, twice := s.j.decided[f]; twice && !s.c.w.Weak {
			s.fail("decided twice", "fire time %v", time.UnixMilli(f).UTC())
		}
		s.j.decided[f] = struct{}{}
	}
	if s.known && s.old.Mode == "enabled" && !s.old.Cursor.IsZero() {
		s.checkSkipped()
	}
	s.checkRestart()
}

func manualCause(c core.Cause) bool { return c == core.CauseManual || c == core.CauseBackfill }

// checkSkipped holds that the cursor passed no fire time in silence.
func (s *step) checkSkipped() {
	from := s.old.Cursor
	if next := s.new.Last.Add(time.Millisecond); next.After(from) {
		from = next
	}
	if s.new.Rev == s.old.Rev && s.new.Mode == "enabled" {
		to := s.new.Cursor.Add(-time.Millisecond)
		if s.new.Cursor.IsZero() {
			if s.oldJob.MaxRuns > 0 && s.new.Claimed >= uint64(s.oldJob.MaxRuns) {
				return
			}
			to = s.at.Add(3 * time.Minute)
		}
		if f := s.plan.fires(&s.oldJob, from, to); len(f) > 0 {
			s.fail("silent loss", "the cursor went from %v to %v, last decided %v, but the schedule names %v", s.old.Cursor, s.new.Cursor, s.new.Last, time.UnixMilli(f[0]).UTC())
		}
		return
	}
	if f := s.plan.fires(&s.oldJob, from, s.sent.Add(-slack-s.oldJob.Jitter)); len(f) > 0 && (s.new.Mode != "enabled" || moved(&s.oldJob, &s.j.job)) {
		s.fail("silent loss", "the schedule was taken away at about %v, but fire time %v is not decided", s.sent, time.UnixMilli(f[0]).UTC())
	}
}

// moved reports that a definition has another schedule or other bounds.
func moved(a, b *core.Job) bool {
	return a.Labels["plan"] != b.Labels["plan"] || !a.NotBefore.Equal(b.NotBefore) || !a.NotAfter.Equal(b.NotAfter)
}

// checkRestart holds that a schedule begins with its next fire time: none is left out, and none is of the past.
func (s *step) checkRestart() {
	begins := !s.known || s.old.Mode != "enabled" || moved(&s.oldJob, &s.j.job)
	if s.new.Mode != "enabled" || !begins || s.old.Mode == "paused" && !s.old.Until.IsZero() {
		return
	}
	if !s.new.Cursor.IsZero() && s.new.Cursor.Before(s.sent.Add(-slack)) {
		s.fail("restart", "at %v the schedule begins in the past, at %v", s.sent, s.new.Cursor)
	}
	from := s.sent.Add(2 * maxOffset)
	if next := s.new.Last.Add(time.Millisecond); next.After(from) {
		from = next
	}
	if s.new.Cursor.IsZero() {
		return
	}
	if f := s.j.plan.fires(&s.j.job, from, s.new.Cursor.Add(-time.Millisecond)); len(f) > 0 {
		s.fail("restart", "at %v the schedule begins at %v, but it names %v", s.sent, s.new.Cursor, time.UnixMilli(f[0]).UTC())
	}
}

// checkRevision holds that a definition is never replaced by an older one.
func (s *step) checkRevision() {
	if s.new.Rev < s.old.Rev {
		s.fail("revision", "the definition went from %d to %d", s.old.Rev, s.new.Rev)
	}
}

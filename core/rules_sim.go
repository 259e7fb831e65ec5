//go:build belfrysim

package core

import (
	"fmt"
	"strings"
	"time"
)

//nolint:gochecknoglobals // switches of the simulation's build
var breakReadBack, breakNoLast, breakEager, breakNoVouch, breakAnyPod, breakAbsentDead, breakCrossServers bool

// BreakRule breaks rules of the engine, named with commas between, for the whole process, so that the simulation can show
// that it would notice; "" mends all. It may not be called while pods run. It exists in builds with the tag belfrysim only.
func BreakRule(names string) error {
	switches := map[string]*bool{
		"readback": &breakReadBack, "nolast": &breakNoLast, "eager": &breakEager, "novouch": &breakNoVouch,
		"anypod": &breakAnyPod, "absentdead": &breakAbsentDead, "cross": &breakCrossServers,
	}
	for _, s := range switches {
		*s = false
	}
	for name := range strings.SplitSeq(names, ",") {
		if name == "" {
			continue
		}
		s, ok := switches[name]
		if !ok {
			return fmt.Errorf("no rule %q", name)
		}
		*s = true
	}
	return nil
}

// A SimState is what a job's record holds, for the simulation's checks: what they need of it, and nothing to change.
type SimState struct {
	Rev          uint64 // of the definition
	Mode         string // "enabled", "paused" or "deleted"
	Cursor, Last time.Time
	Until        time.Time // of a pause that ends by itself
	Token        uint64
	Claimed      uint64 // scheduled triggers, as MaxRuns counts them
	Seq          uint64 // outcomes recorded; a range is one
	Fills        int    // backfills under way
	Runs         []SimRun
	Recent       []Outcome // the latest Job.Keep of them, oldest first
	Counts       Counts
}

// A SimRun is a live trigger.
type SimRun struct {
	Fire, Nominal  time.Time
	Attempt, Moves int
	Cause          Cause
	Claim, Owner   string // empty: it waits
	Token          uint64
	At, Due        time.Time
	Cancel         string
}

// SimDecode reads what [Record.State] holds of a job.
func SimDecode(b []byte) (SimState, error) {
	st, err := decodeState(b)
	if err != nil {
		return SimState{}, err
	}
	out := SimState{
		Rev: st.SpecRev, Mode: []string{"enabled", "paused", "deleted"}[st.Mode], Cursor: st.Cursor.time(), Last: st.Last.time(), Until: st.Until.time(),
		Token: st.Token, Claimed: st.Claimed, Seq: st.Seq, Fills: len(st.Ranges), Counts: st.Counts.public(len(st.Runs)),
	}
	for i := range st.Runs {
		r := &st.Runs[i]
		out.Runs = append(out.Runs, SimRun{
			Fire: r.Fire.time(), Nominal: r.Nominal.time(), Attempt: r.Attempt, Moves: r.Moves, Cause: r.Cause, Claim: r.Claim,
			Owner: r.owner(), Token: r.Token, At: r.At.time(), Due: r.Due.time(), Cancel: r.Cancel,
		})
	}
	for i := range st.Recent {
		out.Recent = append(out.Recent, recentOutcome(&spec{}, &st.Recent[i]))
	}
	return out, nil
}

// SimJob reads what [Record.Spec] holds: the definition and its number.
func SimJob(b []byte) (Job, uint64, error) {
	sp, err := decodeSpec(b)
	if err != nil {
		return Job{}, 0, err
	}
	return sp.Job, sp.Rev, nil
}

// SimCame returns when a fire time of the job is due: put off by its jitter.
func SimCame(j Job, fire time.Time) time.Time { return newSpec(j, 1).came(microsOf(fire)).time() }

package core

import (
	"fmt"
	"time"
)

// An oracle knows what a job's fire times are, from the schedule alone, and checks that each is decided once, in order,
// and for a reason that held. It is told of every step that was written. It does not look at the cursor.
type oracle struct {
	spec    *spec
	old     *spec  // the one before the step
	next    micros // the next fire time that must be decided; 0: there is none
	last    micros // the newest decided
	claimed int    // in this life of the job
	before  int    // the same before the step
	mode    mode
	until   micros

	busy      []interval // when the record had a run that others overlap with
	retries   map[micros]int
	decisions int
}

// An interval is from the first moment of a live run to the step that left none; to is 0 as long as there is one.
type interval struct{ from, to micros }

// slack is by how much the clocks of pods differ.
const slack = 10 * millisecond

// after is the first fire time after t, by the public schedule.
func (o *oracle) after(t micros) micros {
	if o.spec.MaxRuns > 0 && o.claimed >= o.spec.MaxRuns {
		return 0
	}
	if nb := microsOf(o.spec.NotBefore); t < nb {
		t = nb - 1
	}
	f := microsOf(o.spec.Schedule.Next(t.time()))
	if na := microsOf(o.spec.NotAfter); na != 0 && f > na {
		return 0
	}
	return f
}

// wrote checks a step that was written at now, from before to next.
func (o *oracle) wrote(before, next *state, ef *effects, events []event, now micros, owners func(string) liveness, held func(string) bool) error {
	if o.mode == modePaused && o.until != 0 && now >= o.until {
		o.open(o.until - 1)
	}
	o.before, o.old = o.claimed, o.spec
	if ef.Spec != nil && o.mode == modeEnabled && o.next != 0 && !o.moves(ef.Spec) {
		o.spec = ef.Spec // what the step decided, it decided after the put
	}
	if err := o.decided(before, next, ef, now); err != nil {
		return err
	}
	if err := o.attempts(before, next, ef, events, now, owners, held); err != nil {
		return err
	}
	o.live(next, now)
	return o.administered(next, ef, events, now)
}

// open begins a period in which the job fires, after t.
func (o *oracle) open(t micros) {
	o.mode, o.until = modeEnabled, 0
	o.next = o.after(max(t, o.last))
}

// close ends it: all that has passed must have been decided.
func (o *oracle) close(now micros, why string) error {
	if o.mode == modeEnabled && o.next != 0 && o.next <= now {
		return fmt.Errorf("%s at %s leaves %s undecided", why, clockText(now), clockText(o.next))
	}
	o.next = 0
	return nil
}

// decided walks the decisions of a step in the order of their fire times.
func (o *oracle) decided(before, next *state, ef *effects, now micros) error {
	for {
		f := o.next
		switch r := next.find(f); {
		case f == 0:
			return o.nothingElse(before, next, ef)
		case r != nil && before.find(f) == nil:
			o.claimed++
			if err := o.take(f, f, 1); err != nil {
				return err
			}
			if came := o.spec.came(f); r.Claim != "" && came > now+leadOf(o.spec)+slack {
				return fmt.Errorf("%s is claimed at %s, too early", clockText(f), clockText(now))
			}
			continue
		}
		skip := findSkip(ef, f)
		if skip == nil {
			return o.nothingElse(before, next, ef)
		}
		if err := o.skipped(skip, before, next, ef, now); err != nil {
			return err
		}
	}
}

func leadOf(sp *spec) micros {
	if sp.claimsAhead() {
		return maxTestLead
	}
	return 0
}

func findSkip(ef *effects, f micros) *ended {
	for i := range ef.Ended {
		if x := &ef.Ended[i]; x.Run.Fire == f {
			return x
		}
	}
	return nil
}

// take moves on past the n fire times from f to last.
func (o *oracle) take(f, last micros, n int) error {
	at := f
	for i := 1; i < n; i++ {
		at = o.after(at)
	}
	if at != last {
		return fmt.Errorf("%d fire times from %s end with %s, not %s", n, clockText(f), clockText(at), clockText(last))
	}
	o.decisions += n
	o.last, o.next = last, o.after(last)
	return nil
}

// nothingElse checks that a step decided no fire time that the schedule does not have, or had before.
func (o *oracle) nothingElse(before, next *state, ef *effects) error {
	for i := range next.Runs {
		if r := &next.Runs[i]; !r.manual() && before.find(r.Fire) == nil && r.Fire > o.last {
			return fmt.Errorf("%s was made live, expected is %s", clockText(r.Fire), clockText(o.next))
		}
	}
	for i := range ef.Ended {
		x := &ef.Ended[i]
		if x.Run.Attempt == 0 && x.Run.Fire > o.last {
			return fmt.Errorf("%s was skipped, expected is %s", clockText(x.Run.Fire), clockText(o.next))
		}
	}
	if next.Last != o.last && o.decisions > 0 {
		return fmt.Errorf("last is %s, but %s was decided last", clockText(next.Last), clockText(o.last))
	}
	if next.Cursor != o.next && next.Mode == modeEnabled && o.mode == modeEnabled && ef.Spec == nil {
		return fmt.Errorf("the cursor is %s, but %s comes next", clockText(next.Cursor), clockText(o.next))
	}
	return nil
}

// skipped checks that a range was skipped for a reason that held.
func (o *oracle) skipped(x *ended, before, next *state, ef *effects, now micros) error {
	if x.Run.Attempt > 0 { // it was given a place and lost it in the same step
		o.claimed++
		return o.take(x.Run.Fire, x.Run.Fire, 1)
	}
	sp := o.spec
	if ef.Spec != nil && x.Reason != "edited" { // the schedule is the same, or this fire time would have gone with it
		sp = ef.Spec
	}
	if x.Through <= before.Over { // left over from an earlier step
		sp = o.old
	}
	first, last := sp.came(x.Run.Fire), sp.came(x.Through)
	name := fmt.Sprintf("%s to %s", clockText(x.Run.Fire), clockText(x.Through))
	switch {
	case x.Kind == SkippedMisfire && x.Reason != "" && x.Reason != "too old to run":
		if x.Through > now {
			return fmt.Errorf("%s: %s at %s, before they passed", name, x.Reason, clockText(now))
		}
	case x.Kind == SkippedMisfire:
		after := span(sp.Misfire.After)
		if after == 0 {
			after = span(time.Minute)
		}
		if now-last <= after {
			return fmt.Errorf("%s are misfires at %s: not so late", name, clockText(now))
		}
	case last > now+slack:
		return fmt.Errorf("%s are overlaps at %s, before they came", name, clockText(now))
	case sp.Overlap == OverlapAllow && len(before.Runs) < maxLive && len(next.Runs) < maxLive:
		return fmt.Errorf("%s are overlaps under allow with %d live", name, len(before.Runs))
	case sp.Overlap == OverlapAllow:
	case x.Reason == full:
		if len(before.Runs) < maxLive && len(next.Runs) < maxLive {
			return fmt.Errorf("%s are overlaps with %d live", name, len(before.Runs))
		}
	case x.Reason == "replaced":
		// Backlog gives way too, to a fire time that came during the run.
		if came := sp.came(o.after(x.Through)); came > now+slack || !o.covers(now, now) {
			return fmt.Errorf("%s was replaced, but by nothing, or nothing was live at %s", name, clockText(now))
		}
	case !o.covers(first, last):
		return fmt.Errorf("%s are overlaps, but no run was live all that time: %v", name, o.busy)
	}
	return o.take(x.Run.Fire, x.Through, x.Count)
}

// covers reports whether a run was live from a to b.
func (o *oracle) covers(a, b micros) bool {
	for _, i := range o.busy {
		if i.from <= a+slack && (i.to == 0 || b <= i.to+slack) {
			return true
		}
	}
	return false
}

// live notes since when and until when the record has runs that fire times overlap with.
func (o *oracle) live(next *state, now micros) {
	n := 0
	for i := range next.Runs {
		if r := &next.Runs[i]; !r.fresh() || !r.manual() {
			n++
		}
	}
	open := len(o.busy) > 0 && o.busy[len(o.busy)-1].to == 0
	switch {
	case n > 0 && !open:
		o.busy = append(o.busy, interval{from: now})
	case n == 0 && open:
		o.busy[len(o.busy)-1].to = now
	}
}

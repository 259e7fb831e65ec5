package core

import (
	"fmt"
	"strings"
)

// decisions prints what a step decided, one a line.
func (sc *script) decisions(before *state, ef *effects, now micros) {
	for i := range ef.Ended {
		if len(ef.Ended) <= 5 || ef.Ended[i].Run.Attempt == 0 {
			sc.outcome(&ef.Ended[i])
		}
	}
	if n := len(ef.Ended); n > 5 {
		fmt.Fprintf(&sc.out, "end %d runs: %s\n", n, ef.Ended[0].Kind)
	}
	for i := range ef.Retries {
		r := &ef.Retries[i]
		if sc.st.waiting(r.Fire) {
			fmt.Fprintf(&sc.out, "retry %s attempt=%d from %s%s\n", clockText(r.Fire), r.Attempt, clockText(r.Due), movesText(r))
		}
	}
	told := 0
	for i := range sc.st.Runs {
		r := &sc.st.Runs[i]
		old := before.find(r.Fire)
		switch {
		case r.fresh() && old == nil:
			fmt.Fprintf(&sc.out, "wait %s%s\n", clockText(r.Fire), causeText(r))
		case r.Cancel != "" && old != nil && old.Cancel != r.Cancel:
			if told++; told > 3 {
				continue
			}
			fmt.Fprintf(&sc.out, "tell its pod to cancel %s: %s\n", clockText(r.Fire), r.Cancel)
		}
	}
	if told > 3 {
		fmt.Fprintf(&sc.out, "and %d more\n", told-3)
	}
	if n := len(ef.Start); n > 5 {
		fmt.Fprintf(&sc.out, "claim %s to %s, %d of them\n", clockText(ef.Start[0].Fire), clockText(ef.Start[n-1].Fire), n)
		return
	}
	for i := range ef.Start {
		r := &ef.Start[i]
		start := "now"
		if came := sc.spec.came(r.Fire); !r.manual() && came > now {
			start = clockText(came)
		}
		fmt.Fprintf(&sc.out, "claim %s attempt=%d token=%d start=%s%s%s\n",
			clockText(r.Fire), r.Attempt, sc.tokens[r.Token], start, causeText(r), movesText(r))
	}
}

func (sc *script) outcome(o *ended) {
	reason := ""
	if o.Reason != "" {
		reason = ": " + o.Reason
	}
	if o.Run.Attempt > 0 {
		on := ""
		if o.Session != "" {
			on = " on " + o.Session
		}
		fmt.Fprintf(&sc.out, "end %s %s attempt=%d%s%s\n", clockText(o.Run.Fire), o.Kind, o.Run.Attempt, on, reason)
		return
	}
	kind := strings.TrimPrefix(o.Kind.String(), "skipped-")
	if o.Count == 1 {
		fmt.Fprintf(&sc.out, "skip %s %s%s\n", clockText(o.Run.Fire), kind, reason)
		return
	}
	fmt.Fprintf(&sc.out, "skip %s to %s, %d of them, %s%s\n", clockText(o.Run.Fire), clockText(o.Through), o.Count, kind, reason)
}

// written prints the new version, and when and why the record is looked at again.
func (sc *script) written(ef *effects, now micros) {
	switch {
	case ef.Remove:
		fmt.Fprintln(&sc.out, "the record is removed")
		return
	case !ef.Changed && ef.Due == sc.due:
		fmt.Fprintln(&sc.out, "unchanged")
		return
	}
	sc.version++
	fmt.Fprintf(&sc.out, "v%d %s\n", sc.version, sc.dueText(ef.Due, now))
}

func (sc *script) dueText(due, now micros) string {
	if due == 0 {
		return "due never"
	}
	text := "due " + clockText(due)
	for i := range sc.st.Runs {
		if r := &sc.st.Runs[i]; r.Due == due && r.Claim != "" {
			return text + " vouched"
		} else if r.Due == due && due > now {
			return text + " retry"
		}
	}
	switch {
	case sc.st.Cursor != 0 && due == sc.spec.came(sc.st.Cursor):
		return text + " fire"
	case sc.st.Mode == modePaused && due == sc.st.Until:
		return text + " resumes"
	case sc.st.Mode == modeDeleted && due == sc.st.Gone:
		return text + " forgotten"
	case due == now+recheck:
		return text + " owner"
	case due <= now:
		return text + " at once"
	}
	return text
}

// counts prints the sum.
func (sc *script) counts() {
	c := sc.st.Counts.public(len(sc.st.Runs))
	parts := []string{}
	add := func(n uint64, name string) {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, name))
		}
	}
	add(c.Pending, "live")
	for k := Succeeded; k <= SkippedOverlap; k++ {
		add(*sc.st.Counts.of(k), k.String())
	}
	if len(parts) == 0 {
		parts = []string{"nothing"}
	}
	fmt.Fprintf(&sc.out, "%d fires = %s\n", c.Fires, strings.Join(parts, " + "))
}

func (st *state) find(fire micros) *run {
	for i := range st.Runs {
		if st.Runs[i].Fire == fire {
			return &st.Runs[i]
		}
	}
	return nil
}

func (st *state) waiting(fire micros) bool {
	r := st.find(fire)
	return r != nil && r.Claim == ""
}

func causeText(r *run) string {
	text := ""
	if r.Cause != CauseSchedule {
		text = " " + r.Cause.String()
	}
	if r.Nominal != 0 {
		text += " for " + clockText(r.Nominal)
	}
	return text
}

func movesText(r *run) string {
	if r.Moves == 0 {
		return ""
	}
	return fmt.Sprintf(" (take-over %d of %d)", r.Moves, maxMoves)
}

package core

import "fmt"

// attempts checks how runs went on and ended.
func (o *oracle) attempts(before, next *state, ef *effects, events []event, now micros, owners func(string) liveness, held func(string) bool) error {
	sp := o.spec
	if ef.Spec != nil {
		sp = ef.Spec
	}
	for i := range before.Runs {
		old := &before.Runs[i]
		if old.Claim == "" {
			continue
		}
		r, ev := next.find(old.Fire), eventOf(events, old.Claim)
		taken := r == nil && findEnd(ef, old.Fire, Lost) != nil || r != nil && r.Moves > old.Moves
		switch {
		case taken && (ev == nil || ev.what != evReleased) && owners(old.owner()) != dead && held(old.Claim) && now <= old.Due+testTTL-slack:
			return fmt.Errorf("%s was taken from %s, which lives, holds it and vouched for it until %s", clockText(old.Fire), old.owner(), clockText(old.Due))
		case r != nil && r.Moves > old.Moves && (r.Moves > maxMoves || sp.Recover != RecoverRerun):
			return fmt.Errorf("%s was taken over %d times under %s", clockText(old.Fire), r.Moves, sp.Recover)
		case r == nil && findEnd(ef, old.Fire, Lost) != nil && sp.Recover == RecoverRerun && old.Moves < maxMoves && next.Mode != modeDeleted:
			return fmt.Errorf("%s was lost after %d take-overs under rerun", clockText(old.Fire), old.Moves)
		}
		if err := o.retried(old, r, ev, ef, before.Mode); err != nil {
			return err
		}
	}
	return nil
}

// retried checks that a failed run was tried again if and only if a retry was left.
func (o *oracle) retried(old, r *run, ev *event, ef *effects, m mode) error {
	if ev == nil || ev.what != evFinished || ev.kind != Failed && ev.kind != TimedOut {
		return nil
	}
	left := o.retries[old.Fire] < o.spec.Retry.Max && !ev.permanent && old.Cancel == "" && m != modeDeleted
	if again := r != nil || findEnd(ef, old.Fire, Cancelled) != nil && left; again != left {
		return fmt.Errorf("%s was tried again: %t, want %t: retry %d of %d", clockText(old.Fire), again, left, o.retries[old.Fire], o.spec.Retry.Max)
	}
	if r == nil {
		return nil
	}
	o.retries[old.Fire]++
	if r.Claim == "" && r.Due < ev.at {
		return fmt.Errorf("%s waits until %s only", clockText(old.Fire), clockText(r.Due))
	}
	return nil
}

func eventOf(events []event, claim string) *event {
	for i := range events {
		if events[i].claim == claim {
			return &events[i]
		}
	}
	return nil
}

func findEnd(ef *effects, fire micros, kind OutcomeKind) *ended {
	for i := range ef.Ended {
		if x := &ef.Ended[i]; x.Run.Fire == fire && x.Kind == kind && x.Run.Attempt > 0 {
			return x
		}
	}
	return nil
}

// administered follows a request that was applied in whole.
func (o *oracle) administered(next *state, ef *effects, events []event, now micros) error {
	if ef.Remove {
		o.spec, o.mode = nil, modeDeleted
		return nil
	}
	if len(ef.Left) > 0 {
		return nil
	}
	for i := range events {
		switch e := &events[i]; e.what {
		case evPut:
			if ef.Spec == nil {
				continue
			}
			if err := o.put(ef.Spec, now); err != nil {
				return err
			}
		case evPause:
			if err := o.close(now, "pause"); err != nil {
				return err
			}
			o.mode, o.until = modePaused, e.until
		case evResume:
			if o.mode == modePaused {
				o.open(now)
			}
		case evDelete:
			if err := o.close(now, "delete"); err != nil {
				return err
			}
			o.mode, o.until = modeDeleted, 0
		case evFinished, evVouched, evReleased, evRunNow, evBackfill, evCancel:
		}
	}
	if next.Mode != o.mode {
		return fmt.Errorf("the mode is %d, want %d", next.Mode, o.mode)
	}
	if o.mode == modeEnabled && next.Cursor != o.next {
		return fmt.Errorf("the cursor is %s, but %s comes next", clockText(next.Cursor), clockText(o.next))
	}
	return nil
}

// moves reports whether a definition takes the schedule in force away.
func (o *oracle) moves(sp *spec) bool {
	old := o.spec
	return old.Schedule != sp.Schedule || !old.NotBefore.Equal(sp.NotBefore) || !old.NotAfter.Equal(sp.NotAfter) ||
		sp.MaxRuns > 0 && o.before >= sp.MaxRuns
}

// put takes a new definition.
func (o *oracle) put(sp *spec, now micros) error {
	fresh := o.spec == nil || o.mode == modeDeleted
	moved := !fresh && o.moves(sp)
	o.spec = sp
	if fresh {
		o.claimed = 0
		o.open(now)
		return nil
	}
	if o.mode != modeEnabled {
		return nil
	}
	if !moved && o.next != 0 {
		if sp.MaxRuns > 0 && o.claimed >= sp.MaxRuns {
			o.next = 0 // finished by what the step decided after the put
		}
		return nil
	}
	if err := o.close(now, "edit"); err != nil {
		return err
	}
	o.open(now)
	return nil
}

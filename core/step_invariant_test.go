package core

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
)

// A watcher steps one record and checks after every step what must always hold, whatever the events were.
type watcher struct {
	last     micros         // the newest scheduled fire time decided
	token    uint64         // the newest token, over deletion and revival too
	attempts map[micros]int // the newest attempt claimed of each trigger
}

func newWatcher() *watcher { return &watcher{attempts: map[micros]int{}} }

// step is step, checked. held tells which claims of the stepping pod it holds; those granted are added to it.
func (w *watcher) step(sp *spec, st state, events []event, e env, held map[string]bool) (state, effects, error) {
	before := cloneState(&st)
	next, ef := step(sp, st, events, e)
	if !reflect.DeepEqual(before, cloneState(&st)) {
		return next, ef, fmt.Errorf("the state passed in was modified:\n%+v\n%+v", before, st)
	}
	if ef.Err != nil || ef.Sessions {
		if !reflect.DeepEqual(cloneState(&next), before) {
			return next, ef, fmt.Errorf("a step that decided nothing changed the state:\n%+v\n%+v", st, next)
		}
		var field *FieldError
		if ef.Err != nil && !errors.As(ef.Err, &field) && !errors.Is(ef.Err, ErrNotFound) && !errors.Is(ef.Err, ErrExists) {
			return next, ef, fmt.Errorf("an error that nobody expects: %w", ef.Err)
		}
		return next, ef, nil
	}
	if ef.Spec != nil {
		sp = ef.Spec
	}
	for i := range ef.Start {
		held[ef.Start[i].Claim] = true
	}
	if sp == nil {
		return next, ef, nil
	}
	err := errors.Join(w.grown(&before, &next, &ef), bounded(&next), stored2(next), awake(sp, &next, &ef), atRest(sp, next, &ef, e))
	return next, ef, err
}

// grown checks what may only grow from one state to the next.
func (w *watcher) grown(before, next *state, ef *effects) error {
	switch {
	case next.Last < before.Last && !ef.Remove:
		return fmt.Errorf("last went back from %s to %s", clockText(before.Last), clockText(next.Last))
	case next.Seq < before.Seq || next.Manual < before.Manual || next.SpecRev < before.SpecRev || next.Counts.Fires < before.Counts.Fires:
		return fmt.Errorf("something went back: %+v to %+v", before, next)
	case next.Cursor != 0 && next.Cursor <= next.Last:
		return fmt.Errorf("cursor %s is not after last %s", clockText(next.Cursor), clockText(next.Last))
	}
	token := before.Token
	for i := range ef.Start {
		r := &ef.Start[i]
		if r.Token <= token {
			return fmt.Errorf("token %d of %s follows %d", r.Token, clockText(r.Fire), token)
		}
		token = r.Token
	}
	if next.Token != token {
		return fmt.Errorf("token %d is kept after %d was given", next.Token, token)
	}
	return nil
}

// commit takes a step that was written.
func (w *watcher) commit(next *state, ef *effects) error {
	if next.Last < w.last {
		return fmt.Errorf("last went back from %s to %s over the record's life", clockText(w.last), clockText(next.Last))
	}
	w.last = next.Last
	for i := range ef.Start {
		r := &ef.Start[i]
		if r.Token <= w.token || r.Attempt <= w.attempts[r.Fire] {
			return fmt.Errorf("trigger %s is claimed twice: attempt %d token %d, after attempt %d token %d",
				clockText(r.Fire), r.Attempt, r.Token, w.attempts[r.Fire], w.token)
		}
		w.token, w.attempts[r.Fire] = r.Token, r.Attempt
	}
	return nil
}

// bounded checks the sum and the bounds of the lists.
func bounded(st *state) error {
	if st.Counts.Fires != st.Counts.outcomes()+uint64(len(st.Runs)) {
		return fmt.Errorf("the sum: %+v with %d live", st.Counts, len(st.Runs))
	}
	if len(st.Runs) > maxLive || len(st.Ranges) > maxFills || len(st.Acts) > maxActs || len(st.Recent) > MaxSlots {
		return fmt.Errorf("a list has outgrown its bound: %d runs, %d backfills, %d acts, %d recent", len(st.Runs), len(st.Ranges), len(st.Acts), len(st.Recent))
	}
	seen := map[micros]bool{}
	for i := range st.Runs {
		if f := st.Runs[i].Fire; seen[f] {
			return fmt.Errorf("trigger %s is live twice", clockText(f))
		}
		seen[st.Runs[i].Fire] = true
	}
	return nil
}

// stored2 checks that the stored form reads back.
func stored2(st state) error {
	got, err := decodeState(encodeState(&st))
	if err != nil {
		return err
	}
	want := cloneState(&st)
	for i := range want.Recent {
		want.Recent[i] = stored(want.Recent[i])
	}
	if !reflect.DeepEqual(got, want) {
		return fmt.Errorf("read back\n%+v\nwant\n%+v", got, want)
	}
	return nil
}

// awake checks that a record that can still do anything has a due time.
func awake(sp *spec, st *state, ef *effects) error {
	if ef.Due != 0 || ef.Remove || sp == nil {
		return nil
	}
	if len(st.Runs) > 0 || len(st.Ranges) > 0 || st.Mode == modeDeleted || st.Mode == modePaused && st.Until != 0 || st.Mode == modeEnabled && st.Cursor != 0 {
		return fmt.Errorf("the record sleeps for ever: %+v", st)
	}
	return nil
}

// atRest steps the new state again at the same moment. That must change nothing, unless the due time says that there
// is more to do; and a due time that has come must mean that there is, or that slots are short.
func atRest(sp *spec, st state, ef *effects, e env) error {
	if sp == nil || ef.Remove {
		return nil
	}
	e.Free -= len(ef.Start)
	again, ef2 := step(sp, st, nil, e)
	comes := ef.Due != 0 && ef.Due <= e.Now
	switch {
	case ef2.Changed && !comes:
		return fmt.Errorf("not at rest, but due %s only:\n%+v\n%+v", clockText(ef.Due), st, again)
	case !ef2.Changed && !ef2.Sessions && ef2.Due != ef.Due && len(ef.Left) == 0:
		return fmt.Errorf("due %s, and at the second look %s", clockText(ef.Due), clockText(ef2.Due))
	case comes && !ef2.Changed && !ef2.Sessions && e.Free > 0 && e.Able:
		return fmt.Errorf("due %s, but there is nothing to do:\n%+v", clockText(ef.Due), st)
	}
	return nil
}

func cloneState(st *state) state {
	c := *st
	c.Runs, c.Ranges, c.Acts, c.Recent = cloned(st.Runs), cloned(st.Ranges), cloned(st.Acts), cloned(st.Recent)
	c.extra = slices.Clone(st.extra)
	return c
}

// cloned copies a list; an empty one is nil, as it is when read.
func cloned[T any](list []T) []T {
	if len(list) == 0 {
		return nil
	}
	return slices.Clone(list)
}

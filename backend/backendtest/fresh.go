package backendtest

import (
	"errors"
	"fmt"
	"time"

	"github.com/belfry-io/belfry/core"
)

// fresh is how stale an answer may be, and a little more for machines that are busy.
const fresh = time.Second + 500*time.Millisecond

func freshCases() []Case {
	return []Case{
		{"own changes are seen", []string{
			"Get, Due, List, Log and Sessions may be stale: what this client saw committed is in their answers, what others committed is in them within a second",
		}, ownChanges},
		{"changes of others are seen", []string{
			"Get, Due, List, Log and Sessions may be stale: what this client saw committed is in their answers, what others committed is in them within a second",
		}, othersChanges},
		{"what a conflict told is seen", []string{
			"Get, Due, List, Log and Sessions may be stale: what this client saw committed is in their answers, what others committed is in them within a second",
		}, conflictSeen},
	}
}

// change makes the n-th change of record "a" and returns what has to be seen then.
func (e *env) change(s core.Store, old core.Record, n int) (core.Record, core.Entry, error) {
	next := dueRecord("a", time.Duration(n)*time.Second)
	next.State, next.Spec = fmt.Appendf(nil, "state %d", n), fmt.Appendf(nil, "spec %d", n)
	en := incidentOf("a", n%core.MaxSlots, time.Duration(n)*time.Second)
	op := update(old, next)
	op.Old.Key, op.Old.Stripe, op.History = "a", next.Stripe, []core.Entry{en}
	r, err := e.must(s, op)
	return r, en, err
}

// sees says whether every way of reading has the record and the entry.
func (e *env) sees(s core.Store, r core.Record, en core.Entry) error {
	return first(
		e.holds(s, r),
		e.wantDue(s, r.Stripe, []core.Record{r}),
		e.wantList(s, core.ListQuery{Prefix: "a", Limit: 5, Spec: true}, []core.Record{r}),
		e.wantLog(s, core.LogQuery{Key: r.Key, Limit: 1}, []core.Entry{en}),
		e.wantLog(s, core.LogQuery{Limit: 1}, []core.Entry{en}),
	)
}

// ownChanges reads at once after each change.
func ownChanges(e *env) error {
	var r core.Record
	s, err := e.open(e.store, "one")
	if err != nil {
		return err
	}
	for n := range 50 {
		var en core.Entry
		if r, en, err = e.change(e.store, r, n); err != nil {
			return err
		}
		if s, err = e.renew(e.store, s); err != nil {
			return err
		}
		if err := first(e.sees(e.store, r, en), e.listed(e.store, s)); err != nil {
			return fmt.Errorf("change %d: %w", n, err)
		}
	}
	return nil
}

// othersChanges reads on one connection what another one changes.
func othersChanges(e *env) error {
	writer, err := e.connect()
	if err != nil {
		return err
	}
	s, err := e.open(writer, "one")
	if err != nil {
		return err
	}
	var r core.Record
	for n := range 5 {
		var en core.Entry
		if r, en, err = e.change(writer, r, n); err != nil {
			return err
		}
		if s, err = e.renew(writer, s); err != nil {
			return err
		}
		err := e.within(fresh, func() error { return first(e.sees(e.store, r, en), e.listed(e.store, s)) })
		if err != nil {
			return fmt.Errorf("change %d, %v later: %w", n, fresh, err)
		}
	}
	return nil
}

// conflictSeen reads after a conflict: the record that came with it was committed, and this client saw it.
func conflictSeen(e *env) error {
	writer, err := e.connect()
	if err != nil {
		return err
	}
	var r core.Record
	for n := range 30 {
		old := r
		var en core.Entry
		if r, en, err = e.change(writer, r, n); err != nil {
			return err
		}
		op := update(old, record("a"))
		op.Old.Key, op.Old.Stripe = "a", r.Stripe
		res, err := e.refused(e.store, op, core.ErrConflict)
		if err != nil {
			return err
		}
		if res.Current.Version != r.Version {
			return errors.New("a conflict came with another version than the one committed before")
		}
		if err := e.sees(e.store, r, en); err != nil {
			return fmt.Errorf("change %d, after a conflict with it: %w", n, err)
		}
	}
	return nil
}

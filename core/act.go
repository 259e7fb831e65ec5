package core

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// An act is an administrative request: an event that a client applies to a job's record itself.
type act struct {
	verb, id string
	ask      string // the request's own id, by which the record shows that it was applied
	events   []event
	make     func(*spec) (event, error) // makes the event anew from each state of the job, if not nil

	rec      Record
	st       state
	spec     *spec
	next     state
	ef       effects
	fire     micros // the trigger that was made
	err      error
	sessions bool // the step needs to know more sessions
	done     bool
}

func newAct(verb, id string, ev event) *act {
	x := &act{verb: verb, id: id, ask: newID()}
	ev.act = x.ask
	x.events = []event{ev}
	return x
}

// newPut returns the request to put a job. Putting it again changes nothing, so the record need not remember the
// request.
func newPut(j *Job) *act {
	return &act{verb: "put", id: j.ID, events: []event{{what: evPut, job: j}}}
}

// newCreate returns the request to put a job that must be new.
func newCreate(j *Job) *act {
	return newAct("create", j.ID, event{what: evPut, job: j, create: true})
}

func (x *act) wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s job %q: %w", x.verb, x.id, err)
}

// read takes the job's record as it is now.
func (x *act) read(rec *Record) error {
	x.rec, x.st, x.spec = *rec, state{}, nil
	if rec.Version == 0 {
		return nil
	}
	var err error
	if x.st, err = decodeState(rec.State); err != nil {
		return x.wrap(err)
	}
	if x.spec, err = decodeSpec(rec.Spec); err != nil {
		return x.wrap(err)
	}
	return nil
}

// step applies the request, and reports whether there is something to write.
func (x *act) step(e env) (Op, bool) {
	x.sessions = false
	if x.make != nil {
		sp := x.spec
		if x.st.Mode == modeDeleted {
			sp = nil
		}
		ev, err := x.make(sp)
		if err != nil {
			x.err = x.wrap(err)
			return Op{}, false
		}
		ev.act = x.ask
		x.events = []event{ev}
	}
	x.next, x.ef = step(x.spec, x.st, x.events, e)
	switch {
	case x.ef.Sessions:
		x.sessions = true
		return Op{}, false
	case x.ef.Err != nil:
		x.err = x.wrap(x.ef.Err)
		return Op{}, false
	case !x.ef.Changed && !x.ef.Remove:
		return Op{}, false
	}
	if x.ef.Fire != 0 {
		x.fire = x.ef.Fire
	}
	sp := x.spec
	if x.ef.Spec != nil {
		sp = x.ef.Spec
	}
	op := changeOf(x.rec, sp, &x.next, &x.ef, func(string) string { return "" })
	op.Announce = true
	if x.ef.Spec != nil {
		b, err := encodeSpec(x.ef.Spec)
		if err != nil {
			x.err = x.wrap(err)
			return Op{}, false
		}
		op.New.Spec = b
	}
	return op, true
}

// clientEnv is what a step of a client may know, the store's time and no slots, and the server that answers.
func (s *Scheduler) clientEnv(ctx context.Context) (server string, e env, err error) {
	sent := s.clock.now().mono
	a, err := s.store.Apply(ctx, nil)
	if err != nil {
		return "", env{}, err
	}
	now := s.clock.now()
	s.clock.observe(a.Now, sent, now.mono)
	return a.Server, env{
		Now: s.clock.now().store, TTL: span(maxSessionTTL), Epoch: a.Epoch,
		Alive: func(string) liveness { return unknown }, Held: func(string) bool { return false }, Claim: func() string { return "" },
	}, nil
}

// act applies a request to the record until the answer is definite. What was sent and not answered is sent again as it
// was; what met another version is stepped anew.
func (s *Scheduler) act(ctx context.Context, x *act) error {
	n, err := s.stripeCount(ctx)
	if err != nil {
		return x.wrap(err)
	}
	for wait := time.Millisecond; ; wait = min(2*wait, time.Second) {
		if err := s.attempt(ctx, x, n); err != nil {
			return err
		}
		switch {
		case x.err != nil:
			return x.err
		case x.done:
			return nil
		case ctx.Err() != nil:
			return x.wrap(ctx.Err())
		}
		sleep(ctx, wait)
	}
}

// attempt reads the record, steps it and writes what that asks for.
func (s *Scheduler) attempt(ctx context.Context, x *act, stripes int) error {
	server, e, err := s.clientEnv(ctx)
	if err != nil {
		return x.wrap(err)
	}
	key := jobPrefix + x.id
	recs, err := s.store.Get(ctx, GetQuery{Keys: []string{key}, Spec: true})
	if err != nil {
		return x.wrap(err)
	}
	recs[0].Key, recs[0].Stripe = key, StripeOf(key, stripes)
	if err := x.read(&recs[0]); err != nil {
		return err
	}
	if slices.Contains(x.st.Acts, x.ask) {
		x.done = true
		return nil
	}
	op, ok := x.step(e)
	if x.sessions {
		if e.Alive, err = s.liveness(ctx); err != nil {
			return x.wrap(err)
		}
		op, ok = x.step(e)
	}
	if !ok {
		x.done = x.err == nil
		return nil
	}
	op.Server = server
	r, err := s.settle(ctx, op)
	switch {
	case err != nil:
		return x.wrap(err)
	case r.Err == nil:
		x.done = len(x.ef.Left) == 0
	case errors.Is(r.Err, ErrConflict), errors.Is(r.Err, ErrMoved):
	default:
		return x.wrap(r.Err)
	}
	return nil
}

// settle sends one change until the answer is definite, or ctx ends.
func (s *Scheduler) settle(ctx context.Context, op Op) (Result, error) {
	var lost error // the answer to an attempt was lost, and the change may yet be carried out
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		a, err := s.store.Apply(ctx, []Op{op})
		switch {
		case err == nil && !errors.Is(a.Results[0].Err, ErrUncertain):
			return a.Results[0], nil
		case err == nil:
			lost = a.Results[0].Err
		case lost == nil || errors.Is(err, ErrClosed):
			return Result{}, errors.Join(lost, err)
		}
		if ctx.Err() != nil {
			return Result{Err: errors.Join(lost, ctx.Err())}, nil //nolint:nilerr // it is in the result
		}
		sleep(ctx, wait)
	}
}

// liveness reads the sessions for a client's step. One that is not there is taken as alive: a client never declares
// anybody dead.
func (s *Scheduler) liveness(ctx context.Context) (func(string) liveness, error) {
	all, err := s.store.Sessions(ctx)
	if err != nil {
		return nil, err
	}
	gone := map[string]bool{}
	for _, x := range all {
		gone[x.ID] = x.Ended
	}
	return func(id string) liveness {
		if gone[id] {
			return dead
		}
		return alive
	}, nil
}

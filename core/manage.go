package core

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Put creates the jobs, or gives those that exist the new definition. A job that is already so is left untouched, its
// next fire time and version too; a changed schedule counts from now. What has become of the job (a pause, its counts, its
// live runs) stays. So every pod may put its jobs at every start.
//
// Each job is put by itself; the error joins those that failed, by id. [ErrInvalid] with a [*FieldError] refuses a
// definition.
func (s *Scheduler) Put(ctx context.Context, jobs ...Job) error {
	var errs []error
	valid := make([]Job, 0, len(jobs))
	for i := range jobs {
		if err := jobs[i].Validate(); err != nil {
			errs = append(errs, fmt.Errorf("put job %q: %w", jobs[i].ID, err))
			continue
		}
		valid = append(valid, jobs[i])
	}
	for page := range slices.Chunk(valid, putPage) {
		errs = append(errs, s.putPage(ctx, page)...)
	}
	return errors.Join(errs...)
}

// putPage is how many jobs go into one batch: at most so much is sent at once.
const putPage = 100

// putPage puts jobs in one batch, and those that met something unexpected one by one.
func (s *Scheduler) putPage(ctx context.Context, jobs []Job) []error {
	var errs []error
	one := func(j *Job) {
		if err := s.act(ctx, newPut(j)); err != nil {
			errs = append(errs, err)
		}
	}
	if len(jobs) == 1 {
		one(&jobs[0])
		return errs
	}
	acts := make([]*act, len(jobs))
	keys := make([]string, len(jobs))
	for i := range jobs {
		acts[i] = newPut(&jobs[i])
		keys[i] = jobPrefix + jobs[i].ID
	}
	if _, err := s.stripeCount(ctx); err != nil {
		return []error{fmt.Errorf("put jobs: %w", err)}
	}
	sent, ops := s.stepAll(ctx, acts, keys)
	if len(ops) > 0 {
		a, err := s.store.Apply(ctx, ops)
		for i, x := range sent {
			x.done = err == nil && a.Results[i].Err == nil && len(x.ef.Left) == 0
		}
	}
	for i, x := range acts {
		switch {
		case x.err != nil:
			errs = append(errs, x.err)
		case !x.done:
			one(&jobs[i])
		}
	}
	return errs
}

// stepAll steps requests on their records, read in one call, and returns those that have something to write. A job named
// twice, and whatever cannot be done so, is left for the single way.
func (s *Scheduler) stepAll(ctx context.Context, acts []*act, keys []string) (sent []*act, ops []Op) {
	server, e, err := s.clientEnv(ctx)
	if err != nil {
		return nil, nil
	}
	recs, err := s.store.Get(ctx, GetQuery{Keys: keys, Spec: true})
	if err != nil {
		return nil, nil
	}
	seen := map[string]bool{}
	for i, x := range acts {
		recs[i].Key, recs[i].Stripe = keys[i], StripeOf(keys[i], int(s.stripes.Load()))
		if seen[keys[i]] || x.read(&recs[i]) != nil {
			continue
		}
		seen[keys[i]] = true
		op, ok := x.step(e)
		switch {
		case x.err != nil || !ok:
			x.done = x.err == nil && !x.sessions
		default:
			op.Server = server
			sent, ops = append(sent, x), append(ops, op)
		}
	}
	return sent, ops
}

// Create is Put for a job that must not exist yet: otherwise [ErrExists].
func (s *Scheduler) Create(ctx context.Context, job Job) error {
	if err := job.Validate(); err != nil {
		return fmt.Errorf("create job %q: %w", job.ID, err)
	}
	return s.act(ctx, newCreate(&job))
}

// Edit reads the job, lets change modify it, and writes it if nobody else has written it meanwhile; otherwise it starts
// over, so change may run several times. It may not change the ID. Its error ends the edit. [ErrNotFound] if there is no
// such job.
func (s *Scheduler) Edit(ctx context.Context, id string, change func(*Job) error) error {
	x := newAct("edit", id, event{})
	x.make = func(sp *spec) (event, error) {
		if sp == nil {
			return event{}, ErrNotFound
		}
		j := sp.Job
		j.Labels = maps.Clone(j.Labels)
		if err := change(&j); err != nil {
			return event{}, err
		}
		if j.ID != sp.ID {
			return event{}, &FieldError{Field: "id", Problem: "an edit cannot change it", Remedy: "create another job and delete this one"}
		}
		return event{what: evPut, job: &j}, j.Validate()
	}
	return s.act(ctx, x)
}

// Delete removes the job. Triggers that wait become cancelled; handlers that run go on, and their outcomes are still
// recorded. [ErrNotFound] if there is no such job.
func (s *Scheduler) Delete(ctx context.Context, id string) error {
	return s.act(ctx, newAct("delete", id, event{what: evDelete}))
}

// Pause stops the job from firing; reason and until (zero: for good) are kept and shown. Fire times that pass meanwhile
// are none. Live runs and waiting retries go on to their outcomes. [ErrNotFound] if there is no such job.
func (s *Scheduler) Pause(ctx context.Context, id, reason string, until time.Time) error {
	if len(reason) > maxReason {
		return fmt.Errorf("pause job %q: %w", id, &FieldError{Field: "reason", Problem: fmt.Sprintf("has %d bytes", len(reason)), Remedy: fmt.Sprintf("use at most %d", maxReason)})
	}
	if !until.IsZero() && !until.After(s.clock.now().store.time()) {
		return fmt.Errorf("pause job %q: %w", id, &FieldError{Field: "until", Problem: until.Format(time.RFC3339) + " is past", Remedy: "name a later time, or none"})
	}
	return s.act(ctx, newAct("pause", id, event{what: evPause, reason: reason, until: microsOf(until)}))
}

// maxReason is the limit of what a person may say of a pause or a cancel, in bytes.
const maxReason = 500

// Resume undoes Pause, from the next fire time after now. [ErrNotFound] if there is no such job.
func (s *Scheduler) Resume(ctx context.Context, id string) error {
	return s.act(ctx, newAct("resume", id, event{what: evResume}))
}

// RunNow makes a trigger for now, whether the job is paused or not, and returns it. It waits for a live run of the job
// unless runs may overlap. [ErrNotFound] if there is no such job, [ErrInvalid] if it has 64 live runs already.
func (s *Scheduler) RunNow(ctx context.Context, id string) (Trigger, error) {
	x := newAct("run", id, event{what: evRunNow})
	err := s.act(ctx, x)
	return Trigger{Job: id, Fire: x.fire.time()}, err
}

// Backfill makes a trigger for every fire time in [from, to) and returns how many that are. They run oldest first, one
// after another unless runs may overlap; each is a trigger of its own, whose [Run.Nominal] says for which fire time it
// stands. [ErrNotFound] if there is no such job, [ErrInvalid] for more than a million fire times or eight backfills.
func (s *Scheduler) Backfill(ctx context.Context, id string, from, to time.Time) (int, error) {
	n := 0
	x := newAct("backfill", id, event{})
	x.make = func(sp *spec) (event, error) {
		if sp == nil {
			return event{}, ErrNotFound
		}
		plain := *sp
		plain.Jitter = 0 // the range is of fire times, whenever they are due
		first := plain.next(microsOf(from) - 1)
		if _, n = plain.through(first, microsOf(to)-1, maxBackfill+1); n > maxBackfill {
			return event{}, &FieldError{Field: "to", Problem: fmt.Sprintf("there are more than %d fire times", maxBackfill), Remedy: "use a shorter range"}
		}
		return event{what: evBackfill, from: microsOf(from), to: microsOf(to)}, nil
	}
	if !from.Before(to) || from.Year() < 1970 {
		return 0, fmt.Errorf("backfill job %q: %w", id, &FieldError{Field: "to", Problem: "the range is empty", Remedy: "name an end after the start"})
	}
	if err := s.act(ctx, x); err != nil {
		return 0, err
	}
	return n, nil
}

const maxBackfill = 1_000_000

// Cancel ends a live run: the context of its handler ends with [ErrCancelled], and unless the handler succeeds all the
// same its outcome is Cancelled. A trigger that waits becomes cancelled at once. The owner learns of it by a hint, or when it next vouches
// for the run: within half a session TTL. [ErrNotFound] if the job has no such live run.
func (s *Scheduler) Cancel(ctx context.Context, t Trigger, reason string) error {
	if reason == "" {
		reason = "cancelled"
	}
	if len(reason) > maxReason {
		return fmt.Errorf("cancel %s: %w", t, &FieldError{Field: "reason", Problem: fmt.Sprintf("has %d bytes", len(reason)), Remedy: fmt.Sprintf("use at most %d", maxReason)})
	}
	return s.act(ctx, newAct("cancel", t.Job, event{what: evCancel, fire: microsOf(t.Fire), reason: reason}))
}

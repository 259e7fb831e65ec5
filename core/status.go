package core

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
)

// listPage is how many records a listing reads at once.
const listPage = 200

// Job returns one job and what has become of it. [ErrNotFound] if there is none.
func (s *Scheduler) Job(ctx context.Context, id string) (JobStatus, error) {
	recs, err := s.store.Get(ctx, GetQuery{Keys: []string{jobPrefix + id}, Spec: true})
	if err != nil {
		return JobStatus{}, fmt.Errorf("get job %q: %w", id, err)
	}
	st, sp, err := decodeRecord(&recs[0])
	if err != nil {
		return JobStatus{}, fmt.Errorf("get job %q: %w", id, err)
	}
	if sp == nil || st.Mode == modeDeleted {
		return JobStatus{}, fmt.Errorf("get job %q: %w", id, ErrNotFound)
	}
	status := statusOf(recs[0].Version, sp, &st, s.clock.now().store)
	names, err := s.podNames(ctx)
	if err != nil {
		return JobStatus{}, fmt.Errorf("get job %q: %w", id, err)
	}
	if err := s.addTexts(ctx, &status, &st, sp); err != nil {
		return JobStatus{}, fmt.Errorf("get job %q: %w", id, err)
	}
	for i := range status.Pending {
		status.Pending[i].Pod = names[status.Pending[i].Session]
	}
	for i := range status.Recent {
		if o := &status.Recent[i]; o.Pod == "" {
			o.Pod = names[o.Session]
		}
	}
	return status, nil
}

// decodeRecord decodes a job's record; the spec is nil if there is none.
func decodeRecord(r *Record) (state, *spec, error) {
	if r.Version == 0 {
		return state{}, nil, nil
	}
	st, err := decodeState(r.State)
	if err != nil {
		return state{}, nil, err
	}
	sp, err := decodeSpec(r.Spec)
	return st, sp, err
}

// statusOf makes a record into what users see.
func statusOf(version uint64, sp *spec, st *state, now micros) JobStatus {
	js := JobStatus{Job: sp.Job, Version: version, Counts: st.Counts.public(len(st.Runs))}
	switch st.Mode {
	case modePaused:
		js.Paused = &Paused{Reason: st.Why, Since: st.Since.time(), Until: st.Until.time()}
	case modeEnabled:
		js.Next = st.Cursor.time()
		js.Finished = st.Cursor == 0
	case modeDeleted:
	}
	for i := range st.Runs {
		js.Pending = append(js.Pending, runStatus(sp, &st.Runs[i], now))
	}
	for i := range slices.Backward(st.Recent) {
		js.Recent = append(js.Recent, recentOutcome(sp, &st.Recent[i]))
	}
	return js
}

func runStatus(sp *spec, r *run, now micros) RunStatus {
	rs := RunStatus{Cancel: r.Cancel, Run: Run{
		Trigger: Trigger{Job: sp.ID, Fire: r.Fire.time()}, Nominal: r.Nominal.time(), Attempt: r.Attempt, Token: r.Token,
		Cause: r.Cause, Handler: sp.handler(), Queue: sp.queue(), Session: r.owner(), Claimed: r.At.time(),
	}}
	came := r.Fire
	if !r.manual() {
		came = sp.came(r.Fire)
	}
	switch {
	case r.fresh():
		rs.State, rs.At = RunQueued, r.Due.time()
	case r.Claim == "":
		rs.State, rs.At = RunWaiting, r.Due.time()
	case now < came:
		rs.State, rs.At = RunClaimed, came.time()
	default:
		rs.State = RunStarted
	}
	return rs
}

func recentOutcome(sp *spec, r *recent) Outcome {
	return Outcome{
		Trigger: Trigger{Job: sp.ID, Fire: r.Fire.time()}, Through: r.Through.time(), Count: max(r.Count, 1), Kind: r.Kind,
		Attempt: r.Attempt, Session: r.Session, Started: r.Start.time(), Ended: r.End.time(),
	}
}

// addTexts completes outcomes with what only the record's history holds.
func (s *Scheduler) addTexts(ctx context.Context, js *JobStatus, st *state, sp *spec) error {
	if !slices.ContainsFunc(st.Recent, func(r recent) bool { return r.Text }) {
		return nil
	}
	entries, err := s.store.Log(ctx, LogQuery{Key: jobPrefix + sp.ID, Limit: MaxSlots})
	if err != nil {
		return err
	}
	for i := range entries {
		o, err := decodeOutcome(entries[i].Data)
		if err != nil {
			return err
		}
		for j := range js.Recent {
			if r := &js.Recent[j]; r.Fire.Equal(o.Fire) && r.Kind == o.Kind && r.Attempt == o.Attempt {
				*r = o
			}
		}
	}
	return nil
}

// podNames returns the names of pods by session.
func (s *Scheduler) podNames(ctx context.Context) (map[string]string, error) {
	all, err := s.store.Sessions(ctx)
	if err != nil {
		return nil, fmt.Errorf("read sessions: %w", err)
	}
	names := make(map[string]string, len(all))
	for i := range all {
		names[all[i].ID] = all[i].Pod
	}
	return names, nil
}

// Jobs yields jobs in the order of their ids, read page by page. The Recent of each has no texts; [Scheduler.Job] has
// them. An error ends the listing.
func (s *Scheduler) Jobs(ctx context.Context, q JobQuery) iter.Seq2[JobStatus, error] {
	return func(yield func(JobStatus, error) bool) {
		list := ListQuery{Prefix: jobPrefix + q.Prefix, Limit: listPage, Spec: true}
		if q.After != "" {
			list.After = jobPrefix + q.After
		}
		for left := q.Limit; ; {
			recs, err := s.store.List(ctx, list)
			if err != nil {
				yield(JobStatus{}, fmt.Errorf("list jobs: %w", err))
				return
			}
			if len(recs) == 0 {
				return
			}
			now := s.clock.now().store
			for i := range recs {
				list.After = recs[i].Key
				st, sp, err := decodeRecord(&recs[i])
				if err != nil {
					err = fmt.Errorf("list jobs: %s: %w", strings.TrimPrefix(recs[i].Key, jobPrefix), err)
				} else if st.Mode == modeDeleted || sp == nil || !q.selects(sp) {
					continue
				}
				if err != nil {
					yield(JobStatus{}, err)
					return
				}
				if !yield(statusOf(recs[i].Version, sp, &st, now), nil) {
					return
				}
				if left--; left == 0 {
					return
				}
			}
		}
	}
}

func (q *JobQuery) selects(sp *spec) bool {
	if q.Queue != "" && q.Queue != sp.queue() {
		return false
	}
	for k, v := range q.Labels {
		if sp.Labels[k] != v {
			return false
		}
	}
	return true
}

// Outcomes yields outcomes, the latest first: of one job as far back as [Job.Keep] reaches, across jobs only those that
// did not succeed, of which the newest 10,000 are kept. An error ends them.
func (s *Scheduler) Outcomes(ctx context.Context, q OutcomeQuery) iter.Seq2[Outcome, error] {
	all := s.incidents(ctx)
	if q.Job != "" {
		all = s.history(ctx, q.Job)
	}
	return func(yield func(Outcome, error) bool) {
		left := q.Limit
		for o, err := range all {
			if err == nil && !q.selects(&o) {
				continue
			}
			if !yield(o, err) || err != nil {
				return
			}
			if left--; left == 0 {
				return
			}
		}
	}
}

func (q *OutcomeQuery) selects(o *Outcome) bool {
	switch {
	case len(q.Kinds) > 0 && !slices.Contains(q.Kinds, o.Kind):
		return false
	case !q.Since.IsZero() && o.Ended.Before(q.Since):
		return false
	case !q.Until.IsZero() && !o.Ended.Before(q.Until):
		return false
	}
	return true
}

// history yields the outcomes of one job.
func (s *Scheduler) history(ctx context.Context, id string) iter.Seq2[Outcome, error] {
	return func(yield func(Outcome, error) bool) {
		js, err := s.Job(ctx, id)
		if err != nil {
			yield(Outcome{}, err)
			return
		}
		for _, o := range js.Recent {
			if !yield(o, nil) {
				return
			}
		}
	}
}

// incidents yields the outcomes of all jobs that did not succeed.
func (s *Scheduler) incidents(ctx context.Context) iter.Seq2[Outcome, error] {
	return func(yield func(Outcome, error) bool) {
		q := LogQuery{Limit: listPage}
		for {
			entries, err := s.store.Log(ctx, q)
			if err != nil {
				yield(Outcome{}, fmt.Errorf("read incidents: %w", err))
				return
			}
			if len(entries) == 0 {
				return
			}
			for i := range entries {
				o, err := decodeOutcome(entries[i].Data)
				if !yield(o, err) || err != nil {
					return
				}
			}
			last := entries[len(entries)-1]
			q.Before, q.BeforeKey = last.Time, last.Key
		}
	}
}

// Pods returns the pods whose sessions are open, by name.
func (s *Scheduler) Pods(ctx context.Context) ([]Pod, error) {
	all, err := s.store.Sessions(ctx)
	if err != nil {
		return nil, fmt.Errorf("list pods: %w", err)
	}
	var pods []Pod
	for i := range all {
		x := &all[i]
		if x.Ended {
			continue
		}
		info, err := decodePodInfo(x.Info)
		if err != nil {
			return nil, fmt.Errorf("list pods: %s: %w", x.Pod, err)
		}
		pods = append(pods, Pod{
			Name: x.Pod, Session: x.ID, Started: info.Started.time(), Version: info.Version, Queues: info.Queues,
			Handlers: info.Handlers, Running: info.Running, Slots: info.Slots, Skew: info.Skew.duration(), Draining: info.Leaving,
		})
	}
	slices.SortFunc(pods, func(a, b Pod) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Session, b.Session)) })
	return pods, nil
}

// Locks returns the locks that are held, by name.
func (s *Scheduler) Locks(ctx context.Context) ([]LockInfo, error) {
	var locks []LockInfo
	q := ListQuery{Prefix: lockPrefix, Limit: listPage}
	for {
		recs, err := s.store.List(ctx, q)
		if err != nil {
			return nil, fmt.Errorf("list locks: %w", err)
		}
		if len(recs) == 0 {
			return locks, nil
		}
		for i := range recs {
			q.After = recs[i].Key
			ls, err := decodeLock(recs[i].State)
			if err != nil {
				return nil, fmt.Errorf("list locks: %s: %w", recs[i].Key, err)
			}
			if ls.Claim == "" {
				continue
			}
			locks = append(locks, LockInfo{
				Name: strings.TrimPrefix(recs[i].Key, lockPrefix), Pod: ls.Pod, Session: claimOwner(ls.Claim), Token: ls.Token, Since: ls.Since.time(),
			})
		}
	}
}

var errNotRunning = errors.New("the pod does not run")

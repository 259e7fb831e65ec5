//go:build belfrysim

package sim

import (
	"slices"
	"time"

	"github.com/belfry-io/belfry/core"
)

// checkClaims looks at what was claimed: once for each attempt, under growing tokens (contract lines 1 and 3).
func (s *step) checkClaims() {
	before := s.j.token
	for i := range s.new.Runs {
		r := &s.new.Runs[i]
		a := attempt{r.Fire.UnixMicro(), r.Attempt}
		old := find(s.old.Runs, r.Fire)
		if old == nil {
			s.begin(r)
		}
		if old == nil || old.Claim != r.Claim || old.Attempt != r.Attempt {
			s.j.queued[a] = time.Now()
		}
		if r.Claim == "" || old != nil && old.Claim == r.Claim {
			continue
		}
		s.c.tot.Claims++
		if _, twice := s.j.policies[r.Token]; twice || r.Token <= before {
			s.fail("token", "%v attempt %d was claimed under token %d after %d", r.Fire, r.Attempt, r.Token, before)
		}
		s.j.token = max(s.j.token, r.Token)
		if who, twice := s.j.claims[a]; twice && !s.c.w.Weak {
			s.fail("claimed twice", "%v attempt %d by %s and by %s", r.Fire, r.Attempt, who, r.Claim)
		}
		s.j.claims[a] = r.Claim
		s.j.policies[r.Token] = s.j.job.Overlap
	}
}

// begin sees a trigger that is new.
func (s *step) begin(r *core.SimRun) {
	fire := r.Fire.UnixMicro()
	if _, twice := s.j.lives[fire]; twice && !s.c.w.Weak {
		s.fail("decided twice", "the trigger of %v is made again", r.Fire)
	}
	from := s.sent
	if r.Claim != "" && r.At.Before(from) {
		from = r.At
	}
	s.j.lives[fire] = &interval{from: from}
}

func find(runs []core.SimRun, fire time.Time) *core.SimRun {
	for i := range runs {
		if runs[i].Fire.Equal(fire) {
			return &runs[i]
		}
	}
	return nil
}

// checkGone looks at the runs whose claims are gone: completed by their owner, or taken from a dead one (contract lines 3
// and 4).
func (s *step) checkGone() {
	for i := range s.old.Runs {
		r := &s.old.Runs[i]
		now := find(s.new.Runs, r.Fire)
		if now == nil {
			s.over(r)
		}
		if r.Claim == "" || now != nil && now.Claim == r.Claim {
			continue
		}
		switch o := s.outcome(r.Fire); {
		case now != nil && now.Moves > r.Moves:
			s.checkTaken(r, "taken over")
			if s.oldJob.Recover != core.RecoverRerun && s.j.job.Recover != core.RecoverRerun {
				s.fail("abandon", "%v gets another attempt, but its job is not to be run again", r.Fire)
			}
		case now != nil:
			s.checkCompleted(r, "to be retried")
		case o == nil:
			if s.whole {
				s.fail("no outcome", "%v attempt %d is gone", r.Fire, r.Attempt)
			}
		case o.Kind == core.Lost:
			s.checkTaken(r, "lost")
		case o.Kind == core.Succeeded:
			s.checkCompleted(r, "succeeded")
			if !s.j.good[attempt{r.Fire.UnixMicro(), r.Attempt}] {
				s.fail("evidence", "%v attempt %d is said to have succeeded, but no handler returned so", r.Fire, r.Attempt)
			}
		case o.Kind == core.Failed, o.Kind == core.TimedOut:
			s.checkCompleted(r, o.Kind.String())
		case o.Kind == core.Cancelled:
		default:
			s.fail("outcome", "%v was claimed, but its outcome is %s", r.Fire, o.Kind)
		}
	}
}

// over sees the end of a trigger.
func (s *step) over(r *core.SimRun) {
	in := s.j.lives[r.Fire.UnixMicro()]
	if in == nil {
		return
	}
	in.to = s.at
	if o := s.outcome(r.Fire); o != nil && o.Kind != core.Lost {
		in.to = o.Ended
	}
	if len(s.j.lives) < 4000 {
		return
	}
	for f, in := range s.j.lives {
		if !in.to.IsZero() && s.at.Sub(in.to) > time.Minute {
			delete(s.j.lives, f)
		}
	}
}

// outcome returns what was recorded of a trigger in this step.
func (s *step) outcome(fire time.Time) *core.Outcome {
	i := slices.IndexFunc(s.ends, func(o core.Outcome) bool { return o.Fire.Equal(fire) && o.Count == 1 })
	if i < 0 {
		return nil
	}
	return &s.ends[i]
}

// checkCompleted holds that only the owner completes a run.
func (s *step) checkCompleted(r *core.SimRun, what string) {
	if o := s.c.sessions[r.Owner]; o == nil || o.conn != s.conn {
		s.fail("completion", "%v attempt %d of session %s is %s, says %s", r.Fire, r.Attempt, r.Owner, what, s.conn.name)
	}
}

// checkTaken holds that no run is taken from a pod that lives and vouches for it, and that no pod loses a run of its own
// while it lives.
func (s *step) checkTaken(r *core.SimRun, what string) {
	o := s.c.sessions[r.Owner]
	switch {
	case o == nil:
		s.fail("taken", "%v of session %s, which never was", r.Fire, r.Owner)
	case o.ended:
	case o.conn != s.conn:
		if !s.at.After(r.Due.Add(s.c.w.TTL)) {
			s.fail("taken", "%v attempt %d of the live session %s of %s is %s by %s, though vouched for until %v", r.Fire, r.Attempt, r.Owner, o.conn.name, what, s.conn.name, r.Due)
		}
	case !s.c.w.Weak:
		s.checkNeedless(r, what)
	}
}

// checkNeedless holds that a pod does not give up a run under a session that it keeps.
func (s *step) checkNeedless(r *core.SimRun, what string) {
	p := s.c.w.podOf(s.conn)
	if p == nil {
		return
	}
	p.mu.Lock()
	quiet := !p.killed && !p.leaving && p.frozen == nil && time.Since(p.thawed) > s.c.w.TTL && time.Since(p.jumped) > s.c.w.TTL
	p.mu.Unlock()
	if quiet && s.conn.trusts() && p.sched.Session() == r.Owner && !s.late() {
		s.fail("needless", "%v attempt %d is %s by its own pod %s, whose session %s lives", r.Fire, r.Attempt, what, p.name, r.Owner)
	}
}

// late reports that the change was under way for long.
func (s *step) late() bool { return time.Since(s.sent) > s.c.w.TTL/2 }

func (w *world) podOf(c *conn) *pod {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.pods {
		if p.conn == c {
			return p
		}
	}
	return nil
}

// checkOverlaps holds that a fire time is an overlap only if a run was live when it came (rule R5). Under allow and
// replace fire times give way for other reasons.
func (s *step) checkOverlaps() {
	if o := s.oldJob.Overlap; o == core.OverlapAllow || o == core.OverlapReplace || s.j.job.Overlap != o || s.c.w.Weak {
		return
	}
	tol := s.c.w.tolerance()
	for i := range s.ends {
		o := &s.ends[i]
		if o.Kind != core.SkippedOverlap {
			continue
		}
		through := o.Through
		if o.Count == 1 {
			through = o.Fire
		}
		for _, ms := range s.plan.fires(&s.oldJob, o.Fire, through) {
			f := time.UnixMilli(ms).UTC()
			came := core.SimCame(s.oldJob, f)
			if came.After(s.at.Add(tol)) {
				s.fail("overlap", "%v is skipped as an overlap before it came", f)
			}
			if !s.liveAt(f, came, tol) {
				s.fail("overlap", "%v is skipped as an overlap, but no run was live when it came at %v", f, came)
			}
		}
	}
}

// liveAt reports that a run was live when a fire time came. While a job catches up with its backlog the engine takes the
// moments between two of its runs as busy too: then an earlier fire time was claimed only after this one had come.
func (s *step) liveAt(fire, came time.Time, tol time.Duration) bool {
	for f, in := range s.j.lives {
		if f < fire.UnixMicro() && in.from.After(came) {
			return true
		}
		if f != fire.UnixMicro() && !in.from.After(came.Add(tol)) && (in.to.IsZero() || !in.to.Before(came.Add(-tol))) {
			return true
		}
	}
	return false
}

// tolerance is by how much the pods' estimates of the store's time may be behind.
func (w *world) tolerance() time.Duration {
	d := 4*w.faults.OneWay + 5*time.Millisecond + w.skewBound()
	if w.faults.Slow > 0 || w.Rate > 0 || slices.Contains(w.Nemesis, "stall") {
		d += time.Second
	}
	return d
}

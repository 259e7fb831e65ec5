//go:build belfrysim

package sim

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/belfry-io/belfry/core"
)

// A checker is the observer in the store. It sees each commit at its moment, hears of each handler's start and end, and
// holds all of it against the contract. Each check has a name, by which a violation says what was broken.
type checker struct {
	w *world

	mu        sync.Mutex
	watched   map[string]*jobWatch
	sessions  map[string]*sessionWatch
	holders   map[*holder]struct{}
	lockToken uint64
	tot       Totals
	since     time.Time // when lateness began to count; zero: it does not
	late      []time.Duration
	began     map[string]bool // triggers of probes that have started since
}

// A jobWatch is what the checker knows of one job.
type jobWatch struct {
	id       string
	version  uint64
	spec     string
	job      core.Job
	plan     plan
	state    core.SimState
	token    uint64                  // the greatest ever given
	decided  map[int64]struct{}      // scheduled fire times, in milliseconds
	claims   map[attempt]string      // who has had it
	policies map[uint64]core.Overlap // of each claim, by token
	lives    map[int64]*interval     // triggers by fire time in microseconds
	running  map[*running]struct{}   // handlers
	starts   map[attempt]int         // handlers started
	good     map[attempt]bool        // handlers that returned nil on a pod that lived
	queued   map[attempt]time.Time   // since when a trigger is as it is
}

// An attempt is one try of a trigger.
type attempt struct {
	fire int64 // microseconds
	n    int
}

// An interval is the life of a trigger.
type interval struct {
	from, to time.Time // to is zero: it is live
}

// A running is a handler at work.
type running struct {
	pod     *pod
	run     core.Run
	ctx     context.Context //nolint:containedctx // it says whether the handler may still act
	watch   *jobWatch
	ignored bool // its pod was dead
}

// A sessionWatch is what the checker knows of one session.
type sessionWatch struct {
	conn  *conn
	beat  time.Time // the last one
	ended bool
}

// A holder has a lock.
type holder struct {
	pod  *pod
	lock *core.Lock
}

func newChecker(w *world) *checker {
	return &checker{w: w, watched: map[string]*jobWatch{}, sessions: map[string]*sessionWatch{}, holders: map[*holder]struct{}{}, began: map[string]bool{}}
}

func (c *checker) totals() Totals {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tot
}

// commit sees one commit, under the server's lock.
func (c *checker) commit(ch *change) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tot.Commits++
	switch {
	case strings.HasPrefix(ch.key, "job/"):
		c.jobCommit(ch)
	case strings.HasPrefix(ch.key, core.SessionPrefix):
		c.sessionCommit(ch)
	}
}

// watch returns what is known of a job.
func (c *checker) watch(id string) *jobWatch {
	j := c.watched[id]
	if j == nil {
		j = &jobWatch{
			id: id, decided: map[int64]struct{}{}, claims: map[attempt]string{}, policies: map[uint64]core.Overlap{}, lives: map[int64]*interval{},
			running: map[*running]struct{}{}, starts: map[attempt]int{}, good: map[attempt]bool{}, queued: map[attempt]time.Time{},
		}
		c.watched[id] = j
	}
	return j
}

// define takes a job's definition, if it is another one.
func (j *jobWatch) define(spec []byte) {
	if string(spec) == j.spec || len(spec) == 0 {
		return
	}
	job, _, err := core.SimJob(spec)
	if err != nil {
		panic(err)
	}
	j.spec, j.job, j.plan = string(spec), job, plan{}
	if err := json.Unmarshal([]byte(job.Labels["plan"]), &j.plan); err != nil {
		panic(err)
	}
}

// sessionCommit checks that nobody is declared dead who may still be alive (contract line 3).
func (c *checker) sessionCommit(ch *change) {
	id := strings.TrimPrefix(ch.key, core.SessionPrefix)
	s := c.sessions[id]
	if ch.now.Version == 0 {
		return
	}
	var head struct {
		Ended bool `json:"ended"`
	}
	line, _, _ := strings.Cut(string(ch.now.State), "\n")
	if err := json.Unmarshal([]byte(line), &head); err != nil {
		panic(err)
	}
	switch {
	case s == nil:
		c.sessions[id] = &sessionWatch{conn: ch.conn, beat: time.Now(), ended: head.Ended}
		return
	case !head.Ended:
		s.beat = time.Now()
		return
	case ch.conn == s.conn, s.ended:
		s.ended = true
		return
	}
	s.ended = true
	c.w.note("", "%s ends the session %s of %s, silent for %v", ch.conn.name, id, s.conn.name, time.Since(s.beat))
	if c.w.Weak {
		return
	}
	if silent := time.Since(s.beat); silent < c.w.TTL {
		c.w.fail("buried alive", "", "session %s of %s was ended after %v of silence, its TTL is %v", id, s.conn.name, silent, c.w.TTL)
	}
	for _, j := range c.watched {
		for x := range j.running {
			if x.run.Session == id && x.acts() {
				c.w.fail("trust", j.id, "session %s of %s is dead, but the context of its handler of %s has not ended", id, x.pod.name, x.run.Trigger)
			}
		}
	}
}

// acts reports that a handler's context lets it act, on a pod that has had time to notice what has become of it.
func (x *running) acts() bool {
	x.pod.mu.Lock()
	ok := !x.pod.killed && x.pod.frozen == nil && time.Since(x.pod.thawed) > 1100*time.Millisecond
	x.pod.mu.Unlock()
	return ok && x.ctx.Err() == nil
}

// started sees a handler's first instruction.
func (c *checker) started(ctx context.Context, p *pod, run *core.Run) *running {
	c.w.server.mu.Lock()
	now := c.w.server.clock()
	c.w.server.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	j := c.watch(run.Job)
	x := &running{pod: p, run: *run, ctx: ctx, watch: j}
	if x.ignored = !p.alive(); x.ignored {
		return x
	}
	c.tot.Starts++
	c.w.note(run.Job, "%s starts %s attempt %d token %d session %s", p.name, run.Trigger, run.Attempt, run.Token, run.Session)
	c.checkStart(x, now)
	j.running[x] = struct{}{}
	if !c.since.IsZero() && run.Labels["probe"] != "" && !run.Fire.Before(c.since) {
		c.late = append(c.late, now.Sub(run.Fire))
		c.began[run.String()] = true
	}
	return x
}

func (c *checker) checkStart(x *running, now time.Time) {
	run, j, w := &x.run, x.watch, c.w
	if now.Before(run.Fire.Add(-w.skewBound())) {
		w.fail("early", j.id, "%s started at %v by the store's clock, %v early", run.Trigger, now, run.Fire.Sub(now))
	}
	if w.Weak {
		return
	}
	a := attempt{run.Fire.UnixMicro(), run.Attempt}
	if j.starts[a]++; j.starts[a] > 1 {
		w.fail("started twice", j.id, "%s attempt %d", run.Trigger, run.Attempt)
	}
	if s := c.sessions[run.Session]; s != nil && s.ended {
		w.fail("dead session", j.id, "%s starts %s under the session %s, which has ended", x.pod.name, run.Trigger, run.Session)
	}
	if !slices.ContainsFunc(j.state.Runs, func(r core.SimRun) bool { return r.Token == run.Token && r.Owner == run.Session }) {
		w.fail("no claim", j.id, "%s starts %s attempt %d, but token %d is not in the record", x.pod.name, run.Trigger, run.Attempt, run.Token)
	}
	if j.policies[run.Token] == core.OverlapAllow || j.job.Overlap == core.OverlapAllow {
		return // by the definition it was claimed under, or by one that came since
	}
	for o := range j.running {
		if o.acts() {
			w.fail("two at once", j.id, "%s starts %s while the handler of %s attempt %d still runs on %s", x.pod.name, run.Trigger, o.run.Trigger, o.run.Attempt, o.pod.name)
		}
	}
}

// skewBound is by how much the clocks of the servers that answered may differ.
func (w *world) skewBound() time.Duration {
	if slices.Contains(w.Nemesis, "moved") || w.Weak {
		return 2 * maxOffset
	}
	return 0
}

// ended sees a handler's last instruction.
func (c *checker) ended(x *running, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(x.watch.running, x)
	if x.ignored || !x.pod.alive() {
		return
	}
	c.checkVouched(x)
	x.watch.good[attempt{x.run.Fire.UnixMicro(), x.run.Attempt}] = ok
	c.w.note(x.run.Job, "%s: the handler of %s attempt %d returns, good %v, its context: %v", x.pod.name, x.run.Trigger, x.run.Attempt, ok, context.Cause(x.ctx))
}

// locked sees a pod take the lock (contract line 3).
func (c *checker) locked(p *pod, l *core.Lock) *holder {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := &holder{p, l}
	if !h.acts() {
		return h
	}
	c.w.note("", "%s has the lock, token %d", p.name, l.Token())
	if l.Token() <= c.lockToken {
		c.w.fail("lock token", "", "%s has the lock under token %d after %d", p.name, l.Token(), c.lockToken)
	}
	c.lockToken = l.Token()
	for o := range c.holders {
		if o.acts() && !c.w.Weak {
			c.w.fail("lock", "", "%s takes the lock that %s holds", p.name, o.pod.name)
		}
	}
	c.holders[h] = struct{}{}
	return h
}

func (h *holder) acts() bool {
	h.pod.mu.Lock()
	ok := !h.pod.killed && h.pod.frozen == nil && time.Since(h.pod.thawed) > 1100*time.Millisecond
	h.pod.mu.Unlock()
	return ok && h.lock.Context().Err() == nil
}

func (c *checker) unlocks(h *holder) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.holders, h)
}

// checkVouched holds that no handler goes on under a claim that was not vouched for (rule R8): a peer may have taken it.
func (c *checker) checkVouched(x *running) {
	i := slices.IndexFunc(x.watch.state.Runs, func(r core.SimRun) bool { return r.Token == x.run.Token })
	if i < 0 || c.w.Weak || !x.acts() {
		return
	}
	if due := x.watch.state.Runs[i].Due; time.Since(due) > c.w.TTL+c.w.tolerance() {
		c.w.fail("vouched", x.watch.id, "the handler of %s ran on, though its claim was good until %v only", x.run.Trigger, due)
	}
}

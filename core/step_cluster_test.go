package core

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

const (
	testTTL     = 10 * second
	maxTestLead = 500 * millisecond
	testPods    = 3
)

// A cluster is one record, the pods that step it by compare-and-set, and those who check. Its moves are made of bytes,
// so that a failing list of them can be cut down, and a fuzzer can look for one.
type cluster struct {
	now     micros
	sp      *spec
	st      state
	version int
	due     micros
	epoch   string

	pods     [testPods]testPod
	sessions map[string]liveness
	held     map[string]map[string]bool // what each session holds, dead ones too
	watch    *watcher
	oracle   *oracle
	claims   int
	acts     int
	budget   micros // that may still pass: enumerating it takes time
	trace    []string

	unfinished bool // the latest step left events
}

// A testPod is a pod's present session and its copy of the record, which may be old.
type testPod struct {
	session string
	born    int
	skew    micros
	sp      *spec
	st      state
	version int
}

// newCluster makes a cluster for which so much time may pass.
func newCluster(budget micros) *cluster {
	c := &cluster{
		now: scriptDay, sessions: map[string]liveness{}, held: map[string]map[string]bool{}, watch: newWatcher(), epoch: "e1",
		oracle: &oracle{retries: map[micros]int{}, mode: modeDeleted}, budget: budget,
	}
	for i := range c.pods {
		c.pods[i].skew = -micros(i) * 2 * millisecond
		c.open(i)
	}
	return c
}

// open gives a pod a new session. What the old one holds it may still report.
func (c *cluster) open(i int) {
	p := &c.pods[i]
	if p.session != "" {
		c.sessions[p.session] = dead
	}
	p.born++
	p.session = fmt.Sprintf("%c%d", 'a'+i, p.born)
	c.sessions[p.session], c.held[p.session] = alive, map[string]bool{}
}

func (c *cluster) note(format string, list ...any) {
	c.trace = append(c.trace, clockText(c.now)+" "+fmt.Sprintf(format, list...))
}

// refresh lets a pod read the record.
func (c *cluster) refresh(i int) {
	p := &c.pods[i]
	p.sp, p.st, p.version = c.sp, c.st, c.version
}

// podStep steps the pod's copy of the record, which may be old, and writes it if nobody was faster. A blind pod knows no
// session but its own.
func (c *cluster) podStep(i int, events []event, free int, lead micros, blind bool) error {
	p := &c.pods[i]
	if p.sp == nil || c.sp == nil {
		return nil
	}
	e := c.env(p.session, c.now+p.skew)
	e.Free, e.Lead, e.Able = free, lead, true
	if blind {
		e.Alive = func(s string) liveness {
			if s == p.session {
				return alive
			}
			return unknown
		}
	}
	return c.step(p, events, e)
}

func (c *cluster) env(self string, now micros) env {
	return env{
		Now: now, TTL: testTTL, Epoch: c.epoch, Self: self,
		Alive: func(s string) liveness { return c.sessions[s] },
		Held:  func(claim string) bool { return c.held[self][claim] },
		Claim: func() string { c.claims++; return fmt.Sprintf("%s.%d", self, c.claims) },
	}
}

// request lets a client apply an event, as often as the bounded work of a step asks for.
func (c *cluster) request(ev event) error {
	c.acts++
	ev.act = fmt.Sprintf("x%d", c.acts)
	for range 10000 {
		p := &testPod{sp: c.sp, st: c.st, version: c.version}
		if err := c.step(p, []event{ev}, c.env("", c.now-millisecond)); err != nil {
			return err
		}
		if !c.unfinished {
			return nil
		}
	}
	return errors.New("a request that is never done")
}

// step is the compare-and-set.
func (c *cluster) step(p *testPod, events []event, e env) error {
	c.unfinished = false
	granted := map[string]bool{}
	next, ef, err := c.watch.step(p.sp, p.st, events, withHeld(e, granted), granted)
	if err != nil {
		return err
	}
	sp := p.sp
	if ef.Spec != nil {
		sp = ef.Spec
	}
	if ef.Sessions || ef.Err != nil || !ef.Changed && !ef.Remove && ef.Due == c.due || p.version != c.version || sp == nil {
		return nil //nolint:nilerr // a refused request is an answer
	}
	before := c.st
	owners := func(s string) liveness { return c.sessions[s] }
	held := func(claim string) bool { return c.held[claimOwner(claim)][claim] || granted[claim] }
	if err := c.oracle.wrote(&before, &next, &ef, events, e.Now, owners, held); err != nil {
		return err
	}
	if err := c.watch.commit(&next, &ef); err != nil {
		return err
	}
	c.version++
	c.sp, c.st, c.due, c.unfinished = sp, next, ef.Due, len(ef.Left) > 0
	c.describe(e.Self, &before, &ef)
	for claim := range granted {
		c.held[e.Self][claim] = true
	}
	for i := range events {
		if events[i].what != evVouched {
			delete(c.held[claimOwner(events[i].claim)], events[i].claim)
		}
	}
	if ef.Remove {
		c.sp, c.st, c.due = nil, state{}, 0
		c.watch.last, c.oracle.last, c.oracle.decisions, c.oracle.next = 0, 0, 0, 0
	}
	return nil
}

// withHeld makes e hold what a step has just been granted, too.
func withHeld(e env, granted map[string]bool) env {
	held := e.Held
	e.Held = func(claim string) bool { return granted[claim] || held(claim) }
	return e
}

func (c *cluster) describe(self string, before *state, ef *effects) {
	if self == "" {
		self = "client"
	}
	for i := range ef.Ended {
		x := &ef.Ended[i]
		c.note("%s: %s %s to %s, %d, %s", self, x.Kind, clockText(x.Run.Fire), clockText(x.Through), x.Count, x.Reason)
	}
	for i := range ef.Start {
		r := &ef.Start[i]
		c.note("%s: claim %s attempt %d", self, clockText(r.Fire), r.Attempt)
	}
	for i := range c.st.Runs {
		if r := &c.st.Runs[i]; r.fresh() && before.find(r.Fire) == nil {
			c.note("%s: wait %s", self, clockText(r.Fire))
		}
	}
}

// someRun returns a claim that a session holds or held, of the pod, by number.
func (c *cluster) someRun(i, n int) string {
	var all []string
	for s, claims := range c.held {
		if s[0] != byte('a'+i) {
			continue
		}
		for claim := range claims {
			all = append(all, claim)
		}
	}
	if len(all) == 0 {
		return ""
	}
	slices.Sort(all)
	return all[n%len(all)]
}

// heal lets all handlers return that pods hold, with the job paused or deleted, and checks that no run is left for ever.
// Only one pod looks at what is due: a run that a living pod has forgotten is found out by others.
func (c *cluster) heal(del bool) error {
	if c.sp == nil {
		return nil
	}
	ev := event{what: evPause, reason: "healed"}
	if del {
		ev = event{what: evDelete}
	}
	if err := c.request(ev); err != nil {
		return err
	}
	for round := range 5000 {
		if c.sp == nil || len(c.st.Runs) == 0 && len(c.st.Ranges) == 0 {
			return nil
		}
		c.now += second
		i := round % testPods
		c.refresh(i)
		var events []event
		for claim := range c.held[c.pods[i].session] {
			events = append(events, event{what: evFinished, claim: claim, kind: Succeeded, started: c.now - second, at: c.now})
		}
		if i > 0 && len(events) == 0 {
			continue
		}
		slices.SortFunc(events, func(a, b event) int { return strings.Compare(a.claim, b.claim) })
		if err := c.podStep(i, events, 100, 0, false); err != nil {
			return err
		}
		if c.due > c.now+testTTL {
			c.now = c.due
		}
	}
	return fmt.Errorf("left for ever: %+v, backfills %+v", c.st.Runs, c.st.Ranges)
}

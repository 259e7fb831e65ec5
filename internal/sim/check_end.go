//go:build belfrysim

package sim

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/belfry-io/belfry/core"
)

// measure lets the lateness of probes count from now on.
func (c *checker) measure() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.late, c.began = nil, map[string]bool{}
	c.since = time.Now().Add(time.Second).Truncate(time.Second)
}

// lates returns the lateness of the probes that have started since it counts.
func (c *checker) lates() []time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.late)
}

// normal is the lateness that the faults must not leave behind.
const normal = 500 * time.Millisecond

// lateness holds that all is as before, a few seconds after the faults (contract line 8).
func (c *checker) lateness() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.late) == 0 {
		c.w.fail("heals", "", "no probe has started since the faults ended")
		return
	}
	slices.Sort(c.late)
	if p99 := c.late[len(c.late)*99/100]; p99 > normal {
		c.w.fail("heals", "", "probes are %v late (median %v)", p99, c.late[len(c.late)/2])
	}
	until := time.Now().Add(-time.Second)
	for _, id := range slices.Sorted(maps.Keys(c.watched)) {
		j := c.watched[id]
		if j.job.Labels["probe"] == "" {
			continue
		}
		for _, ms := range j.plan.fires(&j.job, c.since, until) {
			t := core.Trigger{Job: id, Fire: time.UnixMilli(ms).UTC()}
			if !c.began[t.String()] {
				c.w.fail("heals", id, "%s has not started, though the faults are long over", t)
			}
		}
	}
}

// jobs returns the jobs that exist.
func (c *checker) jobs() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var ids []string
	for id, j := range c.watched {
		if j.version != 0 && j.state.Mode != "deleted" {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// nothingLeft holds that no run is "running" for ever, and that nothing waits without reason (contract line 4).
func (c *checker) nothingLeft() {
	states := c.w.server.states()
	c.mu.Lock()
	defer c.mu.Unlock()
	old := 2*c.w.TTL + 10*time.Second
	for _, id := range slices.Sorted(maps.Keys(states)) {
		j := c.watch(id)
		for _, r := range states[id].Runs {
			since := j.queued[attempt{r.Fire.UnixMicro(), r.Attempt}]
			if time.Since(since) > old {
				c.w.fail("stuck", id, "%v attempt %d (claim %q, due %v) is as it was %v ago; queue %q, handler %q", r.Fire, r.Attempt, r.Claim, r.Due, time.Since(since), j.job.Queue, j.job.Handler)
			}
		}
	}
}

// states returns what all jobs' records hold.
func (s *server) states() map[string]core.SimState {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]core.SimState{}
	for _, r := range s.scan("job/", "", time.Now(), nil) {
		out[strings.TrimPrefix(r.Key, "job/")] = decode(r.State)
	}
	return out
}

// anyRun returns a live trigger of a job.
func (c *checker) anyRun(id string) (core.Trigger, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	j := c.watched[id]
	if j == nil || len(j.state.Runs) == 0 {
		return core.Trigger{}, false
	}
	return core.Trigger{Job: id, Fire: j.state.Runs[0].Fire}, true
}

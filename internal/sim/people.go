//go:build belfrysim

package sim

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/belfry-io/belfry/core"
)

// A person is a client that changes jobs while they run.
type person struct {
	w *world
	c *core.Scheduler
	r *rand.Rand
}

// putJobs creates the jobs, and has people change them until the faults are over.
func (w *world) putJobs(ctx context.Context) {
	c, err := core.New(w.connect("client", func() {}), &core.Options{Name: "client", SessionTTL: w.TTL})
	if err != nil {
		panic(err)
	}
	p := &person{w: w, c: c, r: w.fork()}
	var probes []core.Job
	for i := range w.Probes {
		probes = append(probes, w.probe(i))
	}
	p.insist(ctx, probes...)
	for i := range w.Jobs {
		p.insist(ctx, p.draw(fmt.Sprintf("j%d", i)))
	}
	if w.Acts == 0 {
		return
	}
	for w.faulty() && w.pause(time.Duration(p.r.Int64N(2*int64(w.Acts)))) {
		p.act(ctx)
	}
}

// probe is a job of which only the lateness counts.
func (w *world) probe(i int) core.Job {
	every := int64(500)
	if w.ProbeEvery > 0 {
		every = w.ProbeEvery.Milliseconds()
	}
	pl := plan{Every: every, Anchor: int64(i)*every/int64(w.Probes) + 1}
	return core.Job{
		ID: fmt.Sprintf("probe%d", i), Handler: "h0", Schedule: pl.schedule(), Labels: map[string]string{"plan": pl.label(), "probe": "yes"},
	}
}

// insist puts jobs until that has worked.
func (p *person) insist(ctx context.Context, j ...core.Job) {
	for {
		err := p.c.Put(ctx, j...)
		if err == nil || !p.w.pause(100*time.Millisecond) {
			return
		}
	}
}

// draw draws a job.
func (p *person) draw(id string) core.Job {
	r := p.r
	ms := func(n int) time.Duration { return time.Duration(r.IntN(n)) * time.Millisecond }
	pl := drawPlan(r, time.Now(), p.w.PaceLow)
	j := core.Job{
		ID: id, Handler: fmt.Sprintf("h%d", r.IntN(handlers)), Schedule: pl.schedule(), Labels: map[string]string{"plan": pl.label()},
		Overlap: core.Overlap(r.IntN(4)), Recover: core.Recover(r.IntN(2)), Claim: core.Claim(r.IntN(3)),
		Misfire:  core.Misfire{Mode: core.MisfireMode(r.IntN(3)), After: []time.Duration{200 * time.Millisecond, 2 * time.Second, 0}[r.IntN(3)], Limit: 1 + r.IntN(20)},
		Priority: r.IntN(5) - 2, Keep: core.MaxSlots,
	}
	if q := r.IntN(p.w.Queues); q > 0 {
		j.Queue = fmt.Sprintf("q%d", q)
	}
	if r.IntN(2) == 0 {
		j.Retry = core.Retry{Max: r.IntN(4), Delay: 1 + ms(800), Cap: 3 * time.Second}
	}
	if r.IntN(3) == 0 {
		j.Timeout = 10*time.Millisecond + ms(2000)
	}
	if r.IntN(4) == 0 {
		j.Jitter = ms(1500)
	}
	if r.IntN(6) == 0 {
		j.NotBefore = time.Now().Add(ms(4000)).Truncate(time.Millisecond)
	}
	if r.IntN(6) == 0 {
		j.NotAfter = time.Now().Add(5*time.Second + ms(30000)).Truncate(time.Millisecond)
	}
	if r.IntN(8) == 0 {
		j.MaxRuns = 1 + r.IntN(40)
	}
	return j
}

// act changes one job, with the patience of a person.
func (p *person) act(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 8*time.Second)
	defer cancel()
	id := fmt.Sprintf("j%d", p.r.IntN(p.w.Jobs))
	verb, err := p.one(ctx, id)
	p.w.count.acts.Add(1)
	p.w.note(id, "somebody wants to %s %s: %v", verb, id, err)
	for _, known := range []error{nil, core.ErrNotFound, core.ErrInvalid, core.ErrExists, context.DeadlineExceeded, context.Canceled, core.ErrEpoch, errRefused, errReset, core.ErrUncertain} {
		if errors.Is(err, known) {
			return
		}
	}
	p.w.fail("act", id, "%s %s: %v", verb, id, err)
}

func (p *person) one(ctx context.Context, id string) (string, error) {
	r := p.r
	switch n := r.IntN(20); {
	case n < 4:
		return "put", p.c.Put(ctx, p.draw(id))
	case n < 6:
		j := p.draw(id)
		return "edit the policies of", p.c.Edit(ctx, id, func(old *core.Job) error {
			old.Overlap, old.Recover, old.Retry, old.Timeout, old.Queue = j.Overlap, j.Recover, j.Retry, j.Timeout, j.Queue
			return nil
		})
	case n < 8:
		return "pause", p.c.Pause(ctx, id, "because", time.Time{})
	case n < 9:
		return "pause for a while", p.c.Pause(ctx, id, "because", time.Now().Add(time.Duration(200+r.IntN(4000))*time.Millisecond))
	case n < 13:
		return "resume", p.c.Resume(ctx, id)
	case n < 14:
		return "delete", p.c.Delete(ctx, id)
	case n < 15:
		err := p.c.Delete(ctx, id)
		if err == nil {
			err = p.c.Create(ctx, p.draw(id))
		}
		return "delete and create", err
	case n < 17:
		_, err := p.c.RunNow(ctx, id)
		return "run", err
	case n < 18:
		from := time.Now().Add(-time.Duration(r.IntN(20)) * time.Second)
		_, err := p.c.Backfill(ctx, id, from, from.Add(time.Duration(r.IntN(2000)+1)*time.Millisecond))
		return "backfill", err
	}
	t, ok := p.w.check.anyRun(id)
	if !ok {
		return "cancel nothing of", nil
	}
	return "cancel a run of", p.c.Cancel(ctx, t, "not wanted")
}

// lockLife takes and gives back a lock, again and again.
func (p *pod) lockLife(ctx context.Context) {
	r := p.w.fork()
	for p.w.pause(time.Duration(r.IntN(3000))*time.Millisecond) && ctx.Err() == nil && p.alive() {
		l, err := p.sched.TryLock(ctx, "bell")
		p.wait()
		if err != nil {
			continue
		}
		p.w.count.locks.Add(1)
		h := p.w.check.locked(p, l)
		t := time.NewTimer(time.Duration(r.IntN(1500)) * time.Millisecond)
		select {
		case <-t.C:
		case <-l.Context().Done():
		case <-p.dead:
		}
		t.Stop()
		p.wait()
		p.w.check.unlocks(h)
		_ = l.Unlock(ctx)
	}
}

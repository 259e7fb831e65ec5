//go:build belfrysim

package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/belfry-io/belfry/core"
)

// Options say what one simulation is like. What is not said is drawn from the seed.
type Options struct {
	Seed  uint64
	For   time.Duration // of faults; 0: 30 s
	Shape func(*Shape)  // changes what was drawn

	Script func(context.Context, *nemesis) // what happens, instead of what the nemesis draws
}

// A Shape is what a simulation is made of.
type Shape struct {
	Pods       int
	Jobs       int           // that people change meanwhile
	ProbeEvery time.Duration // 0: 500 ms
	Probes     int           // jobs that nobody touches: on them lateness is measured
	TTL        time.Duration
	Slots      int
	Queues     int
	Faults     faults
	Nemesis    []string // what happens to pods and the server: "kill", "freeze", "drain", "cut", "jump", "stall", "moved", "failover"
	Every      time.Duration
	Acts       time.Duration // mean time between what people do
	Locks      bool
	Rate       float64 // of the server, operations a second
	Counter    bool    // versions by counter: breaks rule R2
	Weak       bool    // the server loses acknowledged commits in a fail-over: then triggers can be claimed twice
	SkewDay    bool    // clocks may be a day off
	Slow       time.Duration
	PaceLow    time.Duration // the shortest period of a job
}

// Totals add up what happened.
type Totals struct {
	Seeds, Fires, Claims, Starts, Commits, Conflicts, Uncertain, Late, Refused, Kills, Freezes, Drains, Failovers, Lost, Acts, Locks, Batches uint64
}

// Add adds another simulation's totals.
func (t *Totals) Add(o *Totals) {
	for _, p := range []struct{ to, from *uint64 }{
		{&t.Seeds, &o.Seeds},
		{&t.Fires, &o.Fires},
		{&t.Claims, &o.Claims},
		{&t.Starts, &o.Starts},
		{&t.Commits, &o.Commits},
		{&t.Conflicts, &o.Conflicts},
		{&t.Uncertain, &o.Uncertain},
		{&t.Late, &o.Late},
		{&t.Refused, &o.Refused},
		{&t.Kills, &o.Kills},
		{&t.Freezes, &o.Freezes},
		{&t.Drains, &o.Drains},
		{&t.Failovers, &o.Failovers},
		{&t.Lost, &o.Lost},
		{&t.Acts, &o.Acts},
		{&t.Locks, &o.Locks},
		{&t.Batches, &o.Batches},
	} {
		*p.to += *p.from
	}
}

// String is one line for people.
func (t *Totals) String() string {
	return fmt.Sprintf("%d seeds: %d fire times decided, %d claims, %d starts, %d commits in %d batches, %d conflicts, %d unknown outcomes (%d executed late), "+
		"%d refused for their epoch, %d kills, %d freezes, %d drains, %d fail-overs (%d commits lost), %d acts, %d locks",
		t.Seeds, t.Fires, t.Claims, t.Starts, t.Commits, t.Batches, t.Conflicts, t.Uncertain, t.Late, t.Refused, t.Kills, t.Freezes, t.Drains,
		t.Failovers, t.Lost, t.Acts, t.Locks)
}

// counters are the totals while they grow.
type counters struct {
	batches, conflicts, uncertain, late, refused, acts, locks, kills, freezes, drains, failovers, lost atomic.Uint64
}

// A world is one simulation.
type world struct {
	Shape

	opts   Options
	faults faults
	server *server
	check  *checker
	count  counters
	tasks  sync.WaitGroup // requests on their way
	life   sync.WaitGroup // pods, people and the nemesis
	start  time.Time
	stop   chan struct{} // closed when a check has failed, or at the end
	once   sync.Once
	calm   atomic.Bool // the faults are over

	mu     sync.Mutex
	rand   *rand.Rand
	pods   []*pod // all that ever lived
	events []event
	bad    *Violation
	failed chan struct{}
}

// An event is a line of the history.
type event struct {
	at    time.Duration
	job   string // empty: it concerns all
	text  string
	fault bool
}

// A Violation is a broken rule, and what led to it.
type Violation struct { //nolint:errname // it is a finding first, and an error on the way out
	Seed  uint64
	Check string // the name of the check that found it
	Text  string
	Job   string
	At    time.Duration
	tail  []event
}

// Error tells what was violated, how to see it again, and the tail of the history.
func (v *Violation) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d, at %v: %s: %s\n", v.Seed, v.At.Round(time.Microsecond), v.Check, v.Text)
	fmt.Fprintf(&b, "again: go test -tags belfrysim ./internal/sim -run 'TestSim$' -from=%d -seeds=1 -v\n", v.Seed)
	for _, e := range v.tail {
		fmt.Fprintf(&b, "  %10.6f %s\n", e.at.Seconds(), e.text)
	}
	return b.String()
}

const (
	tailLines  = 80
	keptEvents = 6000
)

// note adds a line to the history.
func (w *world) note(job, format string, args ...any) {
	w.log(event{at: time.Since(w.start), job: job, text: fmt.Sprintf(format, args...)})
}

// strike adds a fault to the history.
func (w *world) strike(format string, args ...any) {
	w.log(event{at: time.Since(w.start), text: "* " + fmt.Sprintf(format, args...), fault: true})
}

func (w *world) log(e event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.events) >= 2*keptEvents {
		w.events = append(w.events[:0], w.events[keptEvents:]...)
	}
	w.events = append(w.events, e)
}

// fail ends the simulation. The first violation counts.
func (w *world) fail(check, job, format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.bad != nil {
		return
	}
	w.bad = &Violation{Seed: w.opts.Seed, Check: check, Job: job, Text: fmt.Sprintf(format, args...), At: time.Since(w.start)}
	w.bad.tail = w.tail(job)
	close(w.failed)
}

// tail returns the latest lines about a job, or all jobs if none is given, among the latest about pods and the server.
func (w *world) tail(job string) []event {
	var out []event
	own, other := tailLines, tailLines/2
	for _, e := range slices.Backward(w.events) {
		switch {
		case e.job != "" && (job == "" || e.job == job):
			if own--; own >= 0 {
				out = append(out, e)
			}
		case e.job == "":
			if other--; other >= 0 || e.fault {
				out = append(out, e)
			}
		}
	}
	slices.Reverse(out)
	return out
}

// violated reports that a check has failed.
func (w *world) violated() bool {
	select {
	case <-w.failed:
		return true
	default:
		return false
	}
}

// pause waits for d, or until the simulation is over: then it reports false.
func (w *world) pause(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-w.stop:
		return false
	case <-w.failed:
		return false
	case <-t.C:
		return true
	}
}

func (w *world) faulty() bool { return !w.calm.Load() }

// fork returns a source of its own, so that one goroutine's draws do not depend on another's.
func (w *world) fork() *rand.Rand {
	w.mu.Lock()
	defer w.mu.Unlock()
	return rand.New(rand.NewPCG(w.rand.Uint64(), w.rand.Uint64()))
}

func (w *world) counted(results []core.Result) {
	for i := range results {
		switch {
		case isConflict(results[i].Err):
			w.count.conflicts.Add(1)
		case isUncertain(results[i].Err):
			w.count.uncertain.Add(1)
		}
	}
}

// Run runs one simulation, within a bubble, and returns what happened and the first violation.
func Run(ctx context.Context, o Options) (Totals, error) {
	if o.For == 0 {
		o.For = 30 * time.Second
	}
	w := &world{
		opts: o, start: time.Now(), stop: make(chan struct{}), failed: make(chan struct{}), server: newServer(),
		rand: rand.New(rand.NewPCG(o.Seed, 0x62656c667279)),
	}
	w.Shape = drawShape(w.rand)
	if o.Shape != nil {
		o.Shape(&w.Shape)
	}
	w.faults = w.Faults
	w.check = newChecker(w)
	w.server.saw, w.server.counter, w.server.rate = w.check.commit, w.Counter, w.Rate
	w.note("", "pods %d, jobs %d, TTL %v, weak %v, nemesis %v, faults %+v", w.Pods, w.Jobs, w.TTL, w.Weak, w.Nemesis, w.faults)
	w.run(ctx)
	w.tasks.Wait()
	if w.bad != nil {
		return w.totals(), w.bad
	}
	return w.totals(), nil
}

func (w *world) totals() Totals {
	t := w.check.totals()
	c := &w.count
	t.Seeds, t.Conflicts, t.Uncertain, t.Late, t.Refused = 1, c.conflicts.Load(), c.uncertain.Load(), c.late.Load(), c.refused.Load()
	t.Kills, t.Freezes, t.Drains, t.Failovers, t.Lost = c.kills.Load(), c.freezes.Load(), c.drains.Load(), c.failovers.Load(), c.lost.Load()
	t.Acts, t.Locks, t.Batches = c.acts.Load(), c.locks.Load(), c.batches.Load()
	return t
}

// run is the simulation's life: faults, then calm in which all heals, then the end, at which nothing may be left.
func (w *world) run(ctx context.Context) {
	w.life.Go(func() { w.keepPods(ctx) })
	w.life.Go(func() { w.putJobs(ctx) })
	if w.pause(w.opts.For) {
		w.note("", "the faults are over")
		w.calm.Store(true)
		w.healAll()
		w.newPod(ctx, "all", w.fork(), true) // so that nothing waits for want of a handler
	}
	if w.pause(w.settling()) {
		w.note("", "lateness counts from here")
		w.check.measure()
	}
	if w.pause(measuring) {
		w.check.lateness()
	}
	if w.pause(0) {
		w.finish(ctx)
	}
	w.once.Do(func() { close(w.stop) })
	w.endPods()
	w.life.Wait()
}

const measuring = 5 * time.Second

// settling is how long the faults' wake may last: sessions of the dead have to run out, and handlers to return.
func (w *world) settling() time.Duration { return 2*w.TTL + 12*time.Second }

// finish pauses all jobs and sees that nothing is left a while later.
func (w *world) finish(ctx context.Context) {
	c, err := core.New(w.connect("closer", func() {}), &core.Options{Name: "closer", SessionTTL: w.TTL})
	if err != nil {
		panic(err)
	}
	for _, id := range w.check.jobs() {
		if err := c.Pause(ctx, id, "the end", time.Time{}); err != nil && !isNotFound(err) {
			w.fail("pause", id, "at the end: %v", err)
		}
	}
	if w.pause(3*w.TTL + 15*time.Second) {
		w.check.nothingLeft()
	}
}

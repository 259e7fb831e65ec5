package core_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/belfry-io/belfry/backend/memory"
	"github.com/belfry-io/belfry/core"
)

// A cluster is pods on one memory store in a bubble, and what their handlers saw.
type cluster struct {
	t     *testing.T
	store *memory.Store
	wg    sync.WaitGroup

	mu     sync.Mutex
	runs   []started
	events []core.Event
}

// A started is one execution.
type started struct {
	core.Run

	at time.Time
}

func newCluster(t *testing.T) *cluster { return &cluster{t: t, store: memory.New()} }

// A pod is one Scheduler of a cluster.
type pod struct {
	*core.Scheduler

	stop  context.CancelFunc
	store *memory.Store
	done  chan struct{}
	err   error
}

// kill cuts the pod off its store for ever, as if its process had died.
func (p *pod) kill() { _ = p.store.Close() }

// wait waits until Run has returned, and returns its error.
func (p *pod) wait() error {
	<-p.done
	return p.err
}

// start starts a pod that serves the handler "work". A nil work does nothing.
func (c *cluster) start(opts core.Options, work core.Handler) *pod {
	c.t.Helper()
	opts.OnEvent = c.note
	p := &pod{store: c.store.Connect(), done: make(chan struct{})}
	s, err := core.New(p.store, &opts)
	if err != nil {
		c.t.Fatal(err)
	}
	p.Scheduler = s
	s.Handle("work", func(ctx context.Context, run core.Run) error {
		now := time.Now()
		if now.Before(run.Fire) {
			c.t.Errorf("%s started %v early", run, run.Fire.Sub(now))
		}
		c.mu.Lock()
		c.runs = append(c.runs, started{run, now})
		c.mu.Unlock()
		if work == nil {
			return nil
		}
		return work(ctx, run)
	})
	ctx, stop := context.WithCancel(c.t.Context())
	p.stop = stop
	c.wg.Go(func() {
		p.err = s.Run(ctx)
		close(p.done)
	})
	return p
}

func (c *cluster) note(ev core.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.events = append(c.events, ev)
}

// client returns a Scheduler that does not run.
func (c *cluster) client() *core.Scheduler {
	c.t.Helper()
	s, err := core.New(c.store.Connect(), nil)
	if err != nil {
		c.t.Fatal(err)
	}
	return s
}

func (c *cluster) put(jobs ...core.Job) {
	c.t.Helper()
	if err := c.client().Put(c.t.Context(), jobs...); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) job(id string) core.JobStatus {
	c.t.Helper()
	js, err := c.client().Job(c.t.Context(), id)
	if err != nil {
		c.t.Fatal(err)
	}
	if !js.Counts.Balanced() {
		c.t.Errorf("%s does not add up: %+v", id, js.Counts)
	}
	return js
}

// ran returns the executions of a job; empty: of all.
func (c *cluster) ran(id string) []started {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []started
	for _, r := range c.runs {
		if id == "" || r.Job == id {
			out = append(out, r)
		}
	}
	return out
}

// saw reports whether an event of a kind was told that match, if not nil, accepts.
func (c *cluster) saw(kind core.EventKind, match func(core.Event) bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.ContainsFunc(c.events, func(e core.Event) bool { return e.Kind == kind && (match == nil || match(e)) })
}

// checkOnce fails the test if a trigger ran twice.
func (c *cluster) checkOnce() {
	c.t.Helper()
	seen := map[string]bool{}
	for _, r := range c.ran("") {
		if k := fmt.Sprint(r.Trigger, "/", r.Attempt); seen[k] {
			c.t.Errorf("%s ran twice", k)
		} else {
			seen[k] = true
		}
	}
}

// jobs returns n jobs that fire every second, spread over it if wanted.
func jobs(n int, spread bool) []core.Job {
	out := make([]core.Job, n)
	for i := range out {
		out[i] = core.Job{ID: fmt.Sprintf("job-%d", i), Handler: "work", Schedule: core.Every(time.Second)}
		if spread {
			out[i].Schedule = out[i].Schedule.From(time.UnixMilli(int64(i * 1000 / n)))
		}
	}
	return out
}

func TestFourPodsShareTheWork(t *testing.T) {
	for _, spread := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			c := newCluster(t)
			pods := map[string]int{}
			var running []*pod
			for i := range 4 {
				running = append(running, c.start(core.Options{Name: fmt.Sprint("pod-", i)}, nil))
			}
			time.Sleep(2 * time.Second)
			c.put(jobs(200, spread)...)
			time.Sleep(20 * time.Second)
			for _, p := range running {
				p.stop()
			}
			c.wg.Wait()
			c.checkOnce()
			for _, r := range c.ran("") {
				pods[r.Pod]++
				if late := r.at.Sub(r.Fire); late > 10*time.Millisecond {
					t.Errorf("%s started %v late", r, late)
				}
			}
			if n := len(c.ran("")); n < 200*19 {
				t.Errorf("only %d runs", n)
			}
			for name, n := range pods {
				if n < 200*20/8 || len(pods) != 4 {
					t.Errorf("unfair: %s ran %d of %v", name, n, pods)
				}
			}
			for i := range 200 {
				if n := c.job(fmt.Sprintf("job-%d", i)).Counts; n.Fires != n.Succeeded {
					t.Errorf("job-%d: %+v", i, n)
				}
			}
		})
	}
}

func TestKilledPodDelaysTheOthersLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		var running []*pod
		for i := range 4 {
			running = append(running, c.start(core.Options{Name: fmt.Sprint("pod-", i)}, nil))
		}
		c.put(jobs(400, true)...)
		time.Sleep(5 * time.Second)
		killed := time.Now()
		running[2].kill()
		time.Sleep(25 * time.Second)
		for _, p := range running {
			p.stop()
		}
		c.wg.Wait()
		c.checkOnce()
		var late []time.Duration
		for _, r := range c.ran("") {
			if r.Fire.After(killed) && r.Fire.Before(killed.Add(10*time.Second)) {
				late = append(late, r.at.Sub(r.Fire))
			}
		}
		slices.Sort(late)
		if p99 := late[len(late)*99/100]; p99 > 500*time.Millisecond {
			t.Errorf("p99 lateness after the kill is %v", p99)
		}
		if err := running[2].wait(); !errors.Is(err, core.ErrClosed) {
			t.Errorf("the killed pod's Run returned %v", err)
		}
		if !c.saw(core.EventPod, nil) {
			t.Error("nobody found the killed pod dead")
		}
		for i := range 400 {
			if n := c.job(fmt.Sprintf("job-%d", i)).Counts; n.Pending != 0 || n.Succeeded+n.Lost+n.SkippedOverlap != n.Fires {
				t.Errorf("job-%d: %+v", i, n)
			}
		}
	})
}

func TestDeadPodsRunIsTakenOver(t *testing.T) {
	for policy, attempts := range map[core.Recover]int{core.RecoverAbandon: 1, core.RecoverRerun: 2} {
		synctest.Test(t, func(t *testing.T) {
			c := newCluster(t)
			hang := func(ctx context.Context, run core.Run) error {
				if run.Attempt > 1 {
					return nil
				}
				<-ctx.Done()
				return context.Cause(ctx)
			}
			a := c.start(core.Options{Name: "a"}, hang)
			c.put(core.Job{ID: "once", Handler: "work", Schedule: core.At(time.Now().Add(2 * time.Second)), Recover: policy})
			time.Sleep(3 * time.Second)
			b := c.start(core.Options{Name: "b"}, hang)
			a.kill()
			time.Sleep(15 * time.Second)
			b.stop()
			c.wg.Wait()
			n := c.job("once").Counts
			if policy == core.RecoverAbandon && n.Lost != 1 || policy == core.RecoverRerun && n.Succeeded != 1 {
				t.Errorf("%v: %+v", policy, n)
			}
			runs := c.ran("once")
			if len(runs) != attempts || attempts == 2 && (runs[1].Attempt != 2 || runs[1].Token <= runs[0].Token) {
				t.Errorf("%v: ran %v", policy, runs)
			}
		})
	}
}

func TestDrainWaitsForHandlers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		p := c.start(core.Options{}, func(ctx context.Context, _ core.Run) error {
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-time.After(5 * time.Second):
				return nil
			}
		})
		c.put(core.Job{ID: "slow", Handler: "work", Schedule: core.At(time.Now().Add(2 * time.Second))})
		time.Sleep(4 * time.Second)
		p.stop()
		if err := p.wait(); err != nil {
			t.Errorf("Run returned %v", err)
		}
		if n := c.job("slow").Counts; n.Succeeded != 1 {
			t.Errorf("the handler was cut off: %+v", n)
		}
	})
}

func TestDrainLimitCancels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		p := c.start(core.Options{Drain: 2 * time.Second}, func(ctx context.Context, _ core.Run) error {
			<-ctx.Done()
			if err := context.Cause(ctx); !errors.Is(err, core.ErrDrained) {
				t.Errorf("the context ended with %v", err)
			}
			return context.Cause(ctx)
		})
		c.put(core.Job{ID: "endless", Handler: "work", Schedule: core.At(time.Now().Add(2 * time.Second))})
		time.Sleep(4 * time.Second)
		p.stop()
		if err := p.wait(); !errors.Is(err, core.ErrDrained) {
			t.Errorf("Run returned %v", err)
		}
		if n := c.job("endless").Counts; n.Lost != 1 {
			t.Errorf("a run that was cut off is not lost: %+v", n)
		}
	})
}

func TestTimeoutRetryAndPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		p := c.start(core.Options{}, func(ctx context.Context, run core.Run) error {
			switch run.Job {
			case "times-out":
				<-ctx.Done()
				if !errors.Is(context.Cause(ctx), core.ErrTimeout) {
					t.Errorf("the context ended with %v", context.Cause(ctx))
				}
				return ctx.Err()
			case "panics":
				panic("oh")
			case "second-try":
				_, _ = run.Output().Write([]byte("some output"))
				if run.Attempt == 1 {
					return errors.New("not yet")
				}
			case "hopeless":
				return core.Permanent(errors.New("never"))
			}
			return nil
		})
		at := core.At(time.Now().Add(2 * time.Second))
		retry := core.Retry{Max: 1, Delay: time.Second}
		c.put(
			core.Job{ID: "times-out", Handler: "work", Schedule: at, Timeout: time.Second},
			core.Job{ID: "panics", Handler: "work", Schedule: at},
			core.Job{ID: "second-try", Handler: "work", Schedule: at, Retry: retry},
			core.Job{ID: "hopeless", Handler: "work", Schedule: at, Retry: retry},
		)
		time.Sleep(10 * time.Second)
		p.stop()
		c.wg.Wait()
		for id, want := range map[string]core.OutcomeKind{
			"times-out": core.TimedOut, "panics": core.Failed, "second-try": core.Succeeded, "hopeless": core.Failed,
		} {
			js := c.job(id)
			if len(js.Recent) != 1 || js.Recent[0].Kind != want {
				t.Errorf("%s: %+v", id, js.Recent)
			}
		}
		if o := c.job("second-try").Recent[0]; o.Attempt != 2 || o.Output != "some output" {
			t.Errorf("second-try: %+v", o)
		}
		if n := len(c.ran("hopeless")); n != 1 {
			t.Errorf("a permanent error was tried %d times", n)
		}
		failed := 0
		for o, err := range c.client().Outcomes(t.Context(), core.OutcomeQuery{}) {
			if err != nil {
				t.Fatal(err)
			}
			failed++
			if o.Kind == core.Succeeded {
				t.Errorf("%v is among the incidents", o)
			}
		}
		if failed != 3 {
			t.Errorf("%d incidents", failed)
		}
	})
}

func TestHandlerThatIgnoresItsContextIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		p := c.start(core.Options{}, func(context.Context, core.Run) error {
			time.Sleep(20 * time.Second)
			return nil
		})
		c.put(core.Job{ID: "deaf", Handler: "work", Schedule: core.At(time.Now().Add(2 * time.Second)), Timeout: time.Second})
		time.Sleep(10 * time.Second)
		if n := c.job("deaf").Counts; n.TimedOut != 1 {
			t.Errorf("8 s after its fire time: %+v", n)
		}
		p.stop()
		c.wg.Wait()
	})
}

func TestCancelReachesTheHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		p := c.start(core.Options{}, func(ctx context.Context, _ core.Run) error {
			<-ctx.Done()
			return context.Cause(ctx)
		})
		fire := time.Now().Add(2 * time.Second)
		c.put(core.Job{ID: "long", Handler: "work", Schedule: core.At(fire)})
		time.Sleep(3 * time.Second)
		cancelled := core.Trigger{Job: "long", Fire: fire}
		if err := c.client().Cancel(t.Context(), cancelled, "enough"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if o := c.job("long").Recent; len(o) != 1 || o[0].Kind != core.Cancelled || o[0].Reason != "enough" {
			t.Errorf("a second after the cancel: %+v", o)
		}
		if err := c.client().Cancel(t.Context(), cancelled, ""); !errors.Is(err, core.ErrNotFound) {
			t.Errorf("cancelled again: %v", err)
		}
		p.stop()
		c.wg.Wait()
	})
}

func TestJobsAreManagedFromAnywhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		p := c.start(core.Options{}, nil)
		cl, ctx := c.client(), t.Context()
		job := core.Job{ID: "tick", Handler: "work", Schedule: core.Every(time.Second)}
		if err := cl.Create(ctx, job); err != nil {
			t.Fatal(err)
		}
		if err := cl.Create(ctx, job); !errors.Is(err, core.ErrExists) {
			t.Errorf("created twice: %v", err)
		}
		version := c.job("tick").Version
		if err := cl.Put(ctx, job); err != nil || c.job("tick").Version != version {
			t.Errorf("the same definition changed the record: %v", err)
		}
		time.Sleep(3500 * time.Millisecond)
		if err := cl.Pause(ctx, "tick", "freeze", time.Time{}); err != nil {
			t.Fatal(err)
		}
		n := len(c.ran("tick"))
		time.Sleep(3 * time.Second)
		if len(c.ran("tick")) != n || c.job("tick").Paused.Reason != "freeze" {
			t.Errorf("it fired %d times while paused", len(c.ran("tick"))-n)
		}
		trigger, err := cl.RunNow(ctx, "tick")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(500 * time.Millisecond)
		if r := c.ran("tick"); len(r) != n+1 || r[n].Trigger != trigger || r[n].Cause != core.CauseManual {
			t.Errorf("run now made %v, wanted %v", r[n:], trigger)
		}
		past := time.Now().Add(-time.Hour).Truncate(time.Second)
		if k, err := cl.Backfill(ctx, "tick", past, past.Add(10*time.Second)); k != 10 || err != nil {
			t.Errorf("backfill: %d, %v", k, err)
		}
		time.Sleep(5 * time.Second)
		if r := c.ran("tick"); len(r) != n+11 || !r[n+1].Nominal.Equal(past) {
			t.Errorf("the backfill ran %d times", len(r)-n-1)
		}
		if err := cl.Resume(ctx, "tick"); err != nil {
			t.Fatal(err)
		}
		err = cl.Edit(ctx, "tick", func(j *core.Job) error {
			j.Schedule = core.Every(time.Hour)
			return nil
		})
		if err != nil || c.job("tick").Schedule != core.Every(time.Hour) {
			t.Errorf("edit: %v", err)
		}
		if err := cl.Delete(ctx, "tick"); err != nil {
			t.Fatal(err)
		}
		if _, err := cl.Job(ctx, "tick"); !errors.Is(err, core.ErrNotFound) {
			t.Errorf("after the deletion: %v", err)
		}
		p.stop()
		c.wg.Wait()
	})
}

func TestLockIsHeldByOnePod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		a, b := c.start(core.Options{Name: "a"}, nil), c.start(core.Options{Name: "b"}, nil)
		time.Sleep(time.Second)
		ctx := t.Context()
		first, err := a.Lock(ctx, "deploy")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.TryLock(ctx, "deploy"); !errors.Is(err, core.ErrLocked) {
			t.Errorf("two pods hold the lock: %v", err)
		}
		if held, err := c.client().Locks(ctx); err != nil || len(held) != 1 || held[0].Pod != "a" || held[0].Token != first.Token() {
			t.Errorf("locks: %+v, %v", held, err)
		}
		a.kill()
		second, err := b.Lock(ctx, "deploy") // waits until a is dead
		if err != nil || second.Token() <= first.Token() {
			t.Fatalf("after the holder's death: %v", err)
		}
		if !errors.Is(context.Cause(first.Context()), core.ErrSessionLost) {
			t.Errorf("the dead holder's context: %v", context.Cause(first.Context()))
		}
		if err := second.Unlock(ctx); err != nil {
			t.Error(err)
		}
		if err := second.Unlock(ctx); err != nil {
			t.Errorf("unlocked twice: %v", err)
		}
		b.stop()
		c.wg.Wait()
	})
}

func TestWrongClockIsNamedAndHarmless(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		wrong := func() time.Time { return time.Now().Add(24 * time.Hour) }
		a, b := c.start(core.Options{Name: "right"}, nil), c.start(core.Options{Name: "wrong", Now: wrong}, nil)
		time.Sleep(2 * time.Second)
		c.put(jobs(40, true)...)
		time.Sleep(10 * time.Second)
		pods, err := c.client().Pods(t.Context())
		if err != nil || len(pods) != 2 || pods[1].Skew < 23*time.Hour || pods[0].Skew.Abs() > time.Second {
			t.Errorf("pods: %+v, %v", pods, err)
		}
		a.stop()
		b.stop()
		c.wg.Wait()
		c.checkOnce()
		if !c.saw(core.EventClock, func(e core.Event) bool { return e.Pod == "wrong" }) {
			t.Error("nobody was told of the wrong clock")
		}
		for i := range 40 {
			if n := c.job(fmt.Sprintf("job-%d", i)).Counts; n.Fires == 0 || n.Fires != n.Succeeded {
				t.Errorf("job-%d: %+v", i, n)
			}
		}
	})
}

func TestNobodyServesAJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		p := c.start(core.Options{}, nil)
		c.put(core.Job{ID: "orphan", Handler: "nobody-has-it", Schedule: core.Every(time.Second)},
			core.Job{ID: "fine", Handler: "work", Schedule: core.Every(time.Second)})
		time.Sleep(5 * time.Second)
		if !c.saw(core.EventUnserved, func(e core.Event) bool { return e.Trigger.Job == "orphan" }) {
			t.Error("nobody was told of a job that no pod can run")
		}
		if n := len(c.ran("fine")); n < 4 {
			t.Errorf("the other job ran %d times", n)
		}
		p.stop()
		c.wg.Wait()
	})
}

func TestSlotsBoundHandlersAndPriorityOrdersThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		running, most := 0, 0
		var mu sync.Mutex
		p := c.start(core.Options{Concurrency: 3}, func(context.Context, core.Run) error {
			mu.Lock()
			running++
			most = max(most, running)
			mu.Unlock()
			time.Sleep(300 * time.Millisecond)
			mu.Lock()
			running--
			mu.Unlock()
			return nil
		})
		fire := core.At(time.Now().Add(3 * time.Second))
		var all []core.Job
		for i := range 12 {
			all = append(all, core.Job{ID: fmt.Sprintf("job-%d", i), Handler: "work", Schedule: fire, Priority: i})
		}
		c.put(all...)
		time.Sleep(10 * time.Second)
		p.stop()
		c.wg.Wait()
		if most != 3 {
			t.Errorf("%d handlers ran at once", most)
		}
		runs := c.ran("")
		if len(runs) != 12 {
			t.Fatalf("%d runs", len(runs))
		}
		for i, r := range runs[:3] {
			if r.Job != "job-11" && r.Job != "job-10" && r.Job != "job-9" {
				t.Errorf("run %d is %s, of low priority", i, r.Job)
			}
		}
	})
}

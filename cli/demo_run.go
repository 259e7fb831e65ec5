package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/belfry-io/belfry/backend"
	"github.com/belfry-io/belfry/cli/handlers"
	"github.com/belfry-io/belfry/core"
	"github.com/belfry-io/belfry/evidence"
)

const (
	// demoLabel marks the jobs of a demo, so that none but those are ever replaced.
	demoLabel = "belfry/demo"

	// demoAbandoned is how long after its end a demo's job is certain to be nobody's any more.
	demoAbandoned = 30 * time.Second

	// demoPatience is how long after the last fire time the pods may take for what is left.
	demoPatience = 10 * time.Second
)

// A demo is some pods in one process.
type demo struct {
	plan   *demoPlan
	pods   []*core.Scheduler // the first is the leader
	names  []string
	stores []core.Store
	writer *evidence.Writer
	lines  *lines
}

// runDemo runs the pods through one window of the jobs, and leaves nothing behind but the evidence.
func (p *program) runDemo(ctx context.Context, plan *demoPlan) (err error) {
	d := &demo{plan: plan, writer: evidence.NewWriter(plan.dir), lines: &lines{out: p.Stdout, on: plan.live}}
	defer func() { err = errors.Join(err, d.close()) }()
	if err := d.open(ctx, p); err != nil {
		return err
	}
	return d.run(ctx)
}

// open opens a store for each pod, as if they were processes of their own, but for a store that lives in memory.
func (d *demo) open(ctx context.Context, p *program) error {
	ctx, cancel := context.WithTimeout(ctx, d.plan.wait)
	defer cancel()
	log := slog.New(slog.NewTextHandler(p.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	for i := range d.plan.pods {
		if i == 0 || !isMemory(d.plan.url) {
			store, err := p.open(ctx, d.plan.url)
			if err != nil {
				return err
			}
			d.stores = append(d.stores, store)
		}
		name := "scheduler-leader"
		if i > 0 {
			name = fmt.Sprintf("scheduler-%d", i)
		}
		s, err := core.New(d.stores[len(d.stores)-1], &core.Options{
			Name: name, Version: p.Version, Queues: []string{d.plan.queue}, Logger: log,
		})
		if err != nil {
			return err
		}
		s.Handle(handlers.NameRecord, d.shown(handlers.Record(d.writer)))
		d.pods, d.names = append(d.pods, s), append(d.names, name)
	}
	return nil
}

func (d *demo) close() error {
	errs := []error{d.writer.Close()}
	for _, s := range d.stores {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// shown prints a line for each execution.
func (d *demo) shown(h core.Handler) core.Handler {
	return func(ctx context.Context, run core.Run) error {
		late := time.Since(run.Fire).Round(100 * time.Microsecond)
		err := h(ctx, run)
		if err != nil {
			d.lines.printf("%s  %-16s  %s failed: %v", clock(time.Now()), run.Pod, run.Trigger, err)
			return err
		}
		d.lines.printf("%s  %-16s  %s  fire %s  late %v", clock(time.Now()), run.Pod, run.Job, clock(run.Fire), late)
		return nil
	}
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05.000") }

// run is the demo's life: pods, jobs, the window, and everything undone in turn.
func (d *demo) run(ctx context.Context) error {
	podCtx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, len(d.pods))
	for _, s := range d.pods {
		go func() { ended <- s.Run(podCtx) }()
	}
	err := d.lead(ctx)
	stop()
	for range d.pods {
		err = errors.Join(err, <-ended)
	}
	if ctx.Err() != nil {
		return errors.Join(errors.New("interrupted before its end, so there is no report"), err)
	}
	return err
}

// lead waits for the pods, puts the jobs, waits until they are done with, and deletes them.
func (d *demo) lead(ctx context.Context) error {
	if err := d.awaitPods(ctx); err != nil {
		return err
	}
	jobs := d.jobs()
	if err := d.checkFree(ctx, jobs); err != nil {
		return err
	}
	defer d.clean(ctx, jobs)
	w := newWindow(time.Now(), d.plan.length)
	run, err := w.put(ctx, d.pods[0], jobs, len(d.pods))
	if err != nil {
		return err
	}
	if err := evidence.WriteJobs(d.plan.dir, run); err != nil {
		return err
	}
	d.lines.printf("%s  %d pods, %d jobs every %v for %v, %s", clock(time.Now()), len(d.pods), len(jobs), d.plan.every, d.plan.length, backend.Redact(d.plan.url))
	return d.awaitEnd(ctx, jobs, w)
}

func (d *demo) awaitPods(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, d.plan.wait)
	defer cancel()
	for i, s := range d.pods {
		session, err := awaitSession(ctx, s)
		if err != nil {
			return fmt.Errorf("start %s: %w", d.names[i], err)
		}
		if err := d.writer.Announce(d.names[i], session); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) jobs() []core.Job {
	jobs := make([]core.Job, d.plan.jobs)
	for i := range jobs {
		jobs[i] = core.Job{
			ID: fmt.Sprintf("job-%d", i), Handler: handlers.NameRecord, Queue: d.plan.queue,
			Schedule: core.Every(d.plan.every), Labels: map[string]string{demoLabel: "true"},
		}
	}
	return jobs
}

// checkFree refuses to replace jobs that are not those of a demo long over.
func (d *demo) checkFree(ctx context.Context, jobs []core.Job) error {
	for i := range jobs {
		switch status, err := d.pods[0].Job(ctx, jobs[i].ID); {
		case errors.Is(err, core.ErrNotFound):
		case err != nil:
			return err
		case status.Labels[demoLabel] == "":
			return fmt.Errorf("job %s %w and is not a demo's; use a backend of its own for the demo", jobs[i].ID, core.ErrExists)
		case time.Since(status.NotAfter) < demoAbandoned:
			return fmt.Errorf("job %s %w: another demo runs on this backend; wait until it has ended", jobs[i].ID, core.ErrExists)
		}
	}
	return nil
}

// awaitEnd returns when no job has a fire time or a run left, or patience is over: the report then says what is missing.
func (d *demo) awaitEnd(ctx context.Context, jobs []core.Job, w window) error {
	select {
	case <-ctx.Done():
		return nil
	case <-time.After(time.Until(w.to)):
	}
	ctx, cancel := context.WithTimeout(ctx, demoPatience)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	left := slices.Clone(jobs)
	for {
		left = slices.DeleteFunc(left, func(j core.Job) bool {
			status, err := d.pods[0].Job(ctx, j.ID)
			return err == nil && status.Finished && len(status.Pending) == 0
		})
		if len(left) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// clean deletes the jobs, also after an interrupt. A store that ends with the process needs none of it.
func (d *demo) clean(ctx context.Context, jobs []core.Job) {
	if isMemory(d.plan.url) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), d.plan.wait)
	defer cancel()
	for i := range jobs {
		if err := d.pods[0].Delete(ctx, jobs[i].ID); err != nil {
			d.lines.printf("%s  %v", clock(time.Now()), err)
			return
		}
	}
}

// lines prints whole lines from several goroutines.
type lines struct {
	mu  sync.Mutex
	out io.Writer
	on  bool
}

func (l *lines) printf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.on {
		fmt.Fprintf(l.out, format+"\n", args...)
	}
}

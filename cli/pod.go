package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/belfry-io/belfry/backend"
	"github.com/belfry-io/belfry/core"
	"github.com/belfry-io/belfry/evidence"
	"github.com/belfry-io/belfry/jobfile"
)

func (p *program) podCommand() *cli.Command {
	return &cli.Command{
		Name:  "pod",
		Usage: "run a pod, until it is told to stop",
		Description: `Start any number on one backend. Names are for people and may repeat; each start is a session of its own. On SIGTERM or
SIGINT the pod claims nothing more, waits for its runs (--drain), and exits 0, or 1 if it had to cut one off. A second
signal ends it at once.

A pod serves the handlers exec, http and log, and with --evidence also record. Whoever may write to the backend may run
programs on the pods by exec: --handlers leaves it out.

With --leader the pod puts the jobs of --jobs-file before it starts. Jobs that are so already stay untouched, so it may
be restarted. With --for as well, the jobs are bounded to fire for that long only, beginning two seconds after the start,
and --evidence also writes jobs.json, which says what has to be executed: belfry analyze compares.

--for DURATION ends the pod by itself: it serves that long, then --settle for what is late, then drains and exits 0.

  belfry pod --backend redis://localhost:6379/0
  belfry pod --backend redis --queues mail,default --concurrency 32 --log-format json
  belfry pod --backend redis --leader --jobs-file jobs.yaml --evidence /tmp/evidence --for 30s`,
		Flags:  podFlags(),
		Action: p.pod,
	}
}

func podFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "name", Usage: "`NAME` shown wherever the pod is; default the host's name [$" + envPodName + "]"},
		&cli.BoolFlag{Name: "leader", Usage: "put the jobs of --jobs-file at the start"},
		&cli.StringFlag{Name: "jobs-file", Usage: "`FILE` of jobs for --leader, or - for standard input"},
		&cli.StringFlag{Name: "evidence", Usage: "`DIR` for the executions that the handler record writes down"},
		&cli.DurationFlag{Name: "for", Usage: "serve for this `TIME`, then exit; default until told to stop"},
		&cli.DurationFlag{Name: "settle", Value: defaultSettle, Usage: "with --for, stay for this `TIME` longer"},
		&cli.IntFlag{Name: "concurrency", Value: 256, Usage: "`NUMBER` of handlers running at once, 1 to 100000"},
		&cli.StringFlag{Name: "queues", Value: core.DefaultQueue, Usage: "`LIST` of queues to serve, separated by commas"},
		&cli.StringFlag{Name: "handlers", Usage: "`LIST` of handlers to serve, separated by commas; default all"},
		&cli.DurationFlag{Name: "session-ttl", Value: 10 * time.Second, Usage: "others take over after this `TIME` of silence, 1s to 10m"},
		&cli.DurationFlag{Name: "drain", Value: 30 * time.Second, Usage: "when stopping, wait for runs for this `TIME`; negative: not at all"},
		&cli.StringFlag{Name: "on-rollback", Value: rollbackStop, Usage: "`WHAT` to do when the store was emptied or went back in time: stop claiming until somebody decides, or adopt it"},
		&cli.StringFlag{Name: "log-level", Value: "info", Usage: "`LEVEL` from which to log: debug, info, warn or error"},
		&cli.StringFlag{Name: "log-format", Value: "text", Usage: "`FORM` of the log, on standard error: text or json"},
		&cli.StringFlag{Name: flagBackend, Usage: "`URL` of the store [$" + envBackend + "]"},
		&cli.DurationFlag{Name: flagWait, Value: 30 * time.Second, Usage: "at the start, wait for the backend for this `TIME`"},
	}
}

const (
	rollbackStop  = "stop"
	rollbackAdopt = "adopt"
)

// A podPlan is what the command line says of a pod.
type podPlan struct {
	url      string
	wait     time.Duration
	options  core.Options
	handlers []string
	evidence string
	jobs     []core.Job // to put first
	length   time.Duration
	settle   time.Duration
}

func (p *program) pod(c *cli.Context) error {
	plan, err := p.podPlan(c)
	if err != nil {
		return err
	}
	if plan.evidence != "" {
		if err := os.MkdirAll(plan.evidence, 0o755); err != nil { //nolint:gosec // evidence is for others to read
			return usagef("--evidence: %w; name a directory that can be written", err)
		}
	}
	log := plan.options.Logger
	store, err := p.openPatiently(c.Context, plan.url, plan.wait, log)
	if err != nil {
		return err
	}
	s, err := core.New(store, &plan.options)
	if err != nil {
		return errors.Join(err, store.Close())
	}
	writer := evidence.NewWriter(plan.evidence)
	p.register(s, plan, writer)
	log.Info("pod starts", slog.String("pod", plan.options.Name), slog.String("backend", backend.Redact(plan.url)),
		slog.Any("handlers", plan.handlers), slog.Any("queues", plan.options.Queues))
	quiet := context.AfterFunc(c.Context, func() {
		log.Info("stopping: no more claims, waiting for runs; a second signal ends the pod at once",
			slog.String("pod", plan.options.Name), slog.Duration("drain", plan.options.Drain))
	})
	err = plan.serve(c.Context, s, writer)
	quiet()
	log.Info("pod stopped", slog.String("pod", plan.options.Name))
	return errors.Join(err, writer.Close(), store.Close())
}

// serve puts the jobs and runs the pod until ctx or its own time ends.
func (plan *podPlan) serve(ctx context.Context, s *core.Scheduler, writer *evidence.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	end := time.Now().Add(plan.length + plan.settle)
	if len(plan.jobs) > 0 {
		last, err := plan.lead(ctx, s)
		if err != nil {
			return err
		}
		if !last.IsZero() {
			end = last.Add(plan.settle)
		}
	}
	if plan.length > 0 {
		ctx, cancel = context.WithDeadline(ctx, end)
		defer cancel()
	}
	announced := make(chan struct{})
	go func() {
		defer close(announced)
		plan.announce(ctx, s, writer)
	}()
	err := s.Run(ctx)
	cancel()
	<-announced
	return err
}

// lead puts the jobs. If their time is bounded it returns when that ends.
func (plan *podPlan) lead(ctx context.Context, s *core.Scheduler) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, plan.wait)
	defer cancel()
	if plan.length == 0 {
		if err := s.Put(ctx, plan.jobs...); err != nil {
			return time.Time{}, fmt.Errorf("put the jobs: %w", err)
		}
		return time.Time{}, nil
	}
	w := newWindow(time.Now(), plan.length)
	run, err := w.put(ctx, s, plan.jobs, 0)
	if err != nil || plan.evidence == "" {
		return w.to, err
	}
	if err := evidence.WriteJobs(plan.evidence, run); err != nil {
		return w.to, err
	}
	plan.options.Logger.Info("jobs put", slog.Int("jobs", len(run.Jobs)), slog.String("run", run.ID), slog.Time("from", w.from), slog.Time("to", w.to))
	return w.to, nil
}

// announce says in the evidence that the pod is there, once its session is open, so that one which executes nothing
// is told from one that does not exist.
func (plan *podPlan) announce(ctx context.Context, s *core.Scheduler, writer *evidence.Writer) {
	if plan.evidence == "" {
		return
	}
	session, err := awaitSession(ctx, s)
	if err == nil {
		err = writer.Announce(plan.options.Name, session)
	}
	if err != nil && ctx.Err() == nil {
		plan.options.Logger.Warn("pod not announced", slog.Any("error", err))
	}
}

// awaitSession waits until the pod's session is open. core tells it by an event too, but whoever takes its events
// also takes over its log.
func awaitSession(ctx context.Context, s *core.Scheduler) (string, error) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if id := s.Session(); id != "" {
			return id, nil
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("await the session: %w", context.Cause(ctx))
		case <-tick.C:
		}
	}
}

// podPlan reads and checks the command line.
func (p *program) podPlan(c *cli.Context) (*podPlan, error) {
	if _, err := arguments(c); err != nil {
		return nil, err
	}
	log, err := p.logger(c.String("log-level"), c.String("log-format"))
	if err != nil {
		return nil, err
	}
	plan := &podPlan{
		wait: c.Duration(flagWait), evidence: c.String("evidence"), length: c.Duration("for"), settle: c.Duration("settle"),
		options: core.Options{
			Name: p.podName(c), Version: p.Version, Concurrency: c.Int("concurrency"), Queues: parseList(c.String("queues")),
			SessionTTL: c.Duration("session-ttl"), Drain: drain(c), Adopt: c.String("on-rollback") == rollbackAdopt, Logger: log,
		},
	}
	if plan.url, err = p.backendURL(c); err != nil {
		return nil, err
	}
	if err := plan.check(c); err != nil {
		return nil, err
	}
	if plan.handlers, err = chooseHandlers(c.String("handlers"), plan.evidence); err != nil {
		return nil, err
	}
	if !c.Bool("leader") {
		return plan, nil
	}
	if plan.jobs, err = p.readJobs(c.String("jobs-file")); err != nil {
		return nil, err
	}
	if len(plan.jobs) == 0 {
		return nil, usagef("--jobs-file: there are no jobs in %s", c.String("jobs-file"))
	}
	return plan, nil
}

func (plan *podPlan) check(c *cli.Context) error {
	if r := c.String("on-rollback"); r != rollbackStop && r != rollbackAdopt {
		return usagef("--on-rollback: %q is no choice; use stop or adopt", r)
	}
	if n := plan.options.Concurrency; n < 1 || n > 100_000 {
		return usagef("--concurrency: %d is out of range; use 1 to 100000", n)
	}
	if t := plan.options.SessionTTL; t < time.Second || t > 10*time.Minute {
		return usagef("--session-ttl: %v is out of range; use 1s to 10m", t)
	}
	if len(plan.options.Queues) == 0 {
		return usagef("--queues: names none; leave it out for the queue %s", core.DefaultQueue)
	}
	if plan.length < 0 || plan.settle < 0 || c.IsSet("for") && plan.length < time.Second {
		return usagef("--for, --settle: give a second or more, and no negative time")
	}
	switch leads, file := c.Bool("leader"), c.String("jobs-file"); {
	case leads && file == "":
		return usagef("--leader: there are no jobs to put; add --jobs-file FILE")
	case !leads && file != "":
		return usagef("--jobs-file: only the leader puts jobs; add --leader")
	}
	return nil
}

// drain is --drain; core takes 0 for its default, so none at all is negative.
func drain(c *cli.Context) time.Duration {
	if d := c.Duration("drain"); d != 0 {
		return d
	}
	return -1
}

func (p *program) podName(c *cli.Context) string {
	if c.IsSet("name") {
		return c.String("name")
	}
	if name, ok := p.Env(envPodName); ok && name != "" {
		return name
	}
	name, err := os.Hostname()
	if err != nil {
		return "pod"
	}
	return name
}

func (p *program) readJobs(file string) ([]core.Job, error) {
	data, err := p.readInput(file, maxJobsFile)
	if err != nil {
		return nil, usagef("read the jobs: %w", err)
	}
	jobs, err := jobfile.Decode(displayName(file), strings.NewReader(string(data)))
	if err != nil {
		return nil, &usageError{err}
	}
	return jobs, nil
}

func (p *program) logger(level, form string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, usagef("--log-level: %q is no level; use debug, info, warn or error", level)
	}
	options := &slog.HandlerOptions{Level: l}
	switch form {
	case "text":
		return slog.New(slog.NewTextHandler(p.Stderr, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(p.Stderr, options)), nil
	}
	return nil, usagef("--log-format: %q is no form; use text or json", form)
}

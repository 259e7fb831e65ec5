package cli

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/belfry-io/belfry/evidence"
)

func (p *program) demoCommand() *cli.Command {
	return &cli.Command{
		Name:  "demo",
		Usage: "run four pods and five jobs for half a minute, then check what they did",
		Description: `All pods are in this process, and so is the store unless --backend names another. Each job's handler writes down that it
ran; the report at the end compares that with the fire times there were. On another backend the jobs are deleted again.

  belfry demo
  belfry demo --pods 8 --jobs 20 --every 1s --for 10s
  belfry demo --backend redis --evidence /tmp/evidence`,
		Flags: []cli.Flag{
			&cli.IntFlag{Name: "pods", Value: 4, Usage: "`NUMBER` of pods, 1 to 64"},
			&cli.IntFlag{Name: "jobs", Value: 5, Usage: "`NUMBER` of jobs, 1 to 10000"},
			&cli.DurationFlag{Name: "every", Value: 5 * time.Second, Usage: "`TIME` from one fire time of a job to the next"},
			&cli.DurationFlag{Name: "for", Value: 30 * time.Second, Usage: "`TIME` during which the jobs fire"},
			&cli.StringFlag{Name: "evidence", Usage: "`DIR` to keep what the handlers write; default a temporary one"},
			&cli.StringFlag{Name: flagBackend, Value: demoBackend, Usage: "`URL` of the store"},
			&cli.DurationFlag{Name: flagWait, Value: 10 * time.Second, Usage: "give up on the backend after this `TIME`"},
			outputFlag(),
		},
		Action: p.demo,
	}
}

// demoBackend needs nothing to be installed. BELFRY_BACKEND does not count here: a demo must not surprise a store
// that is in use.
const demoBackend = "memory"

func (p *program) demo(c *cli.Context) error {
	plan, err := demoPlanOf(c)
	if err != nil {
		return err
	}
	if plan.dir == "" {
		if plan.dir, err = os.MkdirTemp("", "belfry-demo-"); err != nil {
			return fmt.Errorf("make a directory for the evidence: %w", err)
		}
		plan.temporary = true
	}
	err = p.runDemo(c.Context, plan)
	if err == nil {
		err = p.demoReport(c, plan)
	}
	switch {
	case !plan.temporary:
	case errors.Is(err, errReported):
		fmt.Fprintf(p.Stderr, "belfry: demo: the evidence is in %s\n", plan.dir)
	default:
		err = errors.Join(err, os.RemoveAll(plan.dir))
	}
	return err
}

func (p *program) demoReport(c *cli.Context, plan *demoPlan) error {
	found, err := evidence.Read(plan.dir)
	if err != nil {
		return err
	}
	// The pods have ended, so nothing is under way any more: whatever was due is required now.
	return p.showReport(c, evidence.Check(found, time.Now(), &evidence.Options{Settle: 1}))
}

// A demoPlan is what the command line says of a demo.
type demoPlan struct {
	url, dir      string
	temporary     bool
	live          bool   // lines while it runs
	queue         string // of its own, so that no other pod of the backend takes part
	pods, jobs    int
	every, length time.Duration
	wait          time.Duration
}

func demoPlanOf(c *cli.Context) (*demoPlan, error) {
	if _, err := arguments(c); err != nil {
		return nil, err
	}
	form, err := format(c)
	if err != nil {
		return nil, err
	}
	plan := &demoPlan{
		url: c.String(flagBackend), dir: c.String("evidence"), live: form == formatTable, wait: c.Duration(flagWait),
		queue: "demo-" + runID(time.Now()), pods: c.Int("pods"), jobs: c.Int("jobs"), every: c.Duration("every"), length: c.Duration("for"),
	}
	switch {
	case plan.pods < 1 || plan.pods > 64:
		return nil, usagef("--pods: %d is out of range; use 1 to 64", plan.pods)
	case plan.jobs < 1 || plan.jobs > 10000:
		return nil, usagef("--jobs: %d is out of range; use 1 to 10000", plan.jobs)
	case plan.length < plan.every || plan.every <= 0:
		return nil, usagef("--for: %v is shorter than --every %v, so nothing might fire; give a longer one", plan.length, plan.every)
	}
	return plan, nil
}

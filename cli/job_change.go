package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/belfry-io/belfry/core"
)

// onJobs runs act on each id of the command line and answers with what it did. One that fails does not keep the
// others from being tried.
func (p *program) onJobs(c *cli.Context, done string, act func(ctx context.Context, s *core.Scheduler, id string) error) error {
	ids := c.Args().Slice()
	if len(ids) == 0 {
		return usagef("ID is missing; see %s --help", c.Command.HelpName)
	}
	ctx, cancel := within(c)
	defer cancel()
	s, closeStore, err := p.client(ctx, c)
	if err != nil {
		return err
	}
	defer closeStore()
	changes := []change{}
	var errs []error
	for _, id := range ids {
		if err := act(ctx, s, id); err != nil {
			errs = append(errs, err)
			continue
		}
		changes = append(changes, change{id, done})
	}
	errs = append(errs, p.show(c, changes, func(w io.Writer) {
		for _, ch := range changes {
			fmt.Fprintln(w, ch.Change, cell(ch.Job))
		}
	}))
	return errors.Join(errs...)
}

func (p *program) jobDeleteCommand() *cli.Command {
	return &cli.Command{
		Name:      "delete",
		Usage:     "remove jobs",
		ArgsUsage: "ID...",
		Description: `Handlers that run go on, and their outcomes are still recorded.

  belfry job delete backup
  belfry job delete job-0 job-1`,
		Flags: changeFlags(),
		Action: func(c *cli.Context) error {
			return p.onJobs(c, "deleted", func(ctx context.Context, s *core.Scheduler, id string) error {
				return s.Delete(ctx, id)
			})
		},
	}
}

func (p *program) jobPauseCommand() *cli.Command {
	return &cli.Command{
		Name:      "pause",
		Usage:     "stop jobs from firing",
		ArgsUsage: "ID...",
		Description: `Fire times that pass meanwhile do not count. What runs goes on. Putting the job again does not resume it.

  belfry job pause backup --reason "disk is being replaced"
  belfry job pause backup --until +2h`,
		Flags: join([]cli.Flag{
			&cli.StringFlag{Name: "reason", Usage: "`TEXT` to show beside the job"},
			&cli.StringFlag{Name: "until", Usage: "resume by itself at this `TIME`: RFC 3339, or +2h from now"},
		}, changeFlags()),
		Action: func(c *cli.Context) error {
			until, err := parseTime("until", c.String("until"), time.Now())
			if err != nil {
				return err
			}
			return p.onJobs(c, "paused", func(ctx context.Context, s *core.Scheduler, id string) error {
				return s.Pause(ctx, id, c.String("reason"), until)
			})
		},
	}
}

func (p *program) jobResumeCommand() *cli.Command {
	return &cli.Command{
		Name:      "resume",
		Usage:     "let paused jobs fire again, from the next fire time on",
		ArgsUsage: "ID...",
		Flags:     changeFlags(),
		Action: func(c *cli.Context) error {
			return p.onJobs(c, "resumed", func(ctx context.Context, s *core.Scheduler, id string) error {
				return s.Resume(ctx, id)
			})
		},
	}
}

func (p *program) jobRunCommand() *cli.Command {
	return &cli.Command{
		Name:      "run",
		Usage:     "run a job now, paused or not, under its policies",
		ArgsUsage: "ID",
		Description: `The answer is the trigger: the job and a fire time of its own. belfry runs ID shows its outcome.

  belfry job run backup`,
		Flags: changeFlags(),
		Action: func(c *cli.Context) error {
			args, err := arguments(c, "ID")
			if err != nil {
				return err
			}
			ctx, cancel := within(c)
			defer cancel()
			s, done, err := p.client(ctx, c)
			if err != nil {
				return err
			}
			defer done()
			trigger, err := s.RunNow(ctx, args[0])
			if err != nil {
				return err
			}
			return p.show(c, trigger, func(w io.Writer) { fmt.Fprintln(w, "triggered", cell(trigger.String())) })
		},
	}
}

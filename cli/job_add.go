package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"github.com/belfry-io/belfry/cli/handlers"
	"github.com/belfry-io/belfry/core"
)

func (p *program) jobAddCommand() *cli.Command {
	return &cli.Command{
		Name:      "add",
		Usage:     "create a job",
		ArgsUsage: "ID [-- PROGRAM ARGUMENTS...]",
		Description: `The schedule is one of --schedule, --every, --cron with --tz, and --at. What follows "--" is a program for the exec
handler. An id that is taken is refused, unless --replace says to put this definition in the place of the other.

  belfry job add hello --every 5s --handler log --payload '{"message":"hello"}'
  belfry job add backup --cron "0 3 * * *" --tz Europe/Berlin --recover rerun --timeout 1h -- pg_dump -f /backup/db app
  belfry job add ping --every 1m --handler http --payload '{"url":"https://example.com/ping"}' --retry-max 3
  belfry job add once --at +10m --handler log
  belfry job add report --schedule "cron 0 9 * * MON-FRI Asia/Seoul" --handler report --label team=sales --misfire skip`,
		Flags: join([]cli.Flag{
			&cli.BoolFlag{Name: "replace", Usage: "put this definition in the place of an existing one"},
		}, definitionFlags(), changeFlags()),
		Action: p.jobAdd,
	}
}

func (p *program) jobAdd(c *cli.Context) error {
	job, err := p.newJob(c)
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
	if c.Bool("replace") {
		if err := s.Put(ctx, job); err != nil {
			return err
		}
		return p.showJob(ctx, c, s, job.ID, "put")
	}
	switch err := s.Create(ctx, job); {
	case errors.Is(err, core.ErrExists):
		return fmt.Errorf("%w; change it with belfry job update, put a file of jobs with belfry job import, or add --replace", err)
	case err != nil:
		return err
	}
	return p.showJob(ctx, c, s, job.ID, "created")
}

// newJob reads the job from the command line.
func (p *program) newJob(c *cli.Context) (core.Job, error) {
	args := c.Args().Slice()
	if len(args) == 0 {
		return core.Job{}, usagef("ID is missing; see %s --help", c.Command.HelpName)
	}
	set, err := p.definition(c)
	if err != nil {
		return core.Job{}, err
	}
	job := core.Job{ID: args[0]}
	if err := set(&job); err != nil {
		return job, err
	}
	if p.bare > 1 {
		return job, usagef("%q is one argument too many: write a program, if it is one, after --", args[1])
	}
	if argv := args[1:]; len(argv) > 0 {
		if c.IsSet("handler") || c.IsSet("payload") {
			return job, usagef("%q is one argument too many: a program after -- stands for --handler and --payload", argv[0])
		}
		job.Handler, job.Payload = handlers.NameExec, core.JSON(handlers.ExecPayload{Argv: argv})
	}
	if job.Schedule == (core.Schedule{}) {
		return job, usagef("the schedule is missing; give one of --every, --cron with --tz, --at and --schedule")
	}
	return job, job.Validate()
}

// showJob answers a change with what became of the job.
func (p *program) showJob(ctx context.Context, c *cli.Context, s *core.Scheduler, id, act string) error {
	status, err := s.Job(ctx, id)
	if err != nil {
		return err
	}
	return p.show(c, status, func(w io.Writer) {
		fmt.Fprintf(w, "%s %s: %s, next %s\n", act, cell(id), cell(status.Schedule.String()), next(&status))
	})
}

// next says when the job fires next, or why it does not.
func next(s *core.JobStatus) string {
	switch {
	case s.Paused != nil && s.Paused.Until.IsZero():
		return "paused"
	case s.Paused != nil:
		return "paused until " + utc(s.Paused.Until)
	case s.Finished:
		return "finished"
	}
	return utc(s.Next)
}

func (p *program) jobUpdateCommand() *cli.Command {
	return &cli.Command{
		Name:      "update",
		Usage:     "change fields of a job",
		ArgsUsage: "ID",
		Description: `Only what is named changes; labels are replaced as a whole. A new schedule counts from now. If somebody else changes
the job meanwhile, the change is made on top of theirs.

  belfry job update backup --cron "30 3 * * *" --tz Europe/Berlin
  belfry job update ping --retry-max 5 --timeout 30s`,
		Flags: join(definitionFlags(), changeFlags()),
		Action: func(c *cli.Context) error {
			args, err := arguments(c, "ID")
			if err != nil {
				return err
			}
			set, err := p.definition(c)
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
			if err := s.Edit(ctx, args[0], set); err != nil {
				return err
			}
			return p.showJob(ctx, c, s, args[0], "updated")
		},
	}
}

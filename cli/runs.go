package cli

import (
	"io"
	"strconv"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/belfry-io/belfry/core"
)

func (p *program) runsCommand() *cli.Command {
	return &cli.Command{
		Name:      "runs",
		Usage:     "show what became of fire times, newest first",
		ArgsUsage: "[JOB]",
		Description: `Of one job as far back as its history is kept; across jobs only what did not succeed.

  belfry runs backup
  belfry runs backup --failed --output json
  belfry runs --failed --since 2026-01-02T00:00:00Z`,
		Flags: join([]cli.Flag{
			&cli.BoolFlag{Name: "failed", Usage: "only failed, timed-out and lost runs"},
			&cli.StringSliceFlag{Name: "kind", Usage: "only this `KIND`: succeeded, failed, timed-out, cancelled, lost, skipped-misfire or skipped-overlap; may be given again"},
			&cli.StringFlag{Name: "since", Usage: "only what ended at or after this `TIME`"},
			&cli.StringFlag{Name: "until", Usage: "only what ended before this `TIME`"},
			&cli.IntFlag{Name: "limit", Value: 50, Usage: "at most this `NUMBER`; 0: all"},
		}, globalFlags()),
		Action: p.runs,
	}
}

func (p *program) runs(c *cli.Context) error {
	query, err := outcomeQuery(c)
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
	if query.Job != "" {
		if _, err := s.Job(ctx, query.Job); err != nil {
			return err
		}
	}
	outcomes := []core.Outcome{}
	for o, err := range s.Outcomes(ctx, query) {
		if err != nil {
			return err
		}
		outcomes = append(outcomes, o)
	}
	return p.show(c, outcomes, func(w io.Writer) {
		row(w, "ENDED", "JOB", "FIRE", "OUTCOME", "ATTEMPT", "POD", "TOOK", "REMARK")
		for _, o := range outcomes {
			row(w, utc(o.Ended), o.Job, utc(o.Fire), o.Kind, attempt(o), o.Pod, took(o), remark(o))
		}
	})
}

func outcomeQuery(c *cli.Context) (core.OutcomeQuery, error) {
	var q core.OutcomeQuery
	args, now := c.Args().Slice(), time.Now()
	if len(args) > 1 {
		return q, usagef("%q is one argument too many; name one job", args[1])
	}
	if len(args) == 1 {
		q.Job = args[0]
	}
	if q.Limit = c.Int("limit"); q.Limit < 0 {
		return q, usagef("--limit: %d is negative; use 0 for all", q.Limit)
	}
	for _, name := range c.StringSlice("kind") {
		var kind core.OutcomeKind
		if err := kind.UnmarshalText([]byte(name)); err != nil {
			return q, usagef("--kind: %w", err)
		}
		q.Kinds = append(q.Kinds, kind)
	}
	if c.Bool("failed") {
		q.Kinds = append(q.Kinds, core.Failed, core.TimedOut, core.Lost)
	}
	var err error
	if q.Since, err = parseTime("since", c.String("since"), now); err != nil {
		return q, err
	}
	q.Until, err = parseTime("until", c.String("until"), now)
	return q, err
}

func attempt(o core.Outcome) string {
	if o.Attempt == 0 {
		return "-"
	}
	return strconv.Itoa(o.Attempt)
}

func took(o core.Outcome) string {
	if o.Started.IsZero() {
		return "-"
	}
	return o.Ended.Sub(o.Started).Round(time.Millisecond).String()
}

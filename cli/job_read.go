package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/belfry-io/belfry/core"
)

// selectFlags choose jobs.
func selectFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "prefix", Usage: "only ids that begin with `TEXT`"},
		&cli.StringFlag{Name: "queue", Usage: "only jobs of this `QUEUE`"},
		&cli.StringSliceFlag{Name: "label", Usage: "only jobs with this label `K=V`; may be given again, all must match"},
		&cli.IntFlag{Name: "limit", Usage: "at most this `NUMBER`; 0: all"},
	}
}

func jobQuery(c *cli.Context) (core.JobQuery, error) {
	labels, err := parseLabels(c.StringSlice("label"))
	if err != nil {
		return core.JobQuery{}, err
	}
	if c.Int("limit") < 0 {
		return core.JobQuery{}, usagef("--limit: %d is negative; use 0 for all", c.Int("limit"))
	}
	return core.JobQuery{Prefix: c.String("prefix"), Queue: c.String("queue"), Labels: labels, Limit: c.Int("limit")}, nil
}

// listJobs reads the jobs that the command line selects, by id. The list is never nil.
func (p *program) listJobs(ctx context.Context, c *cli.Context) ([]core.JobStatus, error) {
	query, err := jobQuery(c)
	if err != nil {
		return nil, err
	}
	s, done, err := p.client(ctx, c)
	if err != nil {
		return nil, err
	}
	defer done()
	jobs := []core.JobStatus{}
	for job, err := range s.Jobs(ctx, query) {
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, job)
	}
	return jobs, nil
}

func (p *program) jobListCommand() *cli.Command {
	return &cli.Command{
		Name:  "list",
		Usage: "list jobs by id",
		Description: `  belfry job list
  belfry job list --label team=sales --output json
  belfry job list --prefix billing/`,
		Flags: join(selectFlags(), globalFlags()),
		Action: func(c *cli.Context) error {
			if _, err := arguments(c); err != nil {
				return err
			}
			ctx, cancel := within(c)
			defer cancel()
			jobs, err := p.listJobs(ctx, c)
			if err != nil {
				return err
			}
			return p.show(c, jobs, func(w io.Writer) {
				row(w, "ID", "SCHEDULE", "HANDLER", "QUEUE", "NEXT", "FIRES", "OK", "OTHER", "PENDING")
				for i := range jobs {
					j := &jobs[i]
					ended := j.Counts.Fires - j.Counts.Pending
					row(w, j.ID, j.Schedule, orElse(j.Handler, j.ID), orElse(j.Queue, core.DefaultQueue), next(j),
						j.Counts.Fires, j.Counts.Succeeded, ended-j.Counts.Succeeded, j.Counts.Pending)
				}
			})
		},
	}
}

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

func (p *program) jobGetCommand() *cli.Command {
	return &cli.Command{
		Name:      "get",
		Usage:     "show a job: its definition, its next fire time, what runs, what became of its fire times",
		ArgsUsage: "ID",
		Description: `The line "fires" is the sum that always holds: every fire time is one of those named, or pending.

  belfry job get backup
  belfry job get backup --output yaml`,
		Flags: globalFlags(),
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
			status, err := s.Job(ctx, args[0])
			if errors.Is(err, core.ErrNotFound) {
				return fmt.Errorf("%w; belfry job list shows what there is", err)
			}
			if err != nil {
				return err
			}
			return p.show(c, status, func(w io.Writer) { jobTable(w, &status) })
		},
	}
}

func jobTable(w io.Writer, s *core.JobStatus) {
	row(w, "id", s.ID)
	row(w, "schedule", s.Schedule)
	row(w, "handler", orElse(s.Handler, s.ID))
	row(w, "queue", orElse(s.Queue, core.DefaultQueue))
	if s.Payload.Len() > 0 {
		row(w, "payload", s.Payload)
	}
	for _, k := range slices.Sorted(maps.Keys(s.Labels)) {
		row(w, "label", k+"="+s.Labels[k])
	}
	row(w, "policies", policies(&s.Job))
	row(w, "next", next(s))
	if s.Paused != nil {
		row(w, "paused", "since "+utc(s.Paused.Since), s.Paused.Reason)
	}
	row(w, "fires", sum(s.Counts))
	for i := range s.Pending {
		r := &s.Pending[i]
		row(w, "pending", r.State, utc(r.Fire), "attempt "+strconv.Itoa(r.Attempt), orElse(r.Pod, "no pod yet"), waits(r))
	}
	for _, o := range s.Recent {
		row(w, "recent", o.Kind, utc(o.Fire), "attempt "+strconv.Itoa(o.Attempt), o.Pod, remark(o))
	}
}

// policies names those that differ from the default.
func policies(j *core.Job) string {
	text := []string{"overlap " + j.Overlap.String(), "misfire " + j.Misfire.Mode.String(), "recover " + j.Recover.String(), "claim " + j.Claim.String()}
	if j.Retry.Max > 0 {
		text = append(text, fmt.Sprintf("retry %d times", j.Retry.Max))
	}
	if j.Timeout > 0 {
		text = append(text, "timeout "+j.Timeout.String())
	}
	if j.Jitter > 0 {
		text = append(text, "jitter "+j.Jitter.String())
	}
	if !j.NotBefore.IsZero() {
		text = append(text, "not before "+utc(j.NotBefore))
	}
	if !j.NotAfter.IsZero() {
		text = append(text, "not after "+utc(j.NotAfter))
	}
	return strings.Join(text, ", ")
}

// sum writes the balance of the fire times, and says so should it ever not balance.
func sum(c core.Counts) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%d = %d succeeded", c.Fires, c.Succeeded)
	for _, part := range []struct {
		n    uint64
		name string
	}{
		{c.Failed, "failed"},
		{c.TimedOut, "timed-out"},
		{c.Cancelled, "cancelled"},
		{c.Lost, "lost"},
		{c.SkippedMisfire, "skipped-misfire"},
		{c.SkippedOverlap, "skipped-overlap"},
		{c.Pending, "pending"},
	} {
		if part.n > 0 {
			fmt.Fprintf(&text, " + %d %s", part.n, part.name)
		}
	}
	if !c.Balanced() {
		text.WriteString(" (THIS DOES NOT BALANCE: a bug in belfry)")
	}
	return text.String()
}

func waits(r *core.RunStatus) string {
	switch {
	case r.Cancel != "":
		return "is being cancelled: " + r.Cancel
	case r.State == core.RunWaiting:
		return "until " + utc(r.At)
	}
	return ""
}

// remark is what there is to say of an outcome.
func remark(o core.Outcome) string {
	var text []string
	if o.Count > 1 {
		text = append(text, fmt.Sprintf("%d fire times, through %s", o.Count, utc(o.Through)))
	}
	if o.Reason != "" {
		text = append(text, o.Reason)
	}
	if o.Error != "" {
		text = append(text, o.Error)
	}
	return strings.Join(text, ": ")
}

package cli

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/belfry-io/belfry/core"
	"github.com/belfry-io/belfry/jobfile"
)

// maxJobsFile is jobfile's own limit, which names the file when it refuses; one more here keeps a pipe from filling
// the memory.
const maxJobsFile = 16<<20 + 1

// displayName is how errors call a file.
func displayName(file string) string {
	if file == "-" {
		return "standard input"
	}
	return file
}

func (p *program) jobImportCommand() *cli.Command {
	return &cli.Command{
		Name:      "import",
		Usage:     "put the jobs of a file",
		ArgsUsage: "FILE",
		Description: `FILE is YAML or JSON, or - for standard input. Jobs that are so already are left untouched, so importing a file again
changes nothing. Jobs that are not in the file stay. The whole file is checked before the first job is put.

  belfry job import jobs.yaml --dry-run
  belfry job import jobs.yaml
  belfry job export --prefix billing/ | belfry job import - --backend redis://other:6379/0`,
		Flags: join([]cli.Flag{
			&cli.BoolFlag{Name: "dry-run", Usage: "only show what would be created and changed"},
		}, changeFlags()),
		Action: p.jobImport,
	}
}

func (p *program) jobImport(c *cli.Context) error {
	args, err := arguments(c, "FILE")
	if err != nil {
		return err
	}
	wanted, err := p.readJobs(args[0])
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
	stored, err := storedJobs(ctx, s, wanted)
	if err != nil {
		return err
	}
	changes, err := jobfile.Diff(stored, wanted)
	if err != nil {
		return err
	}
	if !c.Bool("dry-run") {
		if err := s.Put(ctx, wanted...); err != nil {
			return err
		}
	}
	return p.show(c, changes, func(w io.Writer) {
		for _, ch := range changes {
			fields := strings.Join(ch.Fields, ", ")
			if ch.Kind == jobfile.Older {
				fields = "left alone: its revision is lower than the stored one"
			}
			row(w, ch.Kind, ch.ID, fields)
		}
	})
}

// storedJobs reads those of the wanted jobs that exist.
func storedJobs(ctx context.Context, s *core.Scheduler, wanted []core.Job) ([]core.Job, error) {
	var stored []core.Job
	for i := range wanted {
		switch status, err := s.Job(ctx, wanted[i].ID); {
		case errors.Is(err, core.ErrNotFound):
		case err != nil:
			return nil, err
		default:
			stored = append(stored, status.Job)
		}
	}
	return stored, nil
}

func (p *program) jobExportCommand() *cli.Command {
	return &cli.Command{
		Name:  "export",
		Usage: "write the definitions of jobs as a file that import reads",
		Description: `Writes YAML to standard output, or JSON with --output json.

  belfry job export > jobs.yaml
  belfry job export --label team=sales --output json`,
		Flags: join(selectFlags(), globalFlags()),
		Action: func(c *cli.Context) error {
			if _, err := arguments(c); err != nil {
				return err
			}
			ctx, cancel := within(c)
			defer cancel()
			list, err := p.listJobs(ctx, c)
			if err != nil {
				return err
			}
			jobs := make([]core.Job, len(list))
			for i := range list {
				jobs[i] = list[i].Job
			}
			form := jobfile.YAML
			if c.String(flagOutput) == formatJSON {
				form = jobfile.JSON
			}
			return jobfile.Encode(p.Stdout, jobs, form)
		},
	}
}

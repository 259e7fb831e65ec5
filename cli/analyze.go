package cli

import (
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/belfry-io/belfry/evidence"
)

func (p *program) analyzeCommand() *cli.Command {
	return &cli.Command{
		Name:      "analyze",
		Usage:     "check what pods wrote with --evidence, and exit 1 on any violation",
		ArgsUsage: "DIR",
		Description: `Reports the latest run in the directory: no trigger twice, none missing, none early, tokens that grow, lateness, and the
spread over the pods. May be used while the pods run: fire times younger than --settle are not missed yet.

  belfry analyze /tmp/evidence
  belfry analyze /tmp/evidence --all --output json`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "all", Usage: "report every run in the directory"},
			&cli.DurationFlag{Name: "skew", Usage: "`TIME` that the clocks of two machines may differ; default 10ms, right for one machine"},
			&cli.DurationFlag{Name: "settle", Usage: "age `TIME` from which a fire time counts as missing; default 2s"},
			outputFlag(),
		},
		Action: p.analyze,
	}
}

func (p *program) analyze(c *cli.Context) error {
	args, err := arguments(c, "DIR")
	if err != nil {
		return err
	}
	now := time.Now() // before reading: pods may be writing
	found, err := evidence.Read(args[0])
	if err != nil {
		return err
	}
	options := &evidence.Options{Skew: c.Duration("skew"), Settle: c.Duration("settle")}
	if c.Bool("all") {
		return p.showReports(c, evidence.CheckAll(found, now, options))
	}
	return p.showReport(c, evidence.Check(found, now, options))
}

// showReport shows one report.
func (p *program) showReport(c *cli.Context, report evidence.Report) error {
	return p.judge(c, report, []evidence.Report{report})
}

// showReports shows several.
func (p *program) showReports(c *cli.Context, reports []evidence.Report) error {
	return p.judge(c, reports, reports)
}

// judge shows the answer, or the reports as text; one that is not OK is an error that needs no further words.
func (p *program) judge(c *cli.Context, answer any, reports []evidence.Report) error {
	f, err := format(c)
	switch {
	case err != nil:
	case f == formatTable:
		err = p.writeReports(reports)
	default:
		err = p.show(c, answer, nil)
	}
	if err != nil {
		return err
	}
	for i := range reports {
		if !reports[i].OK() {
			return errReported
		}
	}
	return nil
}

// writeReports writes the text as it is: its lines are no table.
func (p *program) writeReports(reports []evidence.Report) error {
	for i := range reports {
		if len(reports) > 1 {
			fmt.Fprintf(p.Stdout, "run %s, started %s\n", reports[i].Run, utc(reports[i].Started))
		}
		if err := reports[i].WriteText(p.Stdout); err != nil {
			return err
		}
	}
	return nil
}

package cli

import (
	"github.com/urfave/cli/v2"
)

func (p *program) jobCommand() *cli.Command {
	return &cli.Command{
		Name:  "job",
		Usage: "add, look at and change jobs",
		Description: `A job is known by its id. What you write is its definition; what the pods keep (paused or not, next fire time,
counts) stays when the definition is changed.`,
		Subcommands: []*cli.Command{
			p.jobAddCommand(), p.jobUpdateCommand(), p.jobGetCommand(), p.jobListCommand(), p.jobDeleteCommand(),
			p.jobPauseCommand(), p.jobResumeCommand(), p.jobRunCommand(), p.jobImportCommand(), p.jobExportCommand(),
		},
	}
}

// changeFlags are those of commands that change one job.
func changeFlags() []cli.Flag { return globalFlags() }

// A change is what commands that change a job answer.
type change struct {
	Job    string `json:"job"`
	Change string `json:"change"` // "created", "deleted", ...
}

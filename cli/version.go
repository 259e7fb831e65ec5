package cli

import (
	"io"
	"runtime"

	"github.com/urfave/cli/v2"
)

func (p *program) versionCommand() *cli.Command {
	return &cli.Command{
		Name:  "version",
		Usage: "print the version of this program",
		Flags: []cli.Flag{outputFlag()},
		Action: func(c *cli.Context) error {
			if _, err := arguments(c); err != nil {
				return err
			}
			v := struct {
				Version  string `json:"version"`
				Go       string `json:"go"`
				Platform string `json:"platform"`
			}{p.Version, runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
			return p.show(c, v, func(w io.Writer) { row(w, "belfry", v.Version, v.Go, v.Platform) })
		},
	}
}

package cli

import (
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"
)

const rootHelp = `Pods share a backend. Every fire time of every job is run by one of them; a dead pod's work is taken over.

Try it, nothing to install:      belfry demo
Start a pod:                     belfry pod --backend redis://localhost:6379/0
Add a job from anywhere:         belfry job add hello --every 5s --handler log --backend redis
See what became of it:           belfry job get hello --backend redis

--backend URL (or BELFRY_BACKEND) and --output table|json|yaml may stand before or after the command's name.

Exit codes: 0 ok; 1 the operation failed or a check found violations; 2 the command line or an input is wrong;
3 the backend could not be reached in time; 130 interrupted.`

// helpTemplate keeps descriptions as they are written: urfave/cli's would indent and wrap the examples.
const helpTemplate = `{{.HelpName}}{{if .Usage}} - {{.Usage}}{{end}}

Usage: {{if .UsageText}}{{.UsageText}}{{else}}{{.HelpName}} {{if .VisibleCommands}}COMMAND {{end}}[flags]{{if .ArgsUsage}} {{.ArgsUsage}}{{end}}{{end}}
{{if .Description}}
{{.Description}}
{{end}}{{if .VisibleCommands}}
Commands:{{range .VisibleCommands}}
  {{.Name}}{{"\t"}}{{.Usage}}{{end}}
{{end}}`

// tidy gives every command what they all have.
func tidy(commands []*cli.Command) {
	for _, c := range commands {
		c.HideHelpCommand = true
		c.OnUsageError = func(_ *cli.Context, err error, _ bool) error { return &usageError{err} }
		c.CustomHelpTemplate = helpTemplate
		if len(c.Flags) > 0 {
			c.CustomHelpTemplate += "\nFlags:\n" + strings.ReplaceAll(flagLines(c.Flags), "{{", `{{"{{"}}`)
		}
		tidy(c.Subcommands)
	}
}

// flagLines describes the flags, a line each. A default of nothing is not worth saying.
func flagLines(flags []cli.Flag) string {
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	for _, f := range flags {
		doc, ok := f.(cli.DocGenerationFlag)
		if !ok {
			continue
		}
		value, usage := placeholder(doc.GetUsage())
		names := make([]string, len(f.Names()))
		for i, n := range f.Names() {
			names[i] = dashes(n) + n
		}
		fmt.Fprintf(w, "  %s%s\t%s%s\n", strings.Join(names, ", "), value, usage, defaultOf(f))
	}
	w.Flush() //nolint:errcheck,gosec // a strings.Builder cannot fail
	return out.String()
}

func dashes(name string) string {
	if len(name) == 1 {
		return "-"
	}
	return "--"
}

// placeholder finds the word in backquotes that names a flag's value.
func placeholder(usage string) (value, plain string) {
	_, rest, found := strings.Cut(usage, "`")
	word, _, closed := strings.Cut(rest, "`")
	if !found || !closed {
		return "", usage
	}
	return " " + word, strings.Replace(usage, "`"+word+"`", word, 1)
}

func defaultOf(f cli.Flag) string {
	var value string
	switch f := f.(type) {
	case *cli.StringFlag:
		value = f.Value
	case *cli.IntFlag:
		if f.Value != 0 {
			value = strconv.Itoa(f.Value)
		}
	case *cli.DurationFlag:
		if f.Value != 0 {
			value = shortDuration(f.Value)
		}
	}
	if value == "" {
		return ""
	}
	return "; default " + value
}

// shortDuration leaves out the zeros of "1m0s".
func shortDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

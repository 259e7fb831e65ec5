package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/belfry-io/belfry/backend"
)

// Config is what the program needs from its surroundings. The zero value of a field is the default named beside
// it.
type Config struct {
	Backends backend.Openers // the URL schemes of --backend; default: none

	Stdin  io.Reader // default os.Stdin
	Stdout io.Writer // default os.Stdout
	Stderr io.Writer // default os.Stderr; logs and errors go here

	// Env looks up an environment variable; default [os.LookupEnv].
	Env func(name string) (string, bool)

	// Environ is the environment that exec runs start from; default [os.Environ]. Variables whose name begins
	// with BELFRY_ are left out, since the backend's URL may hold a password.
	Environ []string

	Version string // shown by version and beside the pods; default "devel"
}

func (c *Config) setDefaults() {
	if c.Stdin == nil {
		c.Stdin = os.Stdin
	}
	if c.Stdout == nil {
		c.Stdout = os.Stdout
	}
	if c.Stderr == nil {
		c.Stderr = os.Stderr
	}
	if c.Env == nil {
		c.Env = os.LookupEnv
	}
	if c.Environ == nil {
		c.Environ = os.Environ()
	}
	if c.Version == "" {
		c.Version = "devel"
	}
}

// A program is one call of Main.
type program struct {
	Config

	bare int // the arguments that did not stand behind a "--"
}

// Main runs the command that args name (without the program's own name) until it is done or ctx ends, and returns
// the exit code: [ExitOK] and so on. Errors are written to Config.Stderr, a line each. A ctx that ends is taken for
// a signal: a pod drains and that is success, any other command stops with [ExitInterrupted].
func Main(ctx context.Context, args []string, config Config) int {
	config.setDefaults()
	p := &program{Config: config}
	app := p.app()
	call, err := arrange(app.Commands, args)
	if err == nil {
		p.bare = call.open
		err = app.RunContext(ctx, append([]string{app.Name}, call.args...))
	}
	if err == nil {
		return ExitOK
	}
	code := exitCode(ctx, err)
	if !errors.Is(err, errReported) {
		p.report(call.path, err)
	}
	return code
}

// report writes a line for each error that was joined into err.
func (p *program) report(path []string, err error) {
	prefix := strings.Join(append([]string{"belfry"}, path...), " ")
	if len(path) > 0 {
		prefix = "belfry: " + strings.Join(path, " ")
	}
	for line := range strings.Lines(err.Error()) {
		if line = strings.TrimSpace(line); line != "" {
			fmt.Fprintf(p.Stderr, "%s: %s\n", prefix, line)
		}
	}
}

func (p *program) app() *cli.App {
	app := &cli.App{
		Name:        "belfry",
		Usage:       "a distributed job scheduler: many pods, each due job run by exactly one",
		UsageText:   "belfry COMMAND [flags] [arguments]",
		Description: rootHelp,
		HideVersion: true,
		Reader:      p.Stdin,
		Writer:      p.Stdout,
		ErrWriter:   p.Stderr,
		Commands: []*cli.Command{
			p.demoCommand(), p.podCommand(), p.jobCommand(), p.runsCommand(), p.podsCommand(),
			p.analyzeCommand(), p.nextCommand(), p.versionCommand(),
		},
		HideHelpCommand:           true,
		DisableSliceFlagSeparator: true,
		CustomAppHelpTemplate:     helpTemplate,
		ExitErrHandler:            func(*cli.Context, error) {}, // Main decides on the exit code
	}
	tidy(app.Commands)
	return app
}

// within returns c's context, bounded by --wait.
func within(c *cli.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(c.Context, c.Duration(flagWait))
}

// arguments returns c's positional arguments, which must be as many as names.
func arguments(c *cli.Context, names ...string) ([]string, error) {
	got := c.Args().Slice()
	switch {
	case len(got) < len(names):
		return nil, usagef("%s is missing; see %s --help", names[len(got)], c.Command.HelpName)
	case len(got) > len(names):
		return nil, usagef("%q is one argument too many; see %s --help", got[len(names)], c.Command.HelpName)
	}
	return slices.Clone(got), nil
}

// utc is how times are shown: seconds, and finer parts only where there are any.
func utc(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02T15:04:05.999Z")
}

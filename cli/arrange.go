package cli

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// A call is a command line put in order: the command's path, its flags, "--", its arguments. The flag package
// stops at the first argument, and people write "job add ID --every 5s".
type call struct {
	path []string // of the command: "job", "add"
	args []string // path, flags, "--", arguments
	open int      // the arguments that did not stand behind a "--"
}

// arrange puts args in order. Flags may stand anywhere; those before the command's name are the global ones, and
// are dropped if the command has no use for them. What follows "--" is an argument. It refuses unknown commands and
// flags, and names the nearest one.
func arrange(commands []*cli.Command, args []string) (call, error) {
	if len(args) > 0 && args[0] == "help" {
		args = append(slices.Clone(args[1:]), "--help")
	}
	command, path, early, rest, err := locate(commands, args)
	if err != nil {
		return call{path: path}, err
	}
	out := call{path: path, args: path}
	if command == nil {
		return call{args: []string{"--help"}}, nil
	}
	for _, e := range early {
		if lookup(command.Flags, e.name) != nil || e.name == "help" {
			out.args = append(out.args, e.tokens...)
		}
	}
	flags, positional, open, err := split(command, rest)
	if err != nil {
		return out, err
	}
	out.open = open
	out.args = append(out.args, flags...)
	if len(positional) > 0 {
		out.args = append(append(out.args, "--"), positional...)
	}
	return out, nil
}

// A given is a flag as it was written, with its value.
type given struct {
	name   string
	tokens []string
}

// locate finds the command that args name; rest is what follows its name. nil: none was named.
func locate(commands []*cli.Command, args []string) (found *cli.Command, path []string, early []given, rest []string, err error) {
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if len(arg) > 1 && arg[0] == '-' {
			g, used, err := take(globalFlags(), args[i:])
			if err != nil {
				return found, path, nil, nil, err
			}
			early = append(early, g)
			i += used - 1
			continue
		}
		next := named(commands, arg)
		if next == nil {
			return found, path, nil, nil, unknownCommand(commands, arg)
		}
		found, path, commands = next, append(path, next.Name), next.Subcommands
		if len(commands) == 0 {
			return found, path, early, args[i+1:], nil
		}
	}
	return found, path, early, nil, nil
}

// split parts the flags of a command from its arguments, of which the first open did not stand behind a "--".
func split(command *cli.Command, args []string) (flags, positional []string, open int, err error) {
	for i := 0; i < len(args); i++ {
		switch arg := args[i]; {
		case arg == "--":
			return flags, append(positional, args[i+1:]...), len(positional), nil
		case len(arg) < 2 || arg[0] != '-':
			positional = append(positional, arg)
		default:
			g, used, err := take(command.Flags, args[i:])
			if err != nil {
				return nil, nil, 0, err
			}
			flags = append(flags, g.tokens...)
			i += used - 1
		}
	}
	return flags, positional, len(positional), nil
}

// take reads one flag, and its value if it has one, from the start of args.
func take(flags []cli.Flag, args []string) (g given, used int, err error) {
	written, _, joined := strings.Cut(args[0], "=")
	name := strings.TrimPrefix(written[1:], "-")
	if name == "help" || name == "h" {
		return given{"help", []string{"--help"}}, 1, nil
	}
	f := lookup(flags, name)
	switch {
	case f == nil:
		return g, 0, unknownFlag(flags, written, name)
	case joined, isSwitch(f):
		return given{f.Names()[0], args[:1]}, 1, nil
	case len(args) < 2:
		return g, 0, usagef("%s needs a value", written)
	}
	return given{f.Names()[0], args[:2]}, 2, nil
}

func isSwitch(f cli.Flag) bool {
	_, ok := f.(*cli.BoolFlag)
	return ok
}

func lookup(flags []cli.Flag, name string) cli.Flag {
	for _, f := range flags {
		if slices.Contains(f.Names(), name) {
			return f
		}
	}
	return nil
}

func named(commands []*cli.Command, name string) *cli.Command {
	for _, c := range commands {
		if c.HasName(name) {
			return c
		}
	}
	return nil
}

func unknownCommand(commands []*cli.Command, name string) error {
	names := make([]string, len(commands))
	for i, c := range commands {
		names[i] = c.Name
	}
	if n := nearest(names, name); n != "" {
		return usagef("there is no command %q; did you mean %q?", name, n)
	}
	return usagef("there is no command %q; there are %s", name, strings.Join(names, ", "))
}

func unknownFlag(flags []cli.Flag, written, name string) error {
	names := []string{"help"}
	for _, f := range flags {
		names = append(names, f.Names()...)
	}
	if n := nearest(names, name); n != "" {
		return usagef("there is no flag %s; did you mean --%s?", written, n)
	}
	return usagef("there is no flag %s; see --help", written)
}

// nearest returns the name that is fewest edits away from what was written, if these are few enough to be a slip.
func nearest(names []string, written string) string {
	best, distance := "", max(2, len(written)/3)+1
	for _, n := range names {
		if d := edits(n, written); len(n) > 1 && d < distance && d < len(n) {
			best, distance = n, d
		}
	}
	return best
}

// edits is the Levenshtein distance, by bytes: names are ASCII.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

package cli

import (
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

func commandsForTest() []*cli.Command {
	p := &program{}
	p.setDefaults()
	return p.app().Commands
}

func TestArrange(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"":                                   "--help",
		"--help":                             "--help",
		"help":                               "--help",
		"help job add":                       "job add --help",
		"job":                                "job",
		"job --help":                         "job --help",
		"job add x --every 5s":               "job add --every 5s -- x",
		"job add --every 5s x":               "job add --every 5s -- x",
		"job add --every=5s x":               "job add --every=5s -- x",
		"job add x -every 5s":                "job add -every 5s -- x",
		"job add x --every 5s -- ls --every": "job add --every 5s -- x ls --every",
		"job add x --keep -1 --replace":      "job add --keep -1 --replace -- x",
		"--backend redis job get x":          "job get --backend redis -- x",
		"job --backend redis get x":          "job get --backend redis -- x",
		"job get x --backend redis":          "job get --backend redis -- x",
		"-o json job list":                   "job list -o json",
		"--backend redis version":            "version",
		"--backend redis --wait 1s next 5s":  "next -- 5s",
		"job import -":                       "job import -- -",
		"job import - --dry-run":             "job import --dry-run -- -",
	} {
		got, err := arrange(commandsForTest(), strings.Fields(line))
		if err != nil {
			t.Errorf("%q: %v", line, err)
			continue
		}
		if s := strings.Join(got.args, " "); s != want {
			t.Errorf("%q became %q, want %q", line, s, want)
		}
	}
}

func TestArrangeRefuses(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"jobs":                      `there is no command "jobs"; did you mean "job"?`,
		"analyse dir":               `did you mean "analyze"?`,
		"frobnicate":                `there are demo, pod, job`,
		"job ad x":                  `did you mean "add"?`,
		"job add x --evry 5s":       `there is no flag --evry; did you mean --every?`,
		"job add x --retry-mx=5":    `there is no flag --retry-mx; did you mean --retry-max?`,
		"pod --frobnicate":          `there is no flag --frobnicate; see --help`,
		"--every 5s job add x":      `there is no flag --every`,
		"job add x --every":         `--every needs a value`,
		"job add x --replace --at":  `--at needs a value`,
		"--backend":                 `--backend needs a value`,
		"demo --pod 3":              `did you mean --pods?`,
		"job pause x --resaon=late": `did you mean --reason?`,
	} {
		_, err := arrange(commandsForTest(), strings.Fields(line))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", line, err, want)
		}
		if err != nil && !isType[*usageError](err) {
			t.Errorf("%q: %v is no usage error", line, err)
		}
	}
}

// FuzzArrange: whatever is written, nothing is invented or lost but what help, and the flags before the command, drop.
func FuzzArrange(f *testing.F) {
	for _, line := range []string{"job add x --every 5s", "--backend a job get -- x --b", "help", "-o=json runs a", "job add - -- -- -"} {
		f.Add(line)
	}
	commands := commandsForTest()
	f.Fuzz(func(t *testing.T, line string) {
		args := strings.Split(line, " ")
		got, err := arrange(commands, args)
		if err != nil {
			return
		}
		for _, a := range got.args {
			if a != "--" && a != "--help" && !slices.Contains(args, a) {
				t.Errorf("%q became %q: %q is invented", args, got.args, a)
			}
		}
		if named(commands, args[0]) == nil || len(got.path) == 0 {
			return
		}
		for _, a := range args {
			if a != "--" && !strings.Contains(a, "h") && !slices.Contains(got.args, a) {
				t.Errorf("%q became %q: %q is lost", args, got.args, a)
			}
		}
	})
}

func TestNearest(t *testing.T) {
	t.Parallel()
	names := []string{"every", "cron", "at", "tz", "timeout", "n"}
	for written, want := range map[string]string{
		"evry": "every", "evrey": "every", "corn": "cron", "timout": "timeout", "xyzzy": "", "": "", "q": "",
	} {
		if got := nearest(names, written); got != want {
			t.Errorf("%q: got %q, want %q", written, got, want)
		}
	}
}

package cli

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// TestEveryCommandIsDocumentedAndRun: docs/cli.md has each command, and a script runs it.
func TestEveryCommandIsDocumentedAndRun(t *testing.T) {
	t.Parallel()
	docs := readAll(t, "../docs/cli.md")
	scripts := readAll(t, "testdata/*.txtar")
	for _, path := range leaves(nil, commandsForTest()) {
		if !strings.Contains(docs, "belfry "+path) {
			t.Errorf("docs/cli.md does not have belfry %s", path)
		}
		if !strings.Contains(scripts, "belfry "+path) {
			t.Errorf("no script runs belfry %s", path)
		}
	}
}

// TestDocumentedCommandLinesAreRight: the command lines of the docs and of the help texts name commands and flags
// that exist.
func TestDocumentedCommandLinesAreRight(t *testing.T) {
	t.Parallel()
	text := readAll(t, "../docs/cli.md") + readAll(t, "../docs/handlers.md") + rootHelp + descriptions(commandsForTest())
	lines := 0
	for line := range strings.Lines(text) {
		_, line, found := strings.Cut(" "+strings.TrimPrefix(strings.TrimSpace(line), "$ "), " belfry ")
		if !found || strings.Contains(line, "`") || !strings.Contains(line, " ") && strings.ContainsAny(line, ".,;:") {
			continue // prose
		}
		for part := range strings.SplitSeq(line, "| belfry ") {
			lines++
			if _, err := arrange(commandsForTest(), words(part)); err != nil {
				t.Errorf("belfry %s: %v", strings.TrimSpace(part), err)
			}
		}
	}
	if lines < 20 {
		t.Errorf("only %d command lines were found", lines)
	}
}

func leaves(path []string, commands []*cli.Command) []string {
	var found []string
	for _, c := range commands {
		here := slices.Concat(path, []string{c.Name})
		if len(c.Subcommands) == 0 {
			found = append(found, strings.Join(here, " "))
		}
		found = append(found, leaves(here, c.Subcommands)...)
	}
	return found
}

func descriptions(commands []*cli.Command) string {
	var text strings.Builder
	for _, c := range commands {
		for line := range strings.Lines(c.Description) {
			if strings.HasPrefix(line, "  belfry ") {
				text.WriteString(line)
			}
		}
		text.WriteString("\n" + descriptions(c.Subcommands))
	}
	return text.String()
}

func readAll(t *testing.T, pattern string) string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %v, %v", pattern, files, err)
	}
	var text strings.Builder
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		text.Write(data)
	}
	return text.String()
}

// words splits a line as a shell would, as far as the docs need it; what follows > or # is not ours.
func words(line string) []string {
	var out []string
	var word strings.Builder
	quote, open := rune(0), false
	flush := func() {
		if open {
			out = append(out, word.String())
		}
		word.Reset()
		open = false
	}
	for _, r := range strings.TrimSpace(line) {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '\'' || r == '"'):
			quote, open = r, true
		case quote == 0 && r == ' ':
			flush()
		case quote == 0 && !open && (r == '>' || r == '#' || r == '&'):
			return out
		default:
			word.WriteRune(r)
			open = true
		}
	}
	flush()
	return out
}

//go:build unix

package handlers

import (
	"bufio"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/belfry-io/belfry/core"
)

// script is the payload of a shell script.
func script(text string, args ...string) string {
	return string(core.JSON(ExecPayload{Shell: true, Argv: append([]string{text}, args...)}).Bytes())
}

func TestExecPassesArgumentsAsTheyAre(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "out")
	payload := core.JSON(ExecPayload{Argv: []string{"touch", out + " $(date) | ; '"}})
	run := aRun("")
	run.Payload = payload
	if err := (&Exec{Environ: os.Environ()}).Run(t.Context(), run); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(out + " $(date) | ; '"); err != nil {
		t.Error("a shell has looked at the argument")
	}
}

func TestExecShell(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "out")
	if err := (&Exec{}).Run(t.Context(), aRun(script(`echo "$0 $3 $2" | tr a-z A-Z > "$1"`, out, "b", "c"))); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(out)
	if err != nil || string(data) != "SH C B\n" {
		t.Errorf("got %q, %v", data, err)
	}
}

func TestExecEnvironment(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "out")
	payload := core.JSON(ExecPayload{Argv: []string{`env > "$1"; cat >> "$1"`, out}, Shell: true, Env: map[string]string{"MINE": "1"}, Stdin: "IN=2\n"})
	run := aRun("")
	run.Payload = payload
	e := &Exec{Environ: []string{"PATH=" + os.Getenv("PATH"), "BELFRY_BACKEND=redis://u:secret@h", "KEPT=1"}}
	if err := e.Run(t.Context(), run); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(data), "\n")
	for _, want := range []string{
		"BELFRY_JOB=backup", "BELFRY_FIRE=2026-01-02T03:04:05Z", "BELFRY_ATTEMPT=2", "BELFRY_TOKEN=7",
		"BELFRY_TRIGGER=backup@2026-01-02T03:04:05Z", "MINE=1", "KEPT=1", "IN=2",
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("%s is missing in\n%s", want, data)
		}
	}
	if strings.Contains(string(data), "secret") {
		t.Error("the program sees the backend's password")
	}
}

func TestExecFailures(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ payload, want string }{
		"exit code":       {script("exit 3"), "exit status 3"},
		"temporary":       {script("exit 75"), "exit status 75"},
		"killed":          {script("kill -9 $$"), "signal: killed"},
		"no such program": {`{"argv":["belfry-no-such-program"]}`, "executable file not found"},
		"no such dir":     {`{"argv":["true"],"dir":"/belfry/no/such"}`, "no such file or directory"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := (&Exec{Environ: os.Environ()}).Run(t.Context(), aRun(c.payload))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			if errors.Is(err, core.ErrInvalid) {
				t.Error("it is no mistake in the payload: another pod may do better")
			}
		})
	}
}

// TestExecEndsTheWholeGroup stops a program that ignores SIGTERM, and its child that does too: both are gone when
// the handler returns.
func TestExecEndsTheWholeGroup(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ready := filepath.Join(dir, "ready")
	if err := syscall.Mkfifo(ready, 0o600); err != nil {
		t.Fatal(err)
	}
	text := `trap '' TERM; sh -c 'trap "" TERM; echo $$ > "$1"; while :; do sleep 1; done' sh "$1" & wait; wait`
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	ended := make(chan error, 1)
	e := &Exec{Environ: os.Environ(), Grace: 50 * time.Millisecond}
	go func() { ended <- e.Run(ctx, aRun(script(text, ready))) }()
	child := readPID(t, ready)
	cancel(core.ErrTimeout)
	err := <-ended
	if !errors.Is(err, core.ErrTimeout) {
		t.Errorf("got %v, want the cause", err)
	}
	if !awaitGone(child) {
		t.Errorf("the child %d lives on", child)
	}
}

func TestExecAsksBeforeItKills(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ready, bye := filepath.Join(dir, "ready"), filepath.Join(dir, "bye")
	if err := syscall.Mkfifo(ready, 0o600); err != nil {
		t.Fatal(err)
	}
	text := `trap 'echo bye > "$2"; exit 0' TERM; echo $$ > "$1"; while :; do sleep 0.05; done`
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	ended := make(chan error, 1)
	go func() {
		ended <- (&Exec{Environ: os.Environ(), Grace: time.Minute}).Run(ctx, aRun(script(text, ready, bye)))
	}()
	readPID(t, ready)
	cancel(core.ErrCancelled)
	if err := <-ended; !errors.Is(err, core.ErrCancelled) {
		t.Errorf("got %v: a run that was stopped is none that succeeded", err)
	}
	if _, err := os.Stat(bye); err != nil {
		t.Error("the program was not asked to stop")
	}
}

func readPID(t *testing.T, fifo string) int {
	t.Helper()
	f, err := os.Open(fifo)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	line, err := bufio.NewReader(f).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// awaitGone reports whether a process ends within two seconds: a signal takes effect a moment after it was sent.
func awaitGone(pid int) bool {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(2 * time.Second)
	for {
		if gone(pid) {
			return true
		}
		select {
		case <-late:
			return false
		case <-tick.C:
		}
	}
}

// gone reports whether a process has ended; one that nobody has waited for yet has too.
func gone(pid int) bool {
	if err := syscall.Kill(pid, 0); errors.Is(err, syscall.ESRCH) {
		return true
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && strings.Contains(string(stat), ") Z ")
}

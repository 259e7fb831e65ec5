package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"github.com/belfry-io/belfry/backend/all"
	"github.com/belfry-io/belfry/internal/proctest"
)

// TestMain lets the scripts run this program as belfry, each in a process of its own.
func TestMain(m *testing.M) {
	testscript.Main(noLeaks{m}, map[string]func(){"belfry": func() {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		code := Main(ctx, os.Args[1:], Config{Backends: all.Openers(), Version: "v0.0.0-test"})
		stop()
		os.Exit(code)
	}})
}

type noLeaks struct{ m *testing.M }

func (n noLeaks) Run() int {
	code := n.m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// TestScripts runs what needs no server.
func TestScripts(t *testing.T) {
	t.Parallel()
	runScripts(t, "", scripts(t, false))
}

// TestRedisScripts runs the rest against one real server, each script with keys of its own.
func TestRedisScripts(t *testing.T) {
	t.Parallel()
	runScripts(t, proctest.StartRedis(t).Addr, scripts(t, true))
}

// scripts lists the files; those that need the server have redis_ in front.
func scripts(t *testing.T, redis bool) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	files = slices.DeleteFunc(files, func(f string) bool {
		return strings.HasPrefix(filepath.Base(f), "redis_") != redis
	})
	if len(files) == 0 {
		t.Fatal("no scripts")
	}
	return files
}

func runScripts(t *testing.T, redis string, files []string) {
	t.Helper()
	testscript.Run(t, testscript.Params{
		Files:               files,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "await": await},
		Setup: func(env *testscript.Env) error {
			if redis != "" {
				prefix := strings.Map(func(r rune) rune {
					if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
						return r
					}
					return -1
				}, filepath.Base(env.WorkDir))
				env.Setenv(envBackend, "redis://"+redis+"/0?prefix="+prefix)
				env.Setenv("REDIS", redis)
			}
			return nil
		},
	})
}

// exits runs a command that must end with a code: exits 2 belfry frobnicate.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGUMENTS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	if got := exitOf(ts.Exec(args[1], args[2:]...)); got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func exitOf(err error) int {
	if err == nil {
		return 0
	}
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		return e.ExitCode()
	}
	return -1
}

// await runs a command again and again until its output matches: await '5 succeeded' belfry job get x.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: await REGEXP PROGRAM ARGUMENTS...")
	}
	wanted, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	late := time.After(time.Minute)
	for {
		err := ts.Exec(args[1], args[2:]...)
		if out := ts.ReadFile("stdout"); err == nil && wanted.MatchString(out) {
			return
		}
		select {
		case <-late:
			ts.Fatalf("%q did not appear within a minute; the last output was\n%s%s", args[0], ts.ReadFile("stdout"), ts.ReadFile("stderr"))
		case <-tick.C:
		}
	}
}

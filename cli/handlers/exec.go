package handlers

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/belfry-io/belfry/core"
)

// ExecPayload says what an exec job runs.
type ExecPayload struct {
	// Argv is the program and its arguments, passed on as they are: no shell looks at them. With Shell the first
	// element is a script for /bin/sh and the others are its $1, $2 and so on.
	Argv []string `json:"argv"`

	Shell bool              `json:"shell,omitempty"`
	Dir   string            `json:"dir,omitempty"`   // where it runs; default: where the pod does
	Env   map[string]string `json:"env,omitempty"`   // added to the pod's environment
	Stdin string            `json:"stdin,omitempty"` // what it reads; default: nothing
}

// Exec runs programs.
type Exec struct {
	// Environ is the environment that programs inherit: "K=V" each. Variables of belfry's own, whose name begins with
	// BELFRY_, are left out: the backend's URL may hold a password.
	Environ []string

	// Grace is how long a program may take to stop after SIGTERM, before its process group is killed. Default 3s,
	// which is less than the time after which a pod gives up on a handler.
	Grace time.Duration
}

const defaultGrace = 3 * time.Second

// Run runs the program of the payload and waits for it. Any exit code but 0 is an error. Output and errors go to the
// run's output. The program learns what it runs for from BELFRY_JOB, BELFRY_FIRE, BELFRY_ATTEMPT, BELFRY_TOKEN and
// BELFRY_TRIGGER. When ctx ends, its process group gets SIGTERM and, after Grace, SIGKILL.
func (e *Exec) Run(ctx context.Context, run core.Run) error {
	var p ExecPayload
	if err := decode(run, &p); err != nil {
		return err
	}
	if err := p.check(); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, p.Argv[0], p.Argv[1:]...) //nolint:gosec // running what the job says is its purpose
	if p.Shell {
		argv := append([]string{"-c", p.Argv[0], "sh"}, p.Argv[1:]...)
		cmd = exec.CommandContext(ctx, "/bin/sh", argv...) //nolint:gosec // as above
	}
	cmd.Dir = p.Dir
	cmd.Env = e.environ(run, p.Env)
	cmd.Stdout = run.Output()
	cmd.Stderr = cmd.Stdout // the same writer, so that os/exec keeps the order of the two
	if p.Stdin != "" {
		cmd.Stdin = strings.NewReader(p.Stdin)
	}
	return runGroup(ctx, cmd, e.grace())
}

// runGroup runs cmd as the leader of a process group of its own, so that what it started ends with it.
func runGroup(ctx context.Context, cmd *exec.Cmd, grace time.Duration) error {
	ownGroup(cmd)
	var kill *time.Timer
	cmd.Cancel = func() error {
		kill = time.AfterFunc(grace, func() { killGroup(cmd.Process) })
		return stopGroup(cmd.Process)
	}
	// Should something outside the group hold the output open, Wait still returns.
	cmd.WaitDelay = grace + time.Second
	err := cmd.Run() // Cancel has returned, if it was called at all
	if kill != nil {
		kill.Stop()
		killGroup(cmd.Process) // those of the group that outlived its leader
	}
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("exec %s: stopped: %w", cmd.Path, context.Cause(ctx))
	case errors.Is(err, exec.ErrWaitDelay):
		return fmt.Errorf("exec %s: it ended, but something it started keeps its output open: %w", cmd.Path, err)
	case err != nil:
		return fmt.Errorf("exec %s: %w", cmd.Path, err)
	}
	return nil
}

func (p *ExecPayload) check() error {
	if len(p.Argv) == 0 || p.Argv[0] == "" {
		return refuse("argv", "is empty", `write the program and its arguments, such as ["ls", "-l"]`)
	}
	if p.Shell {
		return p.checkNUL()
	}
	if len(p.Argv) == 1 && strings.ContainsAny(p.Argv[0], " |&;<>$") && !exists(p.Argv[0]) {
		return refuse("argv", fmt.Sprintf("%q looks like a command line", p.Argv[0]), `write one element an argument, or add "shell": true`)
	}
	return p.checkNUL()
}

func exists(path string) bool {
	_, err := exec.LookPath(path)
	return err == nil
}

// checkNUL refuses what the operating system cannot pass on.
func (p *ExecPayload) checkNUL() error {
	for i, arg := range p.Argv {
		if strings.ContainsRune(arg, 0) {
			return refuse("argv."+strconv.Itoa(i), "has a NUL byte", "pass such data by stdin")
		}
	}
	for k, v := range p.Env {
		if k == "" || strings.ContainsAny(k, "=\x00") || strings.ContainsRune(v, 0) {
			return refuse("env", fmt.Sprintf("%q cannot be set", k), "use names without = and values without NUL")
		}
	}
	return nil
}

func (e *Exec) environ(run core.Run, extra map[string]string) []string {
	env := slices.DeleteFunc(slices.Clone(e.Environ), func(kv string) bool { return strings.HasPrefix(kv, "BELFRY_") })
	for k, v := range extra {
		env = append(env, k+"="+v)
	}
	return append(env,
		"BELFRY_JOB="+run.Job,
		"BELFRY_FIRE="+run.Fire.UTC().Format(time.RFC3339Nano),
		"BELFRY_ATTEMPT="+strconv.Itoa(run.Attempt),
		"BELFRY_TOKEN="+strconv.FormatUint(run.Token, 10),
		"BELFRY_TRIGGER="+run.String(),
	)
}

func (e *Exec) grace() time.Duration {
	if e.Grace == 0 {
		return defaultGrace
	}
	return e.Grace
}

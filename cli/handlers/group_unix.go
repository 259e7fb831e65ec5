//go:build unix

package handlers

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// stopGroup asks the group that p leads to stop.
func stopGroup(p *os.Process) error {
	err := syscall.Kill(-p.Pid, syscall.SIGTERM)
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone // what exec.Cmd.Cancel calls it
	}
	return err //nolint:wrapcheck // os/exec reports it
}

// killGroup ends what is left of the group that p led. Its number is not given to another process while any member
// lives.
func killGroup(p *os.Process) {
	_ = syscall.Kill(-p.Pid, syscall.SIGKILL)
}

//go:build !unix

package handlers

import (
	"os"
	"os/exec"
)

func ownGroup(*exec.Cmd) {}

// stopGroup kills p: there are no process groups to ask.
func stopGroup(p *os.Process) error { return p.Kill() } //nolint:wrapcheck // os/exec reports it

func killGroup(p *os.Process) { _ = p.Kill() } //nolint:errcheck // it may have ended

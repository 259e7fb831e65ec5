// Command belfry is a distributed job scheduler: see belfry --help.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/belfry-io/belfry/backend/all"
	"github.com/belfry-io/belfry/backend/redis"
	"github.com/belfry-io/belfry/cli"
)

// version is set by the linker: -ldflags "-X main.version=v1.2.3".
var version string

func main() {
	// Measured: a pod allocates a lot and keeps little, so fewer collections halve its CPU time.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	redis.Quiet()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	code := cli.Main(ctx, os.Args[1:], cli.Config{Backends: all.Openers(), Version: version})
	stop()
	os.Exit(code)
}

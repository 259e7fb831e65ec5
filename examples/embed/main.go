// Embed is a job in a program of your own, on the memory store. Ctrl-C stops it gracefully.
package main

import (
	"context"
	"log"
	"os"
	"os/signal"
	"time"

	"github.com/belfry-io/belfry/backend/memory"
	"github.com/belfry-io/belfry/core"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx)
	stop()
	if err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	s, err := core.New(memory.New(), nil)
	if err != nil {
		return err
	}
	s.Handle("hello", func(ctx context.Context, run core.Run) error {
		run.Logger().InfoContext(ctx, "hello")
		return nil
	})
	err = s.Put(ctx, core.Job{ID: "hello", Schedule: core.Every(5 * time.Second)})
	if err != nil {
		return err
	}
	return s.Run(ctx)
}

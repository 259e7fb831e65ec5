// Pods is a program to start on as many machines as you like: every trigger runs on exactly one of them.
//
//	REDIS_URL=redis://localhost:6379/0 go run ./examples/pods
package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/belfry-io/belfry/backend/redis"
	"github.com/belfry-io/belfry/core"
)

// Invoice binds the handler's name to the type of its payload, for the code that puts jobs and the code that runs them.
const Invoice core.Kind[InvoiceArgs] = "invoice"

// InvoiceArgs says whom to bill, and where.
type InvoiceArgs struct {
	Customer string `json:"customer"`
	Endpoint string `json:"endpoint"`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Getenv("REDIS_URL"))
	stop()
	if err != nil {
		slog.Error("stopped", "error", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, address string) error {
	store, err := redis.Open(ctx, address)
	if err != nil {
		return err
	}
	defer store.Close()
	s, err := core.New(store, &core.Options{Concurrency: 32, Drain: 25 * time.Second})
	if err != nil {
		return err
	}
	Invoice.Handle(s, sendInvoice)

	job := Invoice.Job("invoice-acme", InvoiceArgs{Customer: "acme", Endpoint: "https://billing.example/invoices"})
	job.Schedule = core.Cron("0 9 1 * *", "Asia/Seoul")
	job.Retry = core.Retry{Max: 5, Delay: time.Minute}
	job.Timeout = 2 * time.Minute
	if err := s.Put(ctx, job); err != nil { // every pod may do this at every start: the same job again changes nothing
		return err
	}
	return s.Run(ctx)
}

// sendInvoice hands on the trigger as an idempotency key and the token as a fence.
func sendInvoice(ctx context.Context, run core.Run, args InvoiceArgs) error {
	target := args.Endpoint + "?customer=" + url.QueryEscape(args.Customer)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, nil)
	if err != nil {
		return core.Permanent(err)
	}
	req.Header.Set("Idempotency-Key", run.String())
	req.Header.Set("Fencing-Token", strconv.FormatUint(run.Token, 10))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusTooManyRequests:
		return core.RetryAfter(errors.New(resp.Status), time.Minute)
	case resp.StatusCode >= http.StatusInternalServerError:
		return errors.New(resp.Status)
	case resp.StatusCode >= http.StatusBadRequest:
		return core.Permanent(errors.New(resp.Status))
	}
	return nil
}

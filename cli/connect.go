package cli

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/belfry-io/belfry/backend"
	"github.com/belfry-io/belfry/core"
)

// backendURL returns --backend or its environment variable.
func (p *program) backendURL(c *cli.Context) (string, error) {
	if c.IsSet(flagBackend) {
		return c.String(flagBackend), nil
	}
	if url, ok := p.Env(envBackend); ok && url != "" {
		return url, nil
	}
	return "", usagef("--backend is not set; write --backend redis://localhost:6379/0, or set %s", envBackend)
}

// isMemory reports whether the store of url ends with this process.
func isMemory(url string) bool { return url == "memory" || strings.HasPrefix(url, "memory:") }

// client opens the backend for a command that manages jobs, and gives it a Scheduler that never runs. done closes
// the store.
func (p *program) client(ctx context.Context, c *cli.Context) (s *core.Scheduler, done func(), err error) {
	if _, err := format(c); err != nil {
		return nil, nil, err
	}
	url, err := p.backendURL(c)
	if err != nil {
		return nil, nil, err
	}
	if isMemory(url) {
		return nil, nil, usagef("--backend: memory is private to one process, so there is nothing to manage from outside; use belfry demo, or belfry pod --leader --jobs-file FILE")
	}
	store, err := p.open(ctx, url)
	if err != nil {
		return nil, nil, err
	}
	s, err = core.New(store, &core.Options{Name: "cli", Version: p.Version, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, nil, errors.Join(err, store.Close())
	}
	return s, func() { _ = store.Close() }, nil // nothing is pending: every change was answered
}

// open opens the store of url. An error of another kind than a bad URL is an unreachable backend.
func (p *program) open(ctx context.Context, url string) (core.Store, error) {
	store, err := p.Backends.Open(ctx, url)
	switch {
	case err == nil:
		return store, nil
	case errors.Is(err, core.ErrInvalid):
		return nil, err
	}
	return nil, &unreachableError{err}
}

// openPatiently is open for pods, which are often started together with their store: it tries again, once a
// second, until ctx ends or wait has passed.
func (p *program) openPatiently(ctx context.Context, url string, wait time.Duration, log *slog.Logger) (core.Store, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for attempt := 1; ; attempt++ {
		store, err := p.open(ctx, url)
		if !isType[*unreachableError](err) {
			return store, err
		}
		if attempt == 1 {
			log.Warn("backend not reached yet", slog.String("backend", backend.Redact(url)), slog.Duration("wait", wait), slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-tick.C:
		}
	}
}

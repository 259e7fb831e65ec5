package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/belfry-io/belfry/core"
)

const (
	feedPing      = 3 * time.Second // silence after which the connection is tested, and given up if silent once more
	feedPause     = 100 * time.Millisecond
	feedPauseLong = 2 * time.Second
)

// Watch implements [core.Store] by a subscription: apply.lua publishes each announced change in the same step as
// it makes it. While the connection is away changes are missed.
func (s *Store) Watch(ctx context.Context, fn func(core.Change)) error {
	if err := s.begin(); err != nil {
		return fmt.Errorf("watch: %w", err)
	}
	defer s.calls.Done()
	outer := ctx
	ctx, cancel := context.WithCancel(ctx)
	closing := make(chan struct{})
	go func() {
		defer close(closing)
		select {
		case <-s.done:
			cancel()
		case <-ctx.Done():
		}
	}()
	defer func() { cancel(); <-closing }()

	for pause := feedPause; ctx.Err() == nil; pause = min(2*pause, feedPauseLong) {
		gen := s.current()
		heard, err := s.follow(ctx, gen, fn)
		if heard {
			pause = feedPause
		}
		if moved, ok := errors.AsType[*movedError](err); ok {
			s.move(gen, moved.to)
			continue
		}
		wait(ctx, pause)
	}
	if outer.Err() == nil {
		return fmt.Errorf("watch: %w", core.ErrClosed)
	}
	return nil
}

// wait returns after d or when ctx ends.
func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// follow hands on changes until the connection breaks or ctx ends; heard says whether there was a connection.
func (s *Store) follow(ctx context.Context, gen *generation, fn func(core.Change)) (heard bool, err error) {
	sub := gen.client.Subscribe(ctx)
	closed := context.AfterFunc(ctx, func() { _ = sub.Close() }) // go-redis does not look at ctx while it reads
	defer func() {
		if closed() {
			_ = sub.Close()
		}
	}()
	if err := sub.Subscribe(ctx, s.layout.feed()); err != nil {
		return false, err
	}
	for silent := 0; ; {
		m, err := sub.ReceiveTimeout(ctx, feedPing)
		var network net.Error
		switch {
		case err == nil:
			silent, heard = 0, true
		case errors.As(err, &network) && network.Timeout() && silent == 0 && ctx.Err() == nil:
			silent++
			if err := sub.Ping(ctx); err != nil {
				return heard, err
			}
			continue
		default:
			return heard, err
		}
		if msg, ok := m.(*goredis.Message); ok {
			if c, ok := parseChange(msg.Payload); ok && ctx.Err() == nil {
				fn(c)
			}
		}
	}
}

// Package redis keeps belfry's records in Redis 6.2 or newer, or a server that speaks like it.
//
// A single primary is supported, with or without persistence; docs/redis.md says what each setting promises, and
// DESIGN.md beside this file why the layout is as it is. Everything can be read with redis-cli.
package redis

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/belfry-io/belfry/core"
)

// A Store is a [core.Store] on one Redis server. Its methods may be called at once.
type Store struct {
	core.RecordLocker

	settings Settings
	layout   layout
	scripts  applyScripts

	done   chan struct{}  // closed by Close
	calls  sync.WaitGroup // calls whose caller may have left
	mu     sync.Mutex     // guards what follows
	closed bool
	gen    *generation
	known  epochMark
}

// epochMark is what a client has been told of the life of the store's data.
type epochMark struct {
	id string // empty: nothing yet
	n  uint64 // the highest commit number acknowledged to it
}

var (
	_ core.Store   = (*Store)(nil)
	_ core.Checker = (*Store)(nil)
	_ core.Adopter = (*Store)(nil)
)

// Open connects to the server that a URL names ([ParseURL] tells its form), and checks it as [New] does.
func Open(ctx context.Context, rawURL string) (*Store, error) {
	s, err := ParseURL(rawURL)
	if err != nil {
		return nil, err
	}
	return New(ctx, s)
}

// New connects to the server and refuses one that is certain to lose claims: one that evicts keys, a replica, one
// that is less durable than demanded, one that does not say who it is. The errors name the remedy. The caller
// closes the store.
func New(ctx context.Context, settings Settings) (*Store, error) {
	if err := settings.complete(); err != nil {
		return nil, fmt.Errorf("open redis: %w", err)
	}
	s := &Store{settings: settings, layout: layout{prefix: settings.Prefix}, scripts: newApplyScripts(), done: make(chan struct{})}
	s.gen = s.newGeneration(server{})
	s.Records = s
	if err := s.admit(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open redis at %s: %w", settings.Server.Addr, err), s.Close())
	}
	return s, nil
}

// admit checks the server, then learns the epoch of its data.
func (s *Store) admit(ctx context.Context) error {
	if err := s.refuse(ctx); err != nil {
		return err
	}
	_, err := s.Apply(ctx, nil)
	return err
}

// Close closes all connections; a second time it returns [core.ErrClosed]. Calls under way end with [core.ErrClosed]; changes among them are uncertain.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return fmt.Errorf("close redis: %w", core.ErrClosed)
	}
	s.closed = true
	gen := s.gen
	s.mu.Unlock()
	close(s.done)
	err := gen.client.Close()
	s.calls.Wait()
	if err != nil && !errors.Is(err, goredis.ErrClosed) {
		return fmt.Errorf("close redis: %w", err)
	}
	return nil
}

// begin counts a call, or refuses it after Close.
func (s *Store) begin() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return core.ErrClosed
	}
	s.calls.Add(1)
	return nil
}

// Adopt begins a new epoch: whoever knew the former one, or the one that this client knew, is refused once with
// [core.ErrEpoch] and then goes on in the new one. After an error call it again.
func (s *Store) Adopt(ctx context.Context) (string, error) {
	s.mu.Lock()
	known := s.known.id
	s.mu.Unlock()
	reply, err := read(ctx, s, func(ctx context.Context, c *goredis.Client) ([]string, error) {
		return c.Eval(ctx, adoptScript, []string{s.layout.epoch()}, newEpoch(), known).StringSlice()
	})
	if err != nil {
		return "", fmt.Errorf("adopt: %w", err)
	}
	n, err := parseCommit(reply)
	if err != nil {
		return "", fmt.Errorf("adopt: %w", err)
	}
	s.mu.Lock()
	s.known = epochMark{id: reply[0], n: n}
	s.mu.Unlock()
	return reply[0], nil
}

// newEpoch names an epoch: its day, for people, and enough chance to be the only one.
func newEpoch() string { return time.Now().UTC().Format("2006-01-02") + "-" + rand.Text()[:16] }

// Quiet silences the log of the client library, which belongs to the whole program and repeats what the errors say. For a
// program's main function.
func Quiet() { goredis.SetLogger(silent{}) }

// silent is a log that says nothing.
type silent struct{}

// Printf does nothing.
func (silent) Printf(context.Context, string, ...any) {}

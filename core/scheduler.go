package core

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Options tune a pod. The zero value of a field is the default named beside it.
type Options struct {
	Name        string        // shown wherever the pod is; default: the host's name
	Version     string        // of the program, shown beside the name; default: none
	Concurrency int           // handlers running at once, 1 to 100,000; default 256
	Queues      []string      // the queues whose jobs this pod runs; default "default" alone
	SessionTTL  time.Duration // silence after which others take over, 1s to 10m; default 10s
	Drain       time.Duration // how long Run waits for handlers when it stops; default 30s; negative: not at all

	Middleware []Middleware
	Logger     *slog.Logger     // default slog.Default()
	OnEvent    func(Event)      // called in order from one goroutine, and must be quick; default: log the event
	Adopt      bool             // begin a new epoch by itself when the store was emptied or rolled back; default: stop claiming until somebody decides
	Now        func() time.Time // the pod's wall clock; default time.Now; for tests of wrong clocks
}

// maxSessionTTL is the longest that a session may be silent.
const maxSessionTTL = 10 * time.Minute

// withDefaults returns the options with defaults filled in, or what is wrong with them.
func (o Options) withDefaults() (Options, error) {
	if o.Name == "" {
		o.Name, _ = os.Hostname()
	}
	if o.Name == "" {
		o.Name = "pod"
	}
	if o.Concurrency == 0 {
		o.Concurrency = 256
	}
	if len(o.Queues) == 0 {
		o.Queues = []string{DefaultQueue}
	}
	o.Queues = slices.Compact(slices.Sorted(slices.Values(o.Queues)))
	if o.SessionTTL == 0 {
		o.SessionTTL = 10 * time.Second
	}
	if o.Drain == 0 {
		o.Drain = 30 * time.Second
	}
	if o.Logger == nil && o.OnEvent == nil {
		o.Logger = slog.Default()
	}
	var c checker
	if len(o.Name) > maxID || strings.ContainsFunc(o.Name, func(r rune) bool { return r < ' ' }) {
		c.field("name", "is too long or has control characters", fmt.Sprintf("use at most %d printable bytes", maxID))
	}
	c.within("concurrency", o.Concurrency, 1, 100_000)
	c.between("session_ttl", o.SessionTTL, time.Second, maxSessionTTL)
	for _, q := range o.Queues {
		c.name("queues", q, maxName)
	}
	return o, errors.Join(c...)
}

// A Scheduler is one pod or, if Run is never called, a client. New starts nothing, so there is nothing to close but the
// store, by whoever opened it.
type Scheduler struct {
	store   Store
	opts    Options
	clock   *clock
	stripes atomic.Int64

	mu       sync.Mutex
	handlers map[string]Handler
	ran      bool
	locks    map[string]bool        // claims of locks that this pod holds or is about to take
	engine   atomic.Pointer[engine] // while it runs
}

// New returns a Scheduler on store. opts may be nil. An error is an [ErrInvalid] that names the option.
func New(store Store, opts *Options) (*Scheduler, error) {
	if store == nil {
		return nil, &FieldError{Field: "store", Problem: "is nil", Remedy: "open a backend first"}
	}
	var o Options
	if opts != nil {
		o = *opts
	}
	o, err := o.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("new scheduler: %w", err)
	}
	return &Scheduler{store: store, opts: o, clock: newClock(o.Now), handlers: map[string]Handler{}}, nil
}

// Handle registers h under name. Like http.Handle it panics on a mistake in the program: an empty name, a nil handler, a
// name that is taken, a call after Run.
func (s *Scheduler) Handle(name string, h Handler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case name == "":
		panic("belfry: Handle: empty name")
	case h == nil:
		panic("belfry: Handle " + name + ": nil handler")
	case s.handlers[name] != nil:
		panic("belfry: Handle " + name + ": registered twice")
	case s.ran:
		panic("belfry: Handle " + name + ": after Run")
	}
	for _, m := range slices.Backward(s.opts.Middleware) {
		h = m(h)
	}
	s.handlers[name] = h
}

// Session returns the id of the pod's session, "" while it has none.
func (s *Scheduler) Session() string {
	if g := s.engine.Load(); g != nil {
		return g.keep.session().ID
	}
	return ""
}

// Run is the pod's life: it opens a session, and claims and runs triggers until ctx ends. Then it claims nothing more,
// waits up to [Options.Drain] for the running handlers, cancels those that are left, ends the session and returns: nil if
// all handlers ended by themselves, [ErrDrained] if not, [ErrUncertain] if the store did not take the last outcomes. A lost session is replaced; a store that is away is waited out.
//
// Before ctx ends Run returns only [ErrClosed], when the store is closed, or [ErrFormat], when a newer belfry has written
// it. On [ErrEpoch] it claims nothing and says so by [EventStore], until somebody has decided ([Adopter]). It may be called
// once.
func (s *Scheduler) Run(ctx context.Context) error {
	s.mu.Lock()
	if s.ran {
		s.mu.Unlock()
		panic("belfry: Run was called twice")
	}
	s.ran = true
	s.mu.Unlock()

	stripes, err := s.await(ctx)
	if err != nil || ctx.Err() != nil {
		return err
	}
	p := newPod(ctx, s, stripes)
	s.engine.Store(p.engine)
	defer s.engine.Store(nil)
	return p.run(ctx)
}

// await waits until the store answers, and returns its number of stripes.
func (s *Scheduler) await(ctx context.Context) (int, error) {
	for {
		n, err := s.stripeCount(ctx)
		switch {
		case err == nil:
			return n, nil
		case ctx.Err() != nil:
			return 0, nil //nolint:nilerr // to be stopped while waiting is no failure
		case errors.Is(err, ErrClosed), errors.Is(err, ErrFormat):
			return 0, err
		}
		s.notify(Event{Kind: EventStore, Pod: s.opts.Name, Err: err})
		sleep(ctx, time.Second)
	}
}

// notify tells of what happens before the pod's own goroutines run.
func (s *Scheduler) notify(ev Event) {
	n := newNotifier(&s.opts)
	n.listen(ev)
}

// handlerNames returns what the pod can run.
func (s *Scheduler) handlerNames() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.handlers))
}

// newID returns an id that is unique for all time: 80 random bits in 16 letters and digits.
func newID() string {
	var b [10]byte
	_, _ = rand.Read(b[:]) // never fails
	return strings.ToLower(base32.HexEncoding.EncodeToString(b[:]))
}

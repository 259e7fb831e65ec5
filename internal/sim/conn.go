//go:build belfrysim

package sim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/belfry-io/belfry/core"
)

// A conn is one client's connection to the server. It is where the faults are: what a client cannot tell from a slow
// network, a dead server or a lost packet happens here.
type conn struct {
	core.RecordLocker

	w      *world
	name   string
	closed chan struct{}
	once   sync.Once
	gate   func() // blocks while the client is frozen

	mu    sync.Mutex
	rand  *rand.Rand
	cut   bool              // the network between the client and the server is down
	seen  map[string]uint64 // for each key the newest commit that this client knows of
	life  int               // the epoch that it was last told of
	seq   uint64            // the highest commit that it knows of
	first map[string]sent   // for each key the change that was last sent
	acked time.Time         // when the latest renewal that was acknowledged was sent
}

// A sent is a change, and when it was sent first.
type sent struct {
	version uint64
	state   string
	at      time.Time
}

var (
	_ core.Store   = (*conn)(nil)
	_ core.Adopter = (*conn)(nil)
)

var (
	errRefused = errors.New("connection refused")
	errReset   = errors.New("connection reset")
)

// faults are the shares of calls that go wrong, and how. All of them are drawn for each seed, so that some seeds have
// much of one fault and others none.
type faults struct {
	Lost      float64       // the change is executed, its answer lost
	Late      float64       // the change is executed after the client has given up
	Gone      float64       // the change is lost
	Refused   float64       // the call fails before anything is executed
	Slow      float64       // the call takes up to a second more
	Apart     float64       // of a batch with a fault, this share has a fate of its own for each operation
	Stale     float64       // a read is as old as the contract allows
	NoHint    float64       // an announced change is not heard of
	LateTime  time.Duration // of Late: at most
	OneWay    time.Duration // the network, one way; at most twice that
	DropReads float64       // a read fails
}

func (w *world) connect(name string, gate func()) *conn {
	c := &conn{
		w: w, name: name, closed: make(chan struct{}), gate: gate, rand: w.fork(), seen: map[string]uint64{}, first: map[string]sent{},
	}
	c.Records = c
	return c
}

// fate is what becomes of a request.
type fate uint8

const (
	fateFine fate = iota
	fateLost
	fateLate
	fateGone
	fateRefused
)

// draw returns what becomes of the next request, and how long it takes there and back.
func (c *conn) draw() (f fate, there, back time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := &c.w.faults
	one := func() time.Duration { return p.OneWay + time.Duration(c.rand.Int64N(int64(p.OneWay)+1)) }
	there, back = one(), one()
	if c.cut {
		return fateGone, there, back
	}
	if !c.w.faulty() {
		return fateFine, there, back
	}
	if c.rand.Float64() < p.Slow {
		there += time.Duration(c.rand.Int64N(int64(time.Second)))
	}
	x := c.rand.Float64()
	for _, s := range []struct {
		fate  fate
		share float64
	}{{fateLost, p.Lost}, {fateLate, p.Late}, {fateGone, p.Gone}, {fateRefused, p.Refused}} {
		if x < s.share {
			return s.fate, there, back
		}
		x -= s.share
	}
	return fateFine, there, back
}

// roll reports a chance, when there are faults at all.
func (c *conn) roll(p float64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.w.faulty() && c.rand.Float64() < p
}

func (c *conn) within(d time.Duration) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Duration(c.rand.Int64N(int64(d) + 1))
}

func (c *conn) isCut() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cut
}

// Close implements [core.Store].
func (c *conn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return nil
}

// wait lets d pass for the client. The error is the context's, or that the client was killed.
func (c *conn) wait(ctx context.Context, act string, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-c.closed:
		return fmt.Errorf("%s: %w", act, core.ErrClosed)
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", act, ctx.Err())
	case <-t.C:
		return nil
	}
}

// enter begins a call.
func (c *conn) enter(ctx context.Context, act string) error {
	c.gate()
	select {
	case <-c.closed:
		return fmt.Errorf("%s: %w", act, core.ErrClosed)
	default:
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", act, err)
	}
	return nil
}

// read asks the server, after the way there, and answers after the way back.
func read[T any](ctx context.Context, c *conn, act string, cost float64, ask func(at time.Time) T) (T, error) {
	defer c.gate()
	var zero T
	if err := c.enter(ctx, act); err != nil {
		return zero, err
	}
	_, there, back := c.draw()
	if err := c.wait(ctx, act, there+c.w.server.slot(cost)); err != nil {
		return zero, err
	}
	if c.isCut() || c.roll(c.w.faults.DropReads) {
		if err := c.wait(ctx, act, 50*time.Millisecond); err != nil {
			return zero, err
		}
		return zero, fmt.Errorf("%s: %w", act, errReset)
	}
	at := time.Now()
	if c.roll(c.w.faults.Stale) {
		at = at.Add(-c.within(staleness - 50*time.Millisecond))
	}
	s := c.w.server
	s.mu.Lock()
	if time.Now().Before(s.down) {
		s.mu.Unlock()
		return zero, fmt.Errorf("%s: %w", act, errRefused)
	}
	out := ask(at)
	s.mu.Unlock()
	return out, c.wait(ctx, act, back)
}

// Get implements [core.Store].
func (c *conn) Get(ctx context.Context, q core.GetQuery) ([]core.Record, error) {
	return read(ctx, c, "get", 0.1, func(at time.Time) []core.Record {
		out := make([]core.Record, len(q.Keys))
		for i, k := range q.Keys {
			out[i] = c.w.server.view(k, at, c.known())
			out[i].Key = k
			if !q.Spec {
				out[i].Spec = nil
			}
		}
		return out
	})
}

// Due implements [core.Store].
func (c *conn) Due(ctx context.Context, q core.DueQuery) ([]core.Record, error) {
	return read(ctx, c, "due", 0.1, func(at time.Time) []core.Record { return c.w.server.due(&q, at, c.known()) })
}

// List implements [core.Store].
func (c *conn) List(ctx context.Context, q core.ListQuery) ([]core.Record, error) {
	return read(ctx, c, "list", 0.1, func(at time.Time) []core.Record {
		out := c.w.server.scan(q.Prefix, q.After, at, c.known())
		out = slices.Clone(out[:min(len(out), q.Limit)])
		for i := range out {
			if !q.Spec {
				out[i].Spec = nil
			}
		}
		return out
	})
}

// RenewSession implements [core.Locker]: it is the one built from records. The checks want to know until when the client
// may trust its session.
func (c *conn) RenewSession(ctx context.Context, s core.Session) (core.Session, error) {
	sent := time.Now()
	s, err := c.RecordLocker.RenewSession(ctx, s)
	if err == nil {
		c.mu.Lock()
		c.acked = sent
		c.mu.Unlock()
	}
	return s, err
}

// trusts reports that the client's session was renewed lately.
func (c *conn) trusts() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Since(c.acked) < c.w.TTL/2
}

// Log implements [core.Store]. The simulation keeps no history: its observer sees everything.
func (c *conn) Log(ctx context.Context, _ core.LogQuery) ([]core.Entry, error) {
	return nil, c.enter(ctx, "log")
}

// known returns what this client knows of the store, for the server to read under its own lock.
func (c *conn) known() map[string]uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make(map[string]uint64, len(c.seen))
	maps.Copy(out, c.seen)
	return out
}

// Watch implements [core.Store].
func (c *conn) Watch(ctx context.Context, fn func(core.Change)) error {
	ch := make(chan core.Change, 256)
	s := c.w.server
	s.mu.Lock()
	s.watch[ch] = struct{}{}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.watch, ch)
		s.mu.Unlock()
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-c.closed:
			return fmt.Errorf("watch: %w", core.ErrClosed)
		case ch := <-ch:
			c.gate()
			if err := c.wait(ctx, "watch", c.w.faults.OneWay); err == nil && !c.roll(c.w.faults.NoHint) {
				fn(ch)
			}
		}
	}
}

// Adopt implements [core.Adopter].
func (c *conn) Adopt(ctx context.Context) (string, error) {
	return read(ctx, c, "adopt", 1, func(time.Time) string {
		s := c.w.server
		s.life++
		c.w.note("", "%s adopts the store: %s", c.name, s.epoch())
		return s.epoch()
	})
}

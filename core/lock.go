package core

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// A Lock is a named lock that this pod holds. Its methods may be called at once.
type Lock struct {
	s     *Scheduler
	name  string
	claim string
	token uint64
	ctx   context.Context //nolint:containedctx // it is what the lock is about
}

// Token returns the fencing token: greater than that of every earlier holder.
func (l *Lock) Token() uint64 { return l.token }

// Context ends when the lock cannot be trusted any more; its cause is then [ErrSessionLost].
func (l *Lock) Context() context.Context { return l.ctx }

// lockState is a lock's record.
type lockState struct {
	Format int    `json:"f"`
	Claim  string `json:"id,omitempty"` // of the holder; "": free
	Pod    string `json:"pod,omitempty"`
	Token  uint64 `json:"t"`
	Since  micros `json:"at,omitempty"`
}

func decodeLock(b []byte) (lockState, error) {
	var ls lockState
	if err := json.Unmarshal(b, &ls); err != nil {
		return lockState{}, fmt.Errorf("decode lock: %w", err)
	}
	if ls.Format > formatVersion {
		return lockState{}, fmt.Errorf("decode lock: %w", ErrFormat)
	}
	return ls, nil
}

// lockPoll is how often a lock that somebody holds is looked at again.
const lockPoll = 200 * time.Millisecond

// Lock waits for the named lock and takes it for this pod, which must be running. It is free when its holder unlocks it or
// is dead. The name is like a job's id: [ErrInvalid] otherwise.
func (s *Scheduler) Lock(ctx context.Context, name string) (*Lock, error) {
	for {
		l, err := s.TryLock(ctx, name)
		if !errors.Is(err, ErrLocked) {
			return l, err
		}
		sleep(ctx, lockPoll)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("lock %q: %w", name, context.Cause(ctx))
		}
	}
}

// TryLock is Lock without waiting: [ErrLocked] if another holds the lock.
func (s *Scheduler) TryLock(ctx context.Context, name string) (*Lock, error) {
	var c checker
	if c.name("name", name, maxID); len(c) > 0 {
		return nil, fmt.Errorf("lock %q: %w", name, errors.Join(c...))
	}
	g := s.engine.Load()
	if g == nil {
		return nil, fmt.Errorf("lock %q: %w", name, errNotRunning)
	}
	tenure := g.shared.tenure.Load()
	if tenure == nil || tenure.ctx.Err() != nil || !g.keep.holds(tenure.session, g.clock.now()) {
		return nil, fmt.Errorf("lock %q: %w", name, ErrSessionLost)
	}
	l := &Lock{s: s, name: name, claim: tenure.session + "." + newID(), ctx: tenure.ctx}
	s.keepLock(l.claim)
	if err := l.take(ctx, g); err != nil {
		s.dropLock(l.claim)
		return nil, fmt.Errorf("lock %q: %w", name, err)
	}
	return l, nil
}

// take writes the holder into the lock's record.
func (l *Lock) take(ctx context.Context, g *engine) error {
	for ctx.Err() == nil {
		server := g.shared.named()
		rec, ls, err := l.s.readLock(ctx, l.name)
		if err != nil {
			return err
		}
		if ls.Claim == l.claim { // sent before, and answered by a conflict
			l.token = ls.Token
			return nil
		}
		if owner := claimOwner(ls.Claim); owner != "" && !l.s.orphaned(ls.Claim, claimOwner(l.claim)) {
			switch g.shared.view.Load().of(owner) {
			case dead:
			case unknown:
				g.keep.track(owner)
				return ErrLocked
			case alive:
				return ErrLocked
			}
		}
		now := g.clock.now()
		ls = lockState{Format: formatVersion, Claim: l.claim, Pod: l.s.opts.Name, Token: max(ls.Token+1, uint64(now.store)), Since: now.store} //nolint:gosec // positive
		ok, err := l.s.writeLock(ctx, rec, &ls, server)
		if err != nil {
			return err
		}
		if ok {
			l.token = ls.Token
			return nil
		}
	}
	return context.Cause(ctx)
}

// keepLock notes that this pod has a lock's claim.
func (s *Scheduler) keepLock(claim string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.locks == nil {
		s.locks = map[string]bool{}
	}
	s.locks[claim] = true
}

// dropLock notes that this pod has a lock's claim no more.
func (s *Scheduler) dropLock(claim string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.locks, claim)
}

// orphaned reports that a claim is of this pod's own session and nobody in it has it: the answer to taking it was lost, and
// the caller has given up.
func (s *Scheduler) orphaned(claim, session string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return claimOwner(claim) == session && !s.locks[claim]
}

// Unlock gives the lock back. [ErrFenced] if another has had it since.
func (l *Lock) Unlock(ctx context.Context) error {
	for ctx.Err() == nil {
		server := l.s.server()
		rec, ls, err := l.s.readLock(ctx, l.name)
		if err != nil {
			return fmt.Errorf("unlock %q: %w", l.name, err)
		}
		if ls.Claim == "" && ls.Token == l.token {
			return nil
		}
		if ls.Claim != l.claim {
			return fmt.Errorf("unlock %q: %w", l.name, ErrFenced)
		}
		ls.Claim, ls.Pod, ls.Since = "", "", 0
		ok, err := l.s.writeLock(ctx, rec, &ls, server)
		if err != nil {
			return fmt.Errorf("unlock %q: %w", l.name, err)
		}
		if ok {
			l.s.dropLock(l.claim)
			return nil
		}
	}
	return fmt.Errorf("unlock %q: %w", l.name, context.Cause(ctx))
}

func (s *Scheduler) readLock(ctx context.Context, name string) (Record, lockState, error) {
	key := lockPrefix + name
	recs, err := s.store.Get(ctx, GetQuery{Keys: []string{key}})
	if err != nil {
		return Record{}, lockState{}, err
	}
	rec := recs[0]
	rec.Key = key
	if rec.Version == 0 {
		n, err := s.stripeCount(ctx)
		rec.Stripe = StripeOf(key, n)
		return rec, lockState{}, err
	}
	ls, err := decodeLock(rec.State)
	return rec, ls, err
}

// server names the server that answers the running pod; "" if it does not run or does not know.
func (s *Scheduler) server() string {
	if g := s.engine.Load(); g != nil {
		return g.shared.named()
	}
	return ""
}

// writeLock writes the record, and reports whether nobody else did meanwhile.
func (s *Scheduler) writeLock(ctx context.Context, rec Record, ls *lockState, server string) (bool, error) {
	b, err := json.Marshal(ls)
	if err != nil {
		return false, fmt.Errorf("encode lock: %w", err)
	}
	rec.State = nil
	next := rec
	next.State = b
	r, err := s.settle(ctx, Op{Old: rec, New: next, Announce: true, Server: server})
	switch {
	case err != nil:
		return false, err
	case r.Err == nil:
		return true, nil
	case errors.Is(r.Err, ErrConflict), errors.Is(r.Err, ErrMoved):
		return false, nil
	}
	return false, r.Err
}

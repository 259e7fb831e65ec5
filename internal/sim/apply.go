//go:build belfrysim

package sim

import (
	"context"
	"fmt"
	"time"

	"github.com/belfry-io/belfry/core"
)

// An answer is what the server has to say to a batch.
type answer struct {
	core.Applied

	err error
}

// Apply implements [core.Store].
//
// The request travels on its own: whatever becomes of the client meanwhile - it gives up, is frozen, or dies - it may
// still be carried out.
func (c *conn) Apply(ctx context.Context, ops []core.Op) (core.Applied, error) {
	defer c.gate()
	if err := c.enter(ctx, "apply"); err != nil {
		return core.Applied{}, err
	}
	whole, there, back := c.draw()
	fates := make([]fate, len(ops))
	apart := whole != fateFine && whole != fateRefused && !c.isCut() && c.roll(c.w.faults.Apart)
	for i := range fates {
		fates[i] = whole
		if apart {
			fates[i] = fate(c.within(time.Duration(fateGone)))
		}
	}
	if whole == fateRefused || len(ops) == 0 && whole != fateFine {
		if err := c.wait(ctx, "apply", there); err != nil {
			return core.Applied{}, err
		}
		return core.Applied{}, fmt.Errorf("apply: %w", errRefused)
	}
	out := make(chan answer, 1)
	r := request{conn: c, ops: ops, fates: fates, times: c.firstSent(ops), server: c.w.server.named(), out: out}
	c.w.tasks.Go(func() { r.travel(there, back) })
	patience := time.NewTimer(there + back + time.Second + 5*time.Second)
	defer patience.Stop()
	select {
	case a := <-out:
		return a.Applied, a.err
	case <-ctx.Done():
	case <-patience.C:
	case <-c.closed:
		return core.Applied{}, fmt.Errorf("apply: %w", core.ErrClosed)
	}
	if len(ops) == 0 {
		return core.Applied{}, fmt.Errorf("apply: %w", errReset)
	}
	return unknown(len(ops)), nil
}

// unknown is what a client knows of n operations when it gives up.
func unknown(n int) core.Applied {
	a := core.Applied{Results: make([]core.Result, n)}
	for i := range a.Results {
		a.Results[i].Err = fmt.Errorf("apply: %w", core.ErrUncertain)
	}
	return a
}

// firstSent returns for each operation when this client sent that very change first.
func (c *conn) firstSent(ops []core.Op) []time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]time.Time, len(ops))
	for i := range ops {
		key := ops[i].Old.Key
		s := sent{version: ops[i].Old.Version, state: string(ops[i].New.State), at: time.Now()}
		if old := c.first[key]; old.version == s.version && old.state == s.state {
			s.at = old.at
		}
		c.first[key] = s
		out[i] = s.at
	}
	return out
}

// A request is a batch on its way.
type request struct {
	conn   *conn
	ops    []core.Op
	fates  []fate
	times  []time.Time
	server string // to which it was sent
	out    chan answer
}

// travel takes the batch to the server, and its answer back.
func (r *request) travel(there, back time.Duration) {
	w := r.conn.w
	time.Sleep(there + w.server.slot(float64(len(r.ops))))
	a, told := r.execute()
	for i, f := range r.fates {
		if f == fateLate {
			late := 10*time.Millisecond + r.conn.within(100*time.Millisecond)
			if r.conn.within(2) == 0 {
				late += r.conn.within(w.faults.LateTime)
			}
			w.tasks.Go(func() {
				time.Sleep(late)
				r.executeOne(i)
			})
		}
	}
	time.Sleep(back)
	if !told {
		time.Sleep(r.conn.within(100 * time.Millisecond)) // until the client sees that the connection is gone
	}
	r.out <- a
}

// execute carries out what is not late or gone, and reports whether the client hears of any of it.
func (r *request) execute() (a answer, told bool) {
	s := r.conn.w.server
	s.mu.Lock()
	defer s.mu.Unlock()
	r.conn.w.count.batches.Add(1)
	switch {
	case r.server != s.server():
		if len(r.ops) == 0 {
			return answer{err: fmt.Errorf("apply: %w", errReset)}, false
		}
		return answer{Applied: unknown(len(r.ops))}, false
	case time.Now().Before(s.down):
		return answer{err: fmt.Errorf("apply: %w", errRefused)}, true
	}
	if err := r.conn.admit(s); err != nil {
		return answer{err: err}, true
	}
	a.Applied = unknown(len(r.ops))
	for i := range r.ops {
		if f := r.fates[i]; f == fateLate || f == fateGone {
			continue
		}
		res := s.apply(r.conn, &r.ops[i], r.times[i])
		if r.fates[i] == fateLost {
			continue
		}
		a.Results[i], told = res, true
		r.conn.learn(s, r.ops[i].Old.Key)
	}
	r.conn.w.counted(a.Results)
	if told || len(r.ops) == 0 {
		a.Now, a.Epoch, a.Server = s.clock(), s.epoch(), s.server()
		r.conn.mu.Lock()
		r.conn.life, r.conn.seq = s.life, s.seq
		r.conn.mu.Unlock()
		told = true
	}
	return a, told
}

// executeOne carries out an operation that the client has given up, if the server it was sent to still answers.
func (r *request) executeOne(i int) {
	s := r.conn.w.server
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.server != s.server() || time.Now().Before(s.down) {
		return
	}
	if res := s.apply(r.conn, &r.ops[i], r.times[i]); res.Err == nil {
		r.conn.w.count.late.Add(1)
	}
}

// admit refuses a client that has seen more than the server has. Both locks are held briefly, the server's first.
func (c *conn) admit(s *server) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.life == s.life && c.seq > s.seq {
		c.w.count.refused.Add(1)
		return fmt.Errorf("apply: commit %d was seen, the server has %d: %w", c.seq, s.seq, core.ErrEpoch)
	}
	return nil
}

// learn remembers that the client knows the newest version of a key.
func (c *conn) learn(s *server, key string) {
	if p := s.keys[key]; p != nil && len(*p) > 0 {
		c.mu.Lock()
		c.seen[key] = (*p)[len(*p)-1].seq
		c.mu.Unlock()
	}
}

func (s *server) named() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.server()
}

//go:build belfrysim

package sim

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/belfry-io/belfry/core"
)

// A server is the store that all connections talk to: versioned records, with all their past of the last seconds, so that
// it can answer stale reads and fail over to a replica that lacks the latest commits.
//
// No method blocks, so that its lock may be held in a bubble; what takes time is the connections' affair.
type server struct {
	mu      sync.Mutex
	keys    map[string]*past
	journal []commit // the latest commits, for a fail-over to lose
	seq     uint64   // commits so far; a fail-over takes it back
	life    int      // epochs so far
	name    int      // servers so far
	offset  time.Duration
	counter bool // versions are counted per key, which breaks rule R2
	busy    time.Time
	rate    float64   // operations a second; 0: no limit
	down    time.Time // nobody answers before it
	watch   map[chan core.Change]struct{}
	saw     func(*change) // is told of each commit, under the lock
}

// A past is the versions of one record, oldest first.
type past []held

// held is a record as one commit left it. Version 0: it was removed.
type held struct {
	core.Record

	at  time.Time
	seq uint64
}

// A commit is what a fail-over may lose.
type commit struct {
	key string
	at  time.Time
}

// A change is a commit as the observer sees it.
type change struct {
	conn        *conn
	key         string
	before, now core.Record
	at          time.Time // the store's clock
	sent        time.Time // when the client sent this very change first
}

const (
	staleness = time.Second     // the contract's bound
	memory    = 3 * time.Second // how far back the past is kept
)

func newServer() *server {
	return &server{keys: map[string]*past{}, watch: map[chan core.Change]struct{}{}, life: 1, name: 1}
}

// clock is the store's clock.
func (s *server) clock() time.Time { return time.Now().UTC().Add(s.offset).Truncate(time.Microsecond) }

func (s *server) epoch() string  { return fmt.Sprintf("epoch-%d", s.life) }
func (s *server) server() string { return fmt.Sprintf("server-%d", s.name) }

// slot reserves the server for n operations and returns how long that takes from now: operations wait for one another.
func (s *server) slot(n float64) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if s.busy.Before(now) {
		s.busy = now
	}
	if s.rate > 0 {
		s.busy = s.busy.Add(time.Duration(n / s.rate * float64(time.Second)))
	}
	return s.busy.Sub(now)
}

// stall keeps the server from doing anything for d.
func (s *server) stall(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := time.Now().Add(d); s.busy.Before(t) {
		s.busy = t
	}
}

// newest returns the record as it is.
func (p *past) newest() core.Record {
	if p == nil || len(*p) == 0 {
		return core.Record{}
	}
	return (*p)[len(*p)-1].Record
}

// apply carries out one operation of a client.
func (s *server) apply(c *conn, op *core.Op, sent time.Time) core.Result {
	key := op.Old.Key
	p := s.keys[key]
	cur := p.newest()
	switch {
	case op.Server != "" && op.Server != s.server():
		return core.Result{Err: core.ErrMoved}
	case cur.Version != op.Old.Version:
		cur.Key = key
		if len(op.New.Spec) == 0 {
			cur.Spec = nil
		}
		return core.Result{Err: fmt.Errorf("apply %s: %w", key, core.ErrConflict), Current: cur}
	}
	s.seq++
	now := s.clock()
	next := core.Record{Key: key}
	if !op.Delete {
		next = op.New
		next.Key, next.Stripe, next.Due = key, op.Old.Stripe, op.New.Due.Truncate(time.Microsecond)
		next.Version = s.version(cur.Version, now)
		if len(next.Spec) == 0 {
			next.Spec = cur.Spec
		}
		next.State, next.Spec = slices.Clone(next.State), slices.Clone(next.Spec)
	}
	if p == nil {
		p = &past{}
		s.keys[key] = p
	}
	*p = append(*p, held{next, time.Now(), s.seq})
	s.trim(p)
	s.journal = append(s.journal, commit{key, time.Now()})
	if n := len(s.journal); n > 256 {
		s.journal = slices.Clone(s.journal[n-128:])
	}
	s.saw(&change{conn: c, key: key, before: cur, now: next, at: now, sent: sent})
	if op.Announce {
		s.tell(core.ChangeOf(next), key)
	}
	return core.Result{Version: next.Version}
}

// version is the next one of a record: never one that it had before, unless rule R2 is broken.
func (s *server) version(old uint64, now time.Time) uint64 {
	if s.counter {
		return old + 1
	}
	return max(old+1, uint64(now.UnixMicro()))
}

func (s *server) trim(p *past) {
	old := 0
	for old+1 < len(*p) && time.Since((*p)[old+1].at) > memory {
		old++
	}
	if old > 0 {
		*p = slices.Clone((*p)[old:])
	}
}

func (s *server) tell(c core.Change, key string) {
	if c.Key != "" {
		c.Key = key
	}
	for w := range s.watch {
		select {
		case w <- c:
		default:
		}
	}
}

// failover lets another server answer, which has not the last n commits of those younger than a second. Requests under
// way to the old one are gone.
func (s *server) failover(n int, outage, offset time.Duration) (lost int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.name++
	s.offset = offset
	s.down = time.Now().Add(outage)
	for ; lost < n && len(s.journal) > 0; lost++ {
		last := s.journal[len(s.journal)-1]
		if time.Since(last.at) > time.Second {
			break
		}
		s.journal = s.journal[:len(s.journal)-1]
		p := s.keys[last.key]
		*p = (*p)[:len(*p)-1]
		s.seq--
	}
	s.journal = nil
	return lost
}

// view returns the record of a key as a client may read it: as it was at t, but not older than what the client saw.
func (s *server) view(key string, t time.Time, seen map[string]uint64) core.Record {
	p := s.keys[key]
	if p == nil {
		return core.Record{}
	}
	for i := len(*p) - 1; i >= 0; i-- {
		if h := &(*p)[i]; !h.at.After(t) || h.seq <= seen[key] {
			return h.Record
		}
	}
	return core.Record{} // it did not exist yet
}

// scan returns the records that a client may read, in order of their keys.
func (s *server) scan(prefix, after string, t time.Time, seen map[string]uint64) []core.Record {
	var out []core.Record
	for _, key := range slices.Sorted(maps.Keys(s.keys)) {
		if key <= after || !strings.HasPrefix(key, prefix) {
			continue
		}
		if r := s.view(key, t, seen); r.Version != 0 {
			out = append(out, r)
		}
	}
	return out
}

// due returns the records that are due in a range.
func (s *server) due(q *core.DueQuery, t time.Time, seen map[string]uint64) []core.Record {
	stripes := map[int]bool{}
	for _, n := range q.Stripes {
		stripes[n] = true
	}
	var out []core.Record
	for key := range s.keys {
		r := s.view(key, t, seen)
		if r.Version == 0 || r.Due.IsZero() || r.Queue != q.Queue || !stripes[r.Stripe] || r.Due.Before(q.From) || !r.Due.Before(q.To) {
			continue
		}
		if r.Due.Equal(q.From) && key <= q.AfterKey {
			continue
		}
		r.Spec = nil
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b core.Record) int { return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.Key, b.Key)) })
	return out[:min(len(out), q.Limit)]
}

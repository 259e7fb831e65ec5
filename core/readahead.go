package core

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"
)

// A finder reads records for the engine and decodes them. Each goroutine that reads has one of its own.
type finder struct {
	g    *engine
	deal dealer
	view *view
}

// Limits of reading.
const (
	pageSize   = 256
	latePage   = 64
	sweepEvery = 100 * time.Millisecond
	sweepBytes = 2 << 20 // a page of so much may have been cut short
)

// shared is what the loop tells those who read.
type shared struct {
	view    atomic.Pointer[view]
	reading atomic.Int64 // microseconds: how long reading a bucket takes
	late    atomic.Int64 // microseconds: how late the pod's latest claims were
	grace   atomic.Int64 // microseconds
	gone    atomic.Bool  // the pod drains, or has no session
	away    atomic.Bool  // the store cannot be used

	server atomic.Pointer[string]
	tenure atomic.Pointer[tenure]
}

// A tenure is the time of one session, as a context.
type tenure struct {
	session string
	ctx     context.Context //nolint:containedctx // locks' contexts are made from it
}

// named returns the server that answers, "" if it is not known.
func (s *shared) named() string {
	if name := s.server.Load(); name != nil {
		return *name
	}
	return ""
}

// open begins a session's tenure.
func (s *shared) open(base context.Context, session string) context.CancelCauseFunc {
	ctx, cancel := context.WithCancelCause(base)
	s.tenure.Store(&tenure{session: session, ctx: ctx})
	return cancel
}

func (f *finder) refresh() bool {
	v := f.g.shared.view.Load()
	if v == nil || f.g.shared.gone.Load() {
		return false
	}
	if v != f.view {
		f.view = v
		f.deal.see(v.pods)
	}
	return true
}

// readAhead reads each bucket's entries that are dealt to this pod shortly before the bucket begins.
func (f *finder) readAhead(ctx context.Context) {
	next := int64(0) // the bucket to be read
	for ctx.Err() == nil {
		now := f.g.clock.now().store
		if b := bucketOf(now + f.g.readLead()); next < b {
			next = b
		}
		if wait := bucketStart(next) - f.g.readLead() - now; wait > 0 {
			sleep(ctx, min(wait.duration(), idle))
			continue
		}
		if f.refresh() {
			began := f.g.clock.now().mono
			f.readBucket(ctx, next)
			took := span(f.g.clock.now().mono - began)
			f.g.shared.reading.Store(int64(max(took, micros(f.g.shared.reading.Load())*3/4)))
		}
		next++
	}
}

func (f *finder) readBucket(ctx context.Context, b int64) {
	for _, queue := range f.g.opts.Queues {
		stripes := f.deal.of(queue, b).firsts(f.g.keep.session().ID)
		if len(stripes) == 0 {
			continue
		}
		q := DueQuery{Queue: queue, Stripes: stripes, From: bucketStart(b).time(), To: bucketStart(b + 1).time(), Limit: pageSize}
		for ctx.Err() == nil {
			recs, err := f.g.store.Due(ctx, q)
			if err != nil {
				f.fail(err)
				return
			}
			if len(recs) == 0 {
				break
			}
			f.g.in.read(f.decode(ctx, recs))
			last := recs[len(recs)-1]
			q.From, q.AfterKey = last.Due, last.Key
		}
	}
}

// sweep looks every tenth of a second for entries that are due and that nobody has taken. It is what guarantees that
// every fire time is found; normally it finds nothing.
func (f *finder) sweep(ctx context.Context) {
	from := map[string]DueQuery{}
	for ctx.Err() == nil {
		wait, limit := sweepEvery, pageSize
		if f.g.shared.late.Load() > int64(3*150*millisecond) { // the store is behind: do not add to that
			wait, limit = time.Second, latePage
		}
		sleep(ctx, wait)
		if !f.refresh() {
			continue
		}
		for _, queue := range f.g.opts.Queues {
			from[queue] = f.sweepQueue(ctx, queue, from[queue], limit)
		}
	}
}

// sweepQueue reads one page of overdue entries, and returns where the next one begins. A full page of entries that this
// pod may not take must not hide those behind it.
func (f *finder) sweepQueue(ctx context.Context, queue string, q DueQuery, limit int) DueQuery {
	now := f.g.clock.now().store
	q.Queue, q.Limit, q.To = queue, limit, (now + 1).time()
	if q.Stripes == nil {
		q.Stripes = make([]int, f.g.stripes)
		for i := range q.Stripes {
			q.Stripes[i] = i
		}
	}
	start := DueQuery{Stripes: q.Stripes}
	if q.From.IsZero() {
		q.From = time.Unix(0, 0).UTC()
	}
	recs, err := f.g.store.Due(ctx, q)
	if err != nil {
		f.fail(err)
		return start
	}
	if len(recs) == 0 {
		return start
	}
	session, grace := f.g.keep.session().ID, micros(f.g.shared.grace.Load())
	mine := make([]Record, 0, len(recs))
	size := 0
	for i := range recs {
		size += len(recs[i].State)
		if f.deal.mayTake(&recs[i], session, now, grace) {
			mine = append(mine, recs[i])
		}
	}
	f.g.in.read(f.decode(ctx, mine))
	if len(recs) < limit && size < sweepBytes {
		return start
	}
	last := recs[len(recs)-1]
	start.From, start.AfterKey = last.Due, last.Key
	return start
}

// watch follows announced changes.
func (f *finder) watch(ctx context.Context) {
	for ctx.Err() == nil {
		err := f.g.store.Watch(ctx, func(c Change) {
			if c.Key == "" {
				f.g.keep.refresh()
				return
			}
			f.g.in.hint(c)
		})
		if err != nil {
			f.fail(err)
			sleep(ctx, time.Second)
		}
	}
}

// heed takes announced changes: to jobs that the pod has to do with, and to entries that are dealt to it in buckets that
// were read already. The records are read elsewhere and come back as offers.
func (g *engine) heed(hints []Change, now moment) {
	var keys []string
	soon := bucketStart(bucketOf(now.store+g.readLead()) + 1)
	for i := range hints {
		c := &hints[i]
		due := microsOf(c.Due)
		if g.slots[c.Key] == nil {
			if due == 0 || due >= soon || g.sess == "" {
				continue
			}
			if g.deal.of(c.Queue, bucketOf(max(due, now.store))).rankOf(StripeOf(c.Key, g.stripes), g.sess) != 0 {
				continue
			}
		}
		keys = append(keys, c.Key)
	}
	slices.Sort(keys)
	for page := range slices.Chunk(slices.Compact(keys), MaxBatch) {
		g.fetch(page)
	}
}

// fail tells of a read that failed, unless the store is just closed; the next one tries again.
func (f *finder) fail(err error) {
	if !errors.Is(err, context.Canceled) {
		f.g.away(err)
	}
}

// fetch reads records for the loop.
func (g *engine) fetch(keys []string) {
	g.tasks.Go(func() { g.fetchNow(g.base, keys) })
}

func (g *engine) fetchNow(ctx context.Context, keys []string) {
	f := finder{g: g}
	ctx, cancel := context.WithTimeout(ctx, g.opts.SessionTTL)
	defer cancel()
	recs, err := g.store.Get(ctx, GetQuery{Keys: keys})
	if err != nil {
		f.fail(err)
		return
	}
	g.in.read(f.decode(ctx, recs))
}

// decode decodes records, and reads the definitions that are not at hand. What cannot be decoded is left to whoever can:
// a record of a newer format belongs to a newer pod.
func (f *finder) decode(ctx context.Context, recs []Record) []found {
	out := make([]found, 0, len(recs))
	var missing []string
	for i := range recs {
		r := &recs[i]
		if r.Version == 0 {
			out = append(out, found{rec: *r})
			continue
		}
		st, err := decodeState(r.State)
		if err != nil {
			f.fail(fmt.Errorf("read %s: %w", r.Key, err))
			continue
		}
		sp := f.spec(r, st.SpecRev)
		if sp == nil {
			if len(r.Spec) == 0 {
				missing = append(missing, r.Key)
			}
			continue
		}
		rec := *r
		rec.Spec, rec.State = nil, nil
		out = append(out, found{rec: rec, st: st, spec: sp})
	}
	if len(missing) == 0 {
		return out
	}
	full, err := f.g.store.Get(ctx, GetQuery{Keys: missing, Spec: true})
	if err != nil {
		f.fail(err)
		return out
	}
	return append(out, f.decode(ctx, withSpec(full))...)
}

// withSpec leaves out records without a definition, which are no jobs or were deleted meanwhile.
func withSpec(recs []Record) []Record {
	out := recs[:0]
	for i := range recs {
		if len(recs[i].Spec) > 0 {
			out = append(out, recs[i])
		}
	}
	return out
}

// spec returns the definition of a record, from the record or the cache.
func (f *finder) spec(r *Record, rev uint64) *spec {
	if sp := f.g.specs.get(r.Key, rev); sp != nil {
		return sp
	}
	if len(r.Spec) == 0 {
		return nil
	}
	sp, err := decodeSpec(r.Spec)
	if err != nil {
		f.fail(fmt.Errorf("read %s: %w", r.Key, err))
		return nil
	}
	f.g.specs.put(r.Key, sp)
	return sp
}

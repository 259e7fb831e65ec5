package core

import (
	"context"
	"errors"
	"slices"
	"time"
)

// An offered is a completion that was sent to the store. A fail-over may lose it although it was acknowledged: then the
// record says for ever that its owner, which lives, holds a run that it has forgotten.
type offered struct {
	key string
	ev  event
	at  time.Duration // by the monotonic clock
}

// For how long completions are remembered, and how many.
const (
	offeredFor = time.Minute
	maxOffered = 50000
)

// remember keeps a completion, in case it must be offered again.
func (g *engine) remember(key string, ev *event, now moment) {
	if len(g.offered) >= maxOffered || len(g.offered) > 0 && now.mono-g.offered[0].at > 2*offeredFor {
		old := slices.IndexFunc(g.offered, func(o offered) bool { return now.mono-o.at <= offeredFor })
		if old < 0 || len(g.offered)-old >= maxOffered {
			old = len(g.offered) / 2
		}
		g.offered = slices.Clone(g.offered[old:])
	}
	g.offered = append(g.offered, offered{key: key, ev: *ev, at: now.mono})
}

// offerAgain offers the completions of the last minute to another server that answers now.
func (g *engine) offerAgain(now moment) {
	again := map[string][]event{}
	for i := range g.offered {
		if o := &g.offered[i]; now.mono-o.at <= offeredFor {
			again[o.key] = append(again[o.key], o.ev)
		}
	}
	g.offered = nil
	keys := make([]string, 0, len(again))
	for k := range again {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for page := range slices.Chunk(keys, pageSize) {
		g.tasks.Go(func() { g.readAgain(page, again) })
	}
}

// readAgain reads the records of completed runs and gives the loop those that know nothing of the completion.
func (g *engine) readAgain(keys []string, again map[string][]event) {
	f := finder{g: g}
	var recs []Record
	for err := ErrUncertain; err != nil; {
		if g.base.Err() != nil || errors.Is(err, ErrClosed) {
			return
		}
		ctx, cancel := context.WithTimeout(g.base, g.opts.SessionTTL/2)
		if recs, err = g.store.Get(ctx, GetQuery{Keys: keys}); err != nil {
			f.fail(err)
			sleep(g.base, g.keep.interval())
		}
		cancel()
	}
	all := f.decode(g.base, recs)
	g.in.call(func(now moment) {
		for i := range all {
			if rec := &all[i]; rec.spec != nil {
				g.complete(rec, again[rec.rec.Key], now)
			}
		}
	})
}

// complete adds completions that a record knows nothing of to what its job has to write.
func (g *engine) complete(f *found, events []event, now moment) {
	events = slices.DeleteFunc(slices.Clone(events), func(e event) bool { return f.st.byClaim(e.claim) == nil })
	if len(events) == 0 {
		return
	}
	s := g.slots[f.rec.Key]
	if s == nil {
		s = &slot{rec: f.rec, st: f.st, spec: f.spec, due: microsOf(f.rec.Due)}
		g.slots[f.rec.Key] = s
	}
	s.events = append(s.events, events...)
	if !s.flying && s.flight == nil {
		g.place(s, now)
	}
}

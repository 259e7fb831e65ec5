package core

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// Keys of the engine's records. Session keys begin with [SessionPrefix].
const (
	metaKey    = "belfry"
	jobPrefix  = "job/"
	lockPrefix = "lock/"
)

// meta is the store's first record: what all pods must agree on for ever.
type meta struct {
	Format  int `json:"format"`
	Stripes int `json:"stripes"`
}

// stripeCount returns the number of stripes of the store, and fixes it in a new one.
func (s *Scheduler) stripeCount(ctx context.Context) (int, error) {
	if n := s.stripes.Load(); n > 0 {
		return int(n), nil
	}
	for {
		recs, err := s.store.Get(ctx, GetQuery{Keys: []string{metaKey}})
		if err != nil {
			return 0, fmt.Errorf("read the store's first record: %w", err)
		}
		if recs[0].Version != 0 {
			return s.readMeta(recs[0].State)
		}
		state, err := json.Marshal(meta{Format: formatVersion, Stripes: DefaultStripes})
		if err != nil {
			return 0, err
		}
		old := Record{Key: metaKey}
		a, err := s.store.Apply(ctx, []Op{{Old: old, New: Record{State: state}}})
		if err != nil {
			return 0, fmt.Errorf("write the store's first record: %w", err)
		}
		if err := a.Results[0].Err; err != nil && !errors.Is(err, ErrConflict) && !errors.Is(err, ErrUncertain) {
			return 0, fmt.Errorf("write the store's first record: %w", err)
		}
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
	}
}

func (s *Scheduler) readMeta(b []byte) (int, error) {
	var m meta
	if err := json.Unmarshal(b, &m); err != nil {
		return 0, fmt.Errorf("read the store's first record: %w", err)
	}
	if m.Format > formatVersion {
		return 0, fmt.Errorf("the store has format %d and this belfry knows %d: %w", m.Format, formatVersion, ErrFormat)
	}
	if m.Stripes < 1 || m.Stripes > 4096 {
		return 0, fmt.Errorf("the store's first record names %d stripes: it is damaged", m.Stripes)
	}
	s.stripes.Store(int64(m.Stripes))
	return m.Stripes, nil
}

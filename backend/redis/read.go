package redis

import (
	"context"
	"fmt"

	goredis "github.com/redis/go-redis/v9"

	"github.com/belfry-io/belfry/backend/internal/table"
	"github.com/belfry-io/belfry/core"
)

// pageBytes is about how much one answer holds.
const pageBytes = 4 << 20

// Get implements [core.Store].
func (s *Store) Get(ctx context.Context, q core.GetQuery) ([]core.Record, error) {
	if err := table.CheckGet(&q); err != nil {
		return nil, fmt.Errorf("get: %w", err)
	}
	recs, err := read(ctx, s, func(ctx context.Context, c *goredis.Client) ([]core.Record, error) {
		return s.fetch(ctx, c, q)
	})
	if err != nil {
		return nil, fmt.Errorf("get: %w", err)
	}
	return recs, nil
}

// List implements [core.Store]. A record that is not in belfry's format makes it fail and name the key.
func (s *Store) List(ctx context.Context, q core.ListQuery) ([]core.Record, error) {
	if err := table.CheckLimit(q.Limit); err != nil {
		return nil, fmt.Errorf("list: %w", err)
	}
	recs, err := read(ctx, s, func(ctx context.Context, c *goredis.Client) ([]core.Record, error) {
		return s.list(ctx, c, q)
	})
	if err != nil {
		return nil, fmt.Errorf("list: %w", err)
	}
	return recs, nil
}

// list reads on while all records of a page have been deleted since their keys were read: an empty page is the end.
func (s *Store) list(ctx context.Context, c *goredis.Client, q core.ListQuery) ([]core.Record, error) {
	for {
		keys, more, err := s.listKeys(ctx, c, q)
		if err != nil {
			return nil, err
		}
		for len(keys) > 0 {
			recs, err := s.fetchPage(ctx, c, core.GetQuery{Keys: keys, Spec: q.Spec})
			if err != nil {
				return nil, err
			}
			q.After = keys[len(recs)-1]
			keys = keys[len(recs):]
			if recs = present(recs); len(recs) > 0 {
				return recs, nil
			}
		}
		if !more {
			return nil, nil
		}
	}
}

// listKeys returns the next keys in order, and whether more may follow. Each shard is asked for little more than
// its share: only keys up to the last one of the first shard that has more are certain to be all.
func (s *Store) listKeys(ctx context.Context, c *goredis.Client, q core.ListQuery) (keys []string, more bool, err error) {
	share := min(q.Limit, q.Limit/(shards/2)+16)
	lo, hi := "["+q.Prefix, "+"
	if q.After >= q.Prefix && q.After != "" {
		lo = "(" + q.After
	}
	if end, ok := prefixEnd(q.Prefix); ok {
		hi = "(" + end
	}
	if q.Prefix == "" && q.After == "" {
		lo = "-"
	}
	pipe := c.Pipeline()
	cmds := make([]*goredis.StringSliceCmd, shards)
	for i := range shards {
		cmds[i] = pipe.ZRangeByLex(ctx, s.layout.keys(i), &goredis.ZRangeBy{Min: lo, Max: hi, Count: int64(share)})
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, false, err
	}
	m := merge[string]{share: share, limit: q.Limit, compare: compareKeys}
	for _, cmd := range cmds {
		m.add(cmd.Val())
	}
	keys, more = m.result()
	return keys, more, nil
}

// prefixEnd returns the least string greater than all that begin with p; there is none if p is empty or all 0xff.
func prefixEnd(p string) (string, bool) {
	for i := len(p) - 1; i >= 0; i-- {
		if p[i] < 0xff {
			return p[:i] + string([]byte{p[i] + 1}), true
		}
	}
	return "", false
}

// fetch reads the records of the keys, in their order.
func (s *Store) fetch(ctx context.Context, c *goredis.Client, q core.GetQuery) ([]core.Record, error) {
	if len(q.Keys) == 0 {
		return []core.Record{}, nil
	}
	var fields [shards][]string
	var places [shards][]int
	for i, k := range q.Keys {
		n := shardOf(k)
		fields[n] = append(fields[n], k)
		places[n] = append(places[n], i)
	}
	pipe := c.Pipeline()
	var states, specs [shards]*goredis.SliceCmd
	for n := range shards {
		if fields[n] == nil {
			continue
		}
		states[n] = pipe.HMGet(ctx, s.layout.state(n), fields[n]...)
		if q.Spec {
			specs[n] = pipe.HMGet(ctx, s.layout.spec(n), fields[n]...)
		}
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, err
	}
	recs := make([]core.Record, len(q.Keys))
	for n := range shards {
		if err := fill(recs, q.Keys, places[n], states[n], specs[n]); err != nil {
			return nil, err
		}
	}
	return recs, nil
}

// fill writes the records of one shard to their places.
func fill(recs []core.Record, keys []string, places []int, states, specs *goredis.SliceCmd) error {
	for i, at := range places {
		recs[at] = core.Record{Key: keys[at]}
		v, ok := states.Val()[i].(string)
		if !ok || keys[at] == "" { // the empty field is a note, not a record
			continue
		}
		r, err := parseRecord(keys[at], v)
		if err != nil {
			return err
		}
		if specs != nil {
			if v, ok := specs.Val()[i].(string); ok && v != "" {
				r.Spec = []byte(v)
			}
		}
		recs[at] = r
	}
	return nil
}

// fetchPage reads records of the first keys, at least of one and of no more than make about pageBytes. How many to
// ask for it learns from the sizes of those it has.
func (s *Store) fetchPage(ctx context.Context, c *goredis.Client, q core.GetQuery) ([]core.Record, error) {
	step := 256
	if q.Spec {
		step = 16
	}
	var page []core.Record
	size := 0
	for len(page) < len(q.Keys) {
		next := q.Keys[len(page):min(len(q.Keys), len(page)+step)]
		recs, err := s.fetch(ctx, c, core.GetQuery{Keys: next, Spec: q.Spec})
		if err != nil {
			return nil, err
		}
		for i := range recs {
			size += len(recs[i].Key) + len(recs[i].State) + len(recs[i].Spec)
			if size > pageBytes && len(page) > 0 {
				return page, nil
			}
			page = append(page, recs[i])
		}
		step = max(1, min(4*step, (pageBytes-size)*len(page)/max(size, 1)))
	}
	return page, nil
}

// present drops the records that do not exist.
func present(recs []core.Record) []core.Record {
	kept := recs[:0]
	for i := range recs {
		if recs[i].Version != 0 {
			kept = append(kept, recs[i])
		}
	}
	return kept
}

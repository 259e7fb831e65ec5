package redis

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	goredis "github.com/redis/go-redis/v9"

	"github.com/belfry-io/belfry/backend/internal/table"
	"github.com/belfry-io/belfry/core"
)

// Log implements [core.Store].
func (s *Store) Log(ctx context.Context, q core.LogQuery) ([]core.Entry, error) {
	if err := table.CheckLimit(q.Limit); err != nil {
		return nil, fmt.Errorf("log: %w", err)
	}
	entries, err := read(ctx, s, func(ctx context.Context, c *goredis.Client) ([]core.Entry, error) {
		if q.Key == "" {
			return s.incidents(ctx, c, q)
		}
		return s.recordLog(ctx, c, q)
	})
	if err != nil {
		return nil, fmt.Errorf("log: %w", err)
	}
	return entries, nil
}

// recordLog reads the whole ring of a record: at most 200 entries.
func (s *Store) recordLog(ctx context.Context, c *goredis.Client, q core.LogQuery) ([]core.Entry, error) {
	ring, err := c.HGetAll(ctx, s.layout.log(q.Key)).Result()
	if err != nil {
		return nil, err
	}
	entries := make([]core.Entry, 0, len(ring))
	for slot, v := range ring {
		e, err := parseEntry(q.Key, slot, v)
		if err != nil {
			return nil, err
		}
		if before(&e, q) {
			entries = append(entries, e)
		}
	}
	slices.SortFunc(entries, newestFirst)
	return cutLog(entries, q.Limit), nil
}

// incidents reads the log of all records in steps, of which the next is as large as the sizes so far allow.
func (s *Store) incidents(ctx context.Context, c *goredis.Client, q core.LogQuery) ([]core.Entry, error) {
	upper := "+inf"
	if !q.Before.IsZero() {
		upper = micros(q.Before)
	}
	var (
		entries []core.Entry
		last    entry // the member of the last of them
		step    = 128
		offset  = 0
		size    = 0
	)
	// One entry more than asked for shows whether the page would end amid entries of one time and key.
	for len(entries) <= q.Limit && size < pageBytes {
		part, err := c.ZRangeArgsWithScores(ctx, goredis.ZRangeArgs{
			Key: s.layout.incidents(), Start: upper, Stop: "-inf", ByScore: true, Rev: true,
			Offset: int64(offset), Count: int64(step),
		}).Result()
		if err != nil {
			return nil, err
		}
		for _, z := range part {
			member, _ := z.Member.(string)
			e, err := parseIncident(member, table.Time(int64(z.Score)))
			if err != nil {
				return nil, err
			}
			// A member that came in meanwhile shifts the others, so that some are read twice.
			if at := (entry{z.Score, member}); before(&e, q) && (len(entries) == 0 || compareEntries(at, last) < 0) {
				entries, last = append(entries, e), at
				size += len(e.Key) + len(e.Data)
			}
		}
		if len(part) < step {
			break
		}
		offset += len(part)
		step = min(4*step, 4096, max(16, (pageBytes-size)*offset/max(size, 1)))
	}
	slices.SortStableFunc(entries, newestFirst)
	return cutLog(entries, q.Limit), nil
}

// before says whether an entry belongs to the pages from (Before, BeforeKey) on.
func before(e *core.Entry, q core.LogQuery) bool {
	if q.Before.IsZero() {
		return true
	}
	return cmp.Or(cmp.Compare(e.Time.UnixMicro(), q.Before.UnixMicro()), strings.Compare(e.Key, q.BeforeKey)) < 0
}

func newestFirst(a, b core.Entry) int {
	return cmp.Or(b.Time.Compare(a.Time), strings.Compare(b.Key, a.Key), cmp.Compare(b.Slot, a.Slot))
}

// cutLog cuts a page to its limit and about pageBytes, but, where it can, not between entries of one time and key:
// the next page would begin after both.
func cutLog(entries []core.Entry, limit int) []core.Entry {
	end, size := 0, 0
	for end < len(entries) && end < limit {
		size += len(entries[end].Key) + len(entries[end].Data)
		if size > pageBytes && end > 0 {
			break
		}
		end++
	}
	if end == len(entries) {
		return entries
	}
	for n := end; n > 0; n-- {
		a, b := &entries[n-1], &entries[n]
		if a.Key != b.Key || !a.Time.Equal(b.Time) {
			return entries[:n]
		}
	}
	return entries[:end]
}

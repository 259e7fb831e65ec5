package redis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/belfry-io/belfry/backend/internal/table"
	"github.com/belfry-io/belfry/core"
)

// exact is the greatest score that a sorted set keeps to the microsecond: a day in the year 2255.
const exact = 1 << 53

// An entry is a member of a due index.
type entry struct {
	score float64
	key   string
}

func compareEntries(a, b entry) int {
	return cmp.Or(cmp.Compare(a.score, b.score), strings.Compare(a.key, b.key))
}

// Due implements [core.Store]. A sweep that finds nothing is one round trip of one command a stripe. A record that
// is not in belfry's format is passed over, lest it hold up the others: Get and List tell of it.
func (s *Store) Due(ctx context.Context, q core.DueQuery) ([]core.Record, error) {
	if err := table.CheckLimit(q.Limit); err != nil {
		return nil, fmt.Errorf("due: %w", err)
	}
	q.Stripes = slices.Clone(q.Stripes)
	slices.Sort(q.Stripes)
	q.Stripes = slices.Compact(q.Stripes)
	for _, n := range q.Stripes {
		if n < 0 || n > table.MaxStripe {
			return nil, fmt.Errorf("due: %w", &core.FieldError{
				Field: "stripe", Problem: fmt.Sprintf("%d is not in 0-%d", n, table.MaxStripe),
			})
		}
	}
	recs, err := read(ctx, s, func(ctx context.Context, c *goredis.Client) ([]core.Record, error) {
		return s.due(ctx, c, q)
	})
	if err != nil {
		return nil, fmt.Errorf("due: %w", err)
	}
	return recs, nil
}

// due reads on while all entries of a page have changed since they were read: an empty page is the end.
func (s *Store) due(ctx context.Context, c *goredis.Client, q core.DueQuery) ([]core.Record, error) {
	q.From, q.To = table.Time(table.Micros(q.From)), table.Time(table.Micros(q.To))
	for len(q.Stripes) > 0 && q.From.Before(q.To) {
		entries, more, err := s.dueEntries(ctx, c, q)
		if err != nil {
			return nil, err
		}
		for len(entries) > 0 {
			recs, used, err := s.dueRecords(ctx, c, q, entries)
			if err != nil || len(recs) > 0 {
				return recs, err
			}
			last := entries[used-1]
			q.From, q.AfterKey = table.Time(int64(last.score)), last.key
			entries = entries[used:]
		}
		if !more {
			break
		}
	}
	return nil, nil
}

// dueEntries returns the next entries in order, and whether more may follow.
func (s *Store) dueEntries(
	ctx context.Context, c *goredis.Client, q core.DueQuery,
) (entries []entry, more bool, err error) {
	share := min(q.Limit, max(4*q.Limit/len(q.Stripes), 32))
	from, to := micros(q.From), micros(q.To)
	upper := "(" + to
	if q.To.UnixMicro() > exact {
		upper = to // rounded; dueRecords looks at the exact time
	}
	pipe := c.Pipeline()
	cmds := make([]*goredis.Cmd, len(q.Stripes))
	for i, n := range q.Stripes {
		key := s.layout.due(n, q.Queue)
		if q.AfterKey == "" {
			cmds[i] = pipe.Do(ctx, "zrangebyscore", key, from, upper, "withscores", "limit", 0, share)
		} else {
			cmds[i] = pipe.Eval(ctx, pageScript, []string{key}, from, q.AfterKey, upper, share)
		}
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, false, err
	}
	m := merge[entry]{share: share, limit: q.Limit, compare: compareEntries}
	for _, cmd := range cmds {
		part, err := parseEntries(cmd)
		if err != nil {
			return nil, false, err
		}
		m.add(part)
	}
	entries, more = m.result()
	return entries, more, nil
}

func parseEntries(cmd *goredis.Cmd) ([]entry, error) {
	list, err := cmd.StringSlice()
	if err != nil {
		return nil, err
	}
	part := make([]entry, 0, len(list)/2)
	for i := 0; i+1 < len(list); i += 2 {
		score, err := strconv.ParseFloat(list[i+1], 64)
		if err != nil {
			return nil, fmt.Errorf("score of %q: %w", list[i], err)
		}
		part = append(part, entry{score: score, key: list[i]})
	}
	return part, nil
}

// dueRecords returns the records of the first entries, without those that are due at another time by now, and how
// many entries were used.
func (s *Store) dueRecords(
	ctx context.Context, c *goredis.Client, q core.DueQuery, entries []entry,
) (recs []core.Record, used int, err error) {
	keys := make([]string, len(entries))
	for i := range entries {
		keys[i] = entries[i].key
	}
	page, err := s.fetchPage(ctx, c, core.GetQuery{Keys: keys})
	if errors.Is(err, errDamaged) {
		page, err = s.fetchSound(ctx, c, keys)
	}
	if err != nil {
		return nil, 0, err
	}
	for i, r := range page {
		if r.Version != 0 && r.Queue == q.Queue && inRange(r.Due, q) && float64(r.Due.UnixMicro()) == entries[i].score {
			recs = append(recs, r)
		}
	}
	return recs, len(page), nil
}

func inRange(due time.Time, q core.DueQuery) bool {
	return !due.IsZero() && !due.Before(q.From) && due.Before(q.To)
}

// fetchSound is fetchPage one by one, with damaged records as absent ones.
func (s *Store) fetchSound(ctx context.Context, c *goredis.Client, keys []string) ([]core.Record, error) {
	var page []core.Record
	size := 0
	for _, k := range keys {
		recs, err := s.fetch(ctx, c, core.GetQuery{Keys: []string{k}})
		if errors.Is(err, errDamaged) {
			recs, err = []core.Record{{Key: k}}, nil
		}
		if err != nil {
			return nil, err
		}
		page = append(page, recs...)
		if size += len(recs[0].State); size > pageBytes {
			break
		}
	}
	return page, nil
}

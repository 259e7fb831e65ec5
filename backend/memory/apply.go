package memory

import (
	"context"
	"fmt"

	"github.com/belfry-io/belfry/backend/internal/table"
	"github.com/belfry-io/belfry/core"
)

// server is the name of the only one there is: it lives as long as the data.
const server = "memory"

// Apply implements [core.Store].
func (s *Store) Apply(ctx context.Context, ops []core.Op) (core.Applied, error) {
	if err := s.ready(ctx, "apply"); err != nil {
		return core.Applied{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.data.mu.Lock()
	defer s.data.mu.Unlock()
	if s.data.lost(s.life) {
		return core.Applied{}, fmt.Errorf("apply: data of epoch %s: %w", s.data.epochName(), core.ErrEpoch)
	}
	results, err := s.data.apply(ops)
	if err != nil {
		return core.Applied{}, fmt.Errorf("apply: %w", err)
	}
	s.life = s.data.life
	return core.Applied{
		Results: results,
		Now:     s.data.table.Now(),
		Epoch:   s.data.epochName(),
		Server:  server,
	}, nil
}

// apply carries out the operations that were computed from this server's records; the caller holds the lock.
func (d *data) apply(ops []core.Op) ([]core.Result, error) {
	foreign := 0
	for i := range ops {
		if moved(&ops[i]) {
			foreign++
		}
	}
	if foreign == 0 {
		results, err := d.table.Apply(ops, now())
		if err == nil {
			d.announce(ops, results)
		}
		return results, err
	}
	return d.applyOwn(ops, len(ops)-foreign)
}

// applyOwn carries out n of the operations and refuses those of another server.
func (d *data) applyOwn(ops []core.Op, n int) ([]core.Result, error) {
	if err := table.CheckBatch(ops); err != nil {
		return nil, err
	}
	own := make([]core.Op, 0, n)
	for i := range ops {
		if !moved(&ops[i]) {
			own = append(own, ops[i])
		}
	}
	done, err := d.apply(own)
	if err != nil {
		return nil, err
	}
	results := make([]core.Result, len(ops))
	for i := range ops {
		if moved(&ops[i]) {
			results[i].Err = core.ErrMoved
			continue
		}
		results[i], done = done[0], done[1:]
	}
	return results, nil
}

// moved says whether the operation was computed from another server's records.
func moved(op *core.Op) bool { return op.Server != "" && op.Server != server }

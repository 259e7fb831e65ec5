package memory

import (
	"context"
	"fmt"

	"github.com/belfry-io/belfry/backend/internal/table"
	"github.com/belfry-io/belfry/core"
)

// Get implements [core.Store].
func (s *Store) Get(ctx context.Context, q core.GetQuery) ([]core.Record, error) {
	return read(ctx, s, "get", q, (*table.Table).Get)
}

// Due implements [core.Store].
func (s *Store) Due(ctx context.Context, q core.DueQuery) ([]core.Record, error) {
	return read(ctx, s, "due", q, (*table.Table).Due)
}

// List implements [core.Store].
func (s *Store) List(ctx context.Context, q core.ListQuery) ([]core.Record, error) {
	return read(ctx, s, "list", q, (*table.Table).List)
}

// Log implements [core.Store].
func (s *Store) Log(ctx context.Context, q core.LogQuery) ([]core.Entry, error) {
	return read(ctx, s, "log", q, (*table.Table).Log)
}

// read asks the table.
func read[Q, R any](ctx context.Context, s *Store, act string, q Q, ask func(*table.Table, Q) ([]R, error)) ([]R, error) {
	if err := s.ready(ctx, act); err != nil {
		return nil, err
	}
	s.data.mu.RLock()
	defer s.data.mu.RUnlock()
	answer, err := ask(s.data.table, q)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", act, err)
	}
	return answer, nil
}

package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/belfry-io/belfry/backend/internal/table"
	"github.com/belfry-io/belfry/core"
)

// moves is how often one Apply follows a server that turns out to be another.
const moves = 3

// A batch is an Apply under way.
type batch struct {
	ops     []core.Op
	applied core.Applied
	left    []int  // operations without a result
	begun   bool   // something has been sent that may have changed something
	server  string // that which answered first
}

// Apply implements [core.Store]. A batch of more than about 4 MiB goes in several calls.
func (s *Store) Apply(ctx context.Context, ops []core.Op) (core.Applied, error) {
	if err := table.CheckBatch(ops); err != nil {
		return core.Applied{}, fmt.Errorf("apply: %w", err)
	}
	b := &batch{ops: ops, applied: core.Applied{Results: make([]core.Result, len(ops))}}
	b.left = make([]int, 0, len(ops))
	for i := range ops {
		if err := table.CheckOp(&ops[i]); err != nil {
			b.refuse(i, err)
			continue
		}
		b.left = append(b.left, i)
	}
	for first := true; first || len(b.left) > 0; first = false {
		if err := s.applySome(ctx, b); err != nil {
			if !b.begun {
				return core.Applied{}, fmt.Errorf("apply: %w", err)
			}
			b.refuseLeft(err)
		}
	}
	return b.applied, nil
}

// applySome sends one call and notes its results. An error means that none of what is left was or will be done.
func (s *Store) applySome(ctx context.Context, b *batch) error {
	for try := 1; ; try++ {
		gen := s.current()
		b.refuseMoved(gen.server.runID)
		if b.begun && len(b.left) == 0 {
			return nil
		}
		known := s.mark()
		places, later := cut(b.ops, b.left)
		p := s.layout.newPlan(b.ops, places, known)
		r, sent, err := s.send(ctx, gen, p.keys, p.args)
		var moved *movedError
		switch {
		case err == nil && r.refused:
			return s.epochError(known, r)
		case err == nil:
			b.left, b.begun, b.server = later, true, gen.server.runID
			b.applied.Server = gen.server.runID
			b.applied.Now = table.Time(r.now)
			b.applied.Epoch = r.epoch.id
			s.saw(known, r.epoch)
			return b.settle(p, r)
		case sent && len(places) > 0:
			b.left, b.begun, b.server = later, true, gen.server.runID
			b.lose(places, err)
			return nil
		case errors.As(err, &moved) && try < moves:
			s.move(gen, moved.to)
		default:
			return err
		}
	}
}

// refuse notes the error of one operation.
func (b *batch) refuse(at int, err error) {
	b.applied.Results[at] = core.Result{Err: fmt.Errorf("apply %q: %w", b.ops[at].Old.Key, err)}
}

// refuseLeft notes the error of all operations that were not sent.
func (b *batch) refuseLeft(err error) {
	for _, at := range b.left {
		b.refuse(at, err)
	}
	b.left = nil
}

// refuseMoved refuses what must not reach the server with that run_id. Before the first connection it is empty,
// and nothing can be sent to it; so all that names a server waits until the server is known.
func (b *batch) refuseMoved(runID string) {
	if runID == "" {
		return
	}
	if b.server != "" && b.server != runID {
		b.refuseLeft(core.ErrMoved) // one answer tells of one server
		return
	}
	stay := b.left[:0]
	for _, at := range b.left {
		if srv := b.ops[at].Server; srv != "" && srv != runID {
			b.refuse(at, core.ErrMoved)
			continue
		}
		stay = append(stay, at)
	}
	b.left = stay
}

// lose notes that the answer to operations was lost. The cause says why: it may be the context's end.
func (b *batch) lose(places []int, cause error) {
	for _, at := range places {
		b.refuse(at, fmt.Errorf("%w: %w", core.ErrUncertain, cause))
	}
}

// settle notes the results of a call that was answered.
func (b *batch) settle(p *plan, r reply) error {
	for _, at := range p.ops {
		if !b.ops[at].Delete {
			b.applied.Results[at].Version = uint64(r.now) //nolint:gosec // a time of this century
		}
	}
	for i := 0; i+3 < len(r.notes); i += 4 {
		n, _ := r.notes[i].(int64)
		code, _ := r.notes[i+1].(string)
		value, _ := r.notes[i+2].(string)
		spec, _ := r.notes[i+3].(string)
		if n < 1 || int(n) > len(p.ops) {
			b.lose(p.ops, fmt.Errorf("answer for operation %d of %d", n, len(p.ops)))
			return nil
		}
		b.note(p.ops[n-1], code, value, spec)
	}
	return nil
}

// note takes down what the script says of one operation.
func (b *batch) note(at int, code, value, spec string) {
	switch code {
	case "version":
		v, err := strconv.ParseUint(value, 10, 64)
		if err != nil {
			b.lose([]int{at}, err)
			return
		}
		b.applied.Results[at].Version = v
	case "conflict":
		cur := core.Record{Key: b.ops[at].Old.Key}
		b.refuse(at, core.ErrConflict)
		if value != "" {
			var err error
			if cur, err = parseRecord(cur.Key, value); err != nil {
				b.refuse(at, err)
				return
			}
		}
		if spec != "" {
			cur.Spec = []byte(spec)
		}
		b.applied.Results[at].Current = cur
	case "twice":
		b.refuse(at, fmt.Errorf("%w: key named twice", core.ErrInvalid))
	case "error":
		b.refuse(at, errors.New(value))
	default:
		b.lose([]int{at}, fmt.Errorf("unknown answer %q", code))
	}
}

// mark returns what the client was told of the epoch.
func (s *Store) mark() epochMark {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known
}

// saw keeps the highest commit number of the epoch. An answer to a question asked before an adoption is old news.
func (s *Store) saw(asked, got epochMark) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.known.id {
	case got.id:
		s.known.n = max(s.known.n, got.n)
	case asked.id:
		s.known = got
	}
}

// epochError tells of a refusal. If somebody has adopted the store as it is, this client follows from now on; what
// it computed before is refused all the same.
func (s *Store) epochError(known epochMark, r reply) error {
	switch {
	case r.adopted:
		s.saw(known, r.epoch)
		return fmt.Errorf("%w: %s took the place of %s", core.ErrEpoch, r.epoch.id, known.id)
	case r.epoch.id == "":
		return fmt.Errorf("%w: the store is empty, it was %s", core.ErrEpoch, known.id)
	case r.epoch.id != known.id:
		return fmt.Errorf("%w: the store is %s, it was %s", core.ErrEpoch, r.epoch.id, known.id)
	}
	return fmt.Errorf("%w: the store has gone back from commit %d to %d", core.ErrEpoch, known.n, r.epoch.n)
}

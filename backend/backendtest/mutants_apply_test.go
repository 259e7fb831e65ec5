package backendtest

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/belfry-io/belfry/backend/memory"
	"github.com/belfry-io/belfry/core"
)

// notes are what a mutant has to remember of a place.
type notes struct {
	sync.Mutex
	fake    map[string]uint64 // versions of its own by key
	real    map[string]uint64
	seen    map[string]bool
	entries []core.Entry
	records map[string]core.Record
}

// breakages are all the mutants.
func breakages() []breakage {
	return slices.Concat(applyBreakages(), versionBreakages(), indexBreakages(), readBreakages(), logBreakages(),
		feedBreakages(), sessionBreakages(), lifeBreakages())
}

// onOps makes a mutant that changes operations on their way in.
func onOps(change func(*core.Op)) func(*memory.Store, *shared) core.Store {
	return func(s *memory.Store, _ *shared) core.Store {
		return &wrapper{Store: s, apply: func(ctx context.Context, ops []core.Op) (core.Applied, error) {
			ops = slices.Clone(ops)
			for i := range ops {
				change(&ops[i])
			}
			return s.Apply(ctx, ops)
		}}
	}
}

// onApplied makes a mutant that changes answers on their way out.
func onApplied(change func([]core.Op, *core.Applied)) func(*memory.Store, *shared) core.Store {
	return func(s *memory.Store, _ *shared) core.Store {
		return &wrapper{Store: s, apply: func(ctx context.Context, ops []core.Op) (core.Applied, error) {
			a, err := s.Apply(ctx, ops)
			if err == nil {
				change(ops, &a)
			}
			return a, err
		}}
	}
}

func applyBreakages() []breakage {
	return []breakage{
		{"compare and set always agrees", "compare and set", agrees},
		{"compare and set in two steps", "linearizable", twoSteps},
		{"creation over an existing record", "compare and set", createsOver},
		{"batch stops at the first conflict", "batch items are independent", stopsAtConflict},
		{"batch all or nothing", "batch items are independent", allOrNothing},
		{"duplicate key passes twice", "batch names a key twice", duplicatePasses},
		{"duplicate key refused half way", "batch names a key twice", duplicateHalfWay},
		{"batch too long is carried out", "batch of a thousand", tooLong},
		{"results in order of keys", "batch results in order", onApplied(func(ops []core.Op, a *core.Applied) {
			place := make([]int, len(ops))
			for i := range place {
				place[i] = i
			}
			slices.SortFunc(place, func(i, j int) int { return strings.Compare(ops[i].Old.Key, ops[j].Old.Key) })
			sorted := make([]core.Result, len(ops))
			for i, p := range place {
				sorted[i] = a.Results[p]
			}
			a.Results = sorted
		})},
		{"conflict without current", "conflict has the current record", onApplied(func(_ []core.Op, a *core.Applied) {
			for i := range a.Results {
				a.Results[i].Current = core.Record{}
			}
		})},
		{"conflict with a spec unasked", "conflict has the current record", onApplied(func(_ []core.Op, a *core.Applied) {
			for i := range a.Results {
				if a.Results[i].Current.Version != 0 {
					a.Results[i].Current.Spec = []byte("spec of a")
				}
			}
		})},
		{"spec not kept when empty", "new values", onOps(func(op *core.Op) {
			if len(op.New.Spec) == 0 {
				op.New.Spec = []byte(" ")
			}
		})},
		{"state kept when empty", "new values", onOps(func(op *core.Op) {
			if len(op.New.State) == 0 {
				op.New.State = op.Old.State
			}
		})},
		{"foreign error for what is invalid", "result errors", onApplied(func(_ []core.Op, a *core.Applied) {
			for i := range a.Results {
				if errors.Is(a.Results[i].Err, core.ErrInvalid) {
					a.Results[i].Err = errors.New("ERR syntax error")
				}
			}
		})},
		{"moved and carried out all the same", "another server", movedAllTheSame},
		{"version after deletion", "result version", onApplied(func(ops []core.Op, a *core.Applied) {
			for i := range ops {
				if ops[i].Delete && a.Results[i].Err == nil {
					a.Results[i].Version = ops[i].Old.Version + 1
				}
			}
		})},
		{"empty batch says nothing", "empty batch", onApplied(func(ops []core.Op, a *core.Applied) {
			if len(ops) == 0 {
				*a = core.Applied{}
			}
		})},
		{"clock stands still", "clock", onApplied(func(_ []core.Op, a *core.Applied) { a.Now = start })},
		{"clock in nanoseconds", "clock", onApplied(func(_ []core.Op, a *core.Applied) { a.Now = a.Now.Add(1) })},
		{"times rounded and not cut", "microseconds", onOps(func(op *core.Op) {
			op.New.Due = op.New.Due.Round(time.Microsecond)
		})},
		{"entry times in milliseconds", "microseconds", onOps(func(op *core.Op) {
			op.History = slices.Clone(op.History)
			for i := range op.History {
				op.History[i].Time = op.History[i].Time.Truncate(time.Millisecond)
			}
		})},
		{"key limit of 256 bytes", "hostile keys", onOps(func(op *core.Op) {
			op.Old.Key = op.Old.Key[:min(len(op.Old.Key), 256)]
		})},
		{"keys trimmed", "hostile keys", onOps(func(op *core.Op) { op.Old.Key = strings.TrimSpace(op.Old.Key) })},
		{"keys without case", "hostile keys", onOps(func(op *core.Op) { op.Old.Key = strings.ToLower(op.Old.Key) })},
		{"newline accepted in keys", "refused keys", onOps(func(op *core.Op) {
			op.Old.Key = strings.ReplaceAll(op.Old.Key, "\n", " ")
		})},
		{"invalid UTF-8 mended in keys", "refused keys", onOps(func(op *core.Op) {
			op.Old.Key = strings.ToValidUTF8(op.Old.Key, "\ufffd")
		})},
		{"queues without case", "hostile queues", onOps(func(op *core.Op) { op.New.Queue = strings.ToLower(op.New.Queue) })},
		{"state cut at NUL", "hostile values", onOps(func(op *core.Op) {
			state, _, _ := strings.Cut(string(op.New.State), "\x00")
			op.New.State = []byte(state)
		})},
		{"state of 32 KiB at most", "sizes", onOps(func(op *core.Op) {
			op.New.State = op.New.State[:min(len(op.New.State), 32<<10)]
		})},
		{"spec cut to the limit", "sizes", onOps(func(op *core.Op) {
			op.New.Spec = op.New.Spec[:min(len(op.New.Spec), core.MaxSpec)]
		})},
	}
}

// agrees retries at whatever version the record has.
func agrees(s *memory.Store, _ *shared) core.Store {
	return &wrapper{Store: s, apply: func(ctx context.Context, ops []core.Op) (core.Applied, error) {
		a, err := s.Apply(ctx, ops)
		for i := range a.Results {
			if errors.Is(a.Results[i].Err, core.ErrConflict) {
				op := ops[i]
				op.Old.Version = a.Results[i].Current.Version
				again, _ := s.Apply(ctx, []core.Op{op})
				a.Results[i] = again.Results[0]
			}
		}
		return a, err
	}}
}

// twoSteps reads, compares, and then writes whatever has come in between.
func twoSteps(s *memory.Store, sh *shared) core.Store {
	blind := agrees(s, sh)
	return &wrapper{Store: s, apply: func(ctx context.Context, ops []core.Op) (core.Applied, error) {
		var q core.GetQuery
		for _, op := range ops {
			q.Keys = append(q.Keys, op.Old.Key)
		}
		recs, err := s.Get(ctx, q)
		if err != nil {
			return core.Applied{}, err
		}
		for i, r := range recs {
			if r.Version != ops[i].Old.Version {
				return s.Apply(ctx, ops)
			}
		}
		for range 100 { // the window of the race
			runtime.Gosched()
		}
		return blind.Apply(ctx, ops)
	}}
}

// createsOver takes version 0 for "never mind".
func createsOver(s *memory.Store, sh *shared) core.Store {
	blind := agrees(s, sh)
	return &wrapper{Store: s, apply: func(ctx context.Context, ops []core.Op) (core.Applied, error) {
		if len(ops) == 1 && ops[0].Old.Version == 0 {
			return blind.Apply(ctx, ops)
		}
		return s.Apply(ctx, ops)
	}}
}

// stopsAtConflict gives up at the first operation that is refused.
func stopsAtConflict(s *memory.Store, _ *shared) core.Store {
	return &wrapper{Store: s, apply: func(ctx context.Context, ops []core.Op) (core.Applied, error) {
		all, err := s.Apply(ctx, nil)
		for i, op := range ops {
			a, err := s.Apply(ctx, []core.Op{op})
			if err != nil {
				return a, err
			}
			all.Results = append(all.Results, a.Results[0])
			if a.Results[0].Err != nil {
				for range ops[i+1:] {
					all.Results = append(all.Results, a.Results[0])
				}
				return all, nil
			}
		}
		return all, err
	}}
}

// allOrNothing refuses all if one has to be refused.
func allOrNothing(s *memory.Store, _ *shared) core.Store {
	return &wrapper{Store: s, apply: func(ctx context.Context, ops []core.Op) (core.Applied, error) {
		for _, op := range ops {
			recs, err := s.Get(ctx, core.GetQuery{Keys: []string{op.Old.Key}})
			if err == nil && recs[0].Version != op.Old.Version {
				return core.Applied{}, core.ErrConflict
			}
		}
		return s.Apply(ctx, ops)
	}}
}

// oneByOne applies operations as batches of one until one of them cannot be.
func oneByOne(ctx context.Context, s core.Store, ops []core.Op) (core.Applied, error) {
	all, err := s.Apply(ctx, nil)
	for _, op := range ops {
		a, err := s.Apply(ctx, []core.Op{op})
		if err != nil {
			return a, err
		}
		all.Results = append(all.Results, a.Results...)
	}
	return all, err
}

// duplicatePasses compares every operation with what was there before the batch.
func duplicatePasses(s *memory.Store, sh *shared) core.Store {
	blind := agrees(s, sh)
	return &wrapper{Store: s, apply: func(ctx context.Context, ops []core.Op) (core.Applied, error) {
		a, err := s.Apply(ctx, ops)
		if errors.Is(err, core.ErrInvalid) && len(ops) <= core.MaxBatch {
			return oneByOne(ctx, blind, ops)
		}
		return a, err
	}}
}

// duplicateHalfWay notices the duplicate when it comes to it.
func duplicateHalfWay(s *memory.Store, _ *shared) core.Store {
	return &wrapper{Store: s, apply: func(ctx context.Context, ops []core.Op) (core.Applied, error) {
		a, err := s.Apply(ctx, ops)
		if errors.Is(err, core.ErrInvalid) && len(ops) <= core.MaxBatch {
			_, _ = oneByOne(ctx, s, ops[:1])
		}
		return a, err
	}}
}

// tooLong has no limit.
func tooLong(s *memory.Store, _ *shared) core.Store {
	return &wrapper{Store: s, apply: func(ctx context.Context, ops []core.Op) (core.Applied, error) {
		if len(ops) > core.MaxBatch {
			return oneByOne(ctx, s, ops)
		}
		return s.Apply(ctx, ops)
	}}
}

// movedAllTheSame carries out what it says it has refused.
func movedAllTheSame(s *memory.Store, _ *shared) core.Store {
	return &wrapper{Store: s, apply: func(ctx context.Context, ops []core.Op) (core.Applied, error) {
		plain := slices.Clone(ops)
		for i := range plain {
			plain[i].Server = ""
		}
		a, err := s.Apply(ctx, plain)
		for i := range a.Results {
			if ops[i].Server != "" && ops[i].Server != a.Server {
				a.Results[i] = core.Result{Err: core.ErrMoved}
			}
		}
		return a, err
	}}
}

package backendtest

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/belfry-io/belfry/core"
)

func concurrentCases() []Case {
	return []Case{
		{"linearizable", []string{
			"All methods may be called at once, by many goroutines and by many processes",
			"Version must be the stored one, 0 meaning that there must be no record; otherwise the Op is refused with ErrConflict",
			"A change gives its key a version greater than every version the key ever had, over deletion, re-creation, restart and fail-over",
		}, linearizable},
		{"all methods at once", []string{
			"All methods may be called at once, by many goroutines and by many processes",
		}, allAtOnce},
	}
}

const (
	clients = 8
	rounds  = 60
	hotKeys = 4
)

// A change is one Op of the history, and what it was answered.
type change struct {
	key     string
	old     uint64
	state   string // "": a deletion
	granted bool
	version uint64 // of the record afterwards; 0: there is none
	current string // its State, if the change was refused
}

// linearizable lets many clients change a few keys at once and looks for an order of the changes that explains
// every answer.
func linearizable(e *env) error {
	var (
		mu      sync.Mutex
		history []porcupine.Operation
		failure error
		wg      sync.WaitGroup
		begin   = time.Now()
	)
	stores := []core.Store{e.store}
	for range 2 {
		s, err := e.connect()
		if err != nil {
			return err
		}
		stores = append(stores, s)
	}
	for id := range clients {
		wg.Go(func() {
			ops, err := e.client(id, stores[id%len(stores)], begin)
			mu.Lock()
			defer mu.Unlock()
			history = append(history, ops...)
			failure = errors.Join(failure, err)
		})
	}
	wg.Wait()
	if failure != nil {
		return failure
	}
	switch porcupine.CheckOperationsTimeout(model(), history, 30*time.Second) {
	case porcupine.Ok:
		return nil
	case porcupine.Illegal:
		return fmt.Errorf("no order of the %d changes explains their answers", len(history))
	case porcupine.Unknown: // out of time
	}
	return fmt.Errorf("the %d changes were too many to judge", len(history))
}

// client changes the hot keys in batches, from what it last knew of each.
func (e *env) client(id int, s core.Store, begin time.Time) ([]porcupine.Operation, error) {
	var history []porcupine.Operation
	known := make(map[string]uint64)
	for round := range rounds {
		var ops []core.Op
		for k := range hotKeys {
			if (round+id+k)%2 == 0 {
				ops = append(ops, hotOp(known, id, round, k))
			}
		}
		call := time.Since(begin).Nanoseconds()
		results, err := e.definite(s, ops)
		if err != nil {
			return nil, err
		}
		end := time.Since(begin).Nanoseconds()
		for i, res := range results {
			c := answered(ops[i], res)
			known[c.key] = c.version
			history = append(history, porcupine.Operation{ClientId: id, Input: c, Call: call, Output: c, Return: end})
		}
	}
	return history, nil
}

// hotOp is a client's next change of a key.
func hotOp(known map[string]uint64, id, round, k int) core.Op {
	key := fmt.Sprintf("hot-%d", k)
	r := dueRecord(key, time.Duration(round)*time.Second)
	r.Stripe = k
	r.State = fmt.Appendf(nil, "client %d round %d", id, round)
	op := core.Op{Old: core.Record{Key: key, Stripe: k, Version: known[key]}, New: r}
	op.Delete = known[key] != 0 && round%5 == 4
	return op
}

// definite applies a batch and sends again what is uncertain, until nothing is.
func (e *env) definite(s core.Store, ops []core.Op) ([]core.Result, error) {
	a, err := s.Apply(e.ctx, ops)
	if err != nil {
		return nil, fmt.Errorf("apply: %w", err)
	}
	if len(a.Results) != len(ops) {
		return nil, fmt.Errorf("apply: %d results for %d operations", len(a.Results), len(ops))
	}
	for i := range a.Results {
		for errors.Is(a.Results[i].Err, core.ErrUncertain) {
			res, err := e.one(s, ops[i])
			if err != nil {
				return nil, err
			}
			if errors.Is(res.Err, core.ErrConflict) && bytes.Equal(res.Current.State, ops[i].New.State) {
				res = core.Result{Version: res.Current.Version}
			}
			a.Results[i] = res
		}
		if err := a.Results[i].Err; err != nil && !errors.Is(err, core.ErrConflict) {
			return nil, fmt.Errorf("apply to %q: %w", ops[i].Old.Key, err)
		}
	}
	return a.Results, nil
}

// answered is what the history keeps of an answer.
func answered(op core.Op, res core.Result) change {
	c := change{key: op.Old.Key, old: op.Old.Version, granted: res.Err == nil, version: res.Version}
	if !op.Delete {
		c.state = string(op.New.State)
	}
	if !c.granted {
		c.version, c.current = res.Current.Version, string(res.Current.State)
	}
	return c
}

// cell is the state of one key in the model.
type cell struct {
	version uint64
	highest uint64 // version that it ever had
	state   string
}

// model is a compare-and-set register a key, whose versions only grow.
func model() porcupine.Model {
	return porcupine.Model{
		Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
			var parts [][]porcupine.Operation
			place := make(map[string]int)
			for _, op := range history {
				key := op.Input.(change).key //nolint:forcetypeassert // we put it there
				i, seen := place[key]
				if !seen {
					i = len(parts)
					place[key] = i
					parts = append(parts, nil)
				}
				parts[i] = append(parts[i], op)
			}
			return parts
		},
		Init: func() any { return cell{} },
		Step: func(state, _, output any) (bool, any) {
			return state.(cell).step(output.(change)) //nolint:forcetypeassert // we put them there
		},
	}
}

// step says whether a change can have been answered so in this state, and which state follows.
func (s cell) step(c change) (bool, any) {
	if !c.granted {
		return c.old != s.version && c.version == s.version && (s.version == 0 || c.current == s.state), s
	}
	if c.old != s.version {
		return false, s
	}
	if c.state == "" {
		return c.version == 0, cell{highest: s.highest}
	}
	return c.version > s.highest, cell{version: c.version, highest: c.version, state: c.state}
}

// allAtOnce calls everything from many goroutines; the race detector and the backend say what is wrong.
func allAtOnce(e *env) error {
	opened, err := e.open(e.store, "one")
	if err != nil {
		return err
	}
	f := e.watch(e.store, nil)
	var (
		mu      sync.Mutex
		failure error
		wg      sync.WaitGroup
	)
	for _, c := range calls(opened) {
		for range 4 {
			wg.Go(func() {
				for range 10 {
					if err := c.do(e.ctx, e.store); unexpected(err) {
						mu.Lock()
						failure = errors.Join(failure, fmt.Errorf("%s: %w", c.method, err))
						mu.Unlock()
					}
				}
			})
		}
	}
	wg.Wait()
	return first(failure, f.stop())
}

// unexpected says whether an error cannot come of calls that meet one another. ErrUncertain can: several owners renew
// one session here.
func unexpected(err error) bool {
	for _, ok := range []error{core.ErrExists, core.ErrConflict, core.ErrSessionLost, core.ErrUncertain} {
		if errors.Is(err, ok) {
			return false
		}
	}
	return err != nil
}

package backendtest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/belfry-io/belfry/backend/memory"
	"github.com/belfry-io/belfry/core"
)

// onRecords makes a mutant that changes the answers of Get, Due and List.
func onRecords(change func([]core.Record) []core.Record) func(*memory.Store, *shared) core.Store {
	return func(s *memory.Store, _ *shared) core.Store {
		return &wrapper{
			Store: s,
			get: func(ctx context.Context, q core.GetQuery) ([]core.Record, error) {
				recs, err := s.Get(ctx, q)
				return change(recs), err
			},
			due: func(ctx context.Context, q core.DueQuery) ([]core.Record, error) {
				recs, err := s.Due(ctx, q)
				return change(recs), err
			},
			list: func(ctx context.Context, q core.ListQuery) ([]core.Record, error) {
				recs, err := s.List(ctx, q)
				return change(recs), err
			},
		}
	}
}

// onDue makes a mutant of Due alone.
func onDue(due func(context.Context, *memory.Store, core.DueQuery) ([]core.Record, error)) func(*memory.Store, *shared) core.Store {
	return func(s *memory.Store, _ *shared) core.Store {
		return &wrapper{Store: s, due: func(ctx context.Context, q core.DueQuery) ([]core.Record, error) {
			return due(ctx, s, q)
		}}
	}
}

// onList makes a mutant of List alone.
func onList(list func(context.Context, *memory.Store, core.ListQuery) ([]core.Record, error)) func(*memory.Store, *shared) core.Store {
	return func(s *memory.Store, _ *shared) core.Store {
		return &wrapper{Store: s, list: func(ctx context.Context, q core.ListQuery) ([]core.Record, error) {
			return list(ctx, s, q)
		}}
	}
}

func versionBreakages() []breakage {
	return []breakage{
		{"versions counted by key, from 1 after a deletion", "versions never repeat", countedVersions},
		{"versions counted by key, seen by many", "linearizable", countedVersions},
		{"a version that others wrote is not told", "result version", onApplied(func(_ []core.Op, a *core.Applied) {
			for i := range a.Results {
				if a.Results[i].Version != 0 {
					a.Results[i].Version++
				}
			}
		})},
	}
}

// countedVersions gives each key versions 1, 2, 3, and begins anew when it is created again.
func countedVersions(s *memory.Store, sh *shared) core.Store {
	n := &sh.notes
	counted := func(r core.Record) core.Record {
		if r.Version != 0 {
			r.Version = n.fake[r.Key]
		}
		return r
	}
	return &wrapper{
		Store: s,
		apply: func(ctx context.Context, ops []core.Op) (core.Applied, error) {
			n.Lock()
			defer n.Unlock()
			if n.fake == nil {
				n.fake, n.real = make(map[string]uint64), make(map[string]uint64)
			}
			ops = slices.Clone(ops)
			for i := range ops {
				if v := ops[i].Old.Version; v != 0 && v == n.fake[ops[i].Old.Key] {
					ops[i].Old.Version = n.real[ops[i].Old.Key]
				}
			}
			a, err := s.Apply(ctx, ops)
			for i := range a.Results {
				key, res := ops[i].Old.Key, &a.Results[i]
				switch {
				case res.Err != nil:
					res.Current = counted(res.Current)
				case ops[i].Delete:
					delete(n.fake, key)
					delete(n.real, key)
				default:
					n.real[key] = res.Version
					n.fake[key]++
					res.Version = n.fake[key]
				}
			}
			return a, err
		},
		get: func(ctx context.Context, q core.GetQuery) ([]core.Record, error) {
			n.Lock()
			defer n.Unlock()
			recs, err := s.Get(ctx, q)
			for i := range recs {
				recs[i] = counted(recs[i])
			}
			return recs, err
		},
	}
}

func indexBreakages() []breakage {
	return []breakage{
		{"due index loses an entry", "due at random", onDue(func(ctx context.Context, s *memory.Store, q core.DueQuery) ([]core.Record, error) {
			recs, err := s.Due(ctx, q)
			return slices.DeleteFunc(recs, func(r core.Record) bool { return r.Key == "key-77" }), err
		})},
		{"due times of before the change", "due follows changes", onOps(func(op *core.Op) {
			if !op.Old.Due.IsZero() && !op.New.Due.IsZero() {
				op.New.Due = op.Old.Due
			}
		})},
		{"refused operations move the index", "due of refused operations", refusedMoves},
		{"index entry stays after due is taken away", "due follows changes", onOps(func(op *core.Op) {
			if op.New.Due.IsZero() && !op.Delete {
				op.New.Due = op.Old.Due
			}
		})},
		{"due ordered by key", "due order", onDue(func(ctx context.Context, s *memory.Store, q core.DueQuery) ([]core.Record, error) {
			recs, err := s.Due(ctx, q)
			slices.SortFunc(recs, func(a, b core.Record) int { return strings.Compare(a.Key, b.Key) })
			return recs, err
		})},
		{"due in no order at equal times", "due order", onDue(func(ctx context.Context, s *memory.Store, q core.DueQuery) ([]core.Record, error) {
			recs, err := s.Due(ctx, q)
			slices.SortStableFunc(recs, func(a, b core.Record) int {
				if c := a.Due.Compare(b.Due); c != 0 {
					return c
				}
				return strings.Compare(b.Key, a.Key)
			})
			return recs, err
		})},
		{"due with spec", "due order", onDue(func(ctx context.Context, s *memory.Store, q core.DueQuery) ([]core.Record, error) {
			recs, err := s.Due(ctx, q)
			for i := range recs {
				recs[i].Spec = []byte("spec of " + recs[i].Key)
			}
			return recs, err
		})},
		{"due includes the end of the range", "due range", onDue(func(ctx context.Context, s *memory.Store, q core.DueQuery) ([]core.Record, error) {
			q.To = q.To.Add(time.Microsecond)
			return s.Due(ctx, q)
		})},
		{"due excludes the start of the range", "due range", onDue(func(ctx context.Context, s *memory.Store, q core.DueQuery) ([]core.Record, error) {
			q.From = q.From.Add(time.Microsecond)
			return s.Due(ctx, q)
		})},
		{"due of all stripes", "due range", onDue(func(ctx context.Context, s *memory.Store, q core.DueQuery) ([]core.Record, error) {
			q.Stripes = append([]int{0, 1}, q.Stripes...)
			return s.Due(ctx, q)
		})},
		{"due twice for a stripe named twice", "due range", onDue(func(ctx context.Context, s *memory.Store, q core.DueQuery) ([]core.Record, error) {
			var all []core.Record
			for _, stripe := range q.Stripes {
				one := q
				one.Stripes = []int{stripe}
				recs, err := s.Due(ctx, one)
				if err != nil {
					return nil, err
				}
				all = append(all, recs...)
			}
			slices.SortFunc(all, func(a, b core.Record) int { return a.Due.Compare(b.Due) })
			return all, nil
		})},
		{"due pages repeat at equal times", "due pages at equal times", onDue(func(ctx context.Context, s *memory.Store, q core.DueQuery) ([]core.Record, error) {
			q.AfterKey = ""
			return s.Due(ctx, q)
		})},
		{"due pages skip at equal times", "due pages at equal times", onDue(func(ctx context.Context, s *memory.Store, q core.DueQuery) ([]core.Record, error) {
			if q.AfterKey != "" {
				q.From, q.AfterKey = q.From.Add(time.Microsecond), ""
			}
			return s.Due(ctx, q)
		})},
		{"due pages skip smaller keys at later times", "due pages at equal times", onDue(func(ctx context.Context, s *memory.Store, q core.DueQuery) ([]core.Record, error) {
			recs, err := s.Due(ctx, q)
			return slices.DeleteFunc(recs, func(r core.Record) bool { return q.AfterKey != "" && r.Key[4] == '3' && q.AfterKey < "key-30" }), err
		})},
		{"due ignores the limit", "due pages at equal times", onDue(func(ctx context.Context, s *memory.Store, q core.DueQuery) ([]core.Record, error) {
			q.Limit = core.MaxPage
			return s.Due(ctx, q)
		})},
		{"limit of 0 is a default", "limits of pages", onDue(func(ctx context.Context, s *memory.Store, q core.DueQuery) ([]core.Record, error) {
			if q.Limit == 0 {
				q.Limit = 100
			}
			return s.Due(ctx, q)
		})},
	}
}

// refusedMoves moves the index entry before it compares.
func refusedMoves(s *memory.Store, sh *shared) core.Store {
	n := &sh.notes
	return &wrapper{
		Store: s,
		apply: func(ctx context.Context, ops []core.Op) (core.Applied, error) {
			n.Lock()
			defer n.Unlock()
			if n.records == nil {
				n.records = make(map[string]core.Record)
			}
			for _, op := range ops {
				n.records[op.Old.Key] = op.New
			}
			return s.Apply(ctx, ops)
		},
		due: func(ctx context.Context, q core.DueQuery) ([]core.Record, error) {
			n.Lock()
			defer n.Unlock()
			recs, err := s.Due(ctx, q)
			for i := range recs {
				recs[i].Due = n.records[recs[i].Key].Due
			}
			return recs, err
		},
	}
}

func readBreakages() []breakage {
	return []breakage{
		{"get in order of keys", "get", onRecords(func(recs []core.Record) []core.Record {
			slices.SortFunc(recs, func(a, b core.Record) int { return strings.Compare(a.Key, b.Key) })
			return recs
		})},
		{"get leaves out absent records", "get", onRecords(func(recs []core.Record) []core.Record {
			return slices.DeleteFunc(recs, func(r core.Record) bool { return r.Version == 0 })
		})},
		{"get with spec always", "get spec", func(s *memory.Store, _ *shared) core.Store {
			return &wrapper{Store: s, get: func(ctx context.Context, q core.GetQuery) ([]core.Record, error) {
				q.Spec = true
				return s.Get(ctx, q)
			}}
		}},
		{"get of any number", "get a thousand", func(s *memory.Store, _ *shared) core.Store {
			return &wrapper{Store: s, get: func(ctx context.Context, q core.GetQuery) ([]core.Record, error) {
				q.Keys = q.Keys[:min(len(q.Keys), core.MaxBatch)]
				return s.Get(ctx, q)
			}}
		}},
		{"list skips a key at page borders", "list pages", onList(func(ctx context.Context, s *memory.Store, q core.ListQuery) ([]core.Record, error) {
			recs, err := s.List(ctx, q)
			if q.After != "" && len(recs) > 1 {
				recs = recs[1:]
			}
			return recs, err
		})},
		{"list repeats a key at page borders", "list pages", onList(func(ctx context.Context, s *memory.Store, q core.ListQuery) ([]core.Record, error) {
			if q.After != "" {
				q.After = q.After[:len(q.After)-1]
			}
			return s.List(ctx, q)
		})},
		{"list takes the prefix for a glob", "list", onList(func(ctx context.Context, s *memory.Store, q core.ListQuery) ([]core.Record, error) {
			q.Prefix = strings.TrimSuffix(q.Prefix, "*")
			return s.List(ctx, q)
		})},
		{"list in order without case", "list", onList(func(ctx context.Context, s *memory.Store, q core.ListQuery) ([]core.Record, error) {
			recs, err := s.List(ctx, q)
			slices.SortStableFunc(recs, func(a, b core.Record) int { return strings.Compare(strings.ToLower(a.Key), strings.ToLower(b.Key)) })
			return recs, err
		})},
		{"list by offset", "list while others write", listByOffset},
		{"pages of any size", "large pages", onList(func(ctx context.Context, s *memory.Store, q core.ListQuery) ([]core.Record, error) {
			var all []core.Record
			for {
				recs, err := s.List(ctx, q)
				if err != nil || len(recs) == 0 {
					return all, err
				}
				all = append(all, recs...)
				q.After = recs[len(recs)-1].Key
			}
		})},
		{"reads of a minute ago", "own changes are seen", staleReads},
		{"reads of a minute ago elsewhere", "changes of others are seen", staleReads},
		{"reads behind a conflict", "what a conflict told is seen", ownReads},
		{"bytes shared with the caller", "hostile values", sharedBytes},
	}
}

// listByOffset remembers how many records it gave, and skips as many: those that go meanwhile shift the rest.
func listByOffset(s *memory.Store, _ *shared) core.Store {
	given := 0
	return &wrapper{Store: s, list: func(ctx context.Context, q core.ListQuery) ([]core.Record, error) {
		if q.After == "" {
			given = 0
		}
		recs, err := s.List(ctx, core.ListQuery{Prefix: q.Prefix, Limit: core.MaxPage})
		recs = recs[min(given, len(recs)):]
		recs = recs[:min(q.Limit, len(recs))]
		given += len(recs)
		return recs, err
	}}
}

// staleReads answers every second reading of a key with what the first one found.
func staleReads(s *memory.Store, _ *shared) core.Store {
	old := make(map[string]core.Record)
	return &wrapper{Store: s, get: func(ctx context.Context, q core.GetQuery) ([]core.Record, error) {
		recs, err := s.Get(ctx, q)
		for i, r := range recs {
			if before, ok := old[r.Key]; ok {
				recs[i] = before
			} else if r.Version != 0 {
				old[r.Key] = r
			}
		}
		return recs, err
	}}
}

// ownReads answers with what others wrote only some time later, as a follower that lags does.
func ownReads(s *memory.Store, sh *shared) core.Store {
	n := &sh.notes
	mine := make(map[uint64]bool)
	return &wrapper{
		Store: s,
		apply: func(ctx context.Context, ops []core.Op) (core.Applied, error) {
			a, err := s.Apply(ctx, ops)
			n.Lock()
			defer n.Unlock()
			for _, res := range a.Results {
				mine[res.Version] = true
			}
			return a, err
		},
		get: func(ctx context.Context, q core.GetQuery) ([]core.Record, error) {
			recs, err := s.Get(ctx, q)
			n.Lock()
			defer n.Unlock()
			for i, r := range recs {
				if !mine[r.Version] {
					recs[i] = core.Record{Key: r.Key}
				}
			}
			return recs, err
		},
	}
}

// sharedBytes hands out the very bytes it was given.
func sharedBytes(s *memory.Store, _ *shared) core.Store {
	kept := make(map[string]core.Record)
	return &wrapper{
		Store: s,
		apply: func(ctx context.Context, ops []core.Op) (core.Applied, error) {
			a, err := s.Apply(ctx, ops)
			for i, res := range a.Results {
				if res.Err == nil {
					kept[ops[i].Old.Key] = ops[i].New
				}
			}
			return a, err
		},
		get: func(ctx context.Context, q core.GetQuery) ([]core.Record, error) {
			recs, err := s.Get(ctx, q)
			for i := range recs {
				recs[i].State = kept[recs[i].Key].State
			}
			return recs, err
		},
	}
}

func logBreakages() []breakage {
	return []breakage{
		{"history slot leaks", "history slots", slotLeaks},
		{"refused operation writes history", "history of refused operations", refusedWrites},
		{"deletion keeps history", "delete", keepsHistory},
		{"incidents go with their record", "incidents", incidentsGo},
		{"incidents go with their slot", "incidents", incidentsOverwritten},
		{"incidents of the newest 9,999", "ten thousand incidents", fewIncidents},
		{"history oldest first", "history", onLog(func(_ core.LogQuery, entries []core.Entry) []core.Entry {
			slices.Reverse(entries)
			return entries
		})},
		{"history without keys", "history", onLog(func(_ core.LogQuery, entries []core.Entry) []core.Entry {
			for i := range entries {
				entries[i].Key = ""
			}
			return entries
		})},
		{"every entry is an incident", "history", onOps(func(op *core.Op) {
			op.History = slices.Clone(op.History)
			for i := range op.History {
				op.History[i].Incident = true
			}
		})},
		{"history pages by key ignored", "incident pages", onLogQuery(func(q *core.LogQuery) { q.BeforeKey = "" })},
		{"history pages repeat the border", "history pages", onLogQuery(func(q *core.LogQuery) {
			if !q.Before.IsZero() {
				q.Before = q.Before.Add(time.Microsecond)
			}
		})},
		{"history data cut at 16 KiB", "history sizes", onOps(func(op *core.Op) {
			op.History = slices.Clone(op.History)
			for i := range op.History {
				op.History[i].Data = op.History[i].Data[:min(len(op.History[i].Data), 16<<10)]
			}
		})},
		{"history of any number", "history sizes", onOps(func(op *core.Op) {
			op.History = op.History[:min(len(op.History), core.MaxEntries)]
		})},
	}
}

// onLog makes a mutant of Log's answers.
func onLog(change func(core.LogQuery, []core.Entry) []core.Entry) func(*memory.Store, *shared) core.Store {
	return func(s *memory.Store, _ *shared) core.Store {
		return &wrapper{Store: s, log: func(ctx context.Context, q core.LogQuery) ([]core.Entry, error) {
			entries, err := s.Log(ctx, q)
			return change(q, entries), err
		}}
	}
}

// onLogQuery makes a mutant of Log's questions.
func onLogQuery(change func(*core.LogQuery)) func(*memory.Store, *shared) core.Store {
	return func(s *memory.Store, _ *shared) core.Store {
		return &wrapper{Store: s, log: func(ctx context.Context, q core.LogQuery) ([]core.Entry, error) {
			change(&q)
			return s.Log(ctx, q)
		}}
	}
}

// noted makes a mutant that keeps a log of its own from what each Op did, and answers the questions that mine is
// true of from it.
func noted(note func(op core.Op, res core.Result, n *notes), mine func(core.LogQuery) bool) func(*memory.Store, *shared) core.Store {
	return func(s *memory.Store, sh *shared) core.Store {
		n := &sh.notes
		return &wrapper{
			Store: s,
			apply: func(ctx context.Context, ops []core.Op) (core.Applied, error) {
				a, err := s.Apply(ctx, ops)
				n.Lock()
				defer n.Unlock()
				for i, res := range a.Results {
					note(ops[i], res, n)
				}
				return a, err
			},
			log: func(ctx context.Context, q core.LogQuery) ([]core.Entry, error) {
				entries, err := s.Log(ctx, q)
				if err != nil || !mine(q) {
					return entries, err
				}
				n.Lock()
				defer n.Unlock()
				return newest(n.entries, q), nil
			},
		}
	}
}

// newest answers a question from a plain list of entries.
func newest(entries []core.Entry, q core.LogQuery) []core.Entry {
	var out []core.Entry
	for _, en := range entries {
		if q.Key == "" || en.Key == q.Key {
			out = append(out, en)
		}
	}
	slices.SortFunc(out, func(a, b core.Entry) int {
		if c := b.Time.Compare(a.Time); c != 0 {
			return c
		}
		return strings.Compare(b.Key, a.Key)
	})
	return out[:min(len(out), q.Limit)]
}

// keep notes the entries of an Op.
func keep(op core.Op, n *notes, all bool) {
	for _, en := range op.History {
		en.Key = op.Old.Key
		if all || en.Incident {
			n.entries = append(n.entries, en)
		}
	}
}

func byKey(q core.LogQuery) bool { return q.Key != "" }
func ofAll(q core.LogQuery) bool { return q.Key == "" }

func slotLeaks(s *memory.Store, sh *shared) core.Store {
	return noted(func(op core.Op, res core.Result, n *notes) {
		if res.Err == nil {
			keep(op, n, true)
		}
	}, byKey)(s, sh)
}

func refusedWrites(s *memory.Store, sh *shared) core.Store {
	return noted(func(op core.Op, _ core.Result, n *notes) { keep(op, n, true) }, byKey)(s, sh)
}

func keepsHistory(s *memory.Store, sh *shared) core.Store { return slotLeaks(s, sh) }

func incidentsGo(s *memory.Store, sh *shared) core.Store {
	return noted(func(op core.Op, res core.Result, n *notes) {
		switch {
		case res.Err != nil:
		case op.Delete:
			n.entries = slices.DeleteFunc(n.entries, func(en core.Entry) bool { return en.Key == op.Old.Key })
		default:
			keep(op, n, false)
		}
	}, ofAll)(s, sh)
}

func incidentsOverwritten(s *memory.Store, sh *shared) core.Store {
	return noted(func(op core.Op, res core.Result, n *notes) {
		if res.Err != nil {
			return
		}
		for _, en := range op.History {
			n.entries = slices.DeleteFunc(n.entries, func(old core.Entry) bool {
				return old.Key == op.Old.Key && old.Slot == en.Slot
			})
		}
		keep(op, n, false)
	}, ofAll)(s, sh)
}

func fewIncidents(s *memory.Store, _ *shared) core.Store {
	given := 0
	return &wrapper{Store: s, log: func(ctx context.Context, q core.LogQuery) ([]core.Entry, error) {
		if q.Before.IsZero() {
			given = 0
		}
		entries, err := s.Log(ctx, q)
		entries = entries[:min(len(entries), 9999-given)]
		given += len(entries)
		return entries, err
	}}
}

var errBroken = errors.New("broken")

package redis

import (
	"strconv"

	"github.com/belfry-io/belfry/core"
)

// callBytes is about how much one script call carries: enough that an ordinary batch is one call, little enough
// that a batch of large Specs does not hold up the server.
const callBytes = 4 << 20

// A plan is the arguments of one script call. Operations are grouped by shard; in a cluster each group would be a
// call of its own.
type plan struct {
	keys []string
	args []any
	ops  []int // place in the batch of each operation, in the order of the call
}

// header is the number of arguments before the first shard.
const header = 7

// cut splits the operations that are left off at about callBytes.
func cut(ops []core.Op, left []int) (now, later []int) {
	size := 0
	for i, at := range left {
		op := &ops[at]
		size += len(op.Old.Key) + len(op.New.State) + len(op.New.Spec)
		for k := range op.History {
			size += len(op.History[k].Data)
		}
		if size > callBytes && i > 0 {
			return left[:i], left[i:]
		}
	}
	return left, nil
}

// newPlan lays out the operations of a batch that stand at the given places.
func (l layout) newPlan(ops []core.Op, places []int, known epochMark) *plan {
	var groups [shards][]int
	count := 0
	var greatest uint64
	for _, at := range places {
		s := shardOf(ops[at].Old.Key)
		if groups[s] == nil {
			count++
		}
		groups[s] = append(groups[s], at)
		greatest = max(greatest, ops[at].Old.Version)
	}
	p := &plan{
		keys: make([]string, 2, 2+2*count),
		args: make([]any, header, header+count+4*len(places)+count+16),
		ops:  make([]int, 0, len(places)),
	}
	p.keys[0], p.keys[1] = l.epoch(), l.incidents()
	for s, g := range groups {
		if g != nil {
			p.keys = append(p.keys, l.state(s))
		}
	}
	ix := indexes{layout: l, plan: p, at: make(map[index]string, count)}
	text := newTexts(ops, places)
	var extras []any
	for _, g := range groups {
		if g == nil {
			continue
		}
		first := &ops[g[0]]
		home := ix.of(first.Old.Stripe, first.New.Queue)
		p.args = append(p.args, len(g), home)
		for _, at := range g {
			p.ops = append(p.ops, at)
			extras = p.add(&ops[at], &ix, home, text, extras)
		}
	}
	p.args[0], p.args[1] = known.id, known.n
	p.args[2], p.args[3] = "", l.feed()
	if known.id == "" {
		p.args[2] = newEpoch()
	}
	p.args[4], p.args[5] = count, greatest
	p.args[6] = len(p.args) + 1
	p.args = append(p.args, extras...)
	text.finish()
	return p
}

// add appends an operation, and to extras what most operations do without. home is the due index of the shard.
func (p *plan) add(op *core.Op, ix *indexes, home string, text *texts, extras []any) []any {
	key, expect := &op.Old.Key, text.head(&op.Old)
	value, score := &text.none, &text.none
	place := home
	if !op.Delete {
		value = text.body(&op.New, op.Old.Stripe)
		if !op.New.Due.IsZero() && (op.Old.Version == 0 || !sameEntry(op)) {
			place, score = ix.of(op.Old.Stripe, op.New.Queue), text.due(&op.New)
		}
	}
	p.args = append(p.args, key, expect, value, score)

	n := len(p.ops)
	if place != home {
		extras = append(extras, n, "index", 1, place)
	}
	if !op.Delete && len(op.New.Spec) > 0 {
		extras = append(extras, n, "spec", 1, string(op.New.Spec)) // a copy: the call may outlive Apply
	}
	if op.Old.Version != 0 && !op.Old.Due.IsZero() &&
		(op.Delete || op.New.Due.IsZero() || op.New.Queue != op.Old.Queue) {
		extras = append(extras, n, "stale", 1, ix.of(op.Old.Stripe, op.Old.Queue))
	}
	if op.Announce {
		extras = append(extras, n, "announce", 1, changeTail(op))
	}
	return addHistory(op, n, extras)
}

// sameEntry says whether the record's index entry stays as it is.
func sameEntry(op *core.Op) bool {
	return op.Old.Queue == op.New.Queue && !op.Old.Due.IsZero() && op.Old.Due.UnixMicro() == op.New.Due.UnixMicro()
}

func addHistory(op *core.Op, n int, extras []any) []any {
	if len(op.History) == 0 {
		return extras
	}
	incidents := 0
	extras = append(extras, n, "log", 2*len(op.History))
	for i := range op.History {
		e := &op.History[i]
		extras = append(extras, e.Slot, entryValue(e))
		if e.Incident {
			incidents++
		}
	}
	if incidents == 0 {
		return extras
	}
	extras = append(extras, n, "incidents", 2*incidents)
	for i := range op.History {
		if e := &op.History[i]; e.Incident {
			extras = append(extras, micros(e.Time), incidentMember(op.Old.Key, e))
		}
	}
	return extras
}

// index is a due index of the store.
type index struct {
	stripe int
	queue  string
}

// indexes numbers the due indexes of a call as they are met.
type indexes struct {
	layout layout
	plan   *plan
	at     map[index]string
}

// of returns the place of an index among the call's keys.
func (x *indexes) of(stripe int, queue string) string {
	i := index{stripe: stripe, queue: queue}
	n, ok := x.at[i]
	if !ok {
		x.plan.keys = append(x.plan.keys, x.layout.due(stripe, queue))
		n = strconv.Itoa(len(x.plan.keys))
		x.at[i] = n
	}
	return n
}

package table

import (
	"cmp"
	"slices"
)

// A part is the due index of one (queue, stripe): a 4-ary heap by due time, in which every record knows its own
// place, so that moving one costs no search. It has no order beyond that; what a query finds is sorted.
type part struct {
	partKey
	records int // in this queue and stripe, due or not; at 0 the part goes
	heap    []slot
}

type partKey struct {
	queue  string
	stripe uint16
}

// A slot repeats the due time, so that sifting does not touch the records.
type slot struct {
	due int64
	rec *record
}

const arity = 4

// set moves r to its due time in the heap, or in or out of it.
func (p *part) set(r *record, due int64) {
	r.due = due
	switch {
	case due == never && r.pos >= 0:
		p.remove(r)
	case due == never:
	case r.pos < 0:
		p.heap = append(p.heap, slot{due, r})
		p.up(len(p.heap)-1, slot{due, r})
	default:
		p.fix(int(r.pos), slot{due, r})
	}
}

// remove takes r out of the heap.
func (p *part) remove(r *record) {
	i, last := int(r.pos), len(p.heap)-1
	moved := p.heap[last]
	p.heap[last] = slot{}
	p.heap = p.heap[:last]
	r.pos = -1
	if i < last {
		p.fix(i, moved)
	}
	if cap(p.heap) > 64 && len(p.heap) < cap(p.heap)/4 {
		p.heap = slices.Clip(slices.Clone(p.heap))
	}
}

// fix puts s at place i or wherever from there it belongs.
func (p *part) fix(i int, s slot) {
	if i > 0 && s.due < p.heap[(i-1)/arity].due {
		p.up(i, s)
		return
	}
	p.down(i, s)
}

// up puts s at place i or above.
func (p *part) up(i int, s slot) {
	for i > 0 {
		parent := (i - 1) / arity
		if p.heap[parent].due <= s.due {
			break
		}
		p.put(i, p.heap[parent])
		i = parent
	}
	p.put(i, s)
}

// down puts s at place i or below.
func (p *part) down(i int, s slot) {
	for {
		least, first := -1, i*arity+1
		for c := first; c < min(first+arity, len(p.heap)); c++ {
			if least < 0 || p.heap[c].due < p.heap[least].due {
				least = c
			}
		}
		if least < 0 || s.due <= p.heap[least].due {
			break
		}
		p.put(i, p.heap[least])
		i = least
	}
	p.put(i, s)
}

// put writes s to place i.
func (p *part) put(i int, s slot) {
	p.heap[i] = s
	s.rec.pos = int32(i) //nolint:gosec // a heap of 2^31 records does not fit in memory
}

// A dueScan selects the first few records, by due time and key, of those due in a range.
type dueScan struct {
	from, to int64
	after    string // of those due at from, only greater keys
	limit    int
	found    []slot
	bound    int64 // later ones are not among the first: never, while there are fewer than limit
	bounded  bool
}

// walk visits what of p can be due in the range, from place i downwards. Below a record that is too late all are.
func (s *dueScan) walk(p *part, i int) {
	if i >= len(p.heap) {
		return
	}
	e := p.heap[i]
	if e.due >= s.to || s.bounded && e.due > s.bound {
		return
	}
	if e.due > s.from || e.due == s.from && (s.after == "" || e.rec.key > s.after) {
		s.add(e)
	}
	for c := i*arity + 1; c <= i*arity+arity; c++ {
		s.walk(p, c)
	}
}

// add keeps e. At twice the limit the second half is dropped, so a page costs no more than the range is long.
func (s *dueScan) add(e slot) {
	s.found = append(s.found, e)
	if len(s.found) >= 2*s.limit {
		s.cut()
	}
}

// cut sorts what was found and drops what is over the limit.
func (s *dueScan) cut() {
	slices.SortFunc(s.found, func(a, b slot) int {
		if c := cmp.Compare(a.due, b.due); c != 0 {
			return c
		}
		return cmp.Compare(a.rec.key, b.rec.key)
	})
	if len(s.found) >= s.limit {
		s.found = s.found[:s.limit]
		s.bound, s.bounded = s.found[s.limit-1].due, true
	}
}

package redis

import (
	"slices"
	"strings"
)

// A merge puts ordered parts together of which each was read up to a share. Beyond the end of a part that filled
// its share, what is missing from that part would leave a gap; so the result ends there.
type merge[T any] struct {
	share, limit int
	compare      func(a, b T) int

	all  []T
	end  *T // the least last item of the full parts
	full int
}

func compareKeys(a, b string) int { return strings.Compare(a, b) }

// add takes one part.
func (m *merge[T]) add(part []T) {
	m.all = append(m.all, part...)
	if len(part) < m.share {
		return
	}
	m.full++
	last := part[len(part)-1]
	if m.end == nil || m.compare(last, *m.end) < 0 {
		m.end = &last
	}
}

// result returns the items in order without gaps, and whether more may follow. If more may, there is at least one.
func (m *merge[T]) result() (items []T, more bool) {
	slices.SortFunc(m.all, m.compare)
	more = m.full > 0
	if more {
		n, found := slices.BinarySearchFunc(m.all, *m.end, m.compare)
		if found {
			n++
		}
		m.all = m.all[:n]
	}
	if len(m.all) > m.limit {
		m.all, more = m.all[:m.limit], true
	}
	return m.all, more
}

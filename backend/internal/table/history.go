package table

import (
	"cmp"
	"slices"

	"github.com/belfry-io/belfry/core"
)

// A line is one entry of a record's history.
type line struct {
	time     int64
	data     string
	slot     uint8
	incident bool
}

// A ring is a record's history, in order of slots. Most records have none.
type ring []line

// set writes l to its slot.
func (r *ring) set(l line) {
	i, found := slices.BinarySearchFunc(*r, l.slot, func(a line, slot uint8) int { return cmp.Compare(a.slot, slot) })
	if found {
		(*r)[i] = l
		return
	}
	*r = slices.Insert(*r, i, l)
}

// newest returns the lines, newest first.
func (r ring) newest() []line {
	lines := slices.Clone(r)
	slices.SortFunc(lines, func(a, b line) int {
		if c := cmp.Compare(b.time, a.time); c != 0 {
			return c
		}
		return cmp.Compare(b.slot, a.slot)
	})
	return lines
}

// An incident is a line of the log of all records.
type incident struct {
	key string
	line
}

// MaxIncidents is how many incidents stay readable.
const MaxIncidents = 10000

// incidents are ordered by time and then key, oldest first; the slice may hold some more than stay readable, so
// that dropping the oldest is not paid at each.
type incidents []incident

// less orders incidents as pages of the log are cut: by time, then by key.
func (a incident) compare(time int64, key string) int {
	if c := cmp.Compare(a.time, time); c != 0 {
		return c
	}
	return cmp.Compare(a.key, key)
}

// add writes an incident. They come nearly in order of time, so it goes in near the end.
func (l *incidents) add(in incident) {
	i := len(*l)
	for i > 0 && (*l)[i-1].compare(in.time, in.key) > 0 {
		i--
	}
	*l = slices.Insert(*l, i, in)
	if len(*l) >= MaxIncidents+MaxIncidents/8 {
		*l = append((*l)[:0], (*l)[len(*l)-MaxIncidents:]...)
		clear((*l)[len(*l):cap(*l)])
	}
}

// readable returns those that stay.
func (l incidents) readable() incidents { return l[max(0, len(l)-MaxIncidents):] }

// Log returns history, newest first: of the record of q.Key, or the incidents of all. An error is
// [core.ErrInvalid].
func (t *Table) Log(q core.LogQuery) ([]core.Entry, error) {
	if err := CheckLimit(q.Limit); err != nil {
		return nil, err
	}
	p := logPage{limit: q.Limit}
	if q.Key != "" {
		t.recordLog(q, &p)
	} else {
		t.incidentLog(q, &p)
	}
	return p.entries, nil
}

// recordLog fills the page with the history of one record.
func (t *Table) recordLog(q core.LogQuery, p *logPage) {
	r := t.records[q.Key]
	if r == nil || r.ring == nil {
		return
	}
	for _, l := range r.ring.newest() {
		in := incident{r.key, l}
		if !q.Before.IsZero() && in.compare(Micros(q.Before), q.BeforeKey) >= 0 {
			continue
		}
		if !p.add(in) {
			return
		}
	}
}

// incidentLog fills the page with the incidents of all records.
func (t *Table) incidentLog(q core.LogQuery, p *logPage) {
	all := t.incidents.readable()
	end := len(all)
	if !q.Before.IsZero() {
		before := Micros(q.Before)
		end, _ = slices.BinarySearchFunc(all, q.BeforeKey, func(in incident, key string) int {
			return in.compare(before, key)
		})
	}
	for i := end - 1; i >= 0 && p.add(all[i]); i-- {
	}
}

// A logPage gathers entries until it is full.
type logPage struct {
	entries []core.Entry
	limit   int
	bytes   int
}

// add appends an entry and says whether another one may follow.
func (p *logPage) add(in incident) bool {
	p.entries = append(p.entries, core.Entry{
		Key:      in.key,
		Slot:     int(in.slot),
		Time:     Time(in.time),
		Data:     []byte(in.data),
		Incident: in.incident,
	})
	p.bytes += len(in.key) + len(in.data)
	return len(p.entries) < p.limit && p.bytes < maxPage
}

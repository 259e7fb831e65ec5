package table

import (
	"slices"
	"strings"

	"github.com/belfry-io/belfry/core"
)

// Get returns the records of the keys, in their order; an absent one has its Key and Version 0. An error is
// [core.ErrInvalid].
func (t *Table) Get(q core.GetQuery) ([]core.Record, error) {
	if err := CheckGet(&q); err != nil {
		return nil, err
	}
	recs := make([]core.Record, len(q.Keys))
	for i, key := range q.Keys {
		if r := t.records[key]; r != nil {
			recs[i] = r.export(q.Spec)
		} else {
			recs[i] = core.Record{Key: key}
		}
	}
	return recs, nil
}

// Due returns records that are due in a range, by due time and then key, without their Spec. An error is
// [core.ErrInvalid].
func (t *Table) Due(q core.DueQuery) ([]core.Record, error) {
	if err := CheckLimit(q.Limit); err != nil {
		return nil, err
	}
	s := dueScan{from: Micros(q.From), to: Micros(q.To), after: q.AfterKey, limit: q.Limit}
	for _, stripe := range distinct(q.Stripes) {
		if stripe < 0 || stripe > MaxStripe {
			return nil, invalid("stripe", "%d is not in 0-%d", stripe, MaxStripe)
		}
		if p := t.parts[partKey{q.Queue, uint16(stripe)}]; p != nil {
			s.walk(p, 0)
		}
	}
	s.cut()
	var p page
	for _, e := range s.found {
		if !p.add(e.rec) {
			break
		}
	}
	return p.records, nil
}

// distinct returns the stripes in order, each once.
func distinct(stripes []int) []int {
	s := slices.Clone(stripes)
	slices.Sort(s)
	return slices.Compact(s)
}

// List returns records in order of their keys. An error is [core.ErrInvalid].
func (t *Table) List(q core.ListQuery) ([]core.Record, error) {
	if err := CheckLimit(q.Limit); err != nil {
		return nil, err
	}
	p := page{specs: q.Spec}
	t.order.from(max(q.Prefix, q.After), func(r *record) bool {
		if r.key == q.After {
			return true
		}
		return strings.HasPrefix(r.key, q.Prefix) && p.add(r) && len(p.records) < q.Limit
	})
	return p.records, nil
}

// A page gathers records up to about 4 MiB.
type page struct {
	specs   bool // with their specs
	records []core.Record
	bytes   int
}

// add appends a record unless the page is full; the first one always fits.
func (p *page) add(r *record) bool {
	size := len(r.key) + len(r.state)
	if p.specs {
		size += len(r.spec)
	}
	if p.bytes += size; p.bytes > maxPage && len(p.records) > 0 {
		return false
	}
	p.records = append(p.records, r.export(p.specs))
	return true
}

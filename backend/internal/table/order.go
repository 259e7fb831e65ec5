package table

import "slices"

// An order is the records in order of their keys, in chunks, so that one record more or less moves a few kilobytes
// and not all of them. A sorted slice made when somebody lists would cost a second at a million records, and
// sessions are listed every second.
type order struct {
	chunks [][]*record // none is empty
	n      int
}

const chunkSize = 512

// find returns the place of key, or where it would go.
func (o *order) find(key string) (c, i int, found bool) {
	c, _ = slices.BinarySearchFunc(o.chunks, key, func(recs []*record, key string) int {
		return compare(recs[len(recs)-1].key, key)
	})
	if c == len(o.chunks) {
		return c, 0, false
	}
	i, found = slices.BinarySearchFunc(o.chunks[c], key, func(r *record, key string) int {
		return compare(r.key, key)
	})
	return c, i, found
}

// insert adds r, whose key is not there yet.
func (o *order) insert(r *record) {
	o.n++
	c, i, _ := o.find(r.key)
	if c == len(o.chunks) { // greater than all
		if c == 0 {
			o.chunks = append(o.chunks, chunk(r))
			return
		}
		c, i = c-1, len(o.chunks[c-1])
	}
	if len(o.chunks[c]) == chunkSize {
		if left := o.split(c); i > left {
			c, i = c+1, i-left
		}
	}
	o.chunks[c] = slices.Insert(o.chunks[c], i, r)
}

// chunk returns one with some records, and room for all it may get.
func chunk(recs ...*record) []*record { return append(make([]*record, 0, chunkSize), recs...) }

// split makes two of chunk c and returns how many records stay in the first. The last chunk stays nearly full,
// because keys often come in order.
func (o *order) split(c int) int {
	full, at := o.chunks[c], chunkSize/2
	if c == len(o.chunks)-1 {
		at = chunkSize - chunkSize/16
	}
	o.chunks = slices.Insert(o.chunks, c+1, chunk(full[at:]...))
	clear(full[at:])
	o.chunks[c] = full[:at]
	return at
}

// remove takes out the record of key.
func (o *order) remove(key string) {
	c, i, found := o.find(key)
	if !found {
		return
	}
	o.n--
	o.chunks[c] = slices.Delete(o.chunks[c], i, i+1)
	if len(o.chunks[c]) == 0 {
		o.chunks = slices.Delete(o.chunks, c, c+1)
	}
}

// from calls fn for each record from key on, in order, until it returns false.
func (o *order) from(key string, fn func(*record) bool) {
	c, i, _ := o.find(key)
	for ; c < len(o.chunks); c, i = c+1, 0 {
		for _, r := range o.chunks[c][i:] {
			if !fn(r) {
				return
			}
		}
	}
}

// compare is bytewise order.
func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

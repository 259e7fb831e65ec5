package table

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"

	"github.com/belfry-io/belfry/core"
)

// formatVersion is the first byte of a snapshot. What follows, in varints and in strings that say their length:
//
//	version, now
//	for each record, by key: 1, key, version, stripe, queue, due (0: none; or 1, time), state, spec, ring
//	0
//	incidents: number, then each: key, line
//	CRC-32C of all before, 4 bytes, little endian
const formatVersion = 1

// ErrCorrupt says that a snapshot is cut short, damaged, or none.
var ErrCorrupt = errors.New("corrupt snapshot")

var castagnoli = crc32.MakeTable(crc32.Castagnoli) //nolint:gochecknoglobals // constant

// An Image is a table as it was at one moment. It shares its bytes but nothing that changes, so it may be written
// while the table goes on.
type Image struct {
	version   uint64
	now       int64
	records   []record // by key
	rings     map[int]ring
	incidents incidents
}

// Freeze returns the table as it is now. It copies 96 bytes a record and the rings, no keys and values.
func (t *Table) Freeze() *Image {
	im := &Image{
		version:   t.version,
		now:       t.now,
		records:   make([]record, 0, t.order.n),
		rings:     make(map[int]ring),
		incidents: slices.Clone(t.incidents.readable()),
	}
	t.order.from("", func(r *record) bool {
		if r.ring != nil {
			im.rings[len(im.records)] = slices.Clone(*r.ring)
		}
		im.records = append(im.records, *r)
		return true
	})
	return im
}

// WriteTo writes the snapshot that [Restore] reads and returns the number of its bytes.
func (im *Image) WriteTo(w io.Writer) (int64, error) {
	out := &summer{w: w}
	e := encoder{Writer: bufio.NewWriterSize(out, 64<<10)}
	e.byte(formatVersion)
	e.uint(im.version)
	e.int(im.now)
	for i := range im.records {
		e.byte(1)
		e.record(&im.records[i], im.rings[i])
	}
	e.byte(0)
	e.uint(uint64(len(im.incidents)))
	for i := range im.incidents {
		e.string(im.incidents[i].key)
		e.line(im.incidents[i].line)
	}
	if err := e.Flush(); err != nil {
		return out.n, fmt.Errorf("write snapshot: %w", err)
	}
	if _, err := out.Write(binary.LittleEndian.AppendUint32(nil, out.sum)); err != nil {
		return out.n, fmt.Errorf("write snapshot: %w", err)
	}
	return out.n, nil
}

// Snapshot writes the table as it is now.
func (t *Table) Snapshot(w io.Writer) error {
	_, err := t.Freeze().WriteTo(w)
	return err
}

// Restore reads the one snapshot that r holds. The error is [ErrCorrupt], [core.ErrFormat] if a newer belfry wrote
// it, or r's own.
func Restore(r io.Reader) (*Table, error) {
	d := decoder{r: bufio.NewReaderSize(r, 64<<10)}
	t, err := d.table()
	if err != nil {
		return nil, fmt.Errorf("restore snapshot: %w", err)
	}
	return t, nil
}

// table reads a whole snapshot.
func (d *decoder) table() (*Table, error) {
	switch v := d.byte(); {
	case d.err != nil:
		return nil, d.err
	case v == 0:
		return nil, ErrCorrupt
	case v > formatVersion:
		return nil, fmt.Errorf("snapshot format %d: %w", v, core.ErrFormat)
	}
	t := New()
	t.version = d.uint()
	t.now = d.time()
	for d.more() {
		d.record(t)
	}
	d.readIncidents(t)
	d.end()
	return t, d.err
}

// record reads one record into t. Their keys must ascend, which also keeps a key from coming twice.
func (d *decoder) record(t *Table) {
	r := &record{key: d.string(core.MaxKey), due: never, pos: -1, version: d.uint()}
	stripe, queue, due := d.uint(), d.string(maxQueue), d.due()
	r.state = d.string(core.MaxState)
	r.spec = d.string(core.MaxSpec)
	for n := d.count(core.MaxSlots); n > 0 && d.err == nil; n-- {
		if r.ring == nil {
			r.ring = new(ring)
		}
		r.ring.set(d.line())
	}
	if d.err != nil {
		return
	}
	last := len(t.order.chunks) - 1
	if CheckKey(r.key) != nil || stripe > MaxStripe || r.version == 0 || r.version > t.version ||
		last >= 0 && r.key <= t.order.chunks[last][len(t.order.chunks[last])-1].key {
		d.fail(ErrCorrupt)
		return
	}
	t.join(r, queue, uint16(stripe))
	r.part.set(r, due)
	t.records[r.key] = r
	t.order.insert(r)
}

// readIncidents reads the log of all records.
func (d *decoder) readIncidents(t *Table) {
	for n := d.count(MaxIncidents); n > 0 && d.err == nil; n-- {
		in := incident{d.string(core.MaxKey), d.line()}
		if k := len(t.incidents); k > 0 && t.incidents[k-1].compare(in.time, in.key) > 0 {
			d.fail(ErrCorrupt)
			return
		}
		t.incidents = append(t.incidents, in)
	}
}

// maxQueue bounds the name of a queue, so that a damaged length does not ask for gigabytes.
const maxQueue = 1 << 20

// Package table is a store's contents as a plain value: versioned records, their due index, their history and the
// log of incidents. It is the whole of backend/memory's data and the state machine that backend/raft replicates.
//
// It has no clock, no goroutine and no lock: the caller passes the time and sees to it that nobody reads while
// somebody applies. The same batches with the same times give the same table, the same answers and the same
// snapshot, byte by byte.
package table

import (
	"fmt"
	"time"

	"github.com/belfry-io/belfry/core"
)

// A Table holds records. The zero value is not usable; see [New]. Methods that only read may run at the same time.
type Table struct {
	records   map[string]*record
	order     order
	parts     map[partKey]*part
	incidents incidents
	version   uint64    // the greatest one ever given
	now       int64     // the greatest time ever passed, in microseconds
	batch     uint32    // numbers batches, to see a key named twice
	named     []*record // those that the batch names, nil for each that is absent; kept for the next
}

// A record is kept in 96 bytes beside its key and values. Strings, because they can be shared with snapshots.
type record struct {
	key     string
	state   string
	spec    string
	part    *part // its queue and stripe
	ring    *ring // nil: no history
	version uint64
	due     int64
	pos     int32  // in the part's heap; -1: not due
	batch   uint32 // the last one that named it
}

// New returns an empty table.
func New() *Table {
	return &Table{records: make(map[string]*record), parts: make(map[partKey]*part)}
}

// Len returns the number of records.
func (t *Table) Len() int { return len(t.records) }

// Now returns the greatest time the table was given, in UTC; the year 1970 if none.
func (t *Table) Now() time.Time { return Time(t.now) }

// Version returns the greatest version ever given to a record.
func (t *Table) Version() uint64 { return t.version }

// Raise makes all versions to come greater than version: for a table that takes another's place.
func (t *Table) Raise(version uint64) { t.version = max(t.version, version) }

// Apply carries out a batch at a time, as [core.Store] says, except that Op.Server is the caller's affair. The
// error is nil or [core.ErrInvalid], and then nothing was changed. A time that goes back counts as the greatest so
// far.
//
// A version is max(greatest so far + 1, the time in microseconds): deletion, re-creation and an old copy of the
// table that comes back do not make one twice.
func (t *Table) Apply(ops []core.Op, now time.Time) ([]core.Result, error) {
	if err := checkLength(ops); err != nil {
		return nil, err
	}
	if err := t.checkTwice(ops); err != nil {
		return nil, err
	}
	t.now = max(t.now, Micros(now))
	results := make([]core.Result, len(ops))
	for i := range ops { // keys are distinct, so what was found stays true
		results[i] = t.apply(&ops[i], t.named[i])
	}
	clear(t.named)
	return results, nil
}

// checkTwice refuses a batch that names a key twice, and finds its records. They are marked with the number of the
// batch, so only those yet to be created cost a map.
func (t *Table) checkTwice(ops []core.Op) error {
	t.named = t.named[:0]
	t.batch++
	if t.batch == 0 { // wrapped: marks of long ago would count
		for _, r := range t.records {
			r.batch = 0
		}
		t.batch = 1
	}
	var absent map[string]struct{}
	for i := range ops {
		key := ops[i].Old.Key
		r := t.records[key]
		t.named = append(t.named, r)
		if r != nil {
			if r.batch == t.batch {
				return errTwice(key)
			}
			r.batch = t.batch
			continue
		}
		if _, twice := absent[key]; twice {
			return errTwice(key)
		}
		if absent == nil {
			absent = make(map[string]struct{}, len(ops)-i)
		}
		absent[key] = struct{}{}
	}
	return nil
}

// apply carries out one operation on r, nil if there is no such record.
func (t *Table) apply(op *core.Op, r *record) core.Result {
	if err := CheckOp(op); err != nil {
		return core.Result{Err: err}
	}
	if !matches(r, op.Old.Version) {
		return core.Result{Err: core.ErrConflict, Current: current(r, op)}
	}
	if op.Delete {
		t.remove(r)
		t.log(nil, op)
		return core.Result{}
	}
	if r == nil {
		r = t.create(op)
	}
	t.move(r, op)
	t.log(r, op)
	return core.Result{Version: r.version}
}

// matches says whether the record is as it was read; nil is version 0.
func matches(r *record, version uint64) bool {
	if r == nil {
		return version == 0
	}
	return r.version == version
}

// current is what a refused operation is told.
func current(r *record, op *core.Op) core.Record {
	if r == nil {
		return core.Record{Key: op.Old.Key}
	}
	return r.export(len(op.New.Spec) > 0)
}

// create adds an empty record.
func (t *Table) create(op *core.Op) *record {
	r := &record{key: op.Old.Key, due: never, pos: -1, batch: t.batch}
	t.join(r, op.New.Queue, uint16(op.Old.Stripe)) //nolint:gosec // checked: 0-4095
	t.records[r.key] = r
	t.order.insert(r)
	return r
}

// move makes the record what the operation says.
func (t *Table) move(r *record, op *core.Op) {
	if r.part.queue != op.New.Queue {
		stripe := r.part.stripe
		t.leave(r)
		t.join(r, op.New.Queue, stripe)
	}
	r.part.set(r, dueMicros(op.New.Due))
	r.state = string(op.New.State)
	if len(op.New.Spec) > 0 {
		r.spec = string(op.New.Spec)
	}
	t.version = max(t.version+1, uint64(max(t.now, 0)))
	r.version = t.version
}

// remove takes the record out of everything; nil is none.
func (t *Table) remove(r *record) {
	if r == nil {
		return
	}
	t.leave(r)
	t.order.remove(r.key)
	delete(t.records, r.key)
}

// join puts a record without due time into the part of a queue and stripe.
func (t *Table) join(r *record, queue string, stripe uint16) {
	k := partKey{queue, stripe}
	p := t.parts[k]
	if p == nil {
		p = &part{partKey: k}
		t.parts[k] = p
	}
	p.records++
	r.part = p
}

// leave takes a record out of its part and the due index.
func (t *Table) leave(r *record) {
	p := r.part
	p.set(r, never)
	p.records--
	if p.records == 0 {
		delete(t.parts, p.partKey)
	}
}

// log writes the operation's history: to the ring of r, if there is one, and incidents to the log of all.
func (t *Table) log(r *record, op *core.Op) {
	for i := range op.History {
		e := &op.History[i]
		l := line{
			time:     Micros(e.Time),
			data:     string(e.Data),
			slot:     uint8(e.Slot), //nolint:gosec // checked: 0-199
			incident: e.Incident,
		}
		if r != nil {
			if r.ring == nil {
				r.ring = new(ring)
			}
			r.ring.set(l)
		}
		if e.Incident {
			t.incidents.add(incident{op.Old.Key, l})
		}
	}
}

// export returns the record as others see it: no byte of it is shared.
func (r *record) export(spec bool) core.Record { //nolint:revive // the query's own option
	rec := core.Record{
		Key:     r.key,
		Version: r.version,
		Queue:   r.part.queue,
		Stripe:  int(r.part.stripe),
		Due:     dueTime(r.due),
		State:   []byte(r.state),
	}
	if spec && r.spec != "" {
		rec.Spec = []byte(r.spec)
	}
	return rec
}

// String says how much the table holds, for people.
func (t *Table) String() string {
	return fmt.Sprintf("%d records, %d incidents, version %d", len(t.records), len(t.incidents.readable()), t.version)
}

package table

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/belfry-io/belfry/core"
)

// maxPage is about how many bytes of keys, Specs and States one answer holds.
const maxPage = 4 << 20

// CheckBatch refuses a batch as a whole: too many operations, or a key that is named twice. The error is
// [core.ErrInvalid]. [Table.Apply] checks this itself; a backend without a table calls it before it sends anything.
func CheckBatch(ops []core.Op) error {
	if err := checkLength(ops); err != nil {
		return err
	}
	seen := make(map[string]struct{}, len(ops))
	for i := range ops {
		if _, twice := seen[ops[i].Old.Key]; twice {
			return errTwice(ops[i].Old.Key)
		}
		seen[ops[i].Old.Key] = struct{}{}
	}
	return nil
}

// checkLength refuses a batch of too many operations.
func checkLength(ops []core.Op) error {
	if len(ops) > core.MaxBatch {
		return invalid("batch", "%d operations are more than %d", len(ops), core.MaxBatch)
	}
	return nil
}

// errTwice is the refusal of a batch that names key twice.
func errTwice(key string) error { return invalid("batch", "key %q is named twice", key) }

// CheckOp refuses one operation whose key, stripe, times or sizes the contract does not allow, with
// [core.ErrInvalid]. It belongs into the operation's result and does not touch the others.
func CheckOp(op *core.Op) error {
	if err := CheckKey(op.Old.Key); err != nil {
		return err
	}
	switch {
	case op.Old.Stripe < 0 || op.Old.Stripe > MaxStripe:
		return invalid("stripe", "%d is not in 0-%d", op.Old.Stripe, MaxStripe)
	case len(op.New.Spec) > core.MaxSpec:
		return invalid("spec", "%d bytes are more than %d", len(op.New.Spec), core.MaxSpec)
	case len(op.New.State) > core.MaxState:
		return invalid("state", "%d bytes are more than %d", len(op.New.State), core.MaxState)
	case !storable(op.New.Due):
		return invalid("due", "year %d is not in 1-9999", op.New.Due.Year())
	case len(op.History) > core.MaxEntries:
		return invalid("history", "%d entries are more than %d", len(op.History), core.MaxEntries)
	}
	for i := range op.History {
		if err := checkEntry(op.Old.Key, &op.History[i]); err != nil {
			return err
		}
	}
	return nil
}

// MaxStripe is the highest stripe of the Store contract.
const MaxStripe = 4095

// checkEntry refuses a history entry of the record of key.
func checkEntry(key string, e *core.Entry) error {
	switch {
	case e.Key != "" && e.Key != key:
		return invalid("history", "entry of key %q in an operation on %q", e.Key, key)
	case e.Slot < 0 || e.Slot >= core.MaxSlots:
		return invalid("history", "slot %d is not in 0-%d", e.Slot, core.MaxSlots-1)
	case len(e.Data) > core.MaxEntry:
		return invalid("history", "%d bytes are more than %d", len(e.Data), core.MaxEntry)
	case !storable(e.Time):
		return invalid("history", "year %d is not in 1-9999", e.Time.Year())
	}
	return nil
}

// CheckKey refuses a key that is not 1 to 512 bytes of UTF-8 without NUL and newline, with [core.ErrInvalid].
func CheckKey(key string) error {
	switch {
	case len(key) == 0 || len(key) > core.MaxKey:
		return invalid("key", "%d bytes are not 1 to %d", len(key), core.MaxKey)
	case !utf8.ValidString(key):
		return invalid("key", "%q is not UTF-8", key)
	case strings.IndexByte(key, 0) >= 0 || strings.IndexByte(key, '\n') >= 0:
		return invalid("key", "%q has a NUL or a newline in it", key)
	}
	return nil
}

// CheckGet refuses a query of too many keys, with [core.ErrInvalid]. A key that cannot exist is merely absent.
func CheckGet(q *core.GetQuery) error {
	if len(q.Keys) > core.MaxBatch {
		return invalid("keys", "%d are more than %d", len(q.Keys), core.MaxBatch)
	}
	return nil
}

// CheckLimit refuses a page size that is not 1 to 10,000, with [core.ErrInvalid].
func CheckLimit(limit int) error {
	if limit < 1 || limit > core.MaxPage {
		return invalid("limit", "%d is not in 1-%d", limit, core.MaxPage)
	}
	return nil
}

// invalid is a [core.ErrInvalid] about one field.
func invalid(field, format string, args ...any) error {
	return &core.FieldError{Field: field, Problem: fmt.Sprintf(format, args...)}
}

// The years 1 to 9999, in seconds since 1970: their microseconds an int64 can count, and JSON can write them.
const (
	firstSecond = -62135596800
	lastSecond  = 253402300799
)

// storable says whether t is within these years.
func storable(t time.Time) bool {
	s := t.Unix()
	return s >= firstSecond && s <= lastSecond
}

// never is the due time of what is not in the due index.
const never = int64(-1 << 63)

// Micros returns t in microseconds since 1970, what is finer cut off (towards the past).
func Micros(t time.Time) int64 { return t.UnixMicro() }

// Time returns the time, in UTC, of microseconds since 1970.
func Time(us int64) time.Time { return time.UnixMicro(us).UTC() }

// dueMicros returns the due time as the index has it.
func dueMicros(t time.Time) int64 {
	if t.IsZero() {
		return never
	}
	return t.UnixMicro()
}

// dueTime is the inverse of dueMicros.
func dueTime(us int64) time.Time {
	if us == never {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

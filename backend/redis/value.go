package redis

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/belfry-io/belfry/core"
)

// A stored record reads "version due stripe length:queue state": readable in redis-cli, and its head is compared
// as a prefix, which costs the script less than taking it apart.

var errDamaged = errors.New("value is not in belfry's format")

// appendHead appends what a stored record begins with: "version due stripe length:queue ".
func appendHead(b []byte, r *core.Record) []byte {
	b = strconv.AppendUint(b, r.Version, 10)
	return appendPlace(append(b, ' '), r, r.Stripe)
}

// appendPlace appends "due stripe length:queue ".
func appendPlace(b []byte, r *core.Record, stripe int) []byte {
	if r.Due.IsZero() {
		b = append(b, '-')
	} else {
		b = strconv.AppendInt(b, r.Due.UnixMicro(), 10)
	}
	b = append(b, ' ')
	b = strconv.AppendInt(b, int64(stripe), 10)
	b = append(b, ' ')
	b = strconv.AppendInt(b, int64(len(r.Queue)), 10)
	b = append(b, ':')
	b = append(b, r.Queue...)
	return append(b, ' ')
}

// parseRecord reads a stored record.
func parseRecord(key, v string) (core.Record, error) {
	r := core.Record{Key: key}
	version, rest, _ := strings.Cut(v, " ")
	due, rest, _ := strings.Cut(rest, " ")
	stripe, rest, _ := strings.Cut(rest, " ")
	size, rest, ok := strings.Cut(rest, ":")
	if !ok {
		return core.Record{}, fmt.Errorf("record %q: %w", key, errDamaged)
	}
	var errs [4]error
	r.Version, errs[0] = strconv.ParseUint(version, 10, 64)
	if due != "-" {
		var us int64
		us, errs[1] = strconv.ParseInt(due, 10, 64)
		r.Due = time.UnixMicro(us).UTC()
	}
	r.Stripe, errs[2] = strconv.Atoi(stripe)
	n, err := strconv.Atoi(size)
	errs[3] = err
	if err := errors.Join(errs[:]...); err != nil {
		return core.Record{}, fmt.Errorf("record %q: %w: %w", key, errDamaged, err)
	}
	if r.Version == 0 || n < 0 || n >= len(rest) || rest[n] != ' ' {
		return core.Record{}, fmt.Errorf("record %q: %w", key, errDamaged)
	}
	r.Queue = rest[:n]
	if rest = rest[n+1:]; rest != "" {
		r.State = []byte(rest)
	}
	return r, nil
}

// entryValue is the stored form of a history entry: "time ! data" for an incident, "time - data" otherwise.
func entryValue(e *core.Entry) string {
	mark := " - "
	if e.Incident {
		mark = " ! "
	}
	return micros(e.Time) + mark + string(e.Data)
}

// parseEntry reads an entry of a record's log.
func parseEntry(key, slot, v string) (core.Entry, error) {
	e := core.Entry{Key: key}
	at, rest, _ := strings.Cut(v, " ")
	mark, data, ok := strings.Cut(rest, " ")
	n, err := strconv.Atoi(slot)
	if !ok || err != nil {
		return e, fmt.Errorf("history of %q, slot %q: %w", key, slot, errDamaged)
	}
	if e.Time, err = fromMicros(at); err != nil {
		return e, fmt.Errorf("history of %q, slot %q: %w", key, slot, err)
	}
	e.Slot, e.Incident, e.Data = n, mark == "!", []byte(data)
	return e, nil
}

// incidentMember is an incident's member of the sorted set. NUL cannot occur in a key and sorts before all that
// can, so members of one time stand in the order of their keys.
func incidentMember(key string, e *core.Entry) string {
	return key + "\x00" + strconv.Itoa(e.Slot) + "\x00" + string(e.Data)
}

func parseIncident(member string, at time.Time) (core.Entry, error) {
	key, rest, _ := strings.Cut(member, "\x00")
	slot, data, ok := strings.Cut(rest, "\x00")
	n, err := strconv.Atoi(slot)
	if !ok || err != nil {
		return core.Entry{}, fmt.Errorf("incident of %q: %w", key, errDamaged)
	}
	return core.Entry{Key: key, Slot: n, Time: at, Data: []byte(data), Incident: true}, nil
}

// changeTail is a change's message after key and version: "due NUL queue".
func changeTail(op *core.Op) string {
	queue, due := op.New.Queue, "-"
	if op.Delete {
		return due + "\x00" + op.Old.Queue
	}
	if !op.New.Due.IsZero() {
		due = micros(op.New.Due)
	}
	return due + "\x00" + queue
}

func parseChange(m string) (core.Change, bool) {
	key, rest, _ := strings.Cut(m, "\x00")
	version, rest, _ := strings.Cut(rest, "\x00")
	due, queue, ok := strings.Cut(rest, "\x00")
	v, err := strconv.ParseUint(version, 10, 64)
	if !ok || err != nil {
		return core.Change{}, false
	}
	r := core.Record{Key: key, Version: v, Queue: queue}
	if due != "-" {
		if r.Due, err = fromMicros(due); err != nil {
			return core.Change{}, false
		}
	}
	return core.ChangeOf(r), true
}

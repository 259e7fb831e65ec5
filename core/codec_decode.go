package core

import (
	"bytes"
	"fmt"
	"slices"
)

// maxInstant is the last instant that a record may hold: the end of the year 9999, the last one that has a text
// form. Sums of a few instants are then far from overflow, whatever stands in the store.
const maxInstant = micros(253402300799999999)

// decodeState reads what encodeState writes. A state of a later format is an [ErrFormat]; of anything else that is
// wrong the error names the field and the byte. The lists of the result share no memory with b and have no room to
// grow, so that copies of the state cannot write into one another.
func decodeState(b []byte) (state, error) {
	var st state
	d := decoder{b: b}
	for n := 0; d.item(n, '{', '}'); n++ {
		name := d.key()
		d.stateField(&st, name)
		if st.Format > formatVersion {
			return state{}, fmt.Errorf("decode state: format %d, this build reads up to %d: %w", st.Format, formatVersion, ErrFormat)
		}
		d.within(name)
	}
	d.end()
	if d.err == nil && st.Format < 1 {
		d.fail("is missing")
		d.err.field = "f"
	}
	if d.err != nil {
		return state{}, fmt.Errorf("decode state: %w", d.err)
	}
	return st, nil
}

func (d *decoder) stateField(st *state, name []byte) { //nolint:funlen // a line for each field
	switch string(name) {
	case "f":
		st.Format = d.int(1 << 30)
	case "r":
		st.SpecRev = d.uint(anyUint)
	case "e":
		st.Epoch = d.text()
	case "m":
		st.Mode = mode(d.uint(uint64(modeDeleted))) //nolint:gosec // bounded
	case "why":
		st.Why = d.text()
	case "since":
		st.Since = d.instant()
	case "until":
		st.Until = d.instant()
	case "g":
		st.Gone = d.instant()
	case "c":
		st.Cursor = d.instant()
	case "l":
		st.Last = d.instant()
	case "ma":
		st.Manual = d.instant()
	case "b":
		st.Busy = d.instant()
	case "ov":
		st.Over = d.instant()
	case "t":
		st.Token = d.uint(anyUint)
	case "cl":
		st.Claimed = d.uint(anyUint)
	case "s":
		st.Seq = d.uint(anyUint)
	case "runs":
		st.Runs = decodeList(d, maxLive, 0, (*decoder).run)
	case "bf":
		st.Ranges = decodeList(d, maxFills, 0, (*decoder).fill)
	case "acts":
		st.Acts = decodeList(d, maxActs, 0, (*decoder).text)
	case "o":
		st.Recent = d.recents()
	case "n":
		st.Counts = d.counts()
	default:
		st.extra = append(st.extra, rawField{string(name), d.raw()})
	}
}

func (d *decoder) run() run {
	var r run
	for n := 0; d.item(n, '{', '}'); n++ {
		name := d.key()
		d.runField(&r, name)
		d.within(name)
	}
	return r
}

func (d *decoder) runField(r *run, name []byte) {
	switch string(name) {
	case "f":
		r.Fire = d.instant()
	case "n":
		r.Nominal = d.instant()
	case "a":
		r.Attempt = d.int(1 << 30)
	case "k":
		r.Moves = d.int(1 << 30)
	case "c":
		r.Cause = Cause(d.uint(uint64(CauseBackfill))) //nolint:gosec // bounded
	case "id":
		r.Claim = d.text()
	case "t":
		r.Token = d.uint(anyUint)
	case "at":
		r.At = d.instant()
	case "d":
		r.Due = d.instant()
	case "x":
		r.Cancel = d.text()
	default:
		d.raw()
	}
}

func (d *decoder) fill() fill {
	var f fill
	for n := 0; d.item(n, '{', '}'); n++ {
		name := d.key()
		switch string(name) {
		case "n":
			f.Next = d.instant()
		case "to":
			f.To = d.instant()
		default:
			d.raw()
		}
		d.within(name)
	}
	return f
}

// recents reads the outcomes. The room they need is counted first: they are most of a record.
func (d *decoder) recents() []recent {
	ahead := d.b[d.i:min(len(d.b), d.i+16<<10)]
	if i := bytes.Index(ahead, []byte("]]")); i > 0 {
		ahead = ahead[:i]
	}
	room := min(MaxSlots, bytes.Count(ahead, []byte("["))-1)
	d.fire = 0
	return decodeList(d, MaxSlots, room, (*decoder).recent)
}

// session reads a session's id. A job's outcomes mostly name the same one: they share one copy.
func (d *decoder) session() string {
	if s := d.quoted(); string(s) != d.last {
		d.last = string(s)
	}
	return d.last
}

// recent reads an outcome in short; appendRecents says what stands where.
func (d *decoder) recent() recent {
	o := recent{Count: 1}
	var late, took, through micros
	started, ended, attempted, n := true, true, false, 0
	for ; d.item(n, '[', ']'); n++ {
		switch n {
		case recentFire:
			o.Fire = d.fire + d.millis()
			d.check(o.Fire > 0 && o.Fire <= maxInstant, "is out of range")
			d.fire = o.Fire
		case recentKind:
			o.Kind = OutcomeKind(d.uint(uint64(SkippedOverlap))) //nolint:gosec // bounded
		case recentLate:
			late, started = d.wholeMillis()
		case recentTook:
			took, ended = d.wholeMillis()
		case recentSession:
			o.Session = d.session()
		case recentText:
			o.Text = d.uint(1) == 1
		case recentAttempt:
			o.Attempt, attempted = d.int(1<<30), true
		case recentCount:
			o.Count = d.int(1 << 53)
		case recentThrough:
			if !d.null() {
				through = o.Fire + d.millis()
			}
		default:
			d.raw()
		}
		d.withinItem(n)
	}
	if started {
		o.Start = o.Fire + late
	}
	if ended {
		o.End = o.from() + took
	}
	if !attempted {
		o.Attempt = o.usualAttempt()
	}
	o.Through = through
	d.check(n > recentKind && o.Kind != 0, "has no fire time or no kind")
	d.check((!started || o.Start > 0) && (!ended || o.End > 0) && o.Through >= 0, "has an instant before 1970")
	return o
}

func (d *decoder) counts() counts {
	var c counts
	list := c.list()
	for n := 0; d.item(n, '[', ']'); n++ {
		if n == len(list) {
			d.fail("has more counts than this build knows")
			break
		}
		*list[n] = d.uint(anyUint)
		d.withinItem(n)
	}
	return c
}

// decodeList reads a list of at most limit items, room of which are expected.
func decodeList[T any](d *decoder, limit, room int, item func(*decoder) T) []T {
	var list []T
	if room > 0 {
		list = make([]T, 0, room)
	}
	for n := 0; d.item(n, '[', ']'); n++ {
		if n == limit {
			d.fail(fmt.Sprintf("has more than %d items", limit))
			break
		}
		list = append(list, item(d))
		d.withinItem(n)
	}
	if len(list) == 0 {
		return nil
	}
	return slices.Clip(list)
}

package core

import "strconv"

// The stored form of a state is one JSON object, written by hand: it is written twice a trigger and read as often.
// Its rules:
//
//   - fields stand in the order of their declaration, and those with a zero value are left out;
//   - a reader takes them in any order and with any white space, so a record may be mended by hand;
//   - instants are whole microseconds since 1970, but in outcomes milliseconds, see appendRecents;
//   - a field that this build does not know is kept and written back at the end. That holds for the state's own
//     fields. A new field of a run or a backfill, a new kind of outcome and a ninth count need a new format number.
//
// A new field of state is a line in appendState and one in decoder.stateField.

// encodeState returns the stored form of st.
func encodeState(st *state) []byte {
	size := 192 + 160*len(st.Runs) + 24*len(st.Recent)
	for i := range st.extra {
		size += len(st.extra[i].name) + len(st.extra[i].value) + 4
	}
	return appendState(make([]byte, 0, size), st)
}

// appendState appends the stored form of st to b. What is beyond the limits of the lists is written all the same,
// and refused by decodeState.
func appendState(b []byte, st *state) []byte {
	b = strconv.AppendInt(append(b, `{"f":`...), int64(st.Format), 10)
	b = strconv.AppendUint(append(b, `,"r":`...), st.SpecRev, 10)
	b = appendText(b, `,"e":`, st.Epoch)
	b = appendNumber(b, `,"m":`, uint64(st.Mode))
	b = appendText(b, `,"why":`, st.Why)
	b = appendInstant(b, `,"since":`, st.Since)
	b = appendInstant(b, `,"until":`, st.Until)
	b = appendInstant(b, `,"g":`, st.Gone)
	b = appendInstant(b, `,"c":`, st.Cursor)
	b = appendInstant(b, `,"l":`, st.Last)
	b = appendInstant(b, `,"ma":`, st.Manual)
	b = appendInstant(b, `,"b":`, st.Busy)
	b = appendInstant(b, `,"ov":`, st.Over)
	b = appendNumber(b, `,"t":`, st.Token)
	b = appendNumber(b, `,"cl":`, st.Claimed)
	b = appendNumber(b, `,"s":`, st.Seq)
	b = appendList(b, `,"runs":`, st.Runs, appendRun)
	b = appendList(b, `,"bf":`, st.Ranges, appendFill)
	b = appendList(b, `,"acts":`, st.Acts, appendAct)
	b = appendRecents(b, `,"o":`, st.Recent)
	b = appendCounts(append(b, `,"n":`...), &st.Counts)
	for i := range st.extra {
		b = append(appendString(append(b, ','), st.extra[i].name), ':')
		b = append(b, st.extra[i].value...)
	}
	return append(b, '}')
}

func appendRun(b []byte, r *run) []byte {
	b = strconv.AppendInt(append(b, `{"f":`...), int64(r.Fire), 10)
	b = appendInstant(b, `,"n":`, r.Nominal)
	b = strconv.AppendInt(append(b, `,"a":`...), int64(r.Attempt), 10)
	b = appendNumber(b, `,"k":`, uint64(r.Moves)) //nolint:gosec // it counts up from 0
	b = appendNumber(b, `,"c":`, uint64(r.Cause))
	b = appendText(b, `,"id":`, r.Claim)
	b = appendNumber(b, `,"t":`, r.Token)
	b = appendInstant(b, `,"at":`, r.At)
	b = strconv.AppendInt(append(b, `,"d":`...), int64(r.Due), 10)
	b = appendText(b, `,"x":`, r.Cancel)
	return append(b, '}')
}

func appendFill(b []byte, f *fill) []byte {
	b = strconv.AppendInt(append(b, `{"n":`...), int64(f.Next), 10)
	b = strconv.AppendInt(append(b, `,"to":`...), int64(f.To), 10)
	return append(b, '}')
}

func appendAct(b []byte, id *string) []byte { return appendString(b, *id) }

// appendRecents writes outcomes, oldest first, each as
//
//	[fire, kind, late, took, session, text, attempt, count, through]
//
// without the defaults at its end. So a plain success takes a dozen bytes: [5000,1,3,12].
//
//   - fire is in milliseconds: of the first outcome since 1970, of any other since the fire time before it. Only
//     manual triggers give it a fraction, and it is exact;
//   - late is from fire to start, took from start to end (from fire, if there was no start), in whole milliseconds:
//     what is finer is cut off, so a start read back is less than 1 ms from the true one and an end less than 2 ms.
//     null: there was no such instant. Default 0;
//   - text is 1 if the history has more, default 0;
//   - attempt is 1 by default if there was a start, else 0. count is 1 by default;
//   - through is in milliseconds after fire, exact; null, the default, is none.
func appendRecents(b []byte, key string, list []recent) []byte {
	if len(list) == 0 {
		return b
	}
	b = append(append(b, key...), '[')
	var before micros
	for i := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendRecent(b, &list[i], before)
		before = list[i].Fire
	}
	return append(b, ']')
}

func appendRecent(b []byte, o *recent, before micros) []byte {
	b = appendMillis(append(b, '['), o.Fire-before)
	b = strconv.AppendUint(append(b, ','), uint64(o.Kind), 10)
	for i, last := recentLate, o.lastField(); i <= last; i++ {
		b = o.appendField(append(b, ','), i)
	}
	return append(b, ']')
}

// Places in the stored form of an outcome.
const (
	recentFire = iota
	recentKind
	recentLate
	recentTook
	recentSession
	recentText
	recentAttempt
	recentCount
	recentThrough
)

// lastField returns the place of the last value that is not its default.
func (o *recent) lastField() int {
	switch {
	case o.Through != 0:
		return recentThrough
	case o.Count != 1:
		return recentCount
	case o.Attempt != o.usualAttempt():
		return recentAttempt
	case o.Text:
		return recentText
	case o.Session != "":
		return recentSession
	case o.End <= 0 || o.took() != 0:
		return recentTook
	case o.Start <= 0 || o.late() != 0:
		return recentLate
	}
	return recentKind
}

func (o *recent) appendField(b []byte, place int) []byte {
	switch place {
	case recentLate:
		return appendUnless(b, o.Start <= 0, o.late())
	case recentTook:
		return appendUnless(b, o.End <= 0, o.took())
	case recentSession:
		return appendString(b, o.Session)
	case recentText:
		if o.Text {
			return append(b, '1')
		}
		return append(b, '0')
	case recentAttempt:
		return strconv.AppendInt(b, int64(o.Attempt), 10)
	case recentCount:
		return strconv.AppendInt(b, int64(o.Count), 10)
	case recentThrough:
		if o.Through != 0 {
			return appendMillis(b, o.Through-o.Fire)
		}
	}
	return append(b, "null"...)
}

func (o *recent) late() int64 { return int64((o.Start - o.Fire) / millisecond) }
func (o *recent) took() int64 { return int64((o.End - o.from()) / millisecond) }

// from is the instant from which the duration counts.
func (o *recent) from() micros {
	if o.Start > 0 {
		return o.Start
	}
	return o.Fire
}

func (o *recent) usualAttempt() int {
	if o.Start > 0 {
		return 1
	}
	return 0
}

// appendCounts writes the counts in the order of their declaration, without the zeros at the end.
func appendCounts(b []byte, c *counts) []byte {
	list := c.list()
	n := len(list)
	for n > 0 && *list[n-1] == 0 {
		n--
	}
	b = append(b, '[')
	for i, v := range list[:n] {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendUint(b, *v, 10)
	}
	return append(b, ']')
}

// list is the stored order.
func (c *counts) list() [8]*uint64 {
	return [...]*uint64{
		&c.Fires, &c.Succeeded, &c.Failed, &c.TimedOut, &c.Cancelled, &c.Lost, &c.SkippedMisfire, &c.SkippedOverlap,
	}
}

package core

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// maxError is how much of a handler's error, and of a reason, is kept with the outcome.
const maxError = 1 << 10

// entryText is the stored form of an outcome in a record's history: the names are those of [Outcome], instants are
// text to the microsecond. It has no type whose encoding can fail, since an outcome must be written whatever is in it.
type entryText struct {
	Job     string `json:"job"`
	Fire    string `json:"fire"`
	Through string `json:"through,omitempty"`
	Count   int    `json:"count"`
	Kind    string `json:"kind"`
	Nominal string `json:"nominal,omitempty"`
	Attempt int    `json:"attempt,omitempty"`
	Token   uint64 `json:"token,omitempty"`
	Cause   string `json:"cause"`
	Pod     string `json:"pod,omitempty"`
	Session string `json:"session,omitempty"`
	Started string `json:"started,omitempty"`
	Ended   string `json:"ended,omitempty"`
	Reason  string `json:"reason,omitempty"`
	Error   string `json:"error,omitempty"`
	Output  string `json:"output,omitempty"`
}

// encodeOutcome returns the stored form of o, at most MaxEntry bytes: the first 1 KiB of its reason and its error
// and the last 16 KiB of its output, or less of it if escapes make it too long. Bytes that are not UTF-8 become
// U+FFFD.
func encodeOutcome(o *Outcome) []byte {
	e := entryText{
		Job: o.Job, Fire: instantText(o.Fire), Through: instantText(o.Through), Count: o.Count, Kind: o.Kind.String(),
		Nominal: instantText(o.Nominal), Attempt: o.Attempt, Token: o.Token, Cause: o.Cause.String(),
		Pod: o.Pod, Session: o.Session, Started: instantText(o.Started), Ended: instantText(o.Ended),
		Reason: firstBytes(o.Reason, maxError), Error: firstBytes(o.Error, maxError),
		Output: lastBytes(o.Output, maxOutput),
	}
	b := marshalPlain(&e)
	for len(b) > MaxEntry && e.Output != "" {
		e.Output = lastBytes(e.Output, len(e.Output)/2)
		b = marshalPlain(&e)
	}
	return b
}

// decodeOutcome reads what encodeOutcome writes. Fields that this build does not know are passed over.
func decodeOutcome(b []byte) (Outcome, error) {
	var e entryText
	if err := json.Unmarshal(b, &e); err != nil {
		return Outcome{}, fmt.Errorf("decode outcome: %w", err)
	}
	var kind OutcomeKind
	var cause Cause
	var at instantReader
	o := Outcome{
		Trigger: Trigger{Job: e.Job, Fire: at.read("fire", e.Fire)},
		Through: at.read("through", e.Through), Count: e.Count,
		Nominal: at.read("nominal", e.Nominal), Attempt: e.Attempt, Token: e.Token,
		Pod: e.Pod, Session: e.Session, Started: at.read("started", e.Started), Ended: at.read("ended", e.Ended),
		Reason: e.Reason, Error: e.Error, Output: e.Output,
	}
	if err := errors.Join(at.err, kind.UnmarshalText([]byte(e.Kind)), cause.UnmarshalText([]byte(e.Cause))); err != nil {
		return Outcome{}, fmt.Errorf("decode outcome of %q: %w", e.Job, err)
	}
	o.Kind, o.Cause = kind, cause
	return o, nil
}

// instantText returns t in UTC, cut to the microsecond; "" if it is zero.
func instantText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Truncate(time.Microsecond).Format(time.RFC3339Nano)
}

// An instantReader reads instants and keeps the first error.
type instantReader struct{ err error }

func (r *instantReader) read(field, text string) time.Time {
	if text == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("%s: %w", field, err)
	}
	return t.UTC()
}

// validText replaces each byte of s that is not UTF-8 by U+FFFD.
func validText(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.Map(func(r rune) rune { return r }, s) // a string's runes are U+FFFD where it is not UTF-8
}

// firstBytes returns at most the first n bytes of s, in whole characters.
func firstBytes(s string, n int) string {
	s = validText(s)
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// lastBytes returns at most the last n bytes of s, in whole characters.
func lastBytes(s string, n int) string {
	s = validText(s)
	if len(s) <= n {
		return s
	}
	i := len(s) - n
	for i < len(s) && !utf8.RuneStart(s[i]) {
		i++
	}
	return s[i:]
}

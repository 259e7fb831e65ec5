package core

import (
	"encoding/json"
	"fmt"
	"math"
)

// A decoder walks through JSON. Its first error stays and makes all that follows yield zero values.
type decoder struct {
	b    []byte
	i    int
	err  *corruptError
	last string // the session of an outcome read last
	fire micros // the fire time of an outcome read last
}

// A corruptError says where a record cannot be read.
type corruptError struct {
	field   string // the way to it: "runs[2].d"
	problem string
	at      int // bytes from the start
}

// Error returns "field: problem, at byte n".
func (e *corruptError) Error() string {
	if e.field == "" {
		return fmt.Sprintf("%s, at byte %d", e.problem, e.at)
	}
	return fmt.Sprintf("%s: %s, at byte %d", e.field, e.problem, e.at)
}

const anyUint = math.MaxUint64

func (d *decoder) fail(problem string) {
	if d.err == nil {
		d.err = &corruptError{problem: problem, at: d.i}
	}
}

// check fails with problem unless ok.
func (d *decoder) check(ok bool, problem string) { //nolint:revive // an assertion
	if !ok {
		d.fail(problem)
	}
}

// within adds the field's name to the error, if there is one, on the way out.
func (d *decoder) within(name []byte) {
	if d.err != nil {
		const longest = 40 // whatever stands in the store, the message stays short
		quoted := fmt.Sprintf("%.*q", longest, name)
		d.err.prefix(quoted[1 : len(quoted)-1])
	}
}

// withinItem does the same for item n of a list.
func (d *decoder) withinItem(n int) {
	if d.err != nil {
		d.err.prefix(fmt.Sprintf("[%d]", n))
	}
}

func (e *corruptError) prefix(way string) {
	if e.field != "" && e.field[0] != '[' {
		way += "."
	}
	e.field = way + e.field
}

// peek passes white space and returns the byte after it; 0 at the end.
func (d *decoder) peek() byte {
	if d.i < len(d.b) && d.b[d.i] > ' ' {
		return d.b[d.i]
	}
	return d.peekOver()
}

func (d *decoder) peekOver() byte {
	for ; d.i < len(d.b); d.i++ {
		switch c := d.b[d.i]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// item moves to item n of a list or an object that stands between first and last, and reports whether there is
// one. Call it with n = 0, 1, ... until it is false.
func (d *decoder) item(n int, first, last byte) bool {
	if d.err != nil {
		return false
	}
	c := d.peek()
	if n == 0 {
		if c != first {
			d.fail(fmt.Sprintf("must begin with %c", first))
			return false
		}
		d.i++
		if d.peek() == last {
			d.i++
			return false
		}
		return true
	}
	if c != last && c != ',' {
		d.fail(fmt.Sprintf("must go on with a comma or %c", last))
		return false
	}
	d.i++
	return c == ','
}

// key reads a field's name and the colon after it. The result may be a part of the input.
func (d *decoder) key() []byte {
	name := d.quoted()
	if d.peek() != ':' {
		d.fail("a field must be a name, a colon and a value")
		return nil
	}
	d.i++
	return name
}

func (d *decoder) text() string { return string(d.quoted()) }

// quoted reads a string. The result is a part of the input unless it had to be rewritten.
func (d *decoder) quoted() []byte {
	if d.err != nil {
		return nil
	}
	if d.peek() != '"' {
		d.fail("must be text")
		return nil
	}
	for i := d.i + 1; i < len(d.b); i++ {
		c := d.b[i]
		if c == '"' {
			s := d.b[d.i+1 : i]
			d.i = i + 1
			return s
		}
		if c == '\\' || c < ' ' || c >= 0x80 {
			return d.rewritten()
		}
	}
	d.fail("the text has no end")
	return nil
}

// rewritten reads a string that has escapes or more than ASCII.
func (d *decoder) rewritten() []byte {
	var s string
	if err := json.Unmarshal(d.raw(), &s); err != nil {
		d.fail("must be text")
	}
	return []byte(s)
}

// raw reads any value and returns a copy of it.
func (d *decoder) raw() []byte {
	if d.err != nil {
		return nil
	}
	d.peek()
	n := extent(d.b[d.i:])
	v := d.b[d.i : d.i+n]
	if !json.Valid(v) {
		d.fail("is not JSON")
		return nil
	}
	d.i += n
	return append([]byte(nil), v...)
}

// extent returns the length of the value with which b begins; of something that is no value, any length.
func extent(b []byte) int {
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			for i++; i < len(b) && b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
			if depth == 0 {
				return min(i+1, len(b))
			}
		case '{', '[':
			depth++
		case '}', ']':
			depth--
			if depth == 0 {
				return i + 1
			}
			if depth < 0 {
				return i
			}
		case ',', ' ', '\t', '\n', '\r':
			if depth == 0 {
				return i
			}
		}
	}
	return len(b)
}

// end demands that nothing but white space follows.
func (d *decoder) end() {
	if d.err == nil && (d.peek() != 0 || d.i < len(d.b)) {
		d.fail("something follows the record")
	}
}

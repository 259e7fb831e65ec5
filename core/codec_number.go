package core

import "strconv"

// digits reads the digits of a whole number without its sign.
func (d *decoder) digits() uint64 {
	b, i, v := d.b, d.i, uint64(0)
	for ; i < len(b); i++ {
		c := b[i] - '0'
		if c > 9 {
			break
		}
		v = v*10 + uint64(c)
	}
	text := b[d.i:i]
	switch {
	case len(text) == 0:
		d.fail("must be a number")
		return 0
	case len(text) > 1 && text[0] == '0':
		d.fail("must not begin with 0")
		return 0
	case len(text) >= 20: // 19 digits always fit
		var err error
		if v, err = strconv.ParseUint(string(text), 10, 64); err != nil {
			d.fail("is too large")
			return 0
		}
	}
	d.i = i
	return v
}

// uint reads a whole number from 0 to limit.
func (d *decoder) uint(limit uint64) uint64 {
	if d.err != nil {
		return 0
	}
	d.peek()
	v := d.digits()
	d.checkWhole()
	if v > limit {
		d.fail("is too large")
		return 0
	}
	return v
}

func (d *decoder) int(limit int) int { return int(d.uint(uint64(limit))) } //nolint:gosec // bounded

// checkWhole refuses a fraction or an exponent.
func (d *decoder) checkWhole() {
	if d.i >= len(d.b) {
		return
	}
	c := d.b[d.i]
	d.check(c != '.' && c != 'e' && c != 'E', "must be a whole number")
}

// instant reads whole microseconds.
func (d *decoder) instant() micros { return d.signed(maxInstant) }

// signed reads a whole number from -limit to limit.
func (d *decoder) signed(limit micros) micros {
	if d.err != nil {
		return 0
	}
	if d.peek() != '-' {
		return micros(d.uint(uint64(limit))) //nolint:gosec // bounded
	}
	d.i++
	v := d.digits()
	d.checkWhole()
	if d.err != nil || v > uint64(limit) { //nolint:gosec // positive
		d.fail("is too small")
		return 0
	}
	return -micros(v) //nolint:gosec // bounded
}

// millis reads milliseconds with up to three decimals, exactly.
func (d *decoder) millis() micros {
	if d.err != nil {
		return 0
	}
	negative := d.peek() == '-'
	if negative {
		d.i++
	}
	whole := d.digits()
	if whole > uint64(maxInstant/millisecond) {
		d.fail("is too large")
		return 0
	}
	v := micros(whole) * millisecond
	if d.i < len(d.b) && d.b[d.i] == '.' {
		d.i++
		v += d.decimals()
	}
	d.checkWhole()
	if negative {
		return -v
	}
	return v
}

// decimals reads one to three decimals of a millisecond.
func (d *decoder) decimals() micros {
	v, unit, start := micros(0), millisecond, d.i
	for ; d.i < len(d.b) && d.b[d.i] >= '0' && d.b[d.i] <= '9'; d.i++ {
		unit /= 10
		v += unit * micros(d.b[d.i]-'0')
	}
	if n := d.i - start; n < 1 || n > 3 {
		d.fail("must have one to three decimals")
		return 0
	}
	return v
}

// wholeMillis reads a number of milliseconds, and reports whether there is one: null is none.
func (d *decoder) wholeMillis() (micros, bool) {
	if d.null() {
		return 0, false
	}
	return d.signed(maxInstant/millisecond) * millisecond, true
}

// null passes null, and reports whether it was there.
func (d *decoder) null() bool {
	if d.err != nil || d.peek() != 'n' || len(d.b)-d.i < 4 || string(d.b[d.i:d.i+4]) != "null" {
		return false
	}
	d.i += 4
	return true
}

package core

import (
	"strconv"
	"unicode/utf8"
)

// appendText appends a field of text unless it is empty. key is the field's name in quotes between a comma and a
// colon, so that a field costs one copy; so in the functions below.
func appendText(b []byte, key, v string) []byte {
	if v == "" {
		return b
	}
	return appendString(append(b, key...), v)
}

func appendNumber(b []byte, key string, v uint64) []byte {
	if v == 0 {
		return b
	}
	return strconv.AppendUint(append(b, key...), v, 10)
}

func appendInstant(b []byte, key string, v micros) []byte {
	if v == 0 {
		return b
	}
	return strconv.AppendInt(append(b, key...), int64(v), 10)
}

func appendList[T any](b []byte, key string, list []T, item func([]byte, *T) []byte) []byte {
	if len(list) == 0 {
		return b
	}
	b = append(append(b, key...), '[')
	for i := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = item(b, &list[i])
	}
	return append(b, ']')
}

// appendUnless appends v, or null if there is none.
func appendUnless(b []byte, none bool, v int64) []byte { //nolint:revive // absence is half of the value
	if none {
		return append(b, "null"...)
	}
	return strconv.AppendInt(b, v, 10)
}

// appendMillis appends m in milliseconds, with as many decimals as it needs.
func appendMillis(b []byte, m micros) []byte {
	if m < 0 {
		b, m = append(b, '-'), -m
	}
	b = strconv.AppendInt(b, int64(m/millisecond), 10)
	frac := m % millisecond
	if frac == 0 {
		return b
	}
	b = append(b, '.', '0'+byte(frac/100), '0'+byte(frac/10%10), '0'+byte(frac%10)) //nolint:gosec // digits
	for b[len(b)-1] == '0' {
		b = b[:len(b)-1]
	}
	return b
}

// appendString appends s in quotes. Bytes that are not UTF-8 become U+FFFD, one each, as encoding/json has it.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c < utf8.RuneSelf && c != '"' && c != '\\' {
			i++
			continue
		}
		if c < utf8.RuneSelf {
			b = appendEscape(append(b, s[start:i]...), c)
			i++
			start = i
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			b = utf8.AppendRune(append(b, s[start:i]...), utf8.RuneError)
			start = i + n
		}
		i += n
	}
	return append(append(b, s[start:]...), '"')
}

// appendEscape appends a byte that may not stand in a JSON string as it is.
func appendEscape(b []byte, c byte) []byte {
	const hex = "0123456789abcdef"
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	}
	return append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}

package core

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// plainField rewrites the i-th field into what every parser agrees on: numbers for names, no step that never steps,
// weekdays one by one (a range over Sunday is where parsers differ). It refuses what parsers let pass: empty items,
// signs, steps beyond the field. The text has no H any more.
func plainField(i int, text string) (string, *FieldError) {
	items := strings.Split(text, ",")
	for n, item := range items {
		plain, bad := plainItem(i, item)
		if bad != nil {
			return "", bad
		}
		items[n] = plain
	}
	return strings.Join(items, ","), nil
}

func plainItem(i int, item string) (string, *FieldError) {
	if item == "" {
		return "", &FieldError{Problem: "an item of the list is empty", Remedy: "leave out the comma"}
	}
	switch {
	case i == fieldDom && strings.ContainsAny(item, "LW"):
		return plainMonthDay(item)
	case i == fieldDow && (strings.Contains(item, "#") || strings.HasSuffix(item, "L")):
		return plainNthWeekday(item)
	}
	base, step, bad := cutStep(i, item)
	if bad != nil {
		return "", bad
	}
	f := &cronFields[i]
	if base == "*" || base == "?" {
		switch {
		case i == fieldDow && step > 1:
			return weekdays(0, 6, step), nil
		case step > f.max-f.min: // day */31, month */12
			return strconv.Itoa(f.min), nil
		}
		return spell("*", step), nil
	}
	low, high, bad := f.bounds(base, step > 0)
	if bad != nil {
		return "", bad
	}
	if i == fieldDow {
		return weekdays(low, high, max(step, 1)), nil
	}
	size := high - low + 1
	if size <= 0 {
		size += f.max - f.min + 1 // wraps around, as NOV-FEB does
	}
	if low == high || step >= size {
		return strconv.Itoa(low), nil
	}
	return spell(fmt.Sprintf("%d-%d", low, high), step), nil
}

// spell writes base with its step, if that matters.
func spell(base string, step int) string {
	if step <= 1 {
		return base
	}
	return base + "/" + strconv.Itoa(step)
}

// cutStep splits "base/step". The step is 0 if there is none, else 1 to the largest value of the field.
func cutStep(i int, item string) (base string, step int, bad *FieldError) {
	base, text, found := strings.Cut(item, "/")
	if !found {
		return base, 0, nil
	}
	f := &cronFields[i]
	step, ok := cronNumber(text)
	if !ok || step < 1 || step > f.max {
		return "", 0, &FieldError{
			Problem: fmt.Sprintf("step %q is not in 1-%d", clip(text), f.max), Remedy: "use " + f.example,
		}
	}
	return base, step, nil
}

// bounds reads "value" or "low-high". A value with a step runs on to the field's largest value.
func (f *cronField) bounds(base string, step bool) (low, high int, bad *FieldError) {
	first, last, isRange := strings.Cut(base, "-")
	low, bad = f.value(first)
	if bad != nil {
		return 0, 0, bad
	}
	switch {
	case isRange:
		high, bad = f.value(last)
		return low, high, bad
	case step:
		return low, f.last(), nil
	}
	return low, low, nil
}

// last is the largest value; a week ends on Saturday, though 7 may be written for Sunday.
func (f *cronField) last() int {
	if f == &cronFields[fieldDow] {
		return 6
	}
	return f.max
}

func (f *cronField) value(text string) (int, *FieldError) {
	if n := slices.Index(f.names, text); n >= 0 {
		return f.min + n, nil
	}
	n, ok := cronNumber(text)
	if !ok || n < f.min || n > f.max {
		return 0, &FieldError{Problem: fmt.Sprintf("%q is not in %d-%d", clip(text), f.min, f.max)}
	}
	return n, nil
}

// weekdays lists the days from low to high; Sunday is 0 and 7, and a range may go over it.
func weekdays(low, high, step int) string {
	if low == 7 {
		low, high = 0, high%7
	}
	if high < low {
		high += 7
	}
	var days []string
	for d := low; d <= high; d += step {
		days = append(days, strconv.Itoa(d%7))
	}
	return strings.Join(days, ",")
}

// plainMonthDay checks L, L-n, LW and nW.
func plainMonthDay(item string) (string, *FieldError) {
	if item == "L" || item == "LW" {
		return item, nil
	}
	if text, ok := strings.CutPrefix(item, "L-"); ok {
		if n, ok := cronNumber(text); ok && n >= 1 && n <= 30 {
			return "L-" + strconv.Itoa(n), nil
		}
		return "", &FieldError{Problem: fmt.Sprintf("%q: the day before the last is not in 1-30", clip(item))}
	}
	if text, ok := strings.CutSuffix(item, "W"); ok {
		if n, ok := cronNumber(text); ok && n >= 1 && n <= 31 {
			return strconv.Itoa(n) + "W", nil
		}
	}
	return "", &FieldError{Problem: fmt.Sprintf("%q is none of L, L-1 to L-30, LW and 1W to 31W", clip(item))}
}

// plainNthWeekday checks n#k and nL, and writes the latter n#L.
func plainNthWeekday(item string) (string, *FieldError) {
	day, nth, isNth := strings.Cut(item, "#")
	if !isNth {
		day, nth = strings.TrimSuffix(item, "L"), "L"
	}
	d, bad := cronFields[fieldDow].value(day)
	if bad != nil {
		return "", &FieldError{Problem: fmt.Sprintf("%q: ", clip(item)) + bad.Problem}
	}
	if k, ok := cronNumber(nth); nth != "L" && (!ok || k < 1 || k > 5) {
		return "", &FieldError{Problem: fmt.Sprintf("%q: the week is not in 1-5", clip(item))}
	}
	return fmt.Sprintf("%d#%s", d%7, strings.TrimLeft(nth, "0")), nil
}

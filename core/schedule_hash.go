package core

import (
	"fmt"
	"strconv"
	"strings"
)

// resolveHash replaces each H of a canonical expression that compiles by what the job's id gives it.
func resolveHash(expr, id string) string {
	fields := strings.Fields(expr)
	for n, text := range fields {
		i := n
		if len(fields) == 5 {
			i++
		}
		resolved, _, bad := resolveField(i, text, id)
		if bad != nil {
			return expr // cannot be: it compiled
		}
		fields[n] = resolved
	}
	return strings.Join(fields, " ")
}

// resolveField replaces each H of the i-th field, and says whether there was one.
func resolveField(i int, text, id string) (resolved string, hashed bool, bad *FieldError) {
	if !strings.Contains(text, "H") {
		return text, false, nil
	}
	items := strings.Split(text, ",")
	for n, item := range items {
		if !isHash(item) {
			continue // a name, such as THU
		}
		hashed = true
		if items[n], bad = resolveItem(i, item, hashOf(id, i, n)); bad != nil {
			return "", false, bad
		}
	}
	return strings.Join(items, ","), hashed, nil
}

func isHash(item string) bool {
	return item == "H" || strings.HasPrefix(item, "H(") || strings.HasPrefix(item, "H/")
}

// hashOf differs by field and item, so that minute and hour of one job are independent. It is the same for ever.
func hashOf(id string, field, item int) uint64 {
	return mix(hashString(id) + uint64(field*1000+item+1)*0x9e3779b97f4a7c15) //nolint:gosec // both are small and positive
}

// resolveItem replaces H, H/n, H(a-b) and H(a-b)/n: one value of the range, or every n-th from one of the first n.
func resolveItem(i int, item string, hash uint64) (string, *FieldError) {
	base, step, bad := cutStep(i, item)
	if bad != nil {
		return "", bad
	}
	low, high, bad := hashRange(i, base)
	if bad != nil {
		return "", bad
	}
	size := high - low + 1
	if step == 0 {
		return strconv.Itoa(low + int(hash%uint64(size))), nil //nolint:gosec // size is 1 to 60
	}
	if step > size {
		return "", &FieldError{
			Problem: fmt.Sprintf("%q: the step is longer than the range %d-%d", clip(item), low, high), Remedy: "use H without a step",
		}
	}
	first := low + int(hash%uint64(step)) //nolint:gosec // step is 1 to 59
	return fmt.Sprintf("%d-%d/%d", first, high, step), nil
}

// hashRange reads what H ranges over. H alone is a day that every month has.
func hashRange(i int, base string) (low, high int, bad *FieldError) {
	f := &cronFields[i]
	if base == "H" {
		if i == fieldDom {
			return 1, 28, nil
		}
		return f.min, f.last(), nil
	}
	inner, ok := strings.CutPrefix(base, "H(")
	inner, closed := strings.CutSuffix(inner, ")")
	if !ok || !closed || !strings.Contains(inner, "-") {
		return 0, 0, &FieldError{Problem: fmt.Sprintf("%q is no H", clip(base)), Remedy: `write H, H/15, H(0-29) or H(0-29)/10`}
	}
	low, high, bad = f.bounds(inner, false)
	if bad == nil && low > high {
		return 0, 0, &FieldError{Problem: fmt.Sprintf("%q: the range runs backwards", clip(base)), Remedy: "swap its ends"}
	}
	return low, high, bad
}

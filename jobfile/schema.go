package jobfile

import (
	"encoding"
	"reflect"
	"strings"
	"time"

	"github.com/belfry-io/belfry/core"
)

// A schema is the fields of an object in a job file. It is read off the Go type, so that it cannot fall behind.
type schema struct {
	names []string // in the order of the type
	types map[string]reflect.Type
	subs  map[string]*schema // of fields that are objects with fields of their own
}

//nolint:gochecknoglobals // constant
var jobSchema = schemaOf(reflect.TypeFor[core.Job]())

func schemaOf(t reflect.Type) *schema {
	s := &schema{types: make(map[string]reflect.Type), subs: make(map[string]*schema)}
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || name == "" || name == "-" {
			continue
		}
		s.names = append(s.names, name)
		s.types[name] = f.Type
		if f.Type.Kind() != reflect.Struct {
			continue
		}
		if sub := schemaOf(f.Type); len(sub.names) > 0 {
			s.subs[name] = sub
		}
	}
	return s
}

// wanted says how a value of the type is written.
func wanted(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[time.Duration]():
		return `a duration such as "30s" or "1h30m"`
	case reflect.TypeFor[time.Time]():
		return `a time such as "2026-01-02T03:04:05Z"`
	case reflect.TypeFor[core.Schedule]():
		return `a schedule such as "every 5s" or "cron 0 9 * * MON-FRI Asia/Seoul"`
	case reflect.TypeFor[core.Payload]():
		return `any value, or bytes as {"$base64": "..."}`
	}
	if reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return "a name"
	}
	switch t.Kind() { //nolint:exhaustive // the kinds that jobs have
	case reflect.Uint64:
		return "a whole number, 0 or more"
	case reflect.Int:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	case reflect.Map, reflect.Struct:
		return "an object"
	}
	return "text"
}

// nearest returns the known name that is closest to name, if no more than a third of its letters are wrong, or "".
func nearest(name string, known []string) string {
	const tooLong = 40
	if len(name) > tooLong {
		return ""
	}
	best, least := "", 1+max(1, len(name)/3)
	for _, k := range known {
		if d := distance(squash(name), squash(k)); d < least {
			best, least = k, d
		}
	}
	return best
}

// squash takes away how words are joined: maxRuns and max-runs are max_runs.
func squash(s string) string {
	return strings.NewReplacer("_", "", "-", "", " ", "").Replace(strings.ToLower(s))
}

// distance is the number of letters to insert, delete, replace or swap with the next to make b of a.
func distance(a, b string) int {
	rows := [3][]int{make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)}
	for j := range rows[1] {
		rows[1][j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, row := rows[0], rows[1], rows[2]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		rows = [3][]int{last, row, before}
	}
	return rows[1][len(b)]
}

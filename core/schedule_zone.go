package core

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // so that a pod knows every zone, whatever its machine has installed
)

const maxZoneName = 64

// zones keeps the zones that were loaded: time.LoadLocation makes a new value at each call, and equal schedules must
// have the same. Only names that exist get in, so it is bounded.
//
//nolint:gochecknoglobals // a cache of what never changes
var zones sync.Map // string -> *time.Location

// loadZone returns the IANA zone of that name.
func loadZone(name string) (*time.Location, *FieldError) {
	const remedy = "name an IANA zone such as UTC, Asia/Seoul or America/New_York"
	switch {
	case name == "":
		return nil, &FieldError{Problem: "cron names no zone", Remedy: remedy}
	case strings.EqualFold(name, "local"):
		return nil, &FieldError{Problem: fmt.Sprintf("cron zone %q may differ from pod to pod", name), Remedy: remedy}
	}
	if loc, ok := zones.Load(name); ok {
		return loc.(*time.Location), nil //nolint:forcetypeassert // nothing else is stored
	}
	unknown := &FieldError{Problem: fmt.Sprintf("cron zone %q is not known", clip(name)), Remedy: remedy}
	if len(name) > maxZoneName || strings.Contains(name, "//") || strings.IndexFunc(name, notInZone) >= 0 {
		return nil, unknown
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, unknown
	}
	kept, _ := zones.LoadOrStore(name, loc)
	return kept.(*time.Location), nil //nolint:forcetypeassert // nothing else is stored
}

func notInZone(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("/_+-", r)
}

// A zoneSpan is a stretch of real time in which the zone's clocks are ahead of UTC by offset: [start, end), seconds
// since 1970.
type zoneSpan struct{ start, end, offset int64 }

// span returns the span that holds the instant u. Neighbours may have the same offset.
func (c *cronSpec) span(u int64) zoneSpan {
	if c.loc == time.UTC {
		return zoneSpan{math.MinInt64, math.MaxInt64, 0}
	}
	t := time.Unix(u, 0).In(c.loc)
	_, offset := t.Zone()
	s := zoneSpan{math.MinInt64, math.MaxInt64, int64(offset)}
	start, end := t.ZoneBounds()
	if !start.IsZero() {
		s.start = start.Unix()
	}
	if !end.IsZero() {
		s.end = end.Unix()
	}
	if s.end <= u {
		// Past the zone's table the standard library ends each year after 365 days, so on 31 December of a leap
		// year it names an end that has passed. No clock changes there: end the span with the day.
		s.end = (floorDiv(u, daySeconds) + 1) * daySeconds
	}
	return s
}

// farSeconds is longer than clocks of one zone can differ: offsets are between -16 and +15 hours, and the largest
// jump, a zone that changes sides of the date line, is a day.
const farSeconds = 2 * daySeconds

// next returns the first fire time after the second after. This is the one place that knows the rule for clock
// changes.
//
// A time that is named exactly fires at the first instant at which the zone's clock shows it or a later one: once if
// the clock skips it (at the change, together with all others skipped there), once if the clock shows it twice (the
// first time).
//
// An expression whose hour is "*" or has a step follows real time: it fires at each instant at which the clock shows
// a time it names, never if the clock skips it, twice if the clock shows it twice.
func (c *cronSpec) next(after int64) (int64, bool) {
	if c.realTime {
		return c.nextReal(after + 1)
	}
	return c.nextNamed(after)
}

// nextReal returns the first instant from u on whose wall-clock time is named.
func (c *cronSpec) nextReal(u int64) (int64, bool) {
	origin := u
	limit := origin + searchYears*366*daySeconds // a time that the zone always skips is named every year
	for u < limit {
		s := c.span(u)
		wall, ok := c.match(u + s.offset)
		if !ok {
			return 0, false
		}
		if wall-s.offset < s.end {
			return wall - s.offset, true
		}
		u = s.end
		if u > origin+farSeconds { // else clocks put back may show a time before wall again
			u = max(u, wall-farSeconds)
		}
	}
	return 0, false
}

// nextNamed returns the first instant after the second after at which the clock shows a named time, or a later one,
// that it had not reached before.
func (c *cronSpec) nextNamed(after int64) (int64, bool) {
	s := c.span(after)
	reached := after + s.offset // the latest wall-clock time shown so far
	for p := s; p.start > after-farSeconds; {
		p = c.span(p.start - 1)
		reached = max(reached, p.end-1+p.offset)
	}
	wall, ok := c.match(reached + 1)
	if !ok {
		return 0, false
	}
	if wall-s.offset < s.end {
		return wall - s.offset, true
	}
	for u := max(s.end, wall-farSeconds); ; u = s.end {
		s = c.span(u)
		if fire := max(u, wall-s.offset); fire < s.end {
			return fire, true
		}
	}
}

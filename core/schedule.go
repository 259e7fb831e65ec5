package core

import (
	"fmt"
	"iter"
	"math/bits"
	"strings"
	"time"
	"unique"
)

// A Schedule is a pure function from one fire time to the next. Make one with [Every], [Cron], [At] or
// [ParseSchedule]; the zero Schedule is invalid. A Schedule is data: safe to copy and to share, comparable with ==,
// and with one text form ([Schedule.String]), which the job file, the CLI and the store all use.
//
// Fire times are whole milliseconds in UTC, from 1970 to 9999. A mistake in an argument stays inside the Schedule,
// which then never fires, and comes out of [Schedule.Err] and so of [Scheduler.Put]: a Job is one literal.
type Schedule struct {
	kind   scheduleKind
	spread bool  // the cron expression has an H that For has not resolved
	every  int64 // milliseconds between two fires of Every
	at     int64 // milliseconds since 1970: the instant of At, the anchor of Every
	expr   string
	zone   string
	cron   unique.Handle[cronSpec] // compiled expr and zone, interned: equal schedules hold equal handles

	problem, remedy string // what Err reports; no problem, no error
}

type scheduleKind uint8

const (
	scheduleNone scheduleKind = iota
	scheduleEvery
	scheduleCron
	scheduleAt
)

const (
	minEvery = 10 * time.Millisecond

	// maxFire is the last second that RFC 3339 can write.
	maxFire   = 253402300799 // 9999-12-31T23:59:59Z
	maxFireMs = maxFire*1000 + 999
)

// Every fires at the whole multiples of d since 1970-01-01T00:00:00Z: Every(5*time.Minute) at :00, :05, :10 and so
// on, whenever the job was put and whichever pod looks. d must be a whole number of milliseconds, 10ms or more. It
// counts real time and knows no zone: for "daily at nine" use [Cron]. [Schedule.From] gives another anchor.
func Every(d time.Duration) Schedule {
	s := Schedule{kind: scheduleEvery, every: d.Milliseconds()}
	switch {
	case d < minEvery:
		return s.wrong(fmt.Sprintf("every %v is too often", d), "use 10ms or more")
	case d%time.Millisecond != 0:
		return s.wrong(fmt.Sprintf("every %v is not a whole number of milliseconds", d),
			fmt.Sprintf("use %v", d.Round(time.Millisecond)))
	}
	return s
}

// From returns the Every schedule s anchored at t: it fires at t, t+d, t+2d and so on, and never before t. t must be
// a whole millisecond from 1970 to 9999.
func (s Schedule) From(t time.Time) Schedule {
	if s.kind != scheduleEvery {
		return s.wrong("from: only an every schedule has an anchor", "leave it out, or bound the job with not_before")
	}
	return s.instant("from", t)
}

// At fires once, at t: a whole millisecond from 1970 to 9999.
func At(t time.Time) Schedule {
	return Schedule{kind: scheduleAt}.instant("at", t)
}

// instant sets s.at, the one instant of an At and the anchor of an Every.
func (s Schedule) instant(word string, t time.Time) Schedule {
	s.at = t.UnixMilli()
	switch {
	case t.Unix() < 0 || t.Unix() > maxFire:
		return s.wrong(fmt.Sprintf("%s: year %d is out of range", word, t.Year()), "use 1970 to 9999")
	case t.Nanosecond()%int(time.Millisecond) != 0:
		return s.wrong(fmt.Sprintf("%s %s is not a whole millisecond", word, t.UTC().Format(time.RFC3339Nano)),
			"use "+t.UTC().Truncate(time.Millisecond).Format(time.RFC3339Nano))
	}
	return s
}

// Cron fires as the crontab expression says on the clocks of the named IANA zone. The zone must be said: there is no
// default, and "Local" is refused, because pods need not share one. An expression has five fields (minute, hour, day
// of month, month, day of week), six with seconds first, or is a descriptor such as "@daily". Names, lists, ranges
// (FRI-MON too), steps, L, L-n, LW, nW, nL, n#k and H (a value chosen by the job's id) are understood. If both day
// fields are restricted, a day that either names will do.
//
// A local time that a clock change skips fires once, at the change; one that it repeats fires once, the first time.
// Expressions whose hour is "*" or has a step follow real time instead: they fire whenever the clock shows a time
// they name. docs/cron.md says all of this at length.
func Cron(expr, zone string) Schedule {
	s := Schedule{kind: scheduleCron, expr: clip(expr), zone: clip(zone)}
	if bad := checkCronText(expr); bad != nil {
		return s.wrong(bad.Problem, bad.Remedy)
	}
	s.expr = canonicalCron(expr)
	loc, bad := loadZone(zone)
	if bad != nil {
		return s.wrong(bad.Problem, bad.Remedy)
	}
	s.zone = zone
	spec, spread, bad := compileCron(s.expr, loc)
	if bad != nil {
		return s.wrong(bad.Problem, bad.Remedy)
	}
	s.spread = spread
	s.cron = unique.Make(spec)
	return s
}

// canonicalCron gives an expression its one spelling: one blank between fields, names in capitals.
func canonicalCron(expr string) string {
	expr = strings.Join(strings.Fields(expr), " ")
	if strings.HasPrefix(expr, "@") {
		return strings.ToLower(expr)
	}
	return strings.ToUpper(expr)
}

// wrong keeps the first mistake.
func (s Schedule) wrong(problem, remedy string) Schedule {
	if s.problem == "" {
		s.problem, s.remedy = problem, remedy
	}
	return s
}

// Err returns what is wrong with the schedule as a [*FieldError], or nil. An H that [Schedule.For] has not resolved
// is an error here, since nobody can say when it fires.
func (s Schedule) Err() error {
	if s.problem == "" && s.spread {
		return &FieldError{
			Field: "schedule", Problem: fmt.Sprintf("cron %q has an H, which depends on the job's id", s.expr),
			Remedy: "resolve it for the id of a job: For(id)",
		}
	}
	return s.mistake()
}

// mistake is Err but for an unresolved H, which is no mistake in a definition.
func (s Schedule) mistake() error {
	switch {
	case s.kind == scheduleNone && s.problem == "":
		return &FieldError{Field: "schedule", Problem: "is missing", Remedy: scheduleForms}
	case s.problem != "":
		return &FieldError{Field: "schedule", Problem: s.problem, Remedy: s.remedy}
	}
	return nil
}

// For returns s with every H replaced by the value that the job's id gives it, the same on every pod and in every
// version. A schedule without H is returned as it is.
func (s Schedule) For(id string) Schedule {
	if !s.spread || s.problem != "" {
		return s
	}
	return Cron(resolveHash(s.expr, id), s.zone)
}

// Next returns the first fire time after t, in UTC, or the zero time if there is none: the schedule is invalid, its H
// is unresolved, its At has passed, or nothing comes within 41 years. It does not allocate.
func (s Schedule) Next(t time.Time) time.Time {
	if s.problem != "" || s.spread || t.Unix() > maxFire {
		return time.Time{}
	}
	after := int64(-1) // no schedule fires before 1970
	if t.Unix() >= 0 {
		after = t.UnixMilli()
	}
	var next int64
	ok := true
	switch s.kind {
	case scheduleEvery:
		next = s.nextEvery(after)
	case scheduleAt:
		next, ok = s.at, s.at > after
	case scheduleCron:
		spec := s.cron.Value()
		next, ok = spec.next(floorDiv(after, 1000))
		next *= 1000
	case scheduleNone:
		ok = false
	}
	if !ok || next > maxFireMs {
		return time.Time{}
	}
	return time.UnixMilli(next).UTC()
}

// nextEvery returns the first at + k*every (k >= 0) after the millisecond after.
func (s Schedule) nextEvery(after int64) int64 {
	if after < s.at {
		return s.at
	}
	return after + s.every - (after-s.at)%s.every
}

// After yields the fire times after t in order: up to year 9999 for Every and Cron, so stop it.
func (s Schedule) After(t time.Time) iter.Seq[time.Time] {
	return func(yield func(time.Time) bool) {
		for t := s.Next(t); !t.IsZero() && yield(t); {
			t = s.Next(t)
		}
	}
}

// fast reports whether the schedule can fire more often than once a minute. Such jobs are claimed ahead of their fire
// times by default, and keep a shorter history.
func (s Schedule) fast() bool {
	switch s.kind {
	case scheduleEvery:
		return s.problem == "" && s.every < time.Minute.Milliseconds()
	case scheduleCron:
		return s.problem == "" && bits.OnesCount64(s.cron.Value().second) > 1
	case scheduleNone, scheduleAt:
	}
	return false
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

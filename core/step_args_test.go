package core

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cockroachdb/datadriven"
)

// scriptDay is the day of times that name none: 2026-01-05, a Monday.
const scriptDay = micros(1767571200) * second

// clockText writes an instant as scripts do.
func clockText(m micros) string {
	if m == 0 {
		return "never"
	}
	if m >= scriptDay && m < scriptDay+day {
		return m.time().Format("15:04:05.999999")
	}
	return m.time().Format("2006-01-02T15:04:05.999999")
}

func clockOf(text string) (micros, error) {
	if !strings.Contains(text, "T") {
		text = scriptDay.time().Format("2006-01-02T") + text
	}
	t, err := time.Parse("2006-01-02T15:04:05", text)
	return microsOf(t), err
}

// args are those of one command. The first error is kept.
type args struct {
	td    *datadriven.TestData
	used  []string
	flags []string
	err   error
}

func (a *args) text(key, none string) string {
	a.used = append(a.used, key)
	for i := range a.td.CmdArgs {
		if arg := &a.td.CmdArgs[i]; arg.Key == key && len(arg.Vals) > 0 {
			return strings.Join(arg.Vals, ", ")
		}
	}
	return none
}

func (a *args) flag(key string) bool {
	a.flags = append(a.flags, key)
	return a.td.HasArg(key)
}

func (a *args) note(key string, err error) {
	if err != nil && a.err == nil {
		a.err = fmt.Errorf("argument %s: %w", key, err)
	}
}

func (a *args) instant(key string, none micros) micros {
	text := a.text(key, "")
	if text == "" {
		return none
	}
	m, err := clockOf(text)
	a.note(key, err)
	return m
}

func (a *args) duration(key string, none time.Duration) time.Duration {
	text := a.text(key, "")
	if text == "" {
		return none
	}
	d, err := time.ParseDuration(text)
	a.note(key, err)
	return d
}

func (a *args) span(key string, none time.Duration) micros { return span(a.duration(key, none)) }

func (a *args) number(key string, none int) int {
	text := a.text(key, "")
	if text == "" {
		return none
	}
	n, err := strconv.Atoi(text)
	a.note(key, err)
	return n
}

// words are the arguments without a value that are no flags. Flags must be read first.
func (a *args) words() []string {
	var list []string
	for i := range a.td.CmdArgs {
		if arg := &a.td.CmdArgs[i]; len(arg.Vals) == 0 && !slices.Contains(a.flags, arg.Key) {
			list = append(list, arg.Key)
		}
	}
	a.used = append(a.used, list...)
	return list
}

// unused reports an argument that no command has read.
func (a *args) unused() error {
	for i := range a.td.CmdArgs {
		if key := a.td.CmdArgs[i].Key; !slices.Contains(a.used, key) && !slices.Contains(a.flags, key) {
			return fmt.Errorf("%s: no argument %q", a.td.Cmd, key)
		}
	}
	return nil
}

// job reads a definition: its id, its schedule and policies. An edit starts from the one in force.
func (sc *script) job(cmd string, a *args) (*Job, error) {
	var j Job
	if cmd == "edit" {
		if sc.spec == nil {
			return nil, errors.New("no job to edit")
		}
		j = sc.spec.Job
	}
	a.policies(&j)
	words := a.words()
	if cmd == "put" && len(words) > 0 {
		j.ID, words = words[0], words[1:]
	}
	if len(words) > 0 {
		s, err := ParseSchedule(strings.Join(words, " "))
		a.note("schedule", err)
		j.Schedule = s
	}
	a.note("job", j.Validate())
	return &j, a.err
}

func (a *args) policies(j *Job) {
	a.note("overlap", j.Overlap.UnmarshalText([]byte(a.text("overlap", j.Overlap.String()))))
	a.note("recover", j.Recover.UnmarshalText([]byte(a.text("recover", j.Recover.String()))))
	a.note("claim", j.Claim.UnmarshalText([]byte(a.text("claim", j.Claim.String()))))
	m := &j.Misfire
	a.note("misfire", m.Mode.UnmarshalText([]byte(a.text("misfire", m.Mode.String()))))
	m.After, m.Until, m.Limit = a.duration("misfire-after", m.After), a.duration("misfire-until", m.Until), a.number("misfire-limit", m.Limit)
	r := &j.Retry
	r.Max, r.Delay, r.Cap = a.number("retry", r.Max), a.duration("retry-delay", r.Delay), a.duration("retry-cap", r.Cap)
	if r.Max > 0 { // so little that scripts show round times
		r.Jitter = 1e-17
	}
	j.Timeout, j.Jitter = a.duration("timeout", j.Timeout), a.duration("jitter", j.Jitter)
	j.Priority, j.MaxRuns = a.number("priority", j.Priority), a.number("max-runs", j.MaxRuns)
	j.Keep, j.Revision = a.number("keep", j.Keep), uint64(a.number("revision", int(j.Revision))) //nolint:gosec // small
	j.NotBefore = a.instant("not-before", microsOf(j.NotBefore)).time()
	j.NotAfter = a.instant("not-after", microsOf(j.NotAfter)).time()
}

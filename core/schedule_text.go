package core

import (
	"fmt"
	"strings"
	"time"
)

// scheduleForms is the remedy for a text that is no schedule.
const scheduleForms = `write "every 5m", "cron 0 9 * * MON-FRI Asia/Seoul" or "at 2026-01-02T03:04:05Z"`

// maxScheduleText bounds what ParseSchedule looks at: the longest expression, the longest zone and "cron".
const maxScheduleText = maxCronExpr + maxZoneName + 8

// ParseSchedule reads the text form:
//
//	every 5s
//	every 1h from 2026-01-02T03:04:05Z
//	cron 0 9 * * MON-FRI Asia/Seoul
//	at 2026-01-02T03:04:05Z
//
// A cron expression is followed by its zone. Instants are RFC 3339, in any offset. The error is a [*FieldError]. An H
// is no error here (see [Schedule.For]).
func ParseSchedule(text string) (Schedule, error) {
	s := parseSchedule(text)
	if err := s.mistake(); err != nil {
		return Schedule{}, err
	}
	return s, nil
}

func parseSchedule(text string) Schedule {
	if len(text) > maxScheduleText {
		return Schedule{}.wrong(fmt.Sprintf("has %d bytes", len(text)), fmt.Sprintf("use at most %d", maxScheduleText))
	}
	words := strings.Fields(text)
	if len(words) == 0 {
		return Schedule{}
	}
	switch rest := words[1:]; words[0] {
	case "every":
		return parseEvery(rest)
	case "at":
		return parseAt(rest)
	case "cron":
		return parseCronText(rest)
	}
	return Schedule{}.wrong(fmt.Sprintf("%q is no kind of schedule", clip(words[0])), scheduleForms)
}

func parseEvery(words []string) Schedule {
	if len(words) != 1 && (len(words) != 3 || words[1] != "from") {
		return Schedule{}.wrong("every takes a duration, and may take an anchor",
			`write "every 5m" or "every 1h from 2026-01-02T03:04:05Z"`)
	}
	d, err := time.ParseDuration(words[0])
	if err != nil {
		return Schedule{}.wrong(fmt.Sprintf("every: %q is no duration", clip(words[0])), "write it as in 10ms, 5s, 1h30m or 24h")
	}
	s := Every(d)
	if len(words) == 1 {
		return s
	}
	t, err := time.Parse(time.RFC3339Nano, words[2])
	if err != nil {
		return s.wrong(fmt.Sprintf("from: %q is no instant", clip(words[2])), "write it as in 2026-01-02T03:04:05Z")
	}
	return s.From(t)
}

func parseAt(words []string) Schedule {
	if len(words) != 1 {
		return Schedule{}.wrong(fmt.Sprintf("at takes one instant, not %d words", len(words)), `write "at 2026-01-02T03:04:05Z"`)
	}
	t, err := time.Parse(time.RFC3339Nano, words[0])
	if err != nil {
		return Schedule{}.wrong(fmt.Sprintf("at: %q is no instant", clip(words[0])), "write it as in 2026-01-02T03:04:05Z")
	}
	return At(t)
}

func parseCronText(words []string) Schedule {
	if len(words) < 2 {
		return Schedule{}.wrong("cron takes an expression and a zone", `write "cron 0 9 * * MON-FRI Asia/Seoul"`)
	}
	last := len(words) - 1
	if strings.ContainsAny(words[last], "*?,#@") || words[last][0] >= '0' && words[last][0] <= '9' {
		return Schedule{}.wrong("cron names no zone", `put one last, as in "cron 0 9 * * MON-FRI Asia/Seoul"`)
	}
	return Cron(strings.Join(words[:last], " "), words[last])
}

// String returns the text form, which [ParseSchedule] reads; "" for the zero Schedule. An invalid schedule's text is
// for people only.
func (s Schedule) String() string {
	switch s.kind {
	case scheduleEvery:
		text := "every " + shortDuration(time.Duration(s.every)*time.Millisecond)
		if s.at != 0 {
			text += " from " + formatInstant(s.at)
		}
		return text
	case scheduleCron:
		return "cron " + s.expr + " " + s.zone
	case scheduleAt:
		return "at " + formatInstant(s.at)
	case scheduleNone:
	}
	return ""
}

// MarshalText returns the text form. An invalid schedule has none: that is the error of [ParseSchedule].
func (s Schedule) MarshalText() ([]byte, error) {
	if err := s.mistake(); err != nil {
		return nil, err
	}
	return []byte(s.String()), nil
}

// UnmarshalText sets s from its text form, and leaves it alone if that is wrong.
func (s *Schedule) UnmarshalText(text []byte) error {
	v, err := ParseSchedule(string(text))
	if err != nil {
		return err
	}
	*s = v
	return nil
}

func formatInstant(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339Nano) }

// shortDuration writes 1h for what Duration.String writes as 1h0m0s.
func shortDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// clip shortens what an error quotes.
func clip(text string) string {
	const limit = 40
	if len(text) <= limit {
		return text
	}
	return text[:limit] + "..."
}

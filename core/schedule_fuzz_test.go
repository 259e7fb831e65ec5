package core

import (
	"errors"
	"strings"
	"testing"
	"time"
)

var scheduleSeeds = []string{
	"every 5s", "every 1h from 2026-01-02T03:04:05Z", "at 2026-01-02T03:04:05.006Z", "cron @daily UTC",
	"cron 0 9 * * MON-FRI Asia/Seoul", "cron */5 0-23/2 L,LW,15W * 5L,MON#2 America/New_York", "cron H H(1-5)/2 H * * UTC",
	"cron 0 0 30 2 * UTC", "cron 1,,2 +5 -- /// #L Local", "cron \x00 * * * * UTC", "cron ? ? ? ? ? Etc/GMT+5",
}

// FuzzParseSchedule: any text is refused with a FieldError, or is a schedule that its own text form gives again.
func FuzzParseSchedule(f *testing.F) {
	for _, text := range scheduleSeeds {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSchedule(text)
		if err != nil {
			var field *FieldError
			if !errors.As(err, &field) || field.Problem == "" || field.Remedy == "" {
				t.Fatalf("%q: %#v is no FieldError with a remedy", text, err)
			}
			return
		}
		back, err := ParseSchedule(s.String())
		if err != nil || back != s {
			t.Fatalf("%q: %s came back as %s, %v", text, s, back, err)
		}
		resolved := s.For("job")
		if err := resolved.Err(); err != nil {
			t.Fatalf("%q: for a job: %v", text, err)
		}
		if _, err := ParseSchedule(resolved.String()); err != nil {
			t.Fatalf("%q: for a job it is %s: %v", text, resolved, err)
		}
	})
}

// FuzzCronNext: Next is later than its argument, in UTC, whole seconds, and found in a moment.
func FuzzCronNext(f *testing.F) {
	for _, text := range scheduleSeeds {
		if expr, ok := strings.CutPrefix(text, "cron "); ok {
			at := strings.LastIndex(expr, " ")
			f.Add(expr[:at], expr[at+1:], int64(1_772_953_200_000))
		}
	}
	f.Fuzz(func(t *testing.T, expr, zone string, ms int64) {
		s := Cron(expr, zone).For("job")
		from := time.UnixMilli(ms)
		began := time.Now()
		for range 20 {
			next := s.Next(from)
			if next.IsZero() {
				if s.Err() == nil && from.Year() < 9900 {
					t.Fatalf("%s has nothing after %v", s, from)
				}
				break
			}
			if !next.After(from) || next.Location() != time.UTC || next.Nanosecond() != 0 {
				t.Fatalf("%s after %v is %v", s, from, next)
			}
			from = next
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Fatalf("%s took %v", s, took)
		}
	})
}

// Hostile expressions are refused at once, and the refusal is short.
func TestCronHostile(t *testing.T) {
	long := strings.Repeat("1,", 5000) + "1"
	for _, c := range []struct{ expr, problem string }{
		{long + " * * * *", "has 10009 bytes"},
		{strings.Repeat("*", 10<<10), "has 10240 bytes"},
		{strings.Repeat("* ", 200), "has 200 fields"},
		{"*/99999999999999999999 * * * *", "cron field 1 (minute): step"},
		{"*/18446744073709551617 * * * *", "cron field 1 (minute): step"},
		{"* 0-99999999999999999999 * * *", "cron field 2 (hour):"},
		{"* * 1-31/4294967297 * *", "cron field 3 (day of month): step"},
		{"* * L-99999999999999999999 * *", "cron field 3 (day of month):"},
		{"* * * JAN-\x00 *", "odd character at byte 11"},
		{"\x00 * * * *", "odd character at byte 1"},
		{"٣ * * * *", "odd character at byte 1"},
		{"* * * * ſun", "odd character at byte 9"},
		{"* * * * MON#99999999999999999999", "cron field 5 (day of week):"},
		{strings.Repeat(",", 400) + " * * * *", "cron field 1 (minute): an item of the list is empty"},
		{"* * * * " + strings.Repeat("1#", 200), "cron field 5 (day of week):"},
		{"H(" + strings.Repeat("(", 300) + " * * * *", "cron field 1 (minute):"},
	} {
		began := time.Now()
		err := Cron(c.expr, "UTC").Err()
		if took := time.Since(began); took > 100*time.Millisecond {
			t.Errorf("%q took %v", clip(c.expr), took)
		}
		if err == nil || !strings.Contains(err.Error(), c.problem) || len(err.Error()) > 400 {
			t.Errorf("%q: %v, want %q", clip(c.expr), err, c.problem)
		}
	}
	if err := Cron("0 0 * * *", strings.Repeat("A/", 5000)).Err(); err == nil || len(err.Error()) > 400 {
		t.Errorf("a long zone: %v", err)
	}
}

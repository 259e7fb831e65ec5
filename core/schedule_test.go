package core

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func instant(t *testing.T, text string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// fires lists the first n fire times after from.
func fires(s Schedule, from time.Time, n int) []string {
	var list []string
	for f := range s.After(from) {
		list = append(list, f.Format(time.RFC3339Nano))
		if len(list) == n {
			break
		}
	}
	return list
}

func TestScheduleNext(t *testing.T) {
	anchor := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, c := range []struct {
		s          Schedule
		from, want string
	}{
		{Every(5 * time.Minute), "2026-01-01T00:02:00.000999Z", "2026-01-01T00:05:00Z 2026-01-01T00:10:00Z"},
		{Every(5 * time.Minute), "2026-01-01T00:04:59.9999Z", "2026-01-01T00:05:00Z 2026-01-01T00:10:00Z"},
		{Every(5 * time.Minute), "2026-01-01T00:05:00Z", "2026-01-01T00:10:00Z 2026-01-01T00:15:00Z"},
		{Every(10 * time.Millisecond), "2026-01-01T00:00:00Z", "2026-01-01T00:00:00.01Z 2026-01-01T00:00:00.02Z"},
		{Every(time.Hour), "0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z 1970-01-01T01:00:00Z"},
		{Every(time.Hour).From(anchor), "2025-01-01T00:00:00Z", "2026-01-02T03:04:05Z 2026-01-02T04:04:05Z"},
		{Every(time.Hour).From(anchor), "2026-01-02T03:04:05Z", "2026-01-02T04:04:05Z 2026-01-02T05:04:05Z"},
		{At(anchor), "2026-01-02T03:04:04.999Z", "2026-01-02T03:04:05Z"},
		{At(anchor), "2026-01-02T03:04:05Z", ""},
		{Every(time.Hour), "9999-12-31T22:30:00Z", "9999-12-31T23:00:00Z"},
		{Cron("0 0 1 1 *", "UTC"), "9998-06-01T00:00:00Z", "9999-01-01T00:00:00Z"},
		{Cron("0 0 1 1 *", "UTC"), "1969-06-01T00:00:00Z", "1970-01-01T00:00:00Z 1971-01-01T00:00:00Z"},
		{Schedule{}, "2026-01-01T00:00:00Z", ""},
		{Every(1), "2026-01-01T00:00:00Z", ""},
		{Cron("61 * * * *", "UTC"), "2026-01-01T00:00:00Z", ""},
	} {
		if got := strings.Join(fires(c.s, instant(t, c.from), 2), " "); got != c.want {
			t.Errorf("%s after %s: %q, want %q", c.s, c.from, got, c.want)
		}
	}
}

func TestScheduleNextIsUTC(t *testing.T) {
	seoul, err := time.LoadLocation("Asia/Seoul")
	if err != nil {
		t.Fatal(err)
	}
	got := Cron("0 9 * * *", "Asia/Seoul").Next(time.Date(2026, 1, 1, 10, 0, 0, 0, seoul))
	if want := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC); got != want {
		t.Errorf("got %v, want %v, also by ==", got, want)
	}
}

func TestScheduleText(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"every 5s", ""},
		{"every 1h", ""},
		{"every 1h30m", ""},
		{"every 1.5s", ""},
		{"every 90m", "every 1h30m"},
		{"  every   60m0s ", "every 1h"},
		{"every 1h from 2026-01-02T03:04:05.006Z", ""},
		{"every 1h from 2026-01-02T12:04:05+09:00", "every 1h from 2026-01-02T03:04:05Z"},
		{"every 1h from 1970-01-01T00:00:00Z", "every 1h"},
		{"at 2026-01-02T03:04:05Z", ""},
		{"at 2026-01-02T12:04:05+09:00", "at 2026-01-02T03:04:05Z"},
		{"cron 0 9 * * MON-FRI Asia/Seoul", ""},
		{"cron  0 9 * *\tmon-fri  Asia/Seoul", "cron 0 9 * * MON-FRI Asia/Seoul"},
		{"cron @Daily UTC", "cron @daily UTC"},
		{"cron H H(1-5) * * * UTC", ""},
		{"cron */10 * * * * * Etc/GMT+5", ""},
	} {
		s, err := ParseSchedule(c.text)
		if err != nil {
			t.Errorf("parse %q: %v", c.text, err)
			continue
		}
		if want := cmpOr(c.want, c.text); s.String() != want {
			t.Errorf("%q is written %q, want %q", c.text, s, want)
		}
		b, err := json.Marshal(s)
		if err != nil {
			t.Errorf("marshal %q: %v", c.text, err)
		}
		var back Schedule
		if err := json.Unmarshal(b, &back); err != nil || back != s {
			t.Errorf("%q came back from JSON as %#v, %v", c.text, back, err)
		}
	}
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// Every mistake says where it is and what to write instead.
func TestScheduleErr(t *testing.T) {
	for _, c := range []struct {
		s               Schedule
		problem, remedy string
	}{
		{Schedule{}, "is missing", `"every 5m"`},
		{Every(0), "every 0s is too often", "10ms"},
		{Every(-time.Second), "too often", "10ms"},
		{Every(9 * time.Millisecond), "too often", "10ms"},
		{Every(1500 * time.Microsecond * 10), "", ""},
		{Every(10*time.Millisecond + 1), "not a whole number of milliseconds", "use 10ms"},
		{Every(time.Second).From(time.Unix(0, 1)), "from 1970-01-01T00:00:00.000000001Z is not a whole millisecond", "use 1970-01-01T00:00:00Z"},
		{Every(time.Second).From(time.Time{}), "from: year 1 is out of range", "1970"},
		{Cron("@daily", "UTC").From(time.Unix(0, 0)), "only an every schedule has an anchor", "not_before"},
		{Schedule{}.From(time.Unix(0, 0)), "only an every schedule", ""},
		{At(time.Time{}), "at: year 1 is out of range", "1970"},
		{At(time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)), "year 10000", "9999"},
		{At(time.Unix(5, 1)), "is not a whole millisecond", "use 1970-01-01T00:00:05Z"},
		{Cron("0 9 * * *", ""), "names no zone", "Asia/Seoul"},
		{Cron("0 9 * * *", "Local"), `zone "Local" may differ`, "UTC"},
		{Cron("0 9 * * *", "local"), `zone "local" may differ`, "UTC"},
		{Cron("0 9 * * *", "Mars/Olympus"), `zone "Mars/Olympus" is not known`, "UTC"},
		{Cron("0 9 * * *", "../etc/passwd"), "is not known", "UTC"},
		{Cron("", "UTC"), "has 0 fields", "five"},
		{Cron("* * * *", "UTC"), "has 4 fields", "five"},
		{Cron("* * * * * * *", "UTC"), "has 7 fields", "six"},
		{Cron("0 25 * * *", "UTC"), `cron field 2 (hour): "25" is not in 0-23`, "0-23"},
		{Cron("0 0 25 * * *", "UTC"), `cron field 3 (hour): "25" is not in 0-23`, "0-23"},
		{Cron("60 * * * *", "UTC"), `cron field 1 (minute): "60" is not in 0-59`, "0-59"},
		{Cron("60 * * * * *", "UTC"), `cron field 1 (second): "60" is not in 0-59`, "0-59"},
		{Cron("0 0 0 * *", "UTC"), `cron field 3 (day of month): "0" is not in 1-31`, "1-31"},
		{Cron("0 0 * 13 *", "UTC"), `cron field 4 (month): "13" is not in 1-12`, "JAN-DEC"},
		{Cron("0 0 * * 8", "UTC"), `cron field 5 (day of week): "8" is not in 0-7`, "SUN-SAT"},
		{Cron("0 0 * MON *", "UTC"), `cron field 4 (month): "MON" is not in`, "JAN-DEC"},
		{Cron("+5 * * * *", "UTC"), `cron field 1 (minute): "+5" is not in`, "0-59"},
		{Cron("-5 * * * *", "UTC"), `cron field 1 (minute): "" is not in`, "0-59"},
		{Cron("1,,2 * * * *", "UTC"), "cron field 1 (minute): an item of the list is empty", "comma"},
		{Cron(", * * * *", "UTC"), "cron field 1 (minute): an item of the list is empty", "comma"},
		{Cron("*/0 * * * *", "UTC"), `cron field 1 (minute): step "0" is not in 1-59`, "0-59"},
		{Cron("*/60 * * * *", "UTC"), `step "60" is not in 1-59`, ""},
		{Cron("*/ * * * *", "UTC"), `step "" is not in 1-59`, ""},
		{Cron("1/2/3 * * * *", "UTC"), `step "2/3" is not in 1-59`, ""},
		{Cron("1-2-3 * * * *", "UTC"), `"2-3" is not in 0-59`, ""},
		{Cron("*-5 * * * *", "UTC"), `"*" is not in 0-59`, ""},
		{Cron("0 0 32W * *", "UTC"), `cron field 3 (day of month): "32W"`, "15W"},
		{Cron("0 0 L-31 * *", "UTC"), `"L-31": the day before the last is not in 1-30`, "L-2"},
		{Cron("0 0 WL * *", "UTC"), `"WL" is none of`, "LW"},
		{Cron("0 0 * * MON#6", "UTC"), `"MON#6": the week is not in 1-5`, "MON#2"},
		{Cron("0 0 * * L", "UTC"), `"" is not in 0-7`, "FRIL"},
		{Cron("H(5-70) * * * *", "UTC"), `cron field 1 (minute): "70" is not in 0-59`, ""},
		{Cron("H(9-5) * * * *", "UTC"), `"H(9-5)": the range runs backwards`, "swap"},
		{Cron("H(5 * * * *", "UTC"), `"H(5" is no H`, "H(0-29)"},
		{Cron("H(0-9)/20 * * * *", "UTC"), "the step is longer than the range 0-9", "H"},
		{Cron("@every 5s", "UTC"), `cron "@every 5s" is no crontab time`, "use every"},
		{Cron("@reboot", "UTC"), `"@reboot" is no known descriptor`, "@daily"},
		{Cron("TZ=UTC 0 9 * * *", "UTC"), "begins with a zone", "leave it out"},
		{Cron("0 0 30 2 *", "UTC"), "never fires", "day of month"},
		{Cron("0 0 31 4,6,9,11 *", "UTC"), "never fires", ""},
		{Cron("0 0 31W 2 *", "UTC"), "never fires", ""},
		{Cron("0 2-2/1 * 3 SUN#2", "America/New_York"), "never fires", ""}, // follows real time, in which that hour never comes
		{Cron("H 9 * * *", "UTC"), "depends on the job's id", "For(id)"},
		{Cron("H 9 * * *", "UTC").For("job"), "", ""},
	} {
		err := c.s.Err()
		if c.problem == "" && c.remedy == "" {
			if err != nil {
				t.Errorf("%s: %v", c.s, err)
			}
			continue
		}
		var field *FieldError
		if !errors.As(err, &field) || !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v is no FieldError", c.s, err)
			continue
		}
		if field.Field != "schedule" || !strings.Contains(field.Problem, c.problem) || !strings.Contains(field.Remedy, c.remedy) || field.Remedy == "" {
			t.Errorf("%s: %q, %q; want %q, %q", c.s, field.Problem, field.Remedy, c.problem, c.remedy)
		}
		if f := c.s.Next(time.Unix(0, 0)); !f.IsZero() {
			t.Errorf("%s is wrong but fires at %v", c.s, f)
		}
	}
}

func TestParseScheduleErr(t *testing.T) {
	for text, want := range map[string]string{
		"":                           "is missing",
		"hourly":                     `"hourly" is no kind of schedule`,
		"every":                      "every takes a duration",
		"every 5":                    `"5" is no duration`,
		"every 1d":                   `"1d" is no duration`,
		"every 5s to 6s":             "every takes a duration",
		"every 5s from now":          `"now" is no instant`,
		"at noon":                    `"noon" is no instant`,
		"at":                         "at takes one instant",
		"cron":                       "cron takes an expression and a zone",
		"cron 0 9 * * *":             "cron names no zone",
		"cron 0 9 * * 1-5":           "cron names no zone",
		"cron 0 9 * * MON-FRI":       `zone "MON-FRI" is not known`,
		"cron 0 9 * * MON-FRI Local": "may differ from pod to pod",
		strings.Repeat("x", 10_000):  "has 10000 bytes",
	} {
		s, err := ParseSchedule(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", clip(text), err, want)
		}
		if s != (Schedule{}) {
			t.Errorf("%q: an error came with %#v", clip(text), s)
		}
	}
}

func TestScheduleUnmarshalKeepsOnError(t *testing.T) {
	s := Every(time.Minute)
	if err := s.UnmarshalText([]byte("every never")); err == nil || s != Every(time.Minute) {
		t.Errorf("got %s, %v", s, err)
	}
	if _, err := Every(0).MarshalText(); err == nil {
		t.Error("an invalid schedule was written")
	}
}

func TestScheduleComparable(t *testing.T) {
	equal := [][2]Schedule{
		{Every(time.Hour), Every(60 * time.Minute)},
		{Every(time.Hour), Every(time.Hour).From(time.Unix(0, 0))},
		{Cron("0 9 * * mon", "Asia/Seoul"), Cron("0  9 * * MON", "Asia/Seoul")},
		{Cron("H 9 * * *", "UTC").For("a"), Cron("H 9 * * *", "UTC").For("a")},
		{Cron("nonsense", "UTC"), Cron("nonsense", "UTC")},
	}
	for _, p := range equal {
		if p[0] != p[1] {
			t.Errorf("%s and %s differ", p[0], p[1])
		}
	}
	different := []Schedule{
		{},
		Every(time.Hour), Every(2 * time.Hour), Every(time.Hour).From(time.Unix(1, 0)), At(time.Unix(1, 0)),
		Cron("0 9 * * *", "UTC"), Cron("0 9 * * *", "Etc/UTC"), Cron("0 9 * * MON", "UTC"),
	}
	for i, a := range different {
		if n := slices.Index(different, a); n != i {
			t.Errorf("%q equals %q", a, different[n])
		}
	}
}

func TestScheduleFast(t *testing.T) {
	for text, want := range map[string]bool{
		"every 59.999s":           true,
		"every 1m":                false,
		"at 2026-01-02T03:04:05Z": false,
		"cron * * * * * UTC":      false,
		"cron 30 * * * * * UTC":   false,
		"cron * * * * * * UTC":    true,
		"cron 0,30 0 9 * * * UTC": true,
		"cron */59 * * * * * UTC": true,
		"cron H/30 * * * * * UTC": true,
		"cron H * * * * * UTC":    false,
	} {
		s, err := ParseSchedule(text)
		if err != nil {
			t.Fatal(err)
		}
		if s.fast() != want {
			t.Errorf("fast(%s) = %v", text, !want)
		}
	}
	if Every(0).fast() || (Schedule{}).fast() || Cron("x", "UTC").fast() {
		t.Error("an invalid schedule is fast")
	}
}

// H is a function of the id and the place alone. These values are part of the contract: a change of the hash would
// move every such job.
func TestScheduleHashIsStable(t *testing.T) {
	for _, c := range []struct{ expr, id, want string }{
		{"H H * * *", "job-0", "52 14 * * *"},
		{"H H * * *", "job-1", "22 6 * * *"},
		{"H H(0-7) H H H", "report", "51 4 5 11 1"},
		{"H/15 H/6 * * *", "report", "6-59/15 0-23/6 * * *"},
		{"H(0-29)/10 * * * * *", "report", "7-29/10 * * * * *"},
	} {
		if got := Cron(c.expr, "UTC").For(c.id).String(); got != "cron "+c.want+" UTC" {
			t.Errorf("%s for %s is %s, want %s", c.expr, c.id, got, c.want)
		}
	}
	if s := Cron("0 9 * * THU", "UTC"); s.For("job") != s {
		t.Error("For changed a schedule without H")
	}
}

func TestScheduleHashSpreads(t *testing.T) {
	times := map[string]int{}
	minutes := map[string]int{}
	for i := range 2000 {
		s := Cron("H H * * *", "UTC").For(fmt.Sprintf("job-%d", i))
		f := s.Next(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(-1))
		times[f.Format("15:04")]++
		minutes[f.Format("04")]++
	}
	// 2000 balls in 1440 bins leave about 1440*(1-exp(-2000/1440)) = 1081 used.
	if len(times) < 1000 {
		t.Errorf("2000 jobs share %d times of the day: minute and hour depend on each other", len(times))
	}
	for minute, n := range minutes {
		if n < 10 || n > 70 {
			t.Errorf("minute %s has %d of 2000 jobs", minute, n)
		}
	}
}

// A week of names, numbers, ranges and steps; bit 0 is Sunday.
func TestCronWeekdays(t *testing.T) {
	const everyDay = 0b1111111
	for field, want := range map[string]uint8{
		"*": everyDay, "?": everyDay, "0-6": everyDay, "0-7": everyDay, "1-7": everyDay, "SUN-SAT": everyDay, "MON-SUN": everyDay,
		"0": 1, "7": 1, "SUN": 1, "7-7": 1, "0-0": 1, "*/7": 1,
		"MON-FRI": 0b0111110, "FRI-MON": 0b1100011, "FRI-MON/2": 0b0100001, "5-7": 0b1100001, "7-2": 0b0000111, "SAT-SUN": 0b1000001,
		"*/2": 0b1010101, "1-7/2": 0b0101011, "1/2": 0b0101010, "7/2": 0b1010101, "1-5/2": 0b0101010, "MON,3,fri": 0b0101010,
	} {
		s := Cron("0 0 * * "+field, "UTC")
		if err := s.Err(); err != nil {
			t.Errorf("%s: %v", field, err)
			continue
		}
		if got := s.cron.Value().dow; got != want {
			t.Errorf("%s: %07b, want %07b", field, got, want)
		}
	}
}

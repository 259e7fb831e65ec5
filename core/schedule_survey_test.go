package core

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/adhocore/gronx"
	netresearch "github.com/netresearch/go-cron"
	robfig "github.com/robfig/cron/v3"
)

// A surveyed library gives the function from one fire time to the next, or refuses the expression.
type surveyed struct {
	name  string
	parse func(expr string) (func(time.Time) time.Time, error)
}

var surveyLibraries = []surveyed{
	{"robfig/cron 3.0.1", func(expr string) (func(time.Time) time.Time, error) {
		p := robfig.NewParser(robfig.SecondOptional | robfig.Minute | robfig.Hour | robfig.Dom | robfig.Month | robfig.Dow)
		s, err := p.Parse(expr)
		if err != nil {
			return nil, err
		}
		return s.Next, nil
	}},
	{"netresearch/go-cron 0.9.1", func(expr string) (func(time.Time) time.Time, error) {
		p, err := netresearch.TryNewParser(netresearch.SecondOptional | netresearch.Minute | netresearch.Hour | netresearch.Dom |
			netresearch.Month | netresearch.Dow | netresearch.Extended | netresearch.DowOrDom)
		if err != nil {
			return nil, err
		}
		s, err := p.Parse(expr)
		if err != nil {
			return nil, err
		}
		return s.Next, nil
	}},
	{"adhocore/gronx 1.20.4", func(expr string) (func(time.Time) time.Time, error) {
		if !gronx.IsValid(expr) {
			return nil, fmt.Errorf("%q is not valid", expr)
		}
		return func(t time.Time) time.Time {
			next, err := gronx.NextTickAfter(expr, t, false)
			if err != nil {
				return time.Time{}
			}
			return next
		}, nil
	}},
}

// surveyCases are expressions over a stretch of time in which they fire at most 200 times.
var surveyCases = []struct{ what, expr, zone, from, to string }{
	{"skipped hour", "30 2 * * *", "America/New_York", "2026-03-07T12:00:00Z", "2026-03-10T12:00:00Z"},
	{"repeated hour", "30 1 * * *", "America/New_York", "2026-10-31T12:00:00Z", "2026-11-03T12:00:00Z"},
	{"every half hour, forward", "*/30 * * * *", "America/New_York", "2026-03-08T05:10:00Z", "2026-03-08T10:10:00Z"},
	{"every half hour, back", "*/30 * * * *", "America/New_York", "2026-11-01T04:10:00Z", "2026-11-01T10:10:00Z"},
	{"skipped hour", "30 1 * * *", "Europe/London", "2026-03-28T12:00:00Z", "2026-03-31T12:00:00Z"},
	{"repeated hour", "30 1 * * *", "Europe/London", "2026-10-24T12:00:00Z", "2026-10-27T12:00:00Z"},
	{"skipped half hour", "15 2 * * *", "Australia/Lord_Howe", "2026-10-02T20:00:00Z", "2026-10-05T20:00:00Z"},
	{"repeated half hour", "45 1 * * *", "Australia/Lord_Howe", "2026-04-03T20:00:00Z", "2026-04-06T20:00:00Z"},
	{"every 15 min, back", "*/15 * * * *", "Australia/Lord_Howe", "2026-04-04T13:10:00Z", "2026-04-04T18:10:00Z"},
	{"skipped midnight", "0 0 * * *", "America/Santiago", "2026-09-05T12:00:00Z", "2026-09-08T12:00:00Z"},
	{"midnight of a date", "0 0 6 9 *", "America/Santiago", "2026-09-05T12:00:00Z", "2026-09-08T12:00:00Z"},
	{"repeated 23:30", "30 23 * * *", "America/Santiago", "2026-04-04T12:00:00Z", "2026-04-07T12:00:00Z"},
	{"skipped day", "0 9 * * *", "Pacific/Apia", "2011-12-28T20:00:00Z", "2012-01-01T20:00:00Z"},
	{"quarter hour skipped", "10 0 * * *", "Asia/Kathmandu", "1985-12-30T12:00:00Z", "1986-01-02T12:00:00Z"},
	{"plain", "0 12 * * SUN", "Asia/Kathmandu", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"},
	{"plain, seconds", "*/20 0 9 * * MON-FRI", "UTC", "2026-01-01T00:00:00Z", "2026-01-09T00:00:00Z"},
	{"last day", "0 0 L * *", "UTC", "2026-01-01T00:00:00Z", "2026-12-31T12:00:00Z"},
	{"last weekday of month", "0 0 LW * *", "UTC", "2026-01-01T00:00:00Z", "2026-12-31T12:00:00Z"},
	{"weekday nearest 1st", "0 0 1W * *", "UTC", "2026-01-02T00:00:00Z", "2026-12-31T12:00:00Z"},
	{"second Monday", "0 0 * * MON#2", "UTC", "2026-01-01T00:00:00Z", "2026-12-31T12:00:00Z"},
	{"last Friday", "0 0 * * 5L", "UTC", "2026-01-01T00:00:00Z", "2026-12-31T12:00:00Z"},
	{"13th or Friday", "0 0 13 * FRI", "UTC", "2026-01-01T00:00:00Z", "2026-03-01T12:00:00Z"},
	{"odd days that are Mondays", "0 0 */2 * MON", "UTC", "2026-01-01T00:00:00Z", "2026-03-01T12:00:00Z"},
	{"over Sunday", "0 0 * * FRI-MON", "UTC", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"},
	{"over Sunday, step", "0 0 * * FRI-MON/2", "UTC", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"},
	{"7 is Sunday", "0 0 * * 7", "UTC", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"},
	{"leap day after 2096", "0 0 29 2 *", "UTC", "2097-01-01T00:00:00Z", "2105-01-01T00:00:00Z"},
	{"empty item", "1,,2 * * * *", "UTC", "2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z"},
	{"sign", "+5 * * * *", "UTC", "2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z"},
	{"never", "0 0 30 2 *", "UTC", "2026-01-01T00:00:00Z", "2050-01-01T00:00:00Z"},
}

// surveyFires lists the fires in (from, to]; at most 200.
func surveyFires(next func(time.Time) time.Time, from, to time.Time) []time.Time {
	var list []time.Time
	for t := next(from); !t.IsZero() && !t.After(to) && len(list) < 200; t = next(t) {
		list = append(list, t)
	}
	return list
}

// surveyVerdict says what a library makes of a case: ok, refused, or how many fires are missing and too many.
func surveyVerdict(t *testing.T, l surveyed, expr, zone string, from, to time.Time) string {
	t.Helper()
	loc, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	s := Cron(expr, zone)
	next, err := l.parse(expr)
	switch {
	case err != nil && s.Err() != nil:
		return "ok (refused)"
	case err != nil:
		return "refused"
	case s.Err() != nil:
		return "accepted"
	}
	want := surveyFires(s.Next, from, to)
	got := surveyFires(next, from.In(loc), to)
	missing, extra := 0, 0
	for _, f := range want {
		if !slices.ContainsFunc(got, f.Equal) {
			missing++
		}
	}
	for i, f := range got {
		if !slices.ContainsFunc(want, f.Equal) || slices.ContainsFunc(got[:i], f.Equal) {
			extra++
		}
	}
	if missing+extra == 0 {
		return "ok"
	}
	return fmt.Sprintf("-%d +%d", missing, extra)
}

// The table of libraries in docs/cron.md is what this program finds, so that an upgrade which changes a verdict is
// seen.
func TestCronSurvey(t *testing.T) {
	var table strings.Builder
	table.WriteString("| case | expression | zone |")
	for _, l := range surveyLibraries {
		table.WriteString(" " + l.name + " |")
	}
	table.WriteString("\n|---|---|---|" + strings.Repeat("---|", len(surveyLibraries)) + "\n")
	for _, c := range surveyCases {
		fmt.Fprintf(&table, "| %s | `%s` | %s |", c.what, c.expr, c.zone)
		for _, l := range surveyLibraries {
			fmt.Fprintf(&table, " %s |", surveyVerdict(t, l, c.expr, c.zone, instant(t, c.from), instant(t, c.to)))
		}
		table.WriteString("\n")
	}
	doc, err := os.ReadFile("../docs/cron.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(doc), table.String()) {
		t.Errorf("docs/cron.md does not have this table:\n%s", table.String())
	}
}

// BenchmarkCronLibraries compares one step from fire time to fire time; the table is in docs/cron.md.
func BenchmarkCronLibraries(b *testing.B) {
	const zone = "America/New_York"
	loc, err := time.LoadLocation(zone)
	if err != nil {
		b.Fatal(err)
	}
	belfry := surveyed{"belfry", func(expr string) (func(time.Time) time.Time, error) {
		s := Cron(expr, zone)
		return s.Next, s.Err()
	}}
	start := time.Date(2026, 3, 1, 0, 0, 0, 0, loc)
	for _, expr := range []string{"0 9 * * MON-FRI", "*/5 * * * *", "0 0 29 2 *"} {
		for _, l := range append([]surveyed{belfry}, surveyLibraries...) {
			next, err := l.parse(expr)
			if err != nil {
				b.Fatal(err)
			}
			b.Run(expr+" "+l.name, func(b *testing.B) {
				b.ReportAllocs()
				t := start
				for b.Loop() {
					if t = next(t); t.IsZero() || t.Year() > 2100 {
						t = start
					}
				}
			})
		}
	}
}

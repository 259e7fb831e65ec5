package cli

import (
	"io"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/belfry-io/belfry/core"
)

func (p *program) nextCommand() *cli.Command {
	return &cli.Command{
		Name:      "next",
		Usage:     "show when a schedule fires",
		ArgsUsage: "EXPR",
		Description: `EXPR is a schedule as job files write it, a bare cron expression, or a duration. Needs no backend. Each fire
time is shown in UTC and in the zone.

  belfry next "0 9 * * MON-FRI" --tz Asia/Seoul
  belfry next "30 2 * * *" --tz Europe/Paris --from 2026-03-27T00:00:00Z -n 4
  belfry next 90s
  belfry next "cron 0 9 * * * UTC" --output json`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "tz", Value: "UTC", Usage: "IANA `ZONE` of a bare cron expression, and of the second column"},
			&cli.IntFlag{Name: "n", Value: 10, Usage: "`NUMBER` of fire times, 1 to 10000"},
			&cli.StringFlag{Name: "from", Usage: "first `TIME` after which to look; default now"},
			&cli.StringFlag{Name: "id", Usage: "`ID` of the job, for cron fields spread by H"},
			outputFlag(),
		},
		Action: p.next,
	}
}

// A fireTime is a line of the answer.
type fireTime struct {
	UTC   time.Time `json:"utc"`
	Local string    `json:"local"`
}

func (p *program) next(c *cli.Context) error {
	args, err := arguments(c, "EXPR")
	if err != nil {
		return err
	}
	n, now := c.Int("n"), time.Now()
	if n < 1 || n > 10000 {
		return usagef("-n: %d is out of range; use 1 to 10000", n)
	}
	zone, err := time.LoadLocation(c.String("tz"))
	if err != nil {
		return usagef("--tz: %w; name an IANA zone such as Asia/Seoul", err)
	}
	from, err := parseTime("from", c.String("from"), now)
	if err != nil {
		return err
	}
	if from.IsZero() {
		from = now
	}
	schedule, err := parseExpr(args[0], c.String("tz"))
	if err != nil {
		return err
	}
	if id := c.String("id"); id != "" {
		schedule = schedule.For(id)
	}
	if err := schedule.Err(); err != nil {
		return err
	}
	times := []fireTime{}
	for t := schedule.Next(from); !t.IsZero() && len(times) < n; t = schedule.Next(t) {
		times = append(times, fireTime{t, t.In(zone).Format("Mon 2006-01-02 15:04:05.999 MST")})
	}
	return p.show(c, times, func(w io.Writer) {
		for _, t := range times {
			row(w, utc(t.UTC), t.Local)
		}
		if len(times) < n {
			row(w, "no further fire times")
		}
	})
}

// parseExpr reads the text form of a schedule; failing that a duration, or a cron expression in zone.
func parseExpr(text, zone string) (core.Schedule, error) {
	switch word, _, _ := strings.Cut(text, " "); word {
	case "every", "cron", "at":
		return core.ParseSchedule(text)
	}
	if d, err := time.ParseDuration(text); err == nil {
		return core.Every(d), nil
	}
	return core.Cron(text, zone), nil
}

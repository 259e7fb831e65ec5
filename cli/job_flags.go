package cli

import (
	"encoding"
	"errors"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/belfry-io/belfry/core"
)

// definitionFlags are a job's fields. Each sets one, so that an update touches only what was named.
func definitionFlags() []cli.Flag {
	return join(scheduleFlags(), policyFlags(), []cli.Flag{
		&cli.StringFlag{Name: "handler", Usage: "`NAME` of what runs: exec, http, log, record or one of your own; default the id"},
		&cli.StringFlag{Name: "payload", Usage: "`JSON` for the handler, @FILE, or - for standard input"},
		&cli.StringFlag{Name: "queue", Usage: "`QUEUE` whose pods run it; default \"default\""},
		&cli.StringSliceFlag{Name: "label", Usage: "`K=V` to find it by; may be given again"},
		&cli.IntFlag{Name: "keep", Usage: "`NUMBER` of outcomes in its history, at most 200; -1: none; default 20, or 5 if it fires more than once a minute"},
		&cli.Uint64Flag{Name: "revision", Usage: "`NUMBER` of this definition: a lower one never replaces a higher"},
	})
}

func scheduleFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "schedule", Usage: "`TEXT` such as \"every 5s\", \"cron 0 9 * * MON-FRI Asia/Seoul\" or \"at 2026-01-02T03:04:05Z\""},
		&cli.DurationFlag{Name: "every", Usage: "fire at every multiple of this `TIME` since 1970"},
		&cli.StringFlag{Name: "cron", Usage: "cron `EXPR` of five fields, or six with seconds first; needs --tz"},
		&cli.StringFlag{Name: "tz", Usage: "IANA `ZONE` of --cron"},
		&cli.StringFlag{Name: "at", Usage: "fire once, at this `TIME`: RFC 3339, or +90m from now"},
		&cli.DurationFlag{Name: "jitter", Usage: "put each start off by up to this `TIME`"},
		&cli.StringFlag{Name: "not-before", Usage: "no fire time before this `TIME`"},
		&cli.StringFlag{Name: "not-after", Usage: "no fire time after this `TIME`"},
		&cli.IntFlag{Name: "max-runs", Usage: "finished after this `NUMBER` of scheduled runs; 0: never"},
	}
}

func policyFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "overlap", Usage: "`POLICY` when it is due while it runs: skip (default), allow, queue or replace"},
		&cli.StringFlag{Name: "misfire", Usage: "`POLICY` for fire times found too late: once (the latest; default), skip or all"},
		&cli.DurationFlag{Name: "misfire-after", Usage: "too late means later than this `TIME`; default 1m"},
		&cli.DurationFlag{Name: "misfire-until", Usage: "do not run what is older than this `TIME`; default 24h, or the next fire time if that is sooner"},
		&cli.IntFlag{Name: "misfire-limit", Usage: "--misfire all runs the newest `NUMBER`; default 100"},
		&cli.StringFlag{Name: "recover", Usage: "`POLICY` when its pod died: abandon (default, at most once) or rerun (at least once)"},
		&cli.StringFlag{Name: "claim", Usage: "`POLICY`: auto (default), ahead or at the fire time"},
		&cli.IntFlag{Name: "retry-max", Usage: "`NUMBER` of retries after a failure; default none"},
		&cli.DurationFlag{Name: "retry-delay", Usage: "`TIME` before the first retry, doubled for each further one; default 10s"},
		&cli.DurationFlag{Name: "retry-cap", Usage: "longest `TIME` between retries; default 1h"},
		&cli.Float64Flag{Name: "retry-jitter", Usage: "`SHARE` of the delay that is random, 0 to 1; default 0.1"},
		&cli.DurationFlag{Name: "timeout", Usage: "`TIME` that one attempt may take; default unlimited"},
		&cli.IntFlag{Name: "priority", Usage: "`NUMBER` from -100 to 100: which of a busy pod's runs go first"},
	}
}

// definition returns a function that sets the fields of a job that were named on the command line. Files and standard
// input are read here, once, since an edit may call the function again.
func (p *program) definition(c *cli.Context) (func(*core.Job) error, error) {
	now := time.Now()
	var payload core.Payload
	if c.IsSet("payload") {
		var err error
		if payload, err = p.payload(c.String("payload")); err != nil {
			return nil, err
		}
	}
	return func(job *core.Job) error {
		set(c, "payload", func(string) core.Payload { return payload }, &job.Payload)
		return errors.Join(
			defineWork(c, job),
			defineSchedule(c, job, now),
			defineBounds(c, job, now),
			definePolicies(c, job),
		)
	}, nil
}

func defineWork(c *cli.Context, job *core.Job) error {
	set(c, "handler", c.String, &job.Handler)
	set(c, "queue", c.String, &job.Queue)
	set(c, "keep", c.Int, &job.Keep)
	set(c, "revision", c.Uint64, &job.Revision)
	if !c.IsSet("label") {
		return nil
	}
	labels, err := parseLabels(c.StringSlice("label"))
	job.Labels = labels
	return err
}

// defineSchedule reads the one of the schedule flags that is set.
func defineSchedule(c *cli.Context, job *core.Job, now time.Time) error {
	var given []string
	for _, name := range []string{"schedule", "every", "cron", "at"} {
		if c.IsSet(name) {
			given = append(given, name)
		}
	}
	switch {
	case len(given) > 1:
		return usagef("--%s and --%s exclude each other; give one", given[0], given[1])
	case c.IsSet("tz") && (len(given) == 0 || given[0] != "cron"):
		return usagef("--tz: only --cron has a zone; write --cron EXPR --tz ZONE")
	case len(given) == 0:
		return nil
	}
	switch given[0] {
	case "every":
		job.Schedule = core.Every(c.Duration("every"))
	case "cron":
		if c.String("tz") == "" {
			return usagef("--cron: its zone is not named; add --tz UTC, or another IANA zone")
		}
		job.Schedule = core.Cron(c.String("cron"), c.String("tz"))
	case "at":
		at, err := parseTime("at", c.String("at"), now)
		if err != nil {
			return err
		}
		job.Schedule = core.At(at)
	default:
		schedule, err := core.ParseSchedule(c.String("schedule"))
		if err != nil {
			return err
		}
		job.Schedule = schedule
	}
	return nil
}

func defineBounds(c *cli.Context, job *core.Job, now time.Time) error {
	set(c, "jitter", c.Duration, &job.Jitter)
	set(c, "max-runs", c.Int, &job.MaxRuns)
	var errs []error
	for name, field := range map[string]*time.Time{"not-before": &job.NotBefore, "not-after": &job.NotAfter} {
		if c.IsSet(name) {
			t, err := parseTime(name, c.String(name), now)
			errs, *field = append(errs, err), t
		}
	}
	return errors.Join(errs...)
}

func definePolicies(c *cli.Context, job *core.Job) error {
	set(c, "misfire-after", c.Duration, &job.Misfire.After)
	set(c, "misfire-until", c.Duration, &job.Misfire.Until)
	set(c, "misfire-limit", c.Int, &job.Misfire.Limit)
	set(c, "retry-max", c.Int, &job.Retry.Max)
	set(c, "retry-delay", c.Duration, &job.Retry.Delay)
	set(c, "retry-cap", c.Duration, &job.Retry.Cap)
	set(c, "retry-jitter", c.Float64, &job.Retry.Jitter)
	set(c, "timeout", c.Duration, &job.Timeout)
	set(c, "priority", c.Int, &job.Priority)
	return errors.Join(
		setText(c, "overlap", &job.Overlap),
		setText(c, "misfire", &job.Misfire.Mode),
		setText(c, "recover", &job.Recover),
		setText(c, "claim", &job.Claim),
	)
}

func set[T any](c *cli.Context, flag string, value func(string) T, field *T) {
	if c.IsSet(flag) {
		*field = value(flag)
	}
}

func setText(c *cli.Context, flag string, field encoding.TextUnmarshaler) error {
	if !c.IsSet(flag) {
		return nil
	}
	if err := field.UnmarshalText([]byte(c.String(flag))); err != nil {
		return usagef("--%s: %w", flag, err)
	}
	return nil
}

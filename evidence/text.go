package evidence

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"
)

// maxShown bounds the violations that the text shows of each check; the JSON form has them all.
const maxShown = 20

//nolint:gochecknoglobals // constant
var rule = strings.Repeat("=", 70)

// WriteText writes the report for people: first the totals and the search for duplicates, then what else was
// checked, one line a check, each violation below the line of its check.
func (rep *Report) WriteText(w io.Writer) error {
	var p page
	rep.writeTotals(&p)
	rep.writeVerdicts(&p)
	rep.writeFurther(&p)
	if _, err := w.Write(p.Bytes()); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// A page gathers the text, so that a report appears in one piece between the lines of other processes.
type page struct{ bytes.Buffer }

func (p *page) line(format string, args ...any) {
	fmt.Fprintf(&p.Buffer, format, args...)
	_ = p.WriteByte('\n') // a buffer takes everything
}

// verdict writes the line of a check and below it what it found.
func (p *page) verdict(found []Violation, pass, fail string) {
	if len(found) == 0 {
		p.line("✅ PASS: %s", pass)
		return
	}
	p.line("❌ FAIL: %s", fail)
	p.violations(found)
}

func (p *page) violations(found []Violation) {
	for i, v := range found {
		if i == maxShown {
			p.line("   ... and %d more, all of them in the JSON form of this report", len(found)-maxShown)
			return
		}
		p.line("   %s", v.String())
		for _, r := range v.Records {
			p.line("     %s", r.String())
		}
	}
}

func (rep *Report) writeTotals(p *page) {
	p.line("DISTRIBUTED TEST RESULTS")
	p.line("%s", rule)
	p.line("Total executions: %d", rep.Executions)
	p.line("Number of pods: %d", rep.Sessions)
	p.line("Executions per job:")
	for _, j := range rep.Jobs {
		mark := "✓"
		if !j.OK {
			mark = "✗"
		}
		p.line("  %s %s: %d times (expected: ~%d)", mark, j.Job, j.Executions, j.Expected)
	}
	p.line("Executions per pod:")
	for _, pod := range rep.Pods {
		if pod.Sessions > 1 {
			p.line("  %s: %d times (%d sessions)", pod.Pod, pod.Executions, pod.Sessions)
			continue
		}
		p.line("  %s: %d times", pod.Pod, pod.Executions)
	}
	for _, f := range rep.Idle {
		p.line("  %s: 0 times", strings.TrimSuffix(f.File, executionsExt))
	}
	p.line("Checking for near-simultaneous duplicates...")
	found := rep.Found(CheckTwice, CheckNear)
	if len(found) == 0 {
		p.line("✅ No duplicates found!")
		return
	}
	p.line("❌ Found %d:", len(found))
	p.violations(found)
}

func (rep *Report) writeVerdicts(p *page) {
	p.line("%s", rule)
	if rep.TotalOK() {
		p.line("✅ PASS: Total executions (%d) within acceptable range", rep.Executions)
	} else {
		p.line("❌ FAIL: Total executions (%d) outside acceptable range (%d to %d)", rep.Executions, rep.Low, rep.High)
	}
	if n := len(rep.Found(CheckTwice, CheckNear)); n > 0 {
		p.line("❌ FAIL: Duplicate executions detected (%d)", n)
	} else {
		p.line("✅ PASS: No duplicate executions detected")
	}
	p.line("%s", rule)
}

func (rep *Report) writeFurther(p *page) {
	p.line("FURTHER CHECKS")
	p.line("%s", rule)
	if rep.Run != "" {
		p.line("Run: %s, started %s", rep.Run, stamp(rep.Started))
	}
	if rep.Live {
		p.line("Still running: fire times after %s are not required yet", stamp(rep.Now.Add(-rep.Settle)))
	}
	l := rep.Lateness
	p.line("Lateness of %d triggers: p50 %s, p90 %s, p99 %s, max %s, min %s", l.Count, millis(l.P50), millis(l.P90), millis(l.P99), millis(l.Max), millis(l.Min))
	for _, t := range rep.Torn {
		p.line("Unfinished last line: %s:%d %s", t.File, t.Line, t.Reason)
	}
	if found := rep.Found(CheckNothing); len(found) > 0 {
		p.verdict(found, "", "Something to compare the executions with")
	}
	rep.writeChecks(p)
	p.line("%s", rule)
}

func (rep *Report) writeChecks(p *page) {
	missing := rep.Found(CheckMissing)
	unexpected := rep.Found(CheckUnexpected)
	early := rep.Found(CheckEarly)
	tokens := rep.Found(CheckTokens)
	twice := len(rep.Found(CheckTwice))
	unreadable := rep.Found(CheckReadable)
	if twice == 0 {
		p.line("✅ PASS: No trigger executed twice")
	} else {
		p.line("❌ FAIL: Triggers executed twice (%d, listed above)", twice)
	}
	p.verdict(missing, fmt.Sprintf("No trigger missing (%d due)", rep.Low), fmt.Sprintf("Triggers missing (%d of %d due)", len(missing), rep.Low))
	p.verdict(unexpected, "No execution at an unexpected time", fmt.Sprintf("Executions at unexpected times (%d)", len(unexpected)))
	p.verdict(early, fmt.Sprintf("No start before its fire time (clocks: %s)", millis(rep.Skew)), fmt.Sprintf("Starts before their fire time by more than %s (%d)", millis(rep.Skew), len(early)))
	p.verdict(tokens, "Tokens grow for every job", fmt.Sprintf("Tokens do not grow (%d)", len(tokens)))
	rep.writeSpread(p)
	p.verdict(unreadable, "Every line can be read", fmt.Sprintf("Lines that cannot be read (%d)", len(unreadable)))
}

func (rep *Report) writeSpread(p *page) {
	if !rep.SpreadRequired {
		p.line("✅ PASS: Spread over pods (%d triggers are too few to require a part of each of %d)", rep.Low, rep.Sessions)
		return
	}
	idle := rep.Found(CheckSpread)
	p.verdict(idle, fmt.Sprintf("Every pod took part (%d)", rep.Sessions), fmt.Sprintf("Pods that took no part (%d)", len(idle)))
}

// String returns the violation in one line, without its records.
func (v Violation) String() string {
	switch {
	case v.Job == "":
		return v.Detail
	case v.Fire.IsZero():
		return fmt.Sprintf("%s: %s", v.Job, v.Detail)
	}
	return fmt.Sprintf("%s@%s: %s", v.Job, stamp(v.Fire), v.Detail)
}

// String returns the execution and its place in one line.
func (r Record) String() string {
	nominal := ""
	if !r.Nominal.IsZero() {
		nominal = " nominal " + stamp(r.Nominal)
	}
	return fmt.Sprintf("fire %s%s started %s pod %s session %s attempt %d token %d (%s:%d)",
		stamp(r.Fire), nominal, stamp(r.Start), r.Pod, r.Session, r.Attempt, r.Token, r.File, r.Line)
}

// millis writes a duration in milliseconds, to the microsecond.
func millis(d time.Duration) string { return fmt.Sprintf("%.3f ms", inMillis(d)) }

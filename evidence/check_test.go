package evidence

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestCleanEvidencePasses(t *testing.T) {
	rep := checkOf(t, cleanRecords(), cleanRun())
	if !rep.OK() || rep.Executions != 30 || rep.Low != 30 || rep.High != 30 || rep.Sessions != 4 || !rep.SpreadRequired {
		t.Errorf("clean evidence: %+v", rep)
	}
}

// expectOnly fails unless exactly the given checks found something, and each violation can be followed up.
func expectOnly(t *testing.T, rep Report, want ...CheckName) {
	t.Helper()
	var got []CheckName
	for _, v := range rep.Violations {
		if !slices.Contains(got, v.Check) {
			got = append(got, v.Check)
		}
		for _, r := range v.Records {
			if r.Pod == "" || r.Session == "" || r.Token == 0 || r.File == "" || r.Line == 0 {
				t.Errorf("violation %q does not place its execution: %+v", v, r)
			}
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("checks that found something: %v, want %v\n%s", got, want, textOf(t, rep))
	}
	if rep.OK() {
		t.Error("the report is OK")
	}
}

func textOf(t *testing.T, rep Report) string {
	t.Helper()
	var b strings.Builder
	if err := rep.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestEachCheckFails breaks clean evidence in one way a case.
func TestEachCheckFails(t *testing.T) {
	again := func(e Execution, pod string, token uint64) Execution {
		e.Pod, e.Session, e.Token = pod, "s-"+pod, token
		e.Start, e.End = e.Start.Add(time.Millisecond), e.End.Add(time.Millisecond)
		return e
	}
	for _, c := range []struct {
		name   string
		mutate func(all []Execution, run *Run) []Execution
		want   []CheckName
	}{
		{"two pods execute one trigger", func(all []Execution, _ *Run) []Execution {
			return append(all, again(all[7], "scheduler-3", 1008))
		}, []CheckName{CheckTwice}},
		{"one claim is executed by two pods", func(all []Execution, _ *Run) []Execution {
			return append(all, again(all[7], "scheduler-3", all[7].Token))
		}, []CheckName{CheckTwice}},
		{"a second attempt of a job that has none", func(all []Execution, _ *Run) []Execution {
			e := again(all[7], "scheduler-3", 1008)
			e.Attempt, e.Start = 2, e.Start.Add(time.Second)
			return append(all, e)
		}, []CheckName{CheckTwice}},
		{"a second attempt under a lower token", func(all []Execution, run *Run) []Execution {
			run.Jobs[2].Attempts = 4
			e := again(all[7], "scheduler-3", 1004)
			e.Attempt, e.Start = 2, e.Start.Add(time.Second)
			return append(all, e)
		}, []CheckName{CheckTokens}},
		{"attempts at one instant, tokens the wrong way round", func(all []Execution, run *Run) []Execution {
			run.Jobs[2].Attempts = 4
			e := again(all[7], "scheduler-3", 1004)
			e.Attempt = 2
			return append(all, e)
		}, []CheckName{CheckTokens}},
		{"a zombie's first attempt starts after the second", func(all []Execution, run *Run) []Execution {
			run.Jobs[2].Attempts = 4
			e := again(all[7], "scheduler-3", 1008)
			e.Attempt = 2
			all[7].Start = all[7].Start.Add(time.Second)
			return append(all, e)
		}, []CheckName{CheckTokens}},
		{"two schedulers with clocks of their own", func(all []Execution, _ *Run) []Execution {
			e := again(all[7], "scheduler-3", 1008)
			e.Fire = e.Fire.Add(-3 * time.Millisecond)
			return append(all, e)
		}, []CheckName{CheckNear, CheckUnexpected}},
		{"a trigger is missing", func(all []Execution, _ *Run) []Execution {
			return slices.Delete(all, 7, 8)
		}, []CheckName{CheckMissing}},
		{"a job never ran", func(all []Execution, _ *Run) []Execution {
			return slices.DeleteFunc(all, func(e Execution) bool { return e.Job == "job-3" })
		}, []CheckName{CheckMissing}},
		{"a token goes back", func(all []Execution, _ *Run) []Execution {
			all[17].Token = 1001
			return all
		}, []CheckName{CheckTokens}},
		{"two triggers share a token", func(all []Execution, _ *Run) []Execution {
			all[17].Token = all[12].Token
			return all
		}, []CheckName{CheckTokens}},
		{"two triggers share a token and start together", func(all []Execution, _ *Run) []Execution {
			all[7].Start = all[12].Start.Add(-time.Millisecond)
			all[7].Token = all[12].Token
			return all
		}, []CheckName{CheckTokens}},
		{"an early start", func(all []Execution, _ *Run) []Execution {
			all[7].Start = all[7].Fire.Add(-11 * time.Millisecond)
			return all
		}, []CheckName{CheckEarly}},
		{"a fire time between those of the schedule", func(all []Execution, _ *Run) []Execution {
			e := again(all[7], "scheduler-3", 1008)
			e.Fire, e.Start = e.Fire.Add(2*time.Second), e.Start.Add(2*time.Second)
			return append(all, e)
		}, []CheckName{CheckUnexpected}},
		{"a fire time after the end", func(all []Execution, _ *Run) []Execution {
			e := again(all[29], "scheduler-3", 1100)
			e.Fire, e.Start = e.Fire.Add(period), e.Start.Add(period)
			return append(all, e)
		}, []CheckName{CheckUnexpected}},
		{"a fire time before the beginning", func(all []Execution, _ *Run) []Execution {
			e := again(all[0], "scheduler-3", 900)
			e.Fire, e.Start = e.Fire.Add(-period), e.Start.Add(-period)
			return append(all, e)
		}, []CheckName{CheckUnexpected}},
		{"a job that the run does not list", func(all []Execution, _ *Run) []Execution {
			e := all[7]
			e.Job = "stranger"
			return append(all, e)
		}, []CheckName{CheckUnexpected}},
		{"a pod too few", func(all []Execution, _ *Run) []Execution {
			for i := range all {
				if all[i].Pod == "scheduler-3" {
					all[i].Pod, all[i].Session = "scheduler-2", "s-scheduler-2"
				}
			}
			return all
		}, []CheckName{CheckSpread}},
		{"nothing was due", func(_ []Execution, run *Run) []Execution {
			for i := range run.Jobs {
				run.Jobs[i].From = run.Jobs[i].From.Add(time.Hour)
				run.Jobs[i].To = run.Jobs[i].To.Add(time.Hour)
			}
			return nil
		}, []CheckName{CheckNothing}},
	} {
		t.Run(c.name, func(t *testing.T) {
			run := cleanRun()
			all := c.mutate(cleanRecords(), &run)
			expectOnly(t, checkOf(t, all, run), c.want...)
		})
	}
}

func TestLegitimateVariations(t *testing.T) {
	for name, mutate := range map[string]func(all []Execution, run *Run) []Execution{
		"a retry under a greater token": func(all []Execution, run *Run) []Execution {
			run.Jobs[2].Attempts = 2
			e := all[7]
			e.Attempt, e.Token = 2, e.Token+1
			e.Start, e.End = e.Start.Add(time.Second), e.End.Add(time.Second)
			return append(all, e)
		},
		"a rerun whose first attempt left no line": func(all []Execution, run *Run) []Execution {
			run.Jobs[2].Attempts = 0
			all[7].Attempt = 2
			return all
		},
		"a manual trigger": func(all []Execution, _ *Run) []Execution {
			e := all[7]
			e.Fire = e.Fire.Add(1_234_567 * time.Microsecond)
			e.Start, e.End, e.Nominal, e.Token = e.Fire.Add(time.Millisecond), e.Fire.Add(time.Second), all[7].Fire, e.Token+1
			return append(all, e)
		},
		"two fire times at once after a stall": func(all []Execution, _ *Run) []Execution {
			all[7].Start = all[12].Start.Add(-time.Millisecond)
			return all
		},
		"a start within the clocks' skew": func(all []Execution, _ *Run) []Execution {
			all[7].Start = all[7].Fire.Add(-10 * time.Millisecond)
			return all
		},
	} {
		t.Run(name, func(t *testing.T) {
			run := cleanRun()
			all := mutate(cleanRecords(), &run)
			if rep := checkOf(t, all, run); !rep.OK() {
				t.Errorf("refused:\n%s", textOf(t, rep))
			}
		})
	}
}

// TestEveryLineCounts drops and repeats every single line of clean evidence: the checker can fail on each.
func TestEveryLineCounts(t *testing.T) {
	ev := readAll(t, writeAll(t, cleanRecords(), cleanRun()))
	clean := ev.Executions
	for i := range clean {
		ev.Executions = slices.Delete(slices.Clone(clean), i, i+1)
		rep := Check(ev, after, nil)
		if rep.OK() || len(rep.Found(CheckMissing)) != 1 {
			t.Errorf("line %d dropped: %+v", i, rep.Violations)
		}
		ev.Executions = append(slices.Clone(clean), clean[i])
		rep = Check(ev, after, nil)
		if rep.OK() || len(rep.Found(CheckTwice)) != 1 {
			t.Errorf("line %d repeated: %+v", i, rep.Violations)
		}
	}
	ev.Executions = clean
	if rep := Check(ev, after, nil); !rep.OK() {
		t.Errorf("checking changed the evidence: %+v", rep.Violations)
	}
}

func TestTornLineIsForgivenItsTriggerIsNot(t *testing.T) {
	all := cleanRecords()
	dir := writeAll(t, slices.Delete(slices.Clone(all), 28, 29), cleanRun()) // 28 is the leader's last
	whole := asLine(t, all[28])
	for cut := 1; cut < len(whole); cut += 7 {
		ev := readAll(t, dir)
		before := len(ev.Executions)
		torn := t.TempDir()
		if err := os.CopyFS(torn, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		appendTo(t, leaderFile(torn), whole[:cut])
		ev = readAll(t, torn)
		if len(ev.Torn) != 1 || len(ev.Unreadable) != 0 || len(ev.Executions) != before {
			t.Fatalf("cut after %d bytes: torn %v, unreadable %v, %d executions", cut, ev.Torn, ev.Unreadable, len(ev.Executions))
		}
		rep := Check(ev, after, nil)
		expectOnly(t, rep, CheckMissing)
		if text := textOf(t, rep); !strings.Contains(text, "Unfinished last line: scheduler-leader-s-scheduler-leader.jsonl:8 stops in the middle") {
			t.Errorf("the report does not name the torn line:\n%s", text)
		}
	}
	appendTo(t, leaderFile(dir), whole) // only the newline is missing
	if rep := Check(readAll(t, dir), after, nil); !rep.OK() {
		t.Errorf("a whole line without its newline: %+v", rep.Violations)
	}
}

func TestGarbageFails(t *testing.T) {
	for name, text := range map[string]string{
		"no json":          "hello\n",
		"torn, then more":  `{"job":"job-0","fi` + "\n" + asLine(t, cleanRecords()[0])[:20],
		"no token":         `{"job":"job-0","fire":"2026-01-02T03:04:05Z","start":"2026-01-02T03:04:05Z","end":"2026-01-02T03:04:05Z","pod":"p","session":"s","attempt":1}` + "\n",
		"time without T":   `{"job":"job-0","fire":"2026-01-02 03:04:05"}` + "\n",
		"longer than ever": strings.Repeat("x", 2*maxReadLine+5) + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			dir := writeAll(t, cleanRecords(), cleanRun())
			appendTo(t, leaderFile(dir), text)
			rep := Check(readAll(t, dir), after, nil)
			expectOnly(t, rep, CheckReadable)
			if got := rep.Violations[0].String(); !strings.HasPrefix(got, "scheduler-leader-s-scheduler-leader.jsonl:9: ") {
				t.Errorf("%q does not name file and line", got)
			}
		})
	}
}

// TestLongLineDoesNotHideTheNext reads on after a line that is too long.
func TestLongLineDoesNotHideTheNext(t *testing.T) {
	all := cleanRecords()
	dir := writeAll(t, all[1:], cleanRun())
	appendTo(t, leaderFile(dir), strings.Repeat("x", 3*maxReadLine)+"\n"+asLine(t, all[0])+"\n")
	expectOnly(t, Check(readAll(t, dir), after, nil), CheckReadable)
}

func TestIdlePod(t *testing.T) {
	run := cleanRun()
	run.Pods = 0
	for _, c := range []struct {
		opened time.Time
		pods   int // that executed something
		fails  bool
	}{
		{base.Add(-3 * time.Second), 3, true},
		{base.Add(-3 * time.Second), 4, false}, // 30 triggers on 5 pods are fewer than 7 each
		{base.Add(20 * time.Second), 3, false}, // was there for the last five triggers only
		{base.Add(time.Hour), 3, false},        // after the run
	} {
		t.Run(fmt.Sprintf("%v %d", c.opened.Sub(base), c.pods), func(t *testing.T) {
			all := cleanRecords()
			for i := range all {
				pod := fmt.Sprintf("p%d", i%c.pods)
				all[i].Pod, all[i].Session = pod, "s-"+pod
			}
			dir := writeAll(t, all, run)
			w := NewWriter(dir)
			if err := w.Announce("idle", "s9"); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(filepath.Join(dir, "idle-s9.jsonl"), c.opened, c.opened); err != nil {
				t.Fatal(err)
			}
			rep := Check(readAll(t, dir), after, nil)
			if !c.fails {
				if !rep.OK() {
					t.Errorf("refused: %v", rep.Violations)
				}
				return
			}
			expectOnly(t, rep, CheckSpread)
			if !strings.Contains(textOf(t, rep), "  idle-s9: 0 times\n") {
				t.Errorf("the idle pod is not listed:\n%s", textOf(t, rep))
			}
		})
	}
}

// TestDuringTheRun requires only fire times older than two seconds.
func TestDuringTheRun(t *testing.T) {
	now := base.Add(period + 1900*time.Millisecond) // the second fire times are 1.9 s old
	first := cleanRecords()[:5]
	rep := Check(readAll(t, writeAll(t, first, cleanRun())), now, nil)
	if !rep.OK() || !rep.Live || rep.Low != 5 || rep.High != 10 {
		t.Errorf("at +1.9 s: %+v", rep)
	}
	rep = Check(readAll(t, writeAll(t, first, cleanRun())), now.Add(101*time.Millisecond), nil)
	if len(rep.Found(CheckMissing)) != 5 {
		t.Errorf("at +2.001 s: %+v", rep.Violations)
	}
	if !strings.Contains(textOf(t, rep), "Still running: fire times after 2026-01-02T03:04:10.001Z are not required yet") {
		t.Errorf("the report does not say that the run goes on:\n%s", textOf(t, rep))
	}
}

func TestNoRunFails(t *testing.T) {
	rep := checkOf(t, cleanRecords())
	expectOnly(t, rep, CheckNothing, CheckUnexpected)
}

func TestSeveralRuns(t *testing.T) {
	second := cleanRun()
	second.ID = "r2"
	shift := 10 * time.Minute
	second.Started = second.Started.Add(shift)
	for i := range second.Jobs {
		second.Jobs[i].From, second.Jobs[i].To = second.Jobs[i].From.Add(shift), second.Jobs[i].To.Add(shift)
	}
	all := cleanRecords()[1:] // a hole in the first run
	for _, e := range cleanRecords() {
		e.Fire, e.Start, e.End, e.Token = e.Fire.Add(shift), e.Start.Add(shift), e.End.Add(shift), e.Token+1000
		all = append(all, e)
	}
	dir := writeAll(t, all, cleanRun(), second)
	now := after.Add(shift)
	if rep := Check(readAll(t, dir), now, nil); !rep.OK() || rep.Run != "r2" || rep.Executions != 30 {
		t.Errorf("the latest run: %+v", rep)
	}
	reports := CheckAll(readAll(t, dir), now, nil)
	if len(reports) != 2 || reports[0].Run != "r1" || reports[0].OK() || !reports[1].OK() {
		t.Errorf("all runs: %+v", reports)
	}
}

// TestLeaderStartsAnew lets a second run begin in the middle of the first: what remained of the first is the
// second's.
func TestLeaderStartsAnew(t *testing.T) {
	second := cleanRun()
	second.ID, second.Started = "r2", base.Add(11*time.Second)
	for i := range second.Jobs {
		second.Jobs[i].From = base.Add(3 * period)
	}
	dir := writeAll(t, cleanRecords(), cleanRun(), second)
	reports := CheckAll(readAll(t, dir), after, nil)
	if len(reports) != 2 || reports[0].Executions != 15 || reports[1].Executions != 15 {
		t.Fatalf("reports: %+v", reports)
	}
	for _, rep := range reports {
		if len(rep.Violations) != 0 {
			t.Errorf("run %s: %v", rep.Run, rep.Violations)
		}
	}
}

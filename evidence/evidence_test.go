package evidence

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// base is the first fire time of the runs in these tests.
var base = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

const period = 5 * time.Second

// after is a time that makes the whole of cleanRun due.
var after = base.Add(time.Minute)

// cleanRun is the four-pod test's: five jobs every five seconds, six fire times each.
func cleanRun() Run {
	r := Run{ID: "r1", Started: base.Add(-2 * time.Second), Pods: 4}
	for i := range 5 {
		r.Jobs = append(r.Jobs, Job{
			Job: fmt.Sprintf("job-%d", i), Schedule: "every 5s",
			From: base, To: base.Add(5 * period), Attempts: 1,
		})
	}
	return r
}

// cleanRecords are what four pods leave of cleanRun when all goes well.
func cleanRecords() []Execution {
	pods := []string{"scheduler-leader", "scheduler-1", "scheduler-2", "scheduler-3"}
	var all []Execution
	for k := range 6 {
		for i := range 5 {
			n := k*5 + i
			pod := pods[n%len(pods)]
			fire := base.Add(time.Duration(k) * period)
			start := fire.Add(time.Duration(n) * 100 * time.Microsecond)
			all = append(all, Execution{
				Job: fmt.Sprintf("job-%d", i), Fire: fire, Start: start, End: start.Add(3 * time.Millisecond),
				Pod: pod, Session: "s-" + pod, Attempt: 1, Token: uint64(1000 + n),
			})
		}
	}
	return all
}

// writeAll makes a directory of evidence.
func writeAll(t *testing.T, executions []Execution, runs ...Run) string {
	t.Helper()
	dir := t.TempDir()
	for _, r := range runs {
		if err := WriteJobs(dir, r); err != nil {
			t.Fatal(err)
		}
	}
	w := NewWriter(dir)
	for _, e := range executions {
		if err := w.Write(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func readAll(t *testing.T, dir string) *Evidence {
	t.Helper()
	ev, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	return ev
}

// checkOf writes, reads and checks.
func checkOf(t *testing.T, executions []Execution, runs ...Run) Report {
	t.Helper()
	return Check(readAll(t, writeAll(t, executions, runs...)), after, nil)
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func asLine(t *testing.T, e Execution) string {
	t.Helper()
	b, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// leaderFile is where cleanRecords's first pod writes.
func leaderFile(dir string) string {
	return filepath.Join(dir, "scheduler-leader-s-scheduler-leader.jsonl")
}

package evidence

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestReadNothing(t *testing.T) {
	empty := t.TempDir()
	for _, dir := range []string{empty, filepath.Join(empty, "missing")} {
		_, err := Read(dir)
		if !errors.Is(err, ErrNoEvidence) || !strings.Contains(err.Error(), "--evidence "+dir) {
			t.Errorf("read %s: %v", dir, err)
		}
	}
}

func TestReadBrokenJobs(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"no json":      {"{", "unexpected end of JSON"},
		"no run":       {`{"jobs":[]}`, `"run" is missing`},
		"no start":     {`{"run":"r"}`, `"started" is missing`},
		"bad schedule": {`{"run":"r","started":"2026-01-02T03:04:05Z","jobs":[{"job":"a","schedule":"each 5s","from":"2026-01-02T03:04:05Z","to":"2026-01-02T03:04:05Z"}]}`, `job "a": parse schedule "each 5s"`},
		"backwards":    {`{"run":"r","started":"2026-01-02T03:04:05Z","jobs":[{"job":"a","schedule":"every 5s","from":"2026-01-02T03:04:05Z","to":"2026-01-02T03:04:04Z"}]}`, "is before from"},
		"twice": {`{"run":"r","started":"2026-01-02T03:04:05Z","jobs":[
			{"job":"a","schedule":"every 5s","from":"2026-01-02T03:04:05Z","to":"2026-01-02T03:04:05Z"},
			{"job":"a","schedule":"every 5s","from":"2026-01-02T03:04:05Z","to":"2026-01-02T03:04:05Z"}]}`, `job "a" is listed twice`},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			appendTo(t, filepath.Join(dir, "jobs.json"), c.text)
			_, err := Read(dir)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "jobs.json") {
				t.Errorf("read: %v, want %q and the file", err, c.want)
			}
		})
	}
}

func TestUnknownFieldsAreIgnored(t *testing.T) {
	dir := t.TempDir()
	appendTo(t, filepath.Join(dir, "jobs.json"), `{"run":"r","started":"2026-01-02T03:04:05Z","colour":1,"jobs":[{"job":"a","schedule":"every 5s","from":"2026-01-02T03:04:05+00:00","to":"2026-01-02T03:04:05Z","size":2}]}`)
	appendTo(t, filepath.Join(dir, "p-s.jsonl"), `{"job":"a","fire":"2026-01-02T12:04:05+09:00","start":"2026-01-02T03:04:05.000000001Z","end":"2026-01-02T03:04:06Z","pod":"p","session":"s","attempt":1,"token":7,"host":"h"}`+"\n\n")
	rep := Check(readAll(t, dir), after, nil)
	if !rep.OK() || rep.Executions != 1 {
		t.Errorf("report: %+v", rep)
	}
}

func TestWriterReaderRoundTrip(t *testing.T) {
	e := Execution{
		Job: "west/report", Fire: base.In(time.FixedZone("", 9*3600)), Start: base.Add(123456789), End: base.Add(time.Second + 1),
		Pod: "pod", Session: "s", Attempt: 3, Token: 1 << 62, Nominal: base.Add(-time.Hour),
	}
	run := cleanRun()
	ev := readAll(t, writeAll(t, []Execution{e}, run))
	if want := []Record{{Execution: e.utc(), File: "pod-s.jsonl", Line: 1}}; !reflect.DeepEqual(ev.Executions, want) {
		t.Errorf("executions %+v, want %+v", ev.Executions, want)
	}
	if want := []Run{run}; !reflect.DeepEqual(ev.Runs, want) {
		t.Errorf("runs %+v, want %+v", ev.Runs, want)
	}
}

// TestLineFormat pins the public format.
func TestLineFormat(t *testing.T) {
	e := Execution{
		Job: "job-0", Fire: base, Start: base.Add(412_345), End: base.Add(2 * time.Millisecond),
		Pod: "scheduler-1", Session: "s1", Attempt: 1, Token: 7,
	}
	const want = `{"job":"job-0","fire":"2026-01-02T03:04:05Z","start":"2026-01-02T03:04:05.000412345Z","end":"2026-01-02T03:04:05.002Z","pod":"scheduler-1","session":"s1","attempt":1,"token":7}` + "\n"
	got, err := os.ReadFile(filepath.Join(writeAll(t, []Execution{e}), "scheduler-1-s1.jsonl"))
	if err != nil || string(got) != want {
		t.Errorf("%v\n%s, want\n%s", err, got, want)
	}
}

func TestFileNamesStayInside(t *testing.T) {
	for pod, want := range map[string]string{
		"../../etc/passwd":       "_.._.._etc_passwd-s.jsonl",
		"":                       "_-s.jsonl",
		".hidden":                "_.hidden-s.jsonl",
		"west\x00\n1":            "west__1-s.jsonl",
		"탑":                      "_-s.jsonl",
		strings.Repeat("p", 999): strings.Repeat("p", maxNamePart) + "-s.jsonl",
	} {
		dir := filepath.Join(t.TempDir(), "evidence")
		w := NewWriter(dir)
		if err := w.Announce(pod, "s"); err != nil {
			t.Errorf("announce %q: %v", pod, err)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(filepath.Join(dir, want)); err != nil {
			t.Errorf("pod %q: %v", pod, err)
		}
	}
}

func TestWriterRefuses(t *testing.T) {
	good := cleanRecords()[0]
	w := NewWriter(t.TempDir())
	for name, change := range map[string]func(*Execution){
		"no job":      func(e *Execution) { e.Job = "" },
		"no session":  func(e *Execution) { e.Session = "" },
		"no fire":     func(e *Execution) { e.Fire = time.Time{} },
		"no start":    func(e *Execution) { e.Start = time.Time{} },
		"no end":      func(e *Execution) { e.End = time.Time{} },
		"attempt 0":   func(e *Execution) { e.Attempt = 0 },
		"token 0":     func(e *Execution) { e.Token = 0 },
		"a long line": func(e *Execution) { e.Pod = strings.Repeat("p", maxLine) },
	} {
		e := good
		change(&e)
		if err := w.Write(e); err == nil {
			t.Errorf("%s: written", name)
		}
	}
	if err := w.Write(good); err != nil {
		t.Error(err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if err := w.Write(good); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if err := w.Announce("p", "s"); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("announce after Close: %v", err)
	}
}

func TestWriterCreatesNothingUnasked(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "evidence")
	if err := NewWriter(dir).Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("stat: %v", err)
	}
}

func TestWriterIsConcurrent(t *testing.T) {
	w := NewWriter(t.TempDir())
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 50 {
				e := cleanRecords()[0]
				e.Pod, e.Session = "p", fmt.Sprintf("s%d", g%2)
				e.Fire, e.Token = e.Fire.Add(time.Duration(g*50+i)*time.Second), uint64(g*50+i+1)
				if err := w.Write(e); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	ev := readAll(t, w.dir)
	if len(ev.Executions) != 400 || len(ev.Torn)+len(ev.Unreadable) != 0 {
		t.Errorf("%d executions, torn %v, unreadable %v", len(ev.Executions), ev.Torn, ev.Unreadable)
	}
}

// TestShortWrite cuts a line as a full disk does: the next one must not be glued to it.
func TestShortWrite(t *testing.T) {
	dir := t.TempDir()
	f, err := os.OpenFile(filepath.Join(dir, "p-s.jsonl"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	line := asLine(t, cleanRecords()[0])
	if _, err := f.WriteString(line[:30]); err != nil {
		t.Fatal(err)
	}
	a := &appender{file: f, torn: true}
	if err := a.append([]byte(line + "\n")); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if ev := readAll(t, dir); len(ev.Executions) != 1 || len(ev.Unreadable) != 1 || a.torn {
		t.Errorf("%d executions, unreadable %v, torn %v", len(ev.Executions), ev.Unreadable, a.torn)
	}
}

func TestWriteJobsRefuses(t *testing.T) {
	run := cleanRun()
	run.Jobs[0].Schedule = "sometimes"
	dir := t.TempDir()
	if err := WriteJobs(dir, run); err == nil {
		t.Error("a bad schedule was written")
	}
	if _, err := Read(dir); !errors.Is(err, ErrNoEvidence) {
		t.Errorf("read: %v", err)
	}
}

func FuzzDecodeExecution(f *testing.F) {
	f.Add([]byte(`{"job":"job-0","fire":"2026-01-02T03:04:05Z","start":"2026-01-02T03:04:05.1Z","end":"2026-01-02T03:04:06Z","pod":"p","session":"s","attempt":1,"token":7}`))
	f.Add([]byte(`{"job":"a","fire":"2026-01-02T03:04:05+14:00","nominal":"0001-01-01T00:00:00Z"}`))
	f.Add([]byte(`{"token":-1}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		e, err := decodeExecution(line)
		if err != nil {
			return
		}
		again, err := decodeExecution([]byte(asLine(t, e)))
		if err != nil || !reflect.DeepEqual(again, e) {
			t.Errorf("%+v came back as %+v: %v", e, again, err)
		}
	})
}

func FuzzDecodeRun(f *testing.F) {
	f.Add([]byte(`{"run":"r","started":"2026-01-02T03:04:05Z","pods":4,"jobs":[{"job":"a","schedule":"every 5s","from":"2026-01-02T03:04:05Z","to":"2026-01-02T03:04:35Z","attempts":1}]}`))
	f.Add([]byte(`{"run":"r","started":"2026-01-02T03:04:05Z","jobs":[{"job":"a","schedule":"cron 0 9 * * MON-FRI Asia/Seoul","from":"2026-01-02T03:04:05Z","to":"2027-01-02T03:04:35Z"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := decodeRun(data)
		if err != nil {
			return
		}
		dir := t.TempDir()
		if err := WriteJobs(dir, r); err != nil {
			t.Fatalf("a run that was read cannot be written: %v", err)
		}
		if ev := readAll(t, dir); len(ev.Runs) != 1 || !reflect.DeepEqual(ev.Runs[0], r) {
			t.Errorf("%+v came back as %+v", r, ev.Runs)
		}
	})
}

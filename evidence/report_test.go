package evidence

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden reports anew")

func TestGoldenReports(t *testing.T) {
	broken := cleanRecords()
	broken[3].Start = broken[3].Fire.Add(-20 * time.Millisecond)
	broken[17].Token = 1001
	twice := broken[7]
	twice.Pod, twice.Session, twice.Token, twice.Start = "scheduler-3", "s-scheduler-3", 1009, twice.Start.Add(time.Millisecond)
	off := broken[9]
	off.Fire, off.Start, off.Token = off.Fire.Add(2*time.Second), off.Start.Add(2*time.Second), 1012
	off.Session = "s2-scheduler-1"
	broken = append(slices.Delete(broken, 20, 21), twice, off)

	for _, c := range []struct {
		name    string
		all     []Execution
		garbage string
		now     time.Time
	}{
		{"clean", cleanRecords(), "", after},
		{"broken", broken, "garbage\n{\"job\":", after},
		{"live", cleanRecords()[:12], "", base.Add(2 * period)},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := writeAll(t, c.all, cleanRun())
			if c.garbage != "" {
				appendTo(t, leaderFile(dir), c.garbage)
			}
			rep := Check(readAll(t, dir), c.now, nil)
			golden(t, c.name+".txt", []byte(textOf(t, rep)))
			var indented bytes.Buffer
			if err := json.Indent(&indented, asJSON(t, rep), "", "  "); err != nil {
				t.Fatal(err)
			}
			golden(t, c.name+".json", append(indented.Bytes(), '\n'))
		})
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (run with -update if that is right):\n%s", path, got)
	}
}

func asJSON(t *testing.T, rep Report) []byte {
	t.Helper()
	b, err := json.Marshal(rep)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestKnownLayout compares the first part with the layout that tools parse, line by line.
func TestKnownLayout(t *testing.T) {
	rule := strings.Repeat("=", 70)
	want := strings.Join([]string{
		"DISTRIBUTED TEST RESULTS", rule,
		"Total executions: 30", "Number of pods: 4",
		"Executions per job:",
		"  ✓ job-0: 6 times (expected: ~6)", "  ✓ job-1: 6 times (expected: ~6)", "  ✓ job-2: 6 times (expected: ~6)",
		"  ✓ job-3: 6 times (expected: ~6)", "  ✓ job-4: 6 times (expected: ~6)",
		"Executions per pod:",
		"  scheduler-1: 8 times", "  scheduler-2: 7 times", "  scheduler-3: 7 times", "  scheduler-leader: 8 times",
		"Checking for near-simultaneous duplicates...", "✅ No duplicates found!", rule,
		"✅ PASS: Total executions (30) within acceptable range", "✅ PASS: No duplicate executions detected", rule, "",
	}, "\n")
	if got := textOf(t, checkOf(t, cleanRecords(), cleanRun())); !strings.HasPrefix(got, want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestQuantiles(t *testing.T) {
	var records []Record
	for i := range 200 {
		records = append(records, Record{Execution: Execution{Attempt: 1, Fire: base, Start: base.Add(time.Duration(200-i) * time.Millisecond)}})
	}
	records = append(records,
		Record{Execution: Execution{Attempt: 2, Fire: base, Start: base.Add(time.Hour)}},
		Record{Execution: Execution{Attempt: 1, Fire: base, Start: base.Add(time.Hour), Nominal: base}})
	ms := time.Millisecond
	if got, want := measure(records), (Lateness{200, ms, 100 * ms, 180 * ms, 198 * ms, 200 * ms}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := measure(records[:1]); got.P50 != 200*ms || got.P99 != 200*ms {
		t.Errorf("of one: %+v", got)
	}
	if got := measure(nil); got != (Lateness{}) {
		t.Errorf("of none: %+v", got)
	}
}

// TestLongListsAreCut shows some of the violations in the text and all in the JSON form.
func TestLongListsAreCut(t *testing.T) {
	rep := checkOf(t, nil, cleanRun())
	if got := len(rep.Found(CheckMissing)); got != 30 {
		t.Fatalf("%d missing", got)
	}
	if text := textOf(t, rep); !strings.Contains(text, "... and 10 more") || strings.Count(text, "never executed") != maxShown {
		t.Errorf("text:\n%s", text)
	}
	if n := strings.Count(string(asJSON(t, rep)), "never executed"); n != 30 {
		t.Errorf("%d in the JSON form", n)
	}
}

type failingWriter struct{}

var errFull = errors.New("no space left")

func (failingWriter) Write([]byte) (int, error) { return 0, errFull }

func TestWriteTextReturnsTheWriteError(t *testing.T) {
	rep := checkOf(t, cleanRecords(), cleanRun())
	if err := rep.WriteText(failingWriter{}); !errors.Is(err, errFull) {
		t.Errorf("got %v", err)
	}
}

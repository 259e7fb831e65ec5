package cli

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/belfry-io/belfry/backend/all"
	"github.com/belfry-io/belfry/core"
)

func memoryScheduler(t *testing.T) *core.Scheduler {
	t.Helper()
	store, err := all.Openers().Open(t.Context(), "memory")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	s, err := core.New(store, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestWindowHasSixFireTimes: wherever it begins, a window of 30s has 6 fire times of every 5s, also at the edges.
func TestWindowHasSixFireTimes(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC)
	for ms := 0; ms <= 10_000; ms += 125 {
		for _, finer := range []time.Duration{0, 1, time.Microsecond, time.Millisecond, time.Millisecond - 1} {
			w := newWindow(start.Add(time.Duration(ms)*time.Millisecond+finer), 30*time.Second)
			n := 0
			for f := range core.Every(5 * time.Second).After(w.from.Add(-time.Millisecond)) {
				if f.After(w.to) {
					break
				}
				n++
			}
			if n != 6 {
				t.Fatalf("%s to %s has %d fire times", utc(w.from), utc(w.to), n)
			}
		}
	}
}

func TestWindowKeepsNarrowerBounds(t *testing.T) {
	t.Parallel()
	w := newWindow(time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC), 30*time.Second)
	before, within, after := w.from.Add(-time.Hour), w.from.Add(10*time.Second), w.to.Add(time.Hour)
	for name, c := range map[string]struct{ from, to, wantFrom, wantTo time.Time }{
		"none":   {time.Time{}, time.Time{}, w.from, w.to},
		"wider":  {before, after, w.from, w.to},
		"inside": {within, within, within, within},
		"old":    {before, before, w.from, before},
	} {
		got := w.bound([]core.Job{{NotBefore: c.from, NotAfter: c.to}})[0]
		if !got.NotBefore.Equal(c.wantFrom) || !got.NotAfter.Equal(c.wantTo) {
			t.Errorf("%s: %s to %s", name, utc(got.NotBefore), utc(got.NotAfter))
		}
	}
}

// TestWindowAgain: putting the same jobs again, while their old window is still open or long after, gives them the new
// one, and what is expected is what the store will fire.
func TestWindowAgain(t *testing.T) {
	t.Parallel()
	s := memoryScheduler(t)
	jobs := []core.Job{
		{ID: "a", Handler: "record", Schedule: core.Every(5 * time.Second)},
		{ID: "b", Handler: "record", Schedule: core.Every(time.Second), Retry: core.Retry{Max: 2}, Recover: core.RecoverRerun},
	}
	seen := map[string]bool{}
	for _, length := range []time.Duration{30 * time.Second, time.Hour, 10 * time.Second} {
		w := newWindow(time.Now(), length)
		run, err := w.put(t.Context(), s, jobs, 4)
		if err != nil {
			t.Fatal(err)
		}
		if seen[run.ID] {
			t.Errorf("run %s comes twice", run.ID)
		}
		seen[run.ID] = true
		if run.Pods != 4 || len(run.Jobs) != 2 || run.Jobs[0].Attempts != 1 || run.Jobs[1].Attempts != 6 {
			t.Errorf("got %+v", run)
		}
		for _, j := range run.Jobs {
			status, err := s.Job(t.Context(), j.Job)
			if err != nil {
				t.Fatal(err)
			}
			if status.Next.Before(j.From) || !status.NotAfter.Equal(j.To) || !j.To.Equal(w.to) {
				t.Errorf("%s: expected %s to %s, stored: next %s, not after %s", j.Job, utc(j.From), utc(j.To), utc(status.Next), utc(status.NotAfter))
			}
		}
	}
}

func TestWindowRefusesWhatNeverFires(t *testing.T) {
	t.Parallel()
	s := memoryScheduler(t)
	w := newWindow(time.Now(), 5*time.Second)
	_, err := w.put(t.Context(), s, []core.Job{{ID: "a", Schedule: core.Every(1000 * time.Hour)}}, 0)
	if err == nil || !strings.Contains(err.Error(), "schedule of a") || !errors.Is(err, core.ErrInvalid) {
		t.Errorf("got %v", err)
	}
}

// TestWindowOfPausedJob: a job that somebody has paused does not fire, so the run cannot be what it says.
func TestWindowOfPausedJob(t *testing.T) {
	t.Parallel()
	s := memoryScheduler(t)
	job := core.Job{ID: "a", Schedule: core.Every(time.Second)}
	if err := s.Put(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	if err := s.Pause(t.Context(), "a", "freeze", time.Time{}); err != nil {
		t.Fatal(err)
	}
	_, err := newWindow(time.Now(), 5*time.Second).put(t.Context(), s, []core.Job{job}, 0)
	if err == nil || !strings.Contains(err.Error(), "paused") {
		t.Errorf("got %v", err)
	}
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		ctx  context.Context //nolint:containedctx // the argument under test
		err  error
		want int
	}{
		{t.Context(), errors.New("x"), ExitFailed},
		{t.Context(), core.ErrNotFound, ExitFailed},
		{t.Context(), usagef("x"), ExitUsage},
		{t.Context(), &core.FieldError{Field: "id"}, ExitUsage},
		{t.Context(), context.DeadlineExceeded, ExitUnreachable},
		{t.Context(), &unreachableError{errors.New("x")}, ExitUnreachable},
		{ended, context.Canceled, ExitInterrupted},
		{ended, core.ErrDrained, ExitFailed},
	} {
		if got := exitCode(c.ctx, c.err); got != c.want {
			t.Errorf("%v: got %d, want %d", c.err, got, c.want)
		}
	}
}

package cli

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/belfry-io/belfry/core"
	"github.com/belfry-io/belfry/evidence"
)

const (
	// leadIn lies between putting the jobs and the first instant that counts, so that the jobs are stored and
	// other pods are there before anything is due.
	leadIn = 2 * time.Second

	// defaultSettle is how long a pod stays after its time is up, for what is late or was another pod's.
	defaultSettle = 3 * time.Second
)

// A window is the bounded time in which a test's jobs fire. Its two ends are in the jobs themselves (not_before,
// not_after), so no pod, however late it stops, fires outside it; and whoever puts the jobs outlives it, so nothing
// within goes missing when the others leave first.
type window struct {
	from, to time.Time // both included
}

// newWindow returns the window of a length that begins after leadIn. A half-open span of that length, so that a job
// of every 5s fires 6 times in 30s and not 7.
func newWindow(now time.Time, length time.Duration) window {
	from := now.Add(leadIn).UTC().Truncate(time.Millisecond)
	return window{from: from, to: from.Add(length - time.Millisecond)}
}

// bound returns the jobs with the window's bounds, or their own where these are narrower.
func (w window) bound(jobs []core.Job) []core.Job {
	bounded := make([]core.Job, len(jobs))
	for i, j := range jobs {
		if j.NotBefore.Before(w.from) {
			j.NotBefore = w.from
		}
		if j.NotAfter.IsZero() || j.NotAfter.After(w.to) {
			j.NotAfter = w.to
		}
		bounded[i] = j
	}
	return bounded
}

// put stores the jobs with the window's bounds, in the place of what they were before, and returns what should be
// executed. A job that does not fire in the window after all is an error: its evidence would look complete.
func (w window) put(ctx context.Context, s *core.Scheduler, jobs []core.Job, pods int) (evidence.Run, error) {
	bounded := w.bound(jobs)
	if err := s.Put(ctx, bounded...); err != nil {
		return evidence.Run{}, fmt.Errorf("put the jobs: %w", err)
	}
	run := evidence.Run{ID: runID(w.from), Started: w.from.Add(-leadIn), Pods: pods}
	for i := range bounded {
		j := &bounded[i]
		status, err := s.Job(ctx, j.ID)
		if err != nil {
			return evidence.Run{}, fmt.Errorf("read back the jobs: %w", err)
		}
		first := j.Schedule.For(j.ID).Next(j.NotBefore.Add(-time.Millisecond))
		if first.IsZero() || first.After(j.NotAfter) {
			return evidence.Run{}, &core.FieldError{
				Field: "schedule of " + j.ID, Problem: fmt.Sprintf("%s does not fire between %s and %s", j.Schedule, utc(j.NotBefore), utc(j.NotAfter)),
				Remedy: "give a longer --for, or leave the job out",
			}
		}
		if status.Next.IsZero() {
			return evidence.Run{}, fmt.Errorf("job %s has no next fire time although %s is one: it is %s", j.ID, utc(first), next(&status))
		}
		expected := evidence.Job{Job: j.ID, Schedule: j.Schedule.String(), From: j.NotBefore, To: j.NotAfter, Attempts: attempts(j)}
		if status.Next.After(first) { // the backend's clock is ahead of this one, and decided from there
			expected.From = status.Next
		}
		run.Jobs = append(run.Jobs, expected)
	}
	return run, nil
}

// maxTakeOvers is how often a run of a dead pod is tried again under [core.RecoverRerun].
const maxTakeOvers = 3

// attempts is the highest attempt that a trigger of the job may reach.
func attempts(j *core.Job) int {
	n := 1 + j.Retry.Max
	if j.Recover == core.RecoverRerun {
		n += maxTakeOvers
	}
	return n
}

// runID names a run: when, for people, and something random, as two may begin in one second.
func runID(t time.Time) string {
	return t.UTC().Format("20060102T150405Z") + "-" + strings.ToLower(rand.Text()[:6])
}

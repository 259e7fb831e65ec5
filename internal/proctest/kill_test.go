package proctest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/belfry-io/belfry/backend/redis"
	"github.com/belfry-io/belfry/core"
	"github.com/belfry-io/belfry/evidence"
	"github.com/belfry-io/belfry/internal/proctest"
)

// killJobs is how many jobs fire every second, spread over it.
const killJobs = 200

// TestKillOneOfFour kills one of four pod processes on a real server while 200 jobs a second run. No trigger may run twice
// and none may be unaccounted for. How much later the other triggers started is reported, not judged: it is a figure.
func TestKillOneOfFour(t *testing.T) {
	server := proctest.StartRedis(t, "--appendonly", "yes", "--appendfsync", "everysec", "--maxmemory-policy", "noeviction")
	bin := proctest.BuildBelfry(t)
	dir := t.TempDir()
	jobs := writeJobs(t, killJobs)
	const serve = 24 * time.Second
	args := []string{"--backend", server.URL(""), "--evidence", dir, "--for", serve.String(), "--settle", "15s", "--log-level", "warn"}
	leader := proctest.StartPod(t, bin, "scheduler-leader", append([]string{"--leader", "--jobs-file", jobs}, args...)...)
	var others []*proctest.Pod
	for i := range 3 {
		others = append(others, proctest.StartPod(t, bin, fmt.Sprintf("scheduler-%d", i+1), args...))
	}
	<-time.After(10 * time.Second) // the pods run by real time
	killed := time.Now()
	others[1].Kill()
	leader.Wait()
	others[0].Wait()
	others[2].Wait()

	ev, err := evidence.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	executed := once(t, ev)
	account(t, server.URL(""), executed)
	t.Logf("%d triggers executed; %s", len(executed), delays(ev, killed))
}

// writeJobs writes a job file of n jobs that fire every second, evenly spread over it.
func writeJobs(t *testing.T, n int) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("jobs:\n")
	for i := range n {
		from := time.UnixMilli(int64(i * 1000 / n)).UTC().Format(time.RFC3339Nano)
		fmt.Fprintf(&b, "  - {id: job-%d, handler: record, schedule: \"every 1s from %s\"}\n", i, from)
	}
	name := filepath.Join(t.TempDir(), "jobs.yaml")
	if err := os.WriteFile(name, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// once returns the triggers that were executed by job, and fails the test if one was twice.
func once(t *testing.T, ev *evidence.Evidence) map[string]int {
	t.Helper()
	seen := map[string]bool{}
	jobs := map[string]int{}
	for _, r := range ev.Executions {
		k := core.Trigger{Job: r.Job, Fire: r.Fire}.String()
		if seen[k] {
			t.Errorf("%s was executed twice", k)
		}
		seen[k] = true
		jobs[r.Job]++
	}
	if len(seen) == 0 {
		t.Fatal("nothing was executed")
	}
	total := map[string]int{}
	for k := range seen {
		total[k] = 1
	}
	return total
}

// account fails the test unless every fire time of every job has ended in an outcome, and everything that did not succeed
// is explained: lost with the pod, or skipped because the lost run was live.
func account(t *testing.T, url string, executed map[string]int) {
	t.Helper()
	store, err := redis.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	s, err := core.New(store, nil)
	if err != nil {
		t.Fatal(err)
	}
	var sum core.Counts
	n := 0
	for js, err := range s.Jobs(t.Context(), core.JobQuery{}) {
		if err != nil {
			t.Fatal(err)
		}
		c := js.Counts
		if !c.Balanced() || c.Pending != 0 {
			t.Errorf("job %s does not add up: %+v", js.ID, c)
		}
		fires := 0
		for f := js.Schedule.Next(js.NotBefore.Add(-time.Millisecond)); !f.After(js.NotAfter); f = js.Schedule.Next(f) {
			fires++
		}
		if c.Fires != uint64(fires) {
			t.Errorf("job %s had %d fire times and accounts for %d", js.ID, fires, c.Fires)
		}
		n++
		sum.Fires += c.Fires
		sum.Succeeded += c.Succeeded
		sum.Lost += c.Lost
		sum.SkippedOverlap += c.SkippedOverlap
		sum.SkippedMisfire += c.SkippedMisfire
	}
	if n != killJobs {
		t.Errorf("there are %d jobs, not %d", n, killJobs)
	}
	if sum.Succeeded+sum.Lost+sum.SkippedOverlap != sum.Fires {
		t.Errorf("unexplained: %+v", sum)
	}
	if e := uint64(len(executed)); e < sum.Succeeded || e > sum.Succeeded+sum.Lost {
		t.Errorf("%d triggers left evidence, but %d succeeded and %d were lost", e, sum.Succeeded, sum.Lost)
	}
	t.Logf("%d fire times: %d succeeded, %d lost, %d skipped behind a lost run", sum.Fires, sum.Succeeded, sum.Lost, sum.SkippedOverlap)
}

// delays tells how late triggers started before the kill and in the ten seconds after it.
func delays(ev *evidence.Evidence, killed time.Time) string {
	var before, after []time.Duration
	for _, r := range ev.Executions {
		switch d := r.Start.Sub(r.Fire); {
		case r.Fire.Before(killed.Add(-time.Second)):
			before = append(before, d)
		case r.Fire.After(killed) && r.Fire.Before(killed.Add(10*time.Second)):
			after = append(after, d)
		}
	}
	quantiles := func(d []time.Duration) string {
		if len(d) == 0 {
			return "none"
		}
		slices.Sort(d)
		return fmt.Sprintf("p50 %v p99 %v max %v of %d", d[len(d)/2], d[len(d)*99/100], d[len(d)-1], len(d))
	}
	return "lateness before the kill " + quantiles(before) + "; in the 10 s after it " + quantiles(after)
}

package belfry_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/belfry-io/belfry/backend/memory"
	"github.com/belfry-io/belfry/cli"
	"github.com/belfry-io/belfry/cli/handlers"
	"github.com/belfry-io/belfry/core"
	"github.com/belfry-io/belfry/evidence"
)

// agreeing is a store whose compare-and-set always agrees.
type agreeing struct{ *memory.Store }

func (s agreeing) Apply(ctx context.Context, ops []core.Op) (core.Applied, error) {
	for i := range ops {
		recs, err := s.Get(ctx, core.GetQuery{Keys: []string{ops[i].Old.Key}})
		if err != nil {
			return core.Applied{}, err
		}
		ops[i].Old.Version = recs[0].Version
	}
	return s.Store.Apply(ctx, ops)
}

// forgetful is a store whose due index loses the entries of one stripe in eight.
type forgetful struct{ *memory.Store }

func (s forgetful) Due(ctx context.Context, q core.DueQuery) ([]core.Record, error) {
	var kept []int
	for _, stripe := range q.Stripes {
		if stripe%8 != 0 {
			kept = append(kept, stripe)
		}
	}
	if q.Stripes = kept; len(kept) == 0 {
		return nil, nil
	}
	return s.Store.Due(ctx, q)
}

// TestAnalyzeSeesBrokenStores runs four pods on stores that are broken on purpose, and holds that "belfry analyze" exits 1 on
// what their handlers wrote; and 0 on a sound one.
func TestAnalyzeSeesBrokenStores(t *testing.T) {
	for _, c := range []struct {
		name   string
		breaks func(*memory.Store) core.Store
		exit   int
		says   string
	}{
		{"sound", func(s *memory.Store) core.Store { return s }, cli.ExitOK, "No trigger missing"},
		{"compare-and-set always agrees", func(s *memory.Store) core.Store { return agreeing{s} }, cli.ExitFailed, "❌"},
		{"due index loses entries", func(s *memory.Store) core.Store { return forgetful{s} }, cli.ExitFailed, "❌"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				writer := evidence.NewWriter(dir)
				shared := memory.New()
				stop := startPods(t, shared, writer, c.breaks)
				time.Sleep(3 * time.Second)
				putJobs(t, shared, dir)
				time.Sleep(25 * time.Second)
				stop()
				if err := writer.Close(); err != nil {
					t.Fatal(err)
				}
				var out, errs bytes.Buffer
				code := cli.Main(t.Context(), []string{"analyze", dir}, cli.Config{Stdout: &out, Stderr: &errs})
				if code != c.exit || !bytes.Contains(out.Bytes(), []byte(c.says)) {
					t.Errorf("analyze exits %d, not %d:\n%s%s", code, c.exit, &out, &errs)
				}
			})
		})
	}
}

// startPods starts four pods that write down what they run, and returns what stops them.
func startPods(t *testing.T, shared *memory.Store, writer *evidence.Writer, breaks func(*memory.Store) core.Store) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var pods sync.WaitGroup
	for i := range 4 {
		s, err := core.New(breaks(shared.Connect()), &core.Options{
			Name: fmt.Sprint("pod-", i), Logger: slog.New(slog.DiscardHandler), OnEvent: func(core.Event) {},
		})
		if err != nil {
			t.Fatal(err)
		}
		s.Handle(handlers.NameRecord, handlers.Record(writer))
		pods.Go(func() { _ = s.Run(ctx) })
	}
	return func() {
		cancel()
		pods.Wait()
	}
}

// putJobs puts 60 jobs, one every 700 ms and the others every second, that fire for fifteen seconds.
func putJobs(t *testing.T, shared *memory.Store, dir string) {
	t.Helper()
	client, err := core.New(shared.Connect(), nil)
	if err != nil {
		t.Fatal(err)
	}
	run := evidence.Run{ID: "test", Started: time.Now(), Pods: 4}
	from, to := time.Now().Add(2*time.Second), time.Now().Add(17*time.Second)
	for i := range 60 {
		schedule := core.Every(time.Second).From(time.UnixMilli(int64(17 * i)))
		if i == 0 {
			schedule = core.Every(700 * time.Millisecond)
		}
		job := core.Job{ID: fmt.Sprint("job-", i), Handler: handlers.NameRecord, Schedule: schedule, NotBefore: from, NotAfter: to}
		if err := client.Put(t.Context(), job); err != nil {
			t.Fatal(err)
		}
		run.Jobs = append(run.Jobs, evidence.Job{Job: job.ID, Schedule: schedule.String(), From: from, To: to, Attempts: 1})
	}
	if err := evidence.WriteJobs(dir, run); err != nil {
		t.Fatal(err)
	}
}

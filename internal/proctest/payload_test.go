package proctest_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	client "github.com/redis/go-redis/v9"

	"github.com/belfry-io/belfry/backend/redis"
	"github.com/belfry-io/belfry/core"
	"github.com/belfry-io/belfry/internal/proctest"
)

// TestPayloadCostsNothingPerTrigger compares what a trigger sends to and takes from a real server for jobs with a payload of
// 64 KiB and for jobs without one, in one run. A definition is written and read once, not at every trigger.
func TestPayloadCostsNothingPerTrigger(t *testing.T) {
	server := proctest.StartRedis(t, "--maxmemory-policy", "noeviction")
	without := bytesPerTrigger(t, server, "plain", 0)
	with := bytesPerTrigger(t, server, "heavy", 64<<10)
	t.Logf("bytes a trigger: %.0f without a payload, %.0f with 64 KiB", without, with)
	if with > 1.1*without {
		t.Errorf("a payload of 64 KiB makes a trigger cost %.0f bytes instead of %.0f", with, without)
	}
}

// bytesPerTrigger runs forty jobs every second on a pod, and measures the server's traffic once the definitions are known.
func bytesPerTrigger(t *testing.T, server *proctest.Redis, prefix string, payload int) float64 {
	t.Helper()
	store, err := redis.Open(t.Context(), server.URL("prefix="+prefix))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	s, err := core.New(store, &core.Options{Name: prefix, OnEvent: func(core.Event) {}})
	if err != nil {
		t.Fatal(err)
	}
	var ran atomic.Int64
	s.Handle("count", func(_ context.Context, run core.Run) error {
		if run.Payload.Len() != payload {
			t.Errorf("%s got a payload of %d bytes", run, run.Payload.Len())
		}
		ran.Add(1)
		return nil
	})
	var jobs []core.Job
	for i := range 40 {
		jobs = append(jobs, core.Job{
			ID: fmt.Sprintf("job-%d", i), Handler: "count", Schedule: core.Every(time.Second), Payload: core.Bytes([]byte(strings.Repeat("x", payload))),
		})
	}
	if err := s.Put(t.Context(), jobs...); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	<-time.After(4 * time.Second) // the pod runs by real time
	bytes, triggers := traffic(t, server), ran.Load()
	<-time.After(5 * time.Second)
	bytes, triggers = traffic(t, server)-bytes, ran.Load()-triggers
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if triggers < 100 {
		t.Fatalf("only %d triggers ran", triggers)
	}
	return float64(bytes) / float64(triggers)
}

// traffic returns the bytes that the server has received and sent.
func traffic(t *testing.T, server *proctest.Redis) int64 {
	t.Helper()
	c := client.NewClient(&client.Options{Addr: server.Addr})
	defer c.Close()
	info, err := c.Info(t.Context(), "stats").Result()
	if err != nil {
		t.Fatal(err)
	}
	sum := int64(0)
	for line := range strings.Lines(info) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if name == "total_net_input_bytes" || name == "total_net_output_bytes" {
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			sum += n
		}
	}
	return sum
}

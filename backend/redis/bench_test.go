package redis

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/belfry-io/belfry/core"
	"github.com/belfry-io/belfry/internal/proctest"
)

// BenchmarkMove moves 10,000 jobs in batches of 128, each batch in 16 of the 64 stripes, with a State of 110
// bytes; one operation is one move. With a large Spec it must cost the same.
func BenchmarkMove(b *testing.B) {
	for _, spec := range []int{0, 64 << 10} {
		b.Run(fmt.Sprintf("spec=%d", spec), func(b *testing.B) {
			r := proctest.StartRedis(b)
			s := open(b, r.URL("timeout=20s"))
			batches := moveBatches(b, s, spec)
			cpu := serverCPU(b, r)
			b.ResetTimer()
			for i := 0; i < b.N; i += 128 {
				ops := batches[i/128%len(batches)]
				res := apply(b, s, ops...).Results
				for k := range ops {
					ops[k].Old.Due = ops[k].New.Due
					ops[k].Old.Version = res[k].Version
					ops[k].New.Due = ops[k].New.Due.Add(time.Second)
				}
			}
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "moves/s")
			b.ReportMetric(float64((serverCPU(b, r)-cpu).Nanoseconds())/float64(b.N), "redis-ns/op")
		})
	}
}

// moveBatches makes 10,000 records and returns the moves of each, 128 of 16 stripes together.
func moveBatches(b *testing.B, s *Store, spec int) [][]core.Op {
	b.Helper()
	var groups [shards / 16][]core.Op
	state := strings.Repeat("x", 110)
	for i := range 10000 {
		op := create(fmt.Sprintf("job/%05d", i), epochDay, state)
		if spec > 0 {
			op.New.Spec = bytes.Repeat([]byte{'s'}, spec)
		}
		g := op.Old.Stripe / 16
		groups[g] = append(groups[g], op)
	}
	var batches [][]core.Op
	for _, g := range groups {
		for len(g) >= 128 {
			ops := g[:128:128]
			g = g[128:]
			res := apply(b, s, ops...).Results
			for k := range ops {
				ops[k].Old = core.Record{
					Key: ops[k].Old.Key, Version: res[k].Version, Queue: "default", Stripe: ops[k].Old.Stripe, Due: epochDay,
				}
				ops[k].New.Spec, ops[k].New.Due = nil, epochDay.Add(time.Second)
			}
			batches = append(batches, ops)
		}
	}
	return batches
}

// BenchmarkEmptySweep is one look for due records in 64 stripes that have none.
func BenchmarkEmptySweep(b *testing.B) {
	r := proctest.StartRedis(b)
	s := open(b, r.URL(""))
	q := core.DueQuery{Queue: "default", Stripes: allStripes(), From: epochDay, To: epochDay.Add(time.Hour), Limit: 256}
	cpu := serverCPU(b, r)
	for b.Loop() {
		if _, err := s.Due(b.Context(), q); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64((serverCPU(b, r)-cpu).Nanoseconds())/float64(b.N), "redis-ns/op")
}

// serverCPU is the processor time the server has used, as INFO tells it.
func serverCPU(b *testing.B, r *proctest.Redis) time.Duration {
	b.Helper()
	text, err := raw(b, r).Info(b.Context(), "cpu").Result()
	if err != nil {
		b.Fatal(err)
	}
	info := parseInfo(text)
	var total time.Duration
	for _, name := range []string{"used_cpu_user", "used_cpu_sys"} {
		d, err := time.ParseDuration(info[name] + "s")
		if err != nil {
			b.Fatal(err)
		}
		total += d
	}
	return total
}

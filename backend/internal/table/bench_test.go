package table_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/belfry-io/belfry/backend/internal/table"
	"github.com/belfry-io/belfry/core"
)

const benchStripes = 64

// jobs returns a table of n jobs with Specs of 60 bytes and States of 64, due within an hour, and their records.
func jobs(b *testing.B, n int) (*table.Table, []core.Record) {
	b.Helper()
	tab := table.New()
	recs := make([]core.Record, n)
	for i := range recs {
		key := fmt.Sprintf("job/%012d", i)
		recs[i] = core.Record{
			Key:    key,
			Queue:  "default",
			Stripe: core.StripeOf(key, benchStripes),
			Due:    start.Add(time.Duration(rand.IntN(3600)) * time.Second),
			State:  bytes.Repeat([]byte{'s'}, 64),
			Spec:   bytes.Repeat([]byte{'p'}, 60),
		}
	}
	for at := 0; at < n; at += core.MaxBatch {
		batch := recs[at:min(at+core.MaxBatch, n)]
		ops := make([]core.Op, len(batch))
		for i, r := range batch {
			ops[i] = core.Op{Old: core.Record{Key: r.Key, Stripe: r.Stripe}, New: r}
		}
		results, err := tab.Apply(ops, start)
		if err != nil {
			b.Fatal(err)
		}
		for i := range results {
			batch[i].Version, batch[i].Spec = results[i].Version, nil
		}
	}
	return tab, recs
}

// BenchmarkMove moves random jobs to another second, in batches of 128; an op is one job.
func BenchmarkMove(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			tab, recs := jobs(b, n)
			const batch = 128
			ops := make([]core.Op, batch)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if i%batch > 0 {
					continue // done with the batch before
				}
				from := rand.IntN(n - batch)
				for j := range ops {
					r := &recs[from+j]
					ops[j].Old, ops[j].New = *r, *r
					ops[j].New.Due = r.Due.Add(time.Hour)
				}
				results, err := tab.Apply(ops, start)
				if err != nil {
					b.Fatal(err)
				}
				for j, res := range results {
					recs[from+j].Version, recs[from+j].Due = res.Version, ops[j].New.Due
				}
			}
		})
	}
}

// BenchmarkDue reads the 256 entries that are due first of what is due in a second; an op is a page.
func BenchmarkDue(b *testing.B) {
	tab, _ := jobs(b, 1_000_000)
	stripes := make([]int, benchStripes/4)
	for i := range stripes {
		stripes[i] = i * 4
	}
	for i := 0; b.Loop(); i++ {
		from := start.Add(time.Duration(i%60) * time.Second)
		q := core.DueQuery{Queue: "default", Stripes: stripes, From: from, To: from.Add(time.Second), Limit: 256}
		if _, err := tab.Due(q); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCreateDelete creates and deletes one job among a million and lists a page after each, as sessions do.
func BenchmarkCreateDelete(b *testing.B) {
	tab, _ := jobs(b, 1_000_000)
	key := "job/000000500000/x"
	for b.Loop() {
		results, err := tab.Apply([]core.Op{{Old: core.Record{Key: key}}}, start)
		if err != nil {
			b.Fatal(err)
		}
		old := core.Record{Key: key, Version: results[0].Version}
		if _, err := tab.List(core.ListQuery{Prefix: key, Limit: 10}); err != nil {
			b.Fatal(err)
		}
		if _, err := tab.Apply([]core.Op{{Old: old, Delete: true}}, start); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFreeze is what a snapshot of a million jobs holds up; BenchmarkSnapshot is what it costs beside.
func BenchmarkFreeze(b *testing.B) {
	tab, _ := jobs(b, 1_000_000)
	for b.Loop() {
		tab.Freeze()
	}
}

func BenchmarkSnapshot(b *testing.B) {
	tab, _ := jobs(b, 1_000_000)
	image := tab.Freeze()
	for b.Loop() {
		n, err := image.WriteTo(io.Discard)
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(n)
	}
}

// BenchmarkRestore reads a snapshot of a million jobs.
func BenchmarkRestore(b *testing.B) {
	tab, _ := jobs(b, 1_000_000)
	var snap bytes.Buffer
	if err := tab.Snapshot(&snap); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := table.Restore(bytes.NewReader(snap.Bytes())); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkMemory reports what one of a million jobs takes: key of 16 bytes, State of 64 and Spec of 60 included.
func BenchmarkMemory(b *testing.B) {
	var before, after runtime.MemStats
	for b.Loop() {
		runtime.GC()
		runtime.ReadMemStats(&before)
		tab, _ := jobs(b, 1_000_000)
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(tab.Len()), "B/job")
		runtime.KeepAlive(tab)
	}
}

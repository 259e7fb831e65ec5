//go:build belfrysim

package sim

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/belfry-io/belfry/core"
)

// plain makes a world of four pods and many probes, in which nothing goes wrong by itself.
func plain(probes int, every time.Duration) func(*Shape) {
	return func(s *Shape) {
		*s = Shape{Pods: 4, Probes: probes, ProbeEvery: every, TTL: 10 * time.Second, Slots: 256, Queues: 1, Every: time.Hour}
		s.Faults.OneWay = 500 * time.Microsecond
		s.Faults.LateTime = time.Second
	}
}

// TestKill kills one of four pods, again and again: triggers that were not its own start at most half a second late at
// the 99th percentile (contract line 8).
func TestKill(t *testing.T) {
	if err := core.BreakRule(""); err != nil {
		t.Fatal(err)
	}
	var lates []time.Duration
	for seed := uint64(1); seed <= 3; seed++ {
		_, err := simulate(t, Options{Seed: seed, For: 10 * time.Second, Shape: plain(300, time.Second), Script: func(_ context.Context, n *nemesis) {
			n.w.pause(4 * time.Second)
			n.w.check.measure()
			n.w.pause(2500 * time.Millisecond)
			n.pods[0].kill()
			n.w.pause(3 * time.Second)
			lates = append(lates, n.w.check.lates()...)
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(lates)
	p99 := lates[len(lates)*99/100]
	t.Logf("%d starts around a kill: median %v, 99th percentile %v, worst %v", len(lates), lates[len(lates)/2], p99, lates[len(lates)-1])
	if p99 > 500*time.Millisecond {
		t.Errorf("a killed pod delays others by %v", p99)
	}
}

// stalled loads a store of bounded rate to about half, and stalls it for 600 ms.
func stalled(seed uint64) Options {
	return Options{Seed: seed, For: 8 * time.Second, Shape: func(s *Shape) {
		plain(300, 500*time.Millisecond)(s)
		s.TTL = 3 * time.Second
		s.Rate = 2400 // of which 600 triggers a second take more than half
	}, Script: func(_ context.Context, n *nemesis) {
		n.w.pause(4 * time.Second)
		n.strike("stall")
	}}
}

// TestStall holds that lateness heals after a stall of a store that is half loaded, without help (rule R13).
func TestStall(t *testing.T) {
	if err := core.BreakRule(""); err != nil {
		t.Fatal(err)
	}
	tot, err := simulate(t, stalled(1))
	if err != nil {
		t.Errorf("a stall does not heal: %v", err)
	}
	t.Log(tot.String())
}

// maxVain is how many claims in vain there may be for each that is granted, in calm weather and around a death.
const maxVain = 0.008

// TestOnePodTriesAtATime holds that what a dead pod would have claimed is tried for by one pod and not by all: claims in
// vain cost the store as much as others, and it is behind already. Then it breaks that rule (R13: after one grace any pod
// takes what is overdue), and sees that it shows.
func TestOnePodTriesAtATime(t *testing.T) {
	defer func() { _ = core.BreakRule("") }()
	vain := func(rule string) float64 {
		if err := core.BreakRule(rule); err != nil {
			t.Fatal(err)
		}
		var sum Totals
		for seed := uint64(1); seed <= 4; seed++ {
			tot, err := simulate(t, Options{Seed: seed, For: 8 * time.Second, Shape: func(s *Shape) {
				plain(600, 2*time.Second)(s)
				s.Pods, s.Rate = 8, 4000
			}, Script: func(_ context.Context, n *nemesis) {
				n.w.pause(4 * time.Second)
				n.pods[0].kill()
				n.pods[1].kill()
				n.strike("stall")
				n.w.pause(3 * time.Second)
			}})
			if err != nil {
				t.Fatalf("rule %q broken, seed %d: %v", rule, seed, err)
			}
			sum.Add(&tot)
		}
		return float64(sum.Conflicts) / float64(sum.Claims)
	}
	kept, broken := vain(""), vain("anypod")
	t.Logf("claims in vain for each granted: %.3f with the rule, %.3f without", kept, broken)
	if kept > maxVain {
		t.Errorf("%.3f claims in vain for each granted", kept)
	}
	if broken <= maxVain {
		t.Error("that all pods try at once was not noticed")
	}
}

//go:build belfrysim

package sim

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/belfry-io/belfry/core"
)

// drawShape draws what a simulation is made of. Each seed has some faults often and others not at all: what goes wrong
// together hides what goes wrong alone.
func drawShape(r *rand.Rand) Shape {
	share := func(most float64) float64 {
		if r.IntN(3) == 0 {
			return 0
		}
		return most * r.Float64()
	}
	s := Shape{
		Pods: 2 + r.IntN(5), Jobs: 4 + r.IntN(12), Probes: 8, TTL: time.Duration(3+r.IntN(6)) * time.Second, Slots: 64, Queues: 1 + r.IntN(3),
		Every: time.Duration(500+r.IntN(3000)) * time.Millisecond, Acts: time.Duration(50+r.IntN(600)) * time.Millisecond, Locks: true,
		Weak: r.IntN(4) == 0, SkewDay: r.IntN(4) == 0, Slow: 4 * time.Second, PaceLow: 10 * time.Millisecond,
		Faults: faults{
			Lost: share(0.08), Late: share(0.08), Gone: share(0.05), Refused: share(0.05), Slow: share(0.05), Apart: r.Float64(),
			Stale: share(0.5), NoHint: share(1), LateTime: 5 * time.Second, DropReads: share(0.05),
			OneWay: time.Duration(100+r.IntN(3000)) * time.Microsecond,
		},
	}
	if r.IntN(3) == 0 {
		s.Rate = 2000 + 8000*r.Float64()
	}
	for _, n := range []string{"kill", "freeze", "drain", "cut", "jump", "stall", "moved"} {
		if r.IntN(3) > 0 {
			s.Nemesis = append(s.Nemesis, n)
		}
	}
	if s.Weak {
		s.Nemesis = append(s.Nemesis, "failover", "failover")
	}
	return s
}

func isConflict(err error) bool  { return errors.Is(err, core.ErrConflict) }
func isUncertain(err error) bool { return errors.Is(err, core.ErrUncertain) }
func isNotFound(err error) bool  { return errors.Is(err, core.ErrNotFound) }

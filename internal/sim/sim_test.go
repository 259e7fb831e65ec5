//go:build belfrysim

package sim

import (
	"flag"
	"os"
	"runtime"
	"strconv"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
	"time"

	"github.com/belfry-io/belfry/core"
)

var (
	seeds = flag.Int("seeds", 16, "how many simulations to run")
	from  = flag.Uint64("from", 1, "the first seed")
	dur   = flag.Duration("dur", 20*time.Second, "how long the faults of each last, in simulated time")
	only  = flag.String("rule", "", "break this rule in TestSim")
)

func TestMain(m *testing.M) {
	flag.Parse()
	runtime.GOMAXPROCS(1) // fewer interleavings that a seed does not fix
	os.Exit(m.Run())
}

// simulate runs one simulation in a bubble.
func simulate(t *testing.T, o Options) (tot Totals, err error) {
	t.Helper()
	cryptotest.SetGlobalRandom(t, o.Seed)
	synctest.Test(t, func(t *testing.T) { tot, err = Run(t.Context(), o) })
	return tot, err
}

func TestSim(t *testing.T) {
	if err := core.BreakRule(*only); err != nil {
		t.Fatal(err)
	}
	var sum Totals
	bad := 0
	for seed := *from; seed < *from+uint64(*seeds); seed++ { //nolint:gosec // positive
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			tot, err := simulate(t, Options{Seed: seed, For: *dur})
			sum.Add(&tot)
			if err != nil {
				bad++
				t.Error(err)
			}
		})
		if bad >= 5 {
			break
		}
	}
	t.Logf("%s; %d violations", sum.String(), bad)
}

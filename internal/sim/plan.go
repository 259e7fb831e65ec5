//go:build belfrysim

package sim

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/belfry-io/belfry/core"
)

// A plan is a schedule as the checks know it: when the job fires, said in another way than the engine's and computed by
// counting. It travels in a label of the job, so that it changes with the definition.
type plan struct {
	Every  int64 `json:"e,omitempty"` // milliseconds
	Anchor int64 `json:"a,omitempty"`
	Secs   []int `json:"s,omitempty"` // of a cron: seconds of the minute
	Mins   []int `json:"m,omitempty"` // and minutes of the hour; nil: all
	At     int64 `json:"t,omitempty"`
}

// drawPlan draws a schedule.
func drawPlan(r *rand.Rand, now time.Time, low time.Duration) plan {
	switch n := r.IntN(12); {
	case n < 8:
		periods := []int64{10, 50, 100, 250, 500, 1000, 1000, 2000, 5000, 20000, 60000}
		periods = slices.DeleteFunc(periods, func(p int64) bool { return p < low.Milliseconds() })
		e := periods[r.IntN(len(periods))]
		return plan{Every: e, Anchor: r.Int64N(e)}
	case n < 11:
		p := plan{}
		for range 1 + r.IntN(12) {
			p.Secs = append(p.Secs, r.IntN(60))
		}
		slices.Sort(p.Secs)
		p.Secs = slices.Compact(p.Secs)
		if r.IntN(3) == 0 {
			for m := range 60 {
				if m%2 == 0 {
					p.Mins = append(p.Mins, m)
				}
			}
		}
		return p
	}
	return plan{At: now.Add(time.Duration(r.IntN(8000)+100) * time.Millisecond).UnixMilli()}
}

// schedule is the plan in the engine's words.
func (p *plan) schedule() core.Schedule {
	switch {
	case p.Every > 0:
		return core.Every(time.Duration(p.Every) * time.Millisecond).From(time.UnixMilli(p.Anchor))
	case p.At > 0:
		return core.At(time.UnixMilli(p.At))
	}
	minutes := "*"
	if p.Mins != nil {
		minutes = list(p.Mins)
	}
	return core.Cron(list(p.Secs)+" "+minutes+" * * * *", "UTC")
}

func list(n []int) string { return strings.ReplaceAll(strings.Trim(fmt.Sprint(n), "[]"), " ", ",") }

func (p *plan) label() string {
	b, err := json.Marshal(p)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// fires returns the fire times in [from, to], within the job's bounds, in milliseconds.
func (p *plan) fires(j *core.Job, from, to time.Time) []int64 {
	lo, hi := ceilMilli(from), to.UnixMilli()
	if !j.NotBefore.IsZero() {
		lo = max(lo, ceilMilli(j.NotBefore))
	}
	if !j.NotAfter.IsZero() {
		hi = min(hi, j.NotAfter.UnixMilli())
	}
	var out []int64
	switch {
	case p.At > 0:
		if p.At >= lo && p.At <= hi {
			out = append(out, p.At)
		}
	case p.Every > 0:
		for f := lo + (p.Every-(lo-p.Anchor)%p.Every)%p.Every; f <= hi; f += p.Every {
			out = append(out, f)
		}
	default:
		for s := (lo + 999) / 1000; s*1000 <= hi; s++ {
			if slices.Contains(p.Secs, int(s%60)) && (p.Mins == nil || slices.Contains(p.Mins, int(s/60%60))) {
				out = append(out, s*1000)
			}
		}
	}
	return out
}

func ceilMilli(t time.Time) int64 {
	return t.Add(time.Millisecond - time.Nanosecond).UnixMilli()
}

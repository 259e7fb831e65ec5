//go:build belfrysim

package sim

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/belfry-io/belfry/core"
)

// A broken is a rule of the engine that is broken on purpose, and the checks that find it.
type broken struct {
	name, rule string
	counter    bool // R2 is the store's
	shape      func(*Shape)
	checks     []string
}

// TestBrokenRules shows that the simulation would notice: with one rule broken it finds a violation within a few seeds.
func TestBrokenRules(t *testing.T) {
	for _, b := range brokenRules() {
		t.Run(b.name, func(t *testing.T) {
			if err := core.BreakRule(b.rule); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = core.BreakRule("") }()
			start := time.Now()
			for seed := uint64(1); time.Since(start) < time.Minute; seed++ {
				_, err := simulate(t, Options{Seed: seed, For: 20 * time.Second, Shape: func(s *Shape) {
					b.shape(s)
					s.Counter = b.counter
				}})
				var v *Violation
				if !errors.As(err, &v) {
					continue
				}
				if v.Check == "vouched" && strings.HasSuffix(b.rule, ",novouch") {
					continue // that is only what vouching was switched off for
				}
				if !slices.Contains(b.checks, v.Check) {
					t.Errorf("seed %d was caught by the check %q, not one of %q: %v", seed, v.Check, b.checks, err)
					return
				}
				t.Logf("seed %d, check %q: %s", seed, v.Check, v.Text)
				return
			}
			t.Error("no violation was found within a minute")
		})
	}
}

// uncertain makes a world in which answers are lost, and nothing else goes wrong.
func uncertain(s *Shape) {
	s.Weak, s.Nemesis = false, []string{"drain"}
	s.Faults.Late, s.Faults.Lost, s.Faults.Stale = 0.15, 0.1, 0
	s.Faults.Apart = 1
}

// weak makes a world in which fail-overs lose commits.
func weak(s *Shape) {
	s.Weak, s.Nemesis = true, []string{"failover"}
	s.Every = 700 * time.Millisecond
	s.Faults.Lost, s.Faults.Late = 0.1, 0.1
}

// long makes a world of handlers that often run for longer than a TTL.
func long(s *Shape) {
	s.Weak, s.Nemesis, s.TTL, s.Slow = false, []string{"drain"}, 3*time.Second, 12*time.Second
}

// busy makes a world of jobs that fire often and people who change them.
func busy(s *Shape) {
	s.Weak, s.Nemesis = false, []string{"drain"}
	s.Acts = 50 * time.Millisecond
}

func brokenRules() []broken {
	return []broken{
		{name: "R1 read back", rule: "readback,novouch", shape: uncertain, checks: []string{"needless", "stuck", "no claim", "two at once"}},
		{name: "R1 across servers", rule: "cross", shape: weak, checks: []string{"token", "taken", "last"}},
		{name: "R2 counter", counter: true, shape: weak, checks: []string{"taken", "completion", "evidence", "token", "count", "no outcome", "silent loss", "revision", "sum"}},
		{name: "R3 last", rule: "nolast", shape: busy, checks: []string{"cursor", "last", "decided twice", "claimed twice"}},
		{name: "R5 eager", rule: "eager", shape: func(s *Shape) {
			busy(s)
			s.Faults.Slow, s.Faults.Stale, s.Rate = 0, 0, 0
		}, checks: []string{"overlap"}},
		{name: "R8 no vouching", rule: "novouch", shape: long, checks: []string{"vouched"}},
		{name: "R15 absent is dead", rule: "absentdead", shape: busy, checks: []string{"taken"}},
	}
}

// TestSplitRule keeps the names of broken rules in step with the engine's.
func TestSplitRule(t *testing.T) {
	for _, b := range brokenRules() {
		if strings.TrimSpace(b.name) == "" || len(b.checks) == 0 || b.shape == nil {
			t.Errorf("%+v says too little", b)
		}
		if err := core.BreakRule(b.rule); err != nil {
			t.Errorf("%s: %v", b.name, err)
		}
	}
	if err := core.BreakRule("no such rule"); err == nil {
		t.Error("an unknown rule can be broken")
	}
	_ = core.BreakRule("")
}

//go:build belfrysim

package core

import "testing"

// TestStepBrokenRules breaks those of the engine's rules that a step keeps by itself, one at a time: the properties
// must notice. It runs with the tag belfrysim only.
func TestStepBrokenRules(t *testing.T) {
	for _, rule := range []string{"nolast", "eager", "absentdead", "novouch"} {
		t.Run(rule, func(t *testing.T) {
			t.Cleanup(func() { breakRule(t, "") })
			const games = 400
			for seed := range uint64(games) {
				breakRule(t, rule)
				_, err := play(randomMoves(seed), gameTime)
				if err == nil {
					continue
				}
				t.Logf("noticed in game %d: %v", seed, err)
				breakRule(t, "")
				if _, err := play(randomMoves(seed), gameTime); err != nil {
					t.Errorf("the same game fails with the rule in force: %v", err)
				}
				return
			}
			t.Errorf("%d games were played and nobody noticed", games)
		})
	}
}

func breakRule(t *testing.T, name string) {
	t.Helper()
	if err := BreakRule(name); err != nil {
		t.Fatal(err)
	}
}

package core

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestStepProperties plays random lists of moves on one record for some seconds: pods that step with old copies and
// clocks of their own, deaths, freezes, lost completions, requests of all kinds, jumps of up to weeks. What must hold is
// checked by watcher and oracle after every step.
func TestStepProperties(t *testing.T) {
	limit := 6 * time.Second
	if testing.Short() {
		limit = time.Second
	}
	const first, least = 1, 10
	games := 0
	for start := time.Now(); games < least || time.Since(start) < limit; games++ {
		if err := tryMoves(first + uint64(games)); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d games from seed %d", games, first)
}

// tryMoves plays the game of a seed; its error has the shortest list of moves that was found to fail.
func tryMoves(seed uint64) error {
	moves := randomMoves(seed)
	if _, err := play(moves, gameTime); err == nil {
		return nil
	}
	moves = shorten(moves)
	trace, err := play(moves, gameTime)
	return fmt.Errorf("seed %d: %w\nby %d moves: %v\n%s", seed, err, len(moves), moves, strings.Join(trace, "\n"))
}

// gameTime is what may pass in a game: weeks, which are more fire times than one step decides.
const gameTime = 40 * day

func randomMoves(seed uint64) []move {
	r := rand.New(rand.NewPCG(seed, 17)) //nolint:gosec // the same games at every run
	moves := make([]move, 20+r.IntN(300))
	for i := range moves {
		moves[i] = move{byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32())}
	}
	return moves
}

// shorten drops moves as long as the rest fails.
func shorten(moves []move) []move {
	for size := len(moves) / 2; size > 0; size /= 2 {
		for i := 0; i+size <= len(moves); {
			less := slices.Delete(slices.Clone(moves), i, i+size)
			if _, err := play(less, gameTime); err != nil {
				moves = less
				continue
			}
			i += size
		}
	}
	return moves
}

// FuzzStep looks for moves after which something does not hold that must.
func FuzzStep(f *testing.F) {
	for seed := range uint64(4) {
		var b []byte
		for _, m := range randomMoves(seed)[:20] {
			b = append(b, m[:]...)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 3*400 {
			return
		}
		if trace, err := play(movesOf(b), day); err != nil {
			t.Fatalf("%v\n%s", err, strings.Join(trace, "\n"))
		}
	})
}

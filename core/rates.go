package core

import (
	"slices"
	"time"
)

// rates is what a pod measures of itself: how long commits take, how many claims it can make, how many runs it finishes.
type rates struct {
	commits [commitsKept]slowest
	latest  int64         // the second of the latest commit
	speed   float64       // operations a second while committing
	ends    [endsKept]int // short runs finished in each of the latest windows
	since   int64         // the number of the latest window
}

// A slowest is the slowest commit of one second.
type slowest struct {
	second int64
	took   micros
}

const (
	commitsKept = 10               // seconds
	firstCommit = 10 * millisecond // assumed until measured
	firstSpeed  = 20000.0          // operations a second, likewise
	endsWindow  = 150 * time.Millisecond
	endsKept    = 20 // windows: three seconds
)

// commit notes a batch of size operations that took d.
func (r *rates) commit(mono, d time.Duration, size int) {
	now := int64(mono / time.Second)
	w := &r.commits[now%commitsKept]
	if w.second != now {
		*w = slowest{second: now}
	}
	w.took = max(w.took, span(d))
	if r.latest = now; size < 32 || d <= 0 {
		return // mostly the way there and back
	}
	speed := float64(size) / d.Seconds()
	if r.speed == 0 {
		r.speed = speed
	}
	r.speed += (speed - r.speed) / 8
}

// worst is how long a commit may take: the slowest of the latest seconds in which there was one.
func (r *rates) worst() micros {
	worst := micros(0)
	for _, w := range r.commits {
		if w.second != 0 && w.second > r.latest-commitsKept {
			worst = max(worst, w.took)
		}
	}
	if worst == 0 {
		return firstCommit
	}
	return worst
}

// need is how long n claims take at the pod's own rate, with half as much again to spare.
func (r *rates) need(n int) micros {
	speed := r.speed
	if speed == 0 {
		speed = firstSpeed
	}
	return micros(1.5 * float64(n) / speed * float64(second))
}

// finish notes that a handler that ran for took has returned. Only short runs show how many more than its slots the pod
// can hold.
func (r *rates) finish(mono, took time.Duration) {
	r.roll(mono)
	if took < endsWindow {
		r.ends[r.since%endsKept]++
	}
}

// finished is how many short runs the pod has lately proved to finish within a grace.
func (r *rates) finished(mono time.Duration) int {
	r.roll(mono)
	return slices.Max(r.ends[:])
}

// roll begins the windows that have come since.
func (r *rates) roll(mono time.Duration) {
	now := int64(mono / endsWindow)
	for r.since = max(r.since, now-endsKept); r.since < now; {
		r.since++
		r.ends[r.since%endsKept] = 0
	}
}

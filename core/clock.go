package core

import (
	"sync"
	"time"
)

// A clock is the one place where the engine learns the time: the pod's wall and monotonic clocks, and what they say of
// the store's. No lock may be held around now.
type clock struct {
	wall  func() time.Time
	start time.Time // the origin of the monotonic clock

	mu      sync.Mutex
	samples [clockWindow]sample
	known   bool
	offset  micros // the store's time minus the monotonic time
}

// clockWindow is for how many seconds the best sample of the store's clock counts.
const clockWindow = 10

// A sample is the largest offset seen in one second.
type sample struct {
	second int64
	offset micros
}

// A moment is one reading of all clocks.
type moment struct {
	wall  time.Time
	mono  time.Duration // since the clock was made
	store micros        // the store's time as this pod estimates it
}

func newClock(wall func() time.Time) *clock {
	if wall == nil {
		wall = time.Now
	}
	return &clock{wall: wall, start: time.Now()}
}

// now reads the clocks.
func (c *clock) now() moment {
	w := c.wall()
	m := moment{wall: w.Round(0), mono: time.Since(c.start)}
	m.store = c.at(m.mono)
	if m.store == 0 {
		m.store = microsOf(m.wall)
	}
	return m
}

// at returns the store's time at a reading of the monotonic clock; 0 if the store has not told its time yet.
func (c *clock) at(mono time.Duration) micros {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.known {
		return 0
	}
	return span(mono) + c.offset
}

// observe takes the store's clock t from an answer to what was sent at one reading of the monotonic clock and received
// at another.
//
// The store read its clock between the two, so t - received is never ahead of it. The largest such offset of the last
// ten seconds is late by the best one-way delay only.
func (c *clock) observe(t time.Time, sent, received time.Duration) {
	if t.IsZero() {
		return
	}
	store := microsOf(t)
	low, high := store-span(received), store-span(sent)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known && high+millisecond < c.offset { // the store's clock has stepped back, or another server answers
		c.samples = [clockWindow]sample{}
	}
	now := int64(received / time.Second)
	s := &c.samples[now%clockWindow]
	if s.second != now || low > s.offset || s.offset == 0 {
		*s = sample{second: now, offset: low}
	}
	c.known, c.offset = true, 0
	first := true
	for _, s := range c.samples {
		if s.offset != 0 && s.second > now-clockWindow && (first || s.offset > c.offset) {
			c.offset, first = s.offset, false
		}
	}
}

// forget drops the samples of a store's clock, because another server answers now; the estimate stands until the first
// answer of the new one.
func (c *clock) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.samples = [clockWindow]sample{}
}

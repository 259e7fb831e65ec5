package core

import "time"

// A slot is a job that the pod has something to do with: an entry that it holds until it is due, or runs of it.
type slot struct {
	rec    Record // as last known; Spec and State are not kept
	st     state
	spec   *spec
	due    micros
	events []event // gathered since
	wait   micros  // when the events shall be written at the latest
	lives  []*live
	flight *flight // a change under way, or with an unknown outcome
	flying bool    // it is under way
	lost   bool    // another pod has the entry now: this one holds it no more, unless it finds it again

	queue *slotQueue // where it waits
	when  micros     // until when
	pos   int
}

// A flight is one change on its way: what is sent again until the answer is definite.
type flight struct {
	op      Op
	st      state
	ef      effects
	events  int // of the slot's, that it contains
	session string
	tries   int           // how often it was sent and may have been carried out
	claims  int           // triggers that it claims
	since   time.Duration // when its outcome was first unknown, by the monotonic clock
	over    bool          // another pod is told to take the entry
}

// A slotQueue is a heap of slots by time. It also counts the slots of each millisecond.
type slotQueue struct {
	slots  []*slot
	groups map[micros]int
}

// group returns how many slots wait for the millisecond of t.
func (q *slotQueue) group(t micros) int { return q.groups[t/millisecond] }

// push queues s until t, wherever it was queued before.
func (q *slotQueue) push(s *slot, t micros) {
	s.unqueue()
	s.queue, s.when, s.pos = q, t, len(q.slots)
	q.slots = append(q.slots, s)
	q.up(s.pos)
	if q.groups != nil {
		q.groups[t/millisecond]++
	}
}

// unqueue takes s out of its queue.
func (s *slot) unqueue() {
	q := s.queue
	if q == nil {
		return
	}
	last := len(q.slots) - 1
	i := s.pos
	q.swap(i, last)
	q.slots[last] = nil
	q.slots = q.slots[:last]
	if i < last {
		q.down(i)
		q.up(i)
	}
	if q.groups != nil {
		k := s.when / millisecond
		if q.groups[k]--; q.groups[k] == 0 {
			delete(q.groups, k)
		}
	}
	s.queue = nil
}

func (q *slotQueue) less(i, j int) bool {
	a, b := q.slots[i], q.slots[j]
	if a.when != b.when {
		return a.when < b.when
	}
	return a.priority() > b.priority()
}

func (s *slot) priority() int {
	if s.spec == nil {
		return 0
	}
	return s.spec.Priority
}

func (q *slotQueue) swap(i, j int) {
	q.slots[i], q.slots[j] = q.slots[j], q.slots[i]
	q.slots[i].pos, q.slots[j].pos = i, j
}

func (q *slotQueue) up(i int) {
	for i > 0 {
		p := (i - 1) / 2
		if !q.less(i, p) {
			return
		}
		q.swap(i, p)
		i = p
	}
}

func (q *slotQueue) down(i int) {
	for {
		c := 2*i + 1
		if c >= len(q.slots) {
			return
		}
		if c+1 < len(q.slots) && q.less(c+1, c) {
			c++
		}
		if !q.less(c, i) {
			return
		}
		q.swap(i, c)
		i = c
	}
}

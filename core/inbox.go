package core

import "sync"

// An inbox is how other goroutines reach the engine's loop.
type inbox struct {
	wake chan struct{}

	mu sync.Mutex
	letters
}

// letters is what lies in an inbox.
type letters struct {
	calls   []func(moment)
	batches []*batch
	ends    []completion
	reads   []found
	hints   []Change
}

// maxHints bounds what is kept of announced changes: they are hints only.
const maxHints = 10000

// A completion is a handler's return.
type completion struct {
	live *live
	ev   event
}

// A found is a record that was read, decoded.
type found struct {
	rec  Record
	st   state
	spec *spec
}

func (in *inbox) call(f func(moment)) {
	in.mu.Lock()
	in.calls = append(in.calls, f)
	in.mu.Unlock()
	nudge(in.wake)
}

func (in *inbox) batch(b *batch) {
	in.mu.Lock()
	in.batches = append(in.batches, b)
	in.mu.Unlock()
	nudge(in.wake)
}

func (in *inbox) end(l *live, ev event) {
	in.mu.Lock()
	in.ends = append(in.ends, completion{l, ev})
	in.mu.Unlock()
	nudge(in.wake)
}

func (in *inbox) read(f []found) {
	if len(f) == 0 {
		return
	}
	in.mu.Lock()
	in.reads = append(in.reads, f...)
	in.mu.Unlock()
	nudge(in.wake)
}

func (in *inbox) hint(c Change) {
	in.mu.Lock()
	if len(in.hints) < maxHints {
		in.hints = append(in.hints, c)
	}
	in.mu.Unlock()
	nudge(in.wake)
}

func (in *inbox) take() letters {
	in.mu.Lock()
	defer in.mu.Unlock()
	l := in.letters
	in.letters = letters{}
	return l
}

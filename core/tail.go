package core

import "sync"

// maxOutput is how much of a handler's output is kept with the outcome.
const maxOutput = 16 << 10

// A tail keeps the last maxOutput bytes written to it.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if len(t.buf) > 2*maxOutput { // cut seldom, so that many small writes stay cheap
		t.buf = append(t.buf[:0], t.buf[len(t.buf)-maxOutput:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.buf) > maxOutput {
		return string(t.buf[len(t.buf)-maxOutput:])
	}
	return string(t.buf)
}

package memory

import (
	"context"
	"fmt"

	"github.com/belfry-io/belfry/core"
)

// backlog is how many changes wait for one watcher; beyond that they are missed.
const backlog = 1024

// A watcher is one call of Watch.
type watcher struct {
	changes chan core.Change
}

// tell hands a change over, or drops it: a writer never waits for a watcher.
func (w *watcher) tell(c core.Change) {
	select {
	case w.changes <- c:
	default:
	}
}

// Watch implements [core.Store]. When the store is closed it returns [core.ErrClosed].
func (s *Store) Watch(ctx context.Context, fn func(core.Change)) error {
	w := &watcher{changes: make(chan core.Change, backlog)}
	s.data.watch(w)
	defer s.data.unwatch(w)
	for {
		select { // the end comes first, however many changes wait
		case <-s.closed:
			return fmt.Errorf("watch: %w", core.ErrClosed)
		case <-ctx.Done():
			return nil
		default:
		}
		select {
		case <-s.closed:
		case <-ctx.Done():
		case c := <-w.changes:
			fn(c)
		}
	}
}

// watch adds a watcher.
func (d *data) watch(w *watcher) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.watchers[w] = struct{}{}
}

// unwatch removes a watcher.
func (d *data) unwatch(w *watcher) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.watchers, w)
}

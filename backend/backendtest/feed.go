package backendtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/belfry-io/belfry/core"
)

func feedCases() []Case {
	return []Case{
		{"watch announced changes", []string{
			"Announce tells watchers of the change",
			"A Change says that a record has changed",
			"It carries no data: who cares reads the record",
			"0: deleted",
		}, watchChanges},
		{"watch from one goroutine", []string{
			"Watch calls fn from one goroutine for each announced change until ctx ends, and then returns nil",
		}, watchGoroutine},
		{"watch ends", []string{
			"Watch calls fn from one goroutine for each announced change until ctx ends, and then returns nil",
		}, watchEnds},
		{"watch never holds up a writer", []string{
			"It is a hint only: changes may be joined or missed, and nothing makes up for those",
		}, watchSlow},
		{"watch sessions", []string{
			"empty: a session was opened or ended",
		}, watchSessions},
	}
}

// A feed is one Watch under way.
type feed struct {
	cancel context.CancelFunc
	done   chan struct{} // closed when Watch has returned
	err    error         // what it returned

	mu      sync.Mutex
	changes []core.Change
}

// watch begins to watch; the caller stops it. fn may be nil.
func (e *env) watch(s core.Store, fn func(core.Change)) *feed {
	ctx, cancel := context.WithCancel(e.ctx)
	f := &feed{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(f.done)
		f.err = s.Watch(ctx, func(c core.Change) {
			if fn != nil {
				fn(c)
			}
			f.mu.Lock()
			defer f.mu.Unlock()
			f.changes = append(f.changes, c)
		})
	}()
	return f
}

// seen returns what was told so far.
func (f *feed) seen() []core.Change {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]core.Change(nil), f.changes...)
}

// stop ends the watch and says how it ended wrongly.
func (f *feed) stop() error {
	f.cancel()
	select {
	case <-f.done:
	case <-time.After(soon):
		return fmt.Errorf("watch has not returned %v after its context ended", soon)
	}
	if f.err != nil {
		return fmt.Errorf("watch returned %w, want nil", f.err)
	}
	return nil
}

// heard does act over and over until the feed has told what want looks for: a single one may be missed.
func (e *env) heard(f *feed, what string, act func() error, want func([]core.Change) bool) error {
	return e.within(15*time.Second, func() error {
		if err := act(); err != nil {
			return err
		}
		return e.within(200*time.Millisecond, func() error {
			seen := f.seen()
			if want(seen) {
				return nil
			}
			return fmt.Errorf("watch: %s was announced many times and never told; of %d changes the last is %v",
				what, len(seen), seen[max(0, len(seen)-1):])
		})
	})
}

// has looks for one change.
func has(one func(core.Change) bool) func([]core.Change) bool {
	return func(seen []core.Change) bool { return slices.ContainsFunc(seen, one) }
}

// watchChanges watches on one connection what another one announces.
func watchChanges(e *env) (err error) {
	writer, err := e.connect()
	if err != nil {
		return err
	}
	f := e.watch(e.store, nil)
	defer func() { err = first(err, f.stop()) }()
	var r, last core.Record
	write := func() error {
		next := dueRecord("a", time.Second)
		op := update(r, next)
		op.Old.Key, op.Old.Stripe, op.Announce = "a", next.Stripe, true
		r, err = e.must(writer, op)
		last = r
		return err
	}
	err = e.heard(f, "a change", write, has(func(c core.Change) bool {
		return c.Key == "a" && c.Version == last.Version && c.Queue == "q" && c.Due.Equal(last.Due)
	}))
	if err != nil {
		return err
	}
	erase := func() error {
		if err := write(); err != nil {
			return err
		}
		op := remove(r)
		op.Announce = true
		r, err = e.must(writer, op)
		return err
	}
	return e.heard(f, "a deletion", erase, has(func(c core.Change) bool { return c.Key == "a" && c.Version == 0 }))
}

// watchGoroutine looks which goroutine calls, and whether two do at once.
func watchGoroutine(e *env) (err error) {
	var (
		mu     sync.Mutex
		inside int
		broken error
		id     []byte
	)
	f := e.watch(e.store, func(core.Change) {
		mu.Lock()
		inside++
		if inside > 1 {
			broken = errors.New("watch: two calls of fn at once")
		}
		if me := goroutine(); id == nil {
			id = me
		} else if !bytes.Equal(id, me) {
			broken = errors.New("watch: calls of fn from two goroutines")
		}
		mu.Unlock()
		runtime.Gosched()
		mu.Lock()
		inside--
		mu.Unlock()
	})
	defer func() { err = first(err, f.stop()) }()
	n := 0
	write := func() error {
		var ops []core.Op
		for range 5 {
			op := create(record(fmt.Sprint("key-", n)))
			op.Announce = true
			ops = append(ops, op)
			n++
		}
		_, err := e.mustAll(e.store, ops)
		return err
	}
	if err := e.heard(f, "a change", write, func(seen []core.Change) bool { return len(seen) > 20 }); err != nil {
		return err
	}
	mu.Lock()
	defer mu.Unlock()
	return broken
}

// goroutine returns what names the current one in a stack trace.
func goroutine() []byte {
	buf := make([]byte, 64)
	buf = buf[:runtime.Stack(buf, false)]
	name, _, _ := bytes.Cut(buf, []byte(" ["))
	return name
}

// watchEnds ends watches early and late; none is called again.
func watchEnds(e *env) error {
	ended, cancel := context.WithCancel(e.ctx)
	cancel()
	if err := e.store.Watch(ended, func(core.Change) {}); err != nil {
		return fmt.Errorf("watch with a context that has ended returned %w, want nil", err)
	}
	f := e.watch(e.store, nil)
	n := 0
	write := func() error {
		op := create(record(fmt.Sprint("key-", n)))
		op.Announce = true
		n++
		_, err := e.must(e.store, op)
		return err
	}
	if err := e.heard(f, "a change", write, has(func(core.Change) bool { return true })); err != nil {
		return first(err, f.stop())
	}
	if err := f.stop(); err != nil {
		return err
	}
	told := len(f.seen())
	for range 5 {
		if err := write(); err != nil {
			return err
		}
	}
	if err := e.wait(100 * time.Millisecond); err != nil {
		return err
	}
	if now := len(f.seen()); now != told {
		return fmt.Errorf("watch: fn was called %d times after it had returned", now-told)
	}
	return nil
}

// watchSlow lets fn block while many changes are announced.
func watchSlow(e *env) (err error) {
	release := make(chan struct{})
	f := e.watch(e.store, func(core.Change) { <-release })
	defer func() {
		close(release)
		err = first(err, f.stop())
	}()
	begin := time.Now()
	for i := range 40 {
		var ops []core.Op
		for j := range 100 {
			op := create(record(fmt.Sprintf("key-%d-%d", i, j)))
			op.Announce = true
			ops = append(ops, op)
		}
		if _, err := e.mustAll(e.store, ops); err != nil {
			return err
		}
	}
	if took := time.Since(begin); took > 20*time.Second {
		return fmt.Errorf("4,000 announced changes took %v beside a watcher that blocks", took)
	}
	return nil
}

// watchSessions watches sessions being opened and ended on another connection.
func watchSessions(e *env) (err error) {
	peer, err := e.connect()
	if err != nil {
		return err
	}
	f := e.watch(e.store, nil)
	defer func() { err = first(err, f.stop()) }()
	n, told := 0, 0
	var s core.Session
	isSession := func(seen []core.Change) bool {
		return slices.ContainsFunc(seen[told:], func(c core.Change) bool { return c.Key == "" })
	}
	openOne := func() error {
		n++
		s, err = peer.OpenSession(e.ctx, session(fmt.Sprintf("s%d", n)))
		return err
	}
	if err := e.heard(f, "an opened session", openOne, isSession); err != nil {
		return err
	}
	endOne := func() error {
		if err := openOne(); err != nil {
			return err
		}
		if err := e.wait(100 * time.Millisecond); err != nil {
			return err
		}
		told = len(f.seen())
		return peer.EndSession(e.ctx, s.ID, s.Beat)
	}
	return e.heard(f, "an ended session", endOne, isSession)
}

package redis

import (
	"testing"
	"time"

	"github.com/belfry-io/belfry/core"
	"github.com/belfry-io/belfry/internal/proctest"
)

func TestWatchTellsAnnouncedChanges(t *testing.T) {
	r := proctest.StartRedis(t)
	s := open(t, r.URL(""))
	ch := watch(t, open(t, r.URL("")))
	loud := create("a", epochDay, "one")
	loud.Announce = true
	a := apply(t, s, create("quiet", epochDay, ""), loud)
	want := core.Change{Key: "a", Version: a.Results[1].Version, Queue: "default", Due: epochDay}
	if got := next(t, ch); got != want {
		t.Errorf("heard %+v, want %+v", got, want)
	}
	gone := core.Op{Old: get(t, s, "a"), Delete: true, Announce: true}
	apply(t, s, gone)
	if got := next(t, ch); got.Key != "a" || got.Version != 0 {
		t.Errorf("heard %+v", got)
	}
	if _, err := s.OpenSession(t.Context(), core.Session{ID: "s1", TTL: time.Second}); err != nil {
		t.Fatal(err)
	}
	if got := next(t, ch); got != (core.Change{}) {
		t.Errorf("heard %+v of a session", got)
	}
}

func next(t *testing.T, ch <-chan core.Change) core.Change {
	t.Helper()
	select {
	case c := <-ch:
		return c
	case <-time.After(5 * time.Second):
		t.Fatal("nothing is heard")
		return core.Change{}
	}
}

func TestWatchMendsItsConnection(t *testing.T) {
	r, next := proctest.StartRedis(t), proctest.StartRedis(t)
	p := proctest.StartProxy(t, r.Addr)
	s := open(t, "redis://"+p.Addr)
	ch := watch(t, s)
	p.Break()
	listening(t, open(t, r.URL("")), ch)
	// The same address leads to another server.
	p.Retarget(next.Addr)
	listening(t, open(t, next.URL("")), ch)
	if got := s.current().server.runID; got == "" {
		t.Error("the server is not known")
	}
}

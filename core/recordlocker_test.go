package core_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/belfry-io/belfry/backend/memory"
	"github.com/belfry-io/belfry/core"
)

// flaky is a store whose next answers to changes can be lost, or whose changes can be held back.
type flaky struct {
	*memory.Store

	lose    int         // so many answers yet
	hold    int         // so many changes yet
	held    [][]core.Op // what was held back
	changes int         // batches with something in them
}

func (f *flaky) Apply(ctx context.Context, ops []core.Op) (core.Applied, error) {
	if len(ops) == 0 {
		return f.Store.Apply(ctx, ops)
	}
	f.changes++
	lost := core.Applied{Results: []core.Result{{Err: core.ErrUncertain}}}
	if f.hold > 0 {
		f.hold--
		f.held = append(f.held, ops)
		return lost, nil
	}
	a, err := f.Store.Apply(ctx, ops)
	if f.lose > 0 && err == nil {
		f.lose--
		return lost, nil
	}
	return a, err
}

// locker returns a locker on a store that can be made to fail.
func locker() (*core.RecordLocker, *flaky) {
	f := &flaky{Store: memory.New()}
	return &core.RecordLocker{Records: f}, f
}

// opened opens session "s".
func opened(t *testing.T, l *core.RecordLocker) core.Session {
	t.Helper()
	s, err := l.OpenSession(t.Context(), core.Session{ID: "s", Pod: "p", TTL: 10 * time.Second, Info: []byte("i")})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRenewalWhoseAnswerWasLostBeatsAgain(t *testing.T) {
	t.Parallel()
	l, f := locker()
	s := opened(t, l)
	f.lose = 1
	if _, err := l.RenewSession(t.Context(), s); !errors.Is(err, core.ErrUncertain) {
		t.Fatalf("got %v, want %v", err, core.ErrUncertain)
	}
	all, err := l.Sessions(t.Context())
	if err != nil || len(all) != 1 || all[0].Beat <= s.Beat {
		t.Fatalf("the renewal did not arrive: %+v, %v", all, err)
	}
	got, err := l.RenewSession(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if got.Beat <= all[0].Beat {
		t.Errorf("beat %d is the one that peers saw before the call, %d", got.Beat, all[0].Beat)
	}
}

func TestRenewalThatArrivesLateChangesNothing(t *testing.T) {
	t.Parallel()
	l, f := locker()
	s := opened(t, l)
	f.hold = 1
	if _, err := l.RenewSession(t.Context(), s); !errors.Is(err, core.ErrUncertain) {
		t.Fatalf("got %v, want %v", err, core.ErrUncertain)
	}
	s2, err := l.RenewSession(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	a, err := f.Store.Apply(t.Context(), f.held[0])
	if err != nil || !errors.Is(a.Results[0].Err, core.ErrConflict) {
		t.Fatalf("the late renewal: %+v, %v", a.Results, err)
	}
	if _, err := l.RenewSession(t.Context(), s2); err != nil {
		t.Error(err)
	}
}

func TestSessionThatEndedDoesNotRevive(t *testing.T) {
	t.Parallel()
	for name, renew := range map[string]func(*flaky){
		"answer lost":  func(f *flaky) { f.lose = 1 },
		"arrives late": func(f *flaky) { f.hold = 1 },
	} {
		l, f := locker()
		s := opened(t, l)
		renew(f)
		_, _ = l.RenewSession(t.Context(), s)
		all, err := l.Sessions(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := l.EndSession(t.Context(), "s", all[0].Beat); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, ops := range f.held {
			if a, err := f.Store.Apply(t.Context(), ops); err != nil || !errors.Is(a.Results[0].Err, core.ErrConflict) {
				t.Errorf("%s: the late renewal: %+v, %v", name, a.Results, err)
			}
		}
		if _, err := l.RenewSession(t.Context(), s); !errors.Is(err, core.ErrSessionLost) {
			t.Errorf("%s: got %v, want %v", name, err, core.ErrSessionLost)
		}
	}
}

func TestOpenAndEndWhoseAnswersWereLost(t *testing.T) {
	t.Parallel()
	l, f := locker()
	f.lose = 1
	lost := core.Session{ID: "lost", TTL: time.Second}
	if _, err := l.OpenSession(t.Context(), lost); !errors.Is(err, core.ErrUncertain) {
		t.Errorf("open: got %v, want %v", err, core.ErrUncertain)
	}
	s := opened(t, l)
	f.lose = 1
	if err := l.EndSession(t.Context(), "s", s.Beat); !errors.Is(err, core.ErrUncertain) {
		t.Errorf("end: got %v, want %v", err, core.ErrUncertain)
	}
	if err := l.EndSession(t.Context(), "s", s.Beat); err != nil {
		t.Errorf("end again: %v", err)
	}
}

func TestSessionOvertakenOverAndOver(t *testing.T) {
	t.Parallel()
	l, f := locker()
	s := opened(t, l)
	l.Records = overtaken{f}
	if _, err := l.RenewSession(t.Context(), s); !errors.Is(err, core.ErrUncertain) {
		t.Errorf("got %v, want %v", err, core.ErrUncertain)
	}
}

// overtaken changes each record just before it is changed.
type overtaken struct{ *flaky }

func (o overtaken) Apply(ctx context.Context, ops []core.Op) (core.Applied, error) {
	recs, err := o.Get(ctx, core.GetQuery{Keys: []string{ops[0].Old.Key}})
	if err != nil {
		return core.Applied{}, err
	}
	if _, err := o.Store.Apply(ctx, []core.Op{{Old: recs[0], New: recs[0]}}); err != nil {
		return core.Applied{}, err
	}
	return o.flaky.Apply(ctx, ops)
}

func TestEndedSessionsAreForgottenAfterADay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, f := locker()
		s := opened(t, l)
		if err := l.EndSession(t.Context(), "s", s.Beat); err != nil {
			t.Fatal(err)
		}
		if err := l.EndSession(t.Context(), "gone", 5); err != nil {
			t.Fatal(err)
		}
		live, err := l.OpenSession(t.Context(), core.Session{ID: "live", TTL: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range []struct {
			wait time.Duration
			want int
		}{{0, 3}, {24*time.Hour - time.Minute, 3}, {2 * time.Minute, 1}, {0, 1}} {
			time.Sleep(step.wait)
			if live, err = l.RenewSession(t.Context(), live); err != nil {
				t.Fatal(err)
			}
			all, err := l.Sessions(t.Context())
			if err != nil || len(all) != step.want {
				t.Errorf("after %v more: %d sessions, want %d; error %v", step.wait, len(all), step.want, err)
			}
		}
		recs, err := f.List(t.Context(), core.ListQuery{Prefix: core.SessionPrefix, Limit: 10})
		if err != nil || len(recs) != 1 {
			t.Errorf("%d records are left, want 1; error %v", len(recs), err)
		}
	})
}

func TestSessionsInPages(t *testing.T) {
	t.Parallel()
	l, _ := locker()
	const n = 2345
	for i := range n {
		s := core.Session{ID: fmt.Sprintf("s%05d", i), TTL: time.Second}
		if _, err := l.OpenSession(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	all, err := l.Sessions(t.Context())
	if err != nil || len(all) != n {
		t.Errorf("%d sessions, want %d; error %v", len(all), n, err)
	}
}

func TestSessionRecordIsReadable(t *testing.T) {
	t.Parallel()
	l, f := locker()
	s := opened(t, l)
	recs, err := f.Get(t.Context(), core.GetQuery{Keys: []string{"session/s"}})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(recs[0].State), "{\"pod\":\"p\",\"ttl\":\"10s\"}\ni"; got != want {
		t.Errorf("state %q, want %q", got, want)
	}
	if recs[0].Version != s.Beat || recs[0].Stripe != 0 || recs[0].Queue != "" || !recs[0].Due.IsZero() {
		t.Errorf("record %+v", recs[0])
	}
}

func TestForeignSessionRecordIsRefusedByName(t *testing.T) {
	t.Parallel()
	for _, state := range []string{"", "no newline", "not json\n", "{\"ttl\":\"soon\"}\n", "[]\n"} {
		l, f := locker()
		op := core.Op{Old: core.Record{Key: "session/x"}, New: core.Record{State: []byte(state)}}
		if _, err := f.Apply(t.Context(), []core.Op{op}); err != nil {
			t.Fatal(err)
		}
		_, err := l.Sessions(t.Context())
		if !errors.Is(err, core.ErrFormat) || !strings.Contains(err.Error(), "session/x") {
			t.Errorf("state %q: got %v, want %v", state, err, core.ErrFormat)
		}
		if _, err := l.RenewSession(t.Context(), core.Session{ID: "x", TTL: time.Second, Beat: 1}); !errors.Is(err, core.ErrFormat) {
			t.Errorf("state %q: renew: got %v, want %v", state, err, core.ErrFormat)
		}
	}
}

func TestChangeOf(t *testing.T) {
	t.Parallel()
	due := time.Unix(1, 0)
	for key, want := range map[string]core.Change{
		"session/s": {},
		"session":   {Key: "session", Version: 3, Queue: "q", Due: due},
		"job/a":     {Key: "job/a", Version: 3, Queue: "q", Due: due},
	} {
		if got := core.ChangeOf(core.Record{Key: key, Version: 3, Queue: "q", Due: due}); got != want {
			t.Errorf("change of %s: %+v, want %+v", key, got, want)
		}
	}
}

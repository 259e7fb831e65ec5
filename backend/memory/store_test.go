package memory_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/belfry-io/belfry/backend/memory"
	"github.com/belfry-io/belfry/core"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// create is a batch that creates one record.
func create(key string) []core.Op {
	return []core.Op{{Old: core.Record{Key: key}, New: core.Record{State: []byte("x")}, Announce: true}}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"memory://", "memory:"} {
		s, err := memory.Open(t.Context(), address)
		if err != nil {
			t.Errorf("open %q: %v", address, err)
			continue
		}
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	for _, address := range []string{"", "memory", "memory://name", "memory:///dir", "memory://?a=b", "memory://u@", "redis://", "%zz"} {
		if _, err := memory.Open(t.Context(), address); !errors.Is(err, core.ErrInvalid) {
			t.Errorf("open %q: %v, want %v", address, err, core.ErrInvalid)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := memory.Open(ended, "memory://"); !errors.Is(err, context.Canceled) {
		t.Errorf("open with a context that has ended: %v", err)
	}
}

func TestCheckSaysThatDataIsLost(t *testing.T) {
	t.Parallel()
	findings, err := memory.New().Check(t.Context())
	if err != nil || len(findings) != 1 || findings[0].Problem != "data is lost when the process ends" {
		t.Errorf("got %+v, %v", findings, err)
	}
}

func TestClockIsThatOfTheBubble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := memory.New()
		before := time.Now()
		time.Sleep(time.Hour)
		a, err := s.Apply(t.Context(), nil)
		if err != nil || !a.Now.Equal(before.Add(time.Hour)) {
			t.Errorf("the store's clock says %v, want %v; error %v", a.Now, before.Add(time.Hour), err)
		}
	})
}

func TestWatchMissesAndNeverBlocks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := memory.New()
		ctx, cancel := context.WithCancel(t.Context())
		release := make(chan struct{})
		told := 0
		var wg sync.WaitGroup
		wg.Go(func() {
			err := s.Watch(ctx, func(core.Change) {
				<-release
				told++
			})
			if err != nil {
				t.Errorf("watch: %v", err)
			}
		})
		synctest.Wait()
		const written = 5000
		for i := range written {
			if _, err := s.Apply(ctx, create(fmt.Sprint(i))); err != nil {
				t.Fatal(err)
			}
		}
		close(release)
		synctest.Wait()
		if told == 0 || told == written {
			t.Errorf("%d of %d changes were told to a watcher that was blocked, want some", told, written)
		}
		cancel()
		wg.Wait()
	})
}

func TestFnMayUseTheStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := memory.New()
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			_ = s.Watch(ctx, func(c core.Change) {
				if c.Key == "a" {
					_, _ = s.Apply(ctx, create("b"))
				}
			})
		})
		synctest.Wait()
		if _, err := s.Apply(ctx, create("a")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		recs, err := s.Get(ctx, core.GetQuery{Keys: []string{"b"}})
		if err != nil || recs[0].Version == 0 {
			t.Errorf("what fn wrote is not there: %v, %v", recs, err)
		}
		cancel()
		wg.Wait()
	})
}

func TestAdoptionLetsEveryConnectionGoOn(t *testing.T) {
	t.Parallel()
	one := memory.New()
	two := one.Connect()
	for _, s := range []*memory.Store{one, two} {
		if _, err := s.Apply(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
	before, err := one.Apply(t.Context(), create("a"))
	if err != nil {
		t.Fatal(err)
	}
	one.Empty()
	if _, err := two.Apply(t.Context(), nil); !errors.Is(err, core.ErrEpoch) {
		t.Fatalf("after the store was emptied: %v", err)
	}
	epoch, err := one.Adopt(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	after, err := two.Apply(t.Context(), create("a"))
	if err != nil || after.Epoch != epoch || after.Epoch == before.Epoch {
		t.Fatalf("after adoption of %q: epoch %q, error %v", epoch, after.Epoch, err)
	}
	if after.Results[0].Version <= before.Results[0].Version {
		t.Errorf("version %d after %d", after.Results[0].Version, before.Results[0].Version)
	}
}

package backendtest

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/belfry-io/belfry/backend/memory"
	"github.com/belfry-io/belfry/core"
)

// onWatch makes a mutant of Watch.
func onWatch(watch func(context.Context, *memory.Store, func(core.Change)) error) func(*memory.Store, *shared) core.Store {
	return func(s *memory.Store, _ *shared) core.Store {
		return &wrapper{Store: s, watch: func(ctx context.Context, fn func(core.Change)) error { return watch(ctx, s, fn) }}
	}
}

func feedBreakages() []breakage {
	return []breakage{
		{"watch tells nothing", "watch announced changes", onWatch(func(ctx context.Context, s *memory.Store, _ func(core.Change)) error {
			return s.Watch(ctx, func(core.Change) {})
		})},
		{"watch tells the key only", "watch announced changes", onWatch(func(ctx context.Context, s *memory.Store, fn func(core.Change)) error {
			return s.Watch(ctx, func(c core.Change) { fn(core.Change{Key: c.Key}) })
		})},
		{"watch does not tell deletions", "watch announced changes", onWatch(func(ctx context.Context, s *memory.Store, fn func(core.Change)) error {
			return s.Watch(ctx, func(c core.Change) {
				if c.Version != 0 {
					fn(c)
				}
			})
		})},
		{"watch calls from a goroutine each", "watch from one goroutine", onWatch(func(ctx context.Context, s *memory.Store, fn func(core.Change)) error {
			return s.Watch(ctx, func(c core.Change) {
				var wg sync.WaitGroup
				wg.Go(func() { fn(c) })
				wg.Wait()
			})
		})},
		{"watch returns the context's error", "watch ends", onWatch(func(ctx context.Context, s *memory.Store, fn func(core.Change)) error {
			return errors.Join(s.Watch(ctx, fn), ctx.Err())
		})},
		{"watch leaves its goroutine behind", "watch ends", onWatch(func(ctx context.Context, s *memory.Store, fn func(core.Change)) error {
			go func() { _ = s.Watch(context.WithoutCancel(ctx), fn) }()
			<-ctx.Done()
			return nil
		})},
		{"watch outlives close", "close ends watches", onWatch(func(ctx context.Context, s *memory.Store, fn func(core.Change)) error {
			_ = s.Watch(ctx, fn)
			<-ctx.Done()
			return nil
		})},
		{"watch holds up writers", "watch never holds up a writer", holdsUp},
		{"watch tells sessions by key", "watch sessions", onWatch(func(ctx context.Context, s *memory.Store, fn func(core.Change)) error {
			return s.Watch(ctx, func(c core.Change) {
				if c.Key == "" {
					c.Key = core.SessionPrefix
				}
				fn(c)
			})
		})},
	}
}

// holdsUp makes announcing writers wait for fn, until the case gives up.
func holdsUp(s *memory.Store, _ *shared) core.Store {
	told := make(chan core.Change)
	return &wrapper{
		Store: s,
		apply: func(ctx context.Context, ops []core.Op) (core.Applied, error) {
			for _, op := range ops {
				if !op.Announce {
					continue
				}
				select {
				case told <- core.Change{Key: op.Old.Key}:
				case <-ctx.Done():
					return core.Applied{}, ctx.Err()
				}
			}
			return s.Apply(ctx, ops)
		},
		watch: func(ctx context.Context, fn func(core.Change)) error {
			for {
				select {
				case c := <-told:
					fn(c)
				case <-ctx.Done():
					return nil
				}
			}
		},
	}
}

func sessionBreakages() []breakage {
	return []breakage{
		{"session revives after its end", "session end", revives},
		{"session id may be used again", "session id used twice", func(s *memory.Store, _ *shared) core.Store {
			return &wrapper{Store: s, open: func(ctx context.Context, n core.Session) (core.Session, error) {
				got, err := s.OpenSession(ctx, n)
				if errors.Is(err, core.ErrExists) {
					return n, nil
				}
				return got, err
			}}
		}},
		{"renewal does not change the beat", "session renew", func(s *memory.Store, _ *shared) core.Store {
			return &wrapper{Store: s, renew: func(ctx context.Context, old core.Session) (core.Session, error) {
				got, err := s.RenewSession(ctx, old)
				got.Beat = old.Beat
				return got, err
			}}
		}},
		{"renewal does not store the info", "session renew", func(s *memory.Store, _ *shared) core.Store {
			return &wrapper{Store: s, renew: func(ctx context.Context, old core.Session) (core.Session, error) {
				info := old.Info
				old.Info = nil
				got, err := s.RenewSession(ctx, old)
				got.Info = info
				return got, err
			}}
		}},
		{"renewal twice is a conflict", "session renewed again", func(s *memory.Store, sh *shared) core.Store {
			return &wrapper{Store: s, renew: func(ctx context.Context, old core.Session) (core.Session, error) {
				sh.notes.Lock()
				defer sh.notes.Unlock()
				if sh.notes.real == nil {
					sh.notes.real = make(map[string]uint64)
				}
				if sh.notes.real[old.ID] == old.Beat {
					return core.Session{}, core.ErrSessionLost
				}
				sh.notes.real[old.ID] = old.Beat
				return s.RenewSession(ctx, old)
			}}
		}},
		{"end by any beat", "session end after a beat", endsAny},
		{"end twice is an error", "session end", func(s *memory.Store, sh *shared) core.Store {
			return &wrapper{Store: s, end: func(ctx context.Context, id string, beat uint64) error {
				sh.notes.Lock()
				defer sh.notes.Unlock()
				if sh.notes.seen[id] {
					return core.ErrNotFound
				}
				sh.notes.seen = map[string]bool{id: true}
				return s.EndSession(ctx, id, beat)
			}}
		}},
		{"end of a stranger is an error", "session gone", strangers(core.ErrNotFound)},
		{"end of a stranger is not recorded", "session gone", strangers(nil)},
		{"end and renewal both granted", "session end against renewal", func(s *memory.Store, _ *shared) core.Store {
			return &wrapper{Store: s, end: func(ctx context.Context, id string, beat uint64) error {
				if err := s.EndSession(ctx, id, beat); !errors.Is(err, core.ErrConflict) {
					return err
				}
				return nil
			}, renew: func(ctx context.Context, old core.Session) (core.Session, error) {
				got, err := s.RenewSession(ctx, old)
				if errors.Is(err, core.ErrSessionLost) {
					return old, nil
				}
				return got, err
			}}
		}},
		{"sessions without the ended", "sessions", onSessions(func(all []core.Session) []core.Session {
			var open []core.Session
			for _, s := range all {
				if !s.Ended {
					open = append(open, s)
				}
			}
			return open
		})},
		{"ended sessions look open", "session end", onSessions(func(all []core.Session) []core.Session {
			for i := range all {
				all[i].Ended = false
			}
			return all
		})},
		{"silent sessions end by themselves", "session silent", onSessions(func(all []core.Session) []core.Session {
			for i := range all {
				all[i].Ended = true
			}
			return all
		})},
		{"session without the pod's name", "session open", onSessions(func(all []core.Session) []core.Session {
			for i := range all {
				all[i].Pod = ""
			}
			return all
		})},
		{"session ids of any kind", "session limits", func(s *memory.Store, _ *shared) core.Store {
			return &wrapper{Store: s, open: func(ctx context.Context, n core.Session) (core.Session, error) {
				got, err := s.OpenSession(ctx, n)
				if errors.Is(err, core.ErrInvalid) {
					return n, nil
				}
				return got, err
			}}
		}},
		{"peers may not end a session", "session end by a peer", func(s *memory.Store, _ *shared) core.Store {
			mine := make(map[string]bool)
			return &wrapper{Store: s, open: func(ctx context.Context, n core.Session) (core.Session, error) {
				mine[n.ID] = true
				return s.OpenSession(ctx, n)
			}, end: func(ctx context.Context, id string, beat uint64) error {
				if !mine[id] {
					return errBroken
				}
				return s.EndSession(ctx, id, beat)
			}}
		}},
	}
}

// onSessions makes a mutant of Sessions' answers.
func onSessions(change func([]core.Session) []core.Session) func(*memory.Store, *shared) core.Store {
	return func(s *memory.Store, _ *shared) core.Store {
		return &wrapper{Store: s, sessions: func(ctx context.Context) ([]core.Session, error) {
			all, err := s.Sessions(ctx)
			return change(all), err
		}}
	}
}

// revives opens an ended session again when its owner comes back.
func revives(s *memory.Store, _ *shared) core.Store {
	return &wrapper{Store: s, renew: func(ctx context.Context, old core.Session) (core.Session, error) {
		got, err := s.RenewSession(ctx, old)
		if !errors.Is(err, core.ErrSessionLost) {
			return got, err
		}
		key := core.SessionPrefix + old.ID
		recs, err := s.Get(ctx, core.GetQuery{Keys: []string{key}})
		if err != nil {
			return core.Session{}, err
		}
		a, err := s.Apply(ctx, []core.Op{{Old: recs[0], New: core.Record{State: []byte("{\"ttl\":\"10s\"}\n")}}})
		if err != nil {
			return core.Session{}, err
		}
		old.Beat = a.Results[0].Version
		return old, nil
	}}
}

// endsAny ends a session whatever its beat.
func endsAny(s *memory.Store, _ *shared) core.Store {
	return &wrapper{Store: s, end: func(ctx context.Context, id string, beat uint64) error {
		err := s.EndSession(ctx, id, beat)
		for errors.Is(err, core.ErrConflict) {
			recs, gerr := s.Get(ctx, core.GetQuery{Keys: []string{core.SessionPrefix + id}})
			if gerr != nil {
				return gerr
			}
			err = s.EndSession(ctx, id, recs[0].Version)
		}
		return err
	}}
}

// strangers answers the end of an unknown session with err, and writes nothing.
func strangers(err error) func(*memory.Store, *shared) core.Store {
	return func(s *memory.Store, _ *shared) core.Store {
		return &wrapper{Store: s, end: func(ctx context.Context, id string, beat uint64) error {
			recs, gerr := s.Get(ctx, core.GetQuery{Keys: []string{core.SessionPrefix + id}})
			if gerr == nil && recs[0].Version == 0 {
				return err
			}
			return s.EndSession(ctx, id, beat)
		}}
	}
}

func lifeBreakages() []breakage {
	return []breakage{
		{"close does not close", "closed", func(s *memory.Store, _ *shared) core.Store {
			return &wrapper{Store: s, close: func() error { return nil }}
		}},
		{"close may be called twice", "closed", func(s *memory.Store, _ *shared) core.Store {
			return &wrapper{Store: s, close: func() error { _ = s.Close(); return nil }}
		}},
		{"close closes the data", "close one of several", func(_ *memory.Store, sh *shared) core.Store { return sh.data }},
		{"close ends sessions", "sessions outlive connections", func(s *memory.Store, _ *shared) core.Store {
			w := &wrapper{Store: s}
			w.close = func() error {
				ctx := context.Background()
				all, _ := s.Sessions(ctx)
				for _, o := range all {
					_ = s.EndSession(ctx, o.ID, o.Beat)
				}
				return s.Close()
			}
			return w
		}},
		{"context ignored", "context has ended", func(s *memory.Store, _ *shared) core.Store {
			return &wrapper{Store: s, get: func(ctx context.Context, q core.GetQuery) ([]core.Record, error) {
				return s.Get(context.WithoutCancel(ctx), q)
			}}
		}},
		{"context's error not wrapped", "context has ended", func(s *memory.Store, _ *shared) core.Store {
			return &wrapper{Store: s, log: func(ctx context.Context, q core.LogQuery) ([]core.Entry, error) {
				entries, err := s.Log(ctx, q)
				if err != nil {
					err = errBroken
				}
				return entries, err
			}}
		}},
		{"an error, and carried out all the same", "context ends amid", func(s *memory.Store, _ *shared) core.Store {
			return &wrapper{Store: s, apply: func(ctx context.Context, ops []core.Op) (core.Applied, error) {
				a, err := s.Apply(context.WithoutCancel(ctx), ops)
				return a, errors.Join(err, ctx.Err())
			}}
		}},
		{"emptied unnoticed", "emptied", func(s *memory.Store, _ *shared) core.Store {
			inner := s
			return &wrapper{Store: s, apply: func(ctx context.Context, ops []core.Op) (core.Applied, error) {
				a, err := inner.Apply(ctx, ops)
				if errors.Is(err, core.ErrEpoch) {
					inner = inner.Connect()
					return inner.Apply(ctx, ops)
				}
				return a, err
			}}
		}},
		{"emptied, empty batch unnoticed", "emptied", func(s *memory.Store, _ *shared) core.Store {
			return &wrapper{Store: s, apply: func(ctx context.Context, ops []core.Op) (core.Applied, error) {
				if len(ops) == 0 {
					return s.Connect().Apply(ctx, ops)
				}
				return s.Apply(ctx, ops)
			}}
		}},
		{"epoch of the connection", "epoch and server", func(s *memory.Store, sh *shared) core.Store {
			sh.notes.Lock()
			defer sh.notes.Unlock()
			sh.notes.entries = append(sh.notes.entries, core.Entry{})
			name := string(rune('a' + len(sh.notes.entries)))
			return onApplied(func(_ []core.Op, a *core.Applied) { a.Epoch = name })(s, sh)
		}},
		{"adoption keeps the epoch", "adopt", func(s *memory.Store, _ *shared) core.Store { return &lazyAdopter{s} }},
		{"not safe for use at once", "all methods at once", func(s *memory.Store, _ *shared) core.Store {
			var (
				busy   sync.Mutex
				second = make(chan struct{}, 1)
			)
			return &wrapper{Store: s, list: func(ctx context.Context, q core.ListQuery) ([]core.Record, error) {
				if !busy.TryLock() {
					select {
					case second <- struct{}{}:
					default:
					}
					return nil, errBroken
				}
				defer busy.Unlock()
				select {
				case <-second:
				case <-time.After(time.Second):
				}
				return s.List(ctx, q)
			}}
		}},
	}
}

// A lazyAdopter says that it has adopted, and has not.
type lazyAdopter struct{ *memory.Store }

func (a *lazyAdopter) Adopt(context.Context) (string, error) { return "memory-2", nil }

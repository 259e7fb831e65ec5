package backendtest

import (
	"errors"
	"fmt"
	"sync"

	"github.com/belfry-io/belfry/core"
)

func sessionEndCases() []Case {
	return []Case{
		{"session end", []string{
			"EndSession ends the session if its beat is still the given one, and is nil if it has ended already",
			"[ErrSessionLost] if it has ended or is gone",
			"for ever",
		}, sessionEnd},
		{"session end after a beat", []string{
			"[ErrConflict] if it has beaten since",
		}, sessionEndStale},
		{"session end by a peer", []string{
			"A session lives until it is ended: by its owner, or by a peer that has seen the same beat for a whole TTL on the peer's own monotonic clock",
		}, sessionEndPeer},
		{"session gone", []string{
			"A session that is gone is recorded as ended",
			"[ErrSessionLost] if it has ended or is gone",
		}, sessionGone},
		{"session end against renewal", []string{
			"Ended is for ever; a pod that comes back opens another session",
		}, sessionRace},
		{"sessions", []string{
			"A Locker keeps the pods' sessions",
			"Sessions returns the open sessions and, for a day, the ended ones",
		}, sessionsListed},
		{"sessions outlive connections", []string{
			"It ends no session",
		}, sessionOutlives},
	}
}

// wantLost says whether a renewal is refused as it has to be once the session has ended.
func (e *env) wantLost(s core.Store, old core.Session) error {
	if got, err := s.RenewSession(e.ctx, old); !errors.Is(err, core.ErrSessionLost) {
		return fmt.Errorf("renew session %s after its end: got beat %d and %v, want %w", old.ID, got.Beat, err, core.ErrSessionLost)
	}
	return nil
}

// sessionEnd ends a session, ends it again, and tries to wake it.
func sessionEnd(e *env) error {
	opened, err := e.open(e.store, "one")
	if err != nil {
		return err
	}
	s, err := e.renew(e.store, opened)
	if err != nil {
		return err
	}
	ended := s
	ended.Ended = true
	for _, beat := range []uint64{s.Beat, s.Beat, opened.Beat, s.Beat + 1, 0} {
		if err := e.store.EndSession(e.ctx, "one", beat); err != nil {
			return fmt.Errorf("end session of beat %d by %d: %w", s.Beat, beat, err)
		}
		again := s
		again.Beat += 2
		if err := first(e.wantLost(e.store, s), e.wantLost(e.store, opened), e.wantLost(e.store, again), e.listed(e.store, ended)); err != nil {
			return err
		}
	}
	got, _, err := e.sessionOf(e.store, "one")
	if err != nil {
		return err
	}
	awake := got
	awake.TTL, awake.Ended = s.TTL, false
	return first(e.wantLost(e.store, got), e.wantLost(e.store, awake))
}

// sessionEndStale ends a session by beats that it no longer has.
func sessionEndStale(e *env) error {
	opened, err := e.open(e.store, "one")
	if err != nil {
		return err
	}
	s, err := e.renew(e.store, opened)
	if err != nil {
		return err
	}
	for _, beat := range []uint64{opened.Beat, s.Beat + 1, 0} {
		if err := e.store.EndSession(e.ctx, "one", beat); !errors.Is(err, core.ErrConflict) {
			return fmt.Errorf("end session of beat %d by %d: got %v, want %w", s.Beat, beat, err, core.ErrConflict)
		}
		if err := e.listed(e.store, s); err != nil {
			return fmt.Errorf("after a refused end: %w", err)
		}
	}
	if s, err = e.renew(e.store, s); err != nil {
		return fmt.Errorf("after refused ends: %w", err)
	}
	return e.listed(e.store, s)
}

// sessionEndPeer lets a peer end a session by the beat that the peer has seen.
func sessionEndPeer(e *env) error {
	s, err := e.open(e.store, "one")
	if err != nil {
		return err
	}
	peer, err := e.connect()
	if err != nil {
		return err
	}
	if err := e.within(fresh, func() error { return e.listed(peer, s) }); err != nil {
		return err
	}
	seen, _, err := e.sessionOf(peer, "one")
	if err != nil {
		return err
	}
	if err := peer.EndSession(e.ctx, "one", seen.Beat); err != nil {
		return fmt.Errorf("end a peer's session: %w", err)
	}
	s.Ended = true
	return first(e.wantLost(e.store, s), e.listed(peer, s), e.within(fresh, func() error { return e.listed(e.store, s) }))
}

// sessionGone ends a session that the store knows nothing of.
func sessionGone(e *env) error {
	s := session("one")
	s.Beat = 7
	if err := e.wantLost(e.store, s); err != nil {
		return err
	}
	if _, ok, err := e.sessionOf(e.store, "one"); err != nil || ok {
		return fmt.Errorf("sessions after a refused renewal: found %t, error %v", ok, err)
	}
	for range 2 {
		if err := e.store.EndSession(e.ctx, "one", 7); err != nil {
			return fmt.Errorf("end a session that is gone: %w", err)
		}
	}
	s.Ended = true
	if err := first(e.listed(e.store, s), e.wantLost(e.store, s)); err != nil {
		return err
	}
	if _, err := e.store.OpenSession(e.ctx, session("one")); !errors.Is(err, core.ErrExists) {
		return fmt.Errorf("open a session that was recorded as ended: got %v, want %w", err, core.ErrExists)
	}
	return nil
}

// sessionRace ends sessions while their owner renews them: if the end was granted no later renewal is.
func sessionRace(e *env) error {
	peer, err := e.connect()
	if err != nil {
		return err
	}
	for i := range 20 {
		s, err := e.open(e.store, fmt.Sprintf("s%d", i))
		if err != nil {
			return err
		}
		var (
			wg            sync.WaitGroup
			renewed       core.Session
			endErr, rnErr error
		)
		wg.Go(func() { endErr = peer.EndSession(e.ctx, s.ID, s.Beat) })
		wg.Go(func() { renewed, rnErr = e.store.RenewSession(e.ctx, s) })
		wg.Wait()
		switch {
		case endErr == nil && errors.Is(rnErr, core.ErrSessionLost):
			err = e.wantLost(e.store, s)
		case errors.Is(endErr, core.ErrConflict) && rnErr == nil:
			_, err = e.renew(e.store, renewed)
		default:
			err = fmt.Errorf("an end and a renewal at once: got %v and %v, want one of them granted", endErr, rnErr)
		}
		if err != nil {
			return fmt.Errorf("round %d: %w", i, err)
		}
	}
	return nil
}

// sessionsListed opens many sessions and ends some.
func sessionsListed(e *env) error {
	var all []core.Session
	for i := range 30 {
		s, err := e.open(e.store, fmt.Sprintf("s%d", i))
		if err != nil {
			return err
		}
		if i%3 == 0 {
			if err := e.store.EndSession(e.ctx, s.ID, s.Beat); err != nil {
				return fmt.Errorf("end session: %w", err)
			}
			s.Ended = true
		}
		all = append(all, s)
	}
	got, err := e.store.Sessions(e.ctx)
	if err != nil {
		return fmt.Errorf("sessions: %w", err)
	}
	if len(got) != len(all) {
		return fmt.Errorf("sessions: got %d, want %d", len(got), len(all))
	}
	for _, s := range all {
		if err := e.listed(e.store, s); err != nil {
			return err
		}
	}
	return nil
}

// sessionOutlives closes the connection that opened a session.
func sessionOutlives(e *env) error {
	s, err := e.open(e.store, "one")
	if err != nil {
		return err
	}
	if err := e.store.Close(); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	next, err := e.connect()
	if err != nil {
		return err
	}
	if err := e.within(fresh, func() error { return e.listed(next, s) }); err != nil {
		return err
	}
	_, err = e.renew(next, s)
	return err
}

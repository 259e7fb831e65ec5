package backendtest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/belfry-io/belfry/core"
)

func sessionCases() []Case {
	return []Case{
		{"session open", []string{
			"OpenSession opens s under s.ID, which the caller makes unique for all time, and returns it with its first Beat and the store's Now",
			"A Session is a pod's lease on being alive",
			"the pod's name, for people",
			"the store's clock when the call was answered; zero if it has none",
		}, sessionOpen},
		{"session id used twice", []string{
			"[ErrExists] if the ID was ever used",
			"Ended is for ever; a pod that comes back opens another session",
		}, sessionTwice},
		{"session limits", []string{
			"1 to 64 letters and digits",
			"what the pod tells of itself; opaque to a Locker; at most 16 KiB",
		}, sessionLimits},
		{"session renew", []string{
			"RenewSession proves that s lives and stores its Info; it returns s with the next Beat and the store's Now",
			"grows at every renewal",
		}, sessionRenew},
		{"session renewed again", []string{
			"After [ErrUncertain] call it again: it may be repeated",
		}, sessionRenewAgain},
		{"session silent", []string{
			"A session lives until it is ended: by its owner, or by a peer that has seen the same beat for a whole TTL on the peer's own monotonic clock",
			"A session that the backend has lost (a lease revoked early, a fail-over) has not ended: peers treat it as silent and wait out its TTL",
		}, sessionSilent},
	}
}

// session is one to be opened.
func session(id string) core.Session {
	return core.Session{ID: id, Pod: "pod of " + id, TTL: 10 * time.Second, Info: []byte("info of " + id)}
}

// open opens a session.
func (e *env) open(s core.Store, id string) (core.Session, error) {
	got, err := s.OpenSession(e.ctx, session(id))
	if err != nil {
		return got, fmt.Errorf("open session %s: %w", id, err)
	}
	return got, nil
}

// renew renews a session.
func (e *env) renew(s core.Store, old core.Session) (core.Session, error) {
	got, err := s.RenewSession(e.ctx, old)
	if err != nil {
		return got, fmt.Errorf("renew session %s of beat %d: %w", old.ID, old.Beat, err)
	}
	return got, nil
}

// sessionOf finds a session among all; ok says whether it is there.
func (e *env) sessionOf(s core.Store, id string) (found core.Session, ok bool, err error) {
	all, err := s.Sessions(e.ctx)
	if err != nil {
		return found, false, fmt.Errorf("sessions: %w", err)
	}
	i := slices.IndexFunc(all, func(o core.Session) bool { return o.ID == id })
	if i < 0 {
		return found, false, nil
	}
	return all[i], true, nil
}

// listed says whether Sessions has the session as it is.
func (e *env) listed(s core.Store, want core.Session) error {
	got, ok, err := e.sessionOf(s, want.ID)
	switch {
	case err != nil:
		return err
	case !ok:
		return fmt.Errorf("sessions: %s is not there", want.ID)
	case got.Ended != want.Ended:
		return fmt.Errorf("sessions: %s has Ended %t, want %t", want.ID, got.Ended, want.Ended)
	case want.Ended:
		return nil
	}
	return sameSession(got, want)
}

// sameSession says how an open session differs from another; Now does not count.
func sameSession(got, want core.Session) error {
	if got.ID != want.ID || got.Pod != want.Pod || got.TTL != want.TTL || got.Beat != want.Beat ||
		got.Ended != want.Ended || !bytes.Equal(got.Info, want.Info) {
		return fmt.Errorf("session %+v, want %+v", got, want)
	}
	return nil
}

// clockOf says whether a session was answered with the store's clock, at or after a time of it.
func (e *env) clockOf(s core.Session, before time.Time) error {
	if s.Now.IsZero() != e.place.NoClock || s.Now.Before(before) {
		return fmt.Errorf("session %s was answered with the time %v, before that it was %v", s.ID, s.Now, before)
	}
	return nil
}

// sessionOpen opens sessions on two connections.
func sessionOpen(e *env) error {
	a, err := e.store.Apply(e.ctx, nil)
	if err != nil {
		return fmt.Errorf("apply nothing: %w", err)
	}
	got, err := e.open(e.store, "one")
	if err != nil {
		return err
	}
	want := session("one")
	want.Beat = got.Beat
	if got.Beat == 0 {
		return errors.New("session one: its first beat is 0")
	}
	if err := first(sameSession(got, want), e.clockOf(got, a.Now), e.listed(e.store, want)); err != nil {
		return err
	}
	peer, err := e.connect()
	if err != nil {
		return err
	}
	two, err := e.open(peer, "two")
	if err != nil {
		return err
	}
	return first(e.listed(peer, two), e.listed(e.store, want))
}

// sessionTwice opens a session again: while it lives, after its end, and from elsewhere.
func sessionTwice(e *env) error {
	peer, err := e.connect()
	if err != nil {
		return err
	}
	s, err := e.open(e.store, "one")
	if err != nil {
		return err
	}
	again := func(when string) error {
		for _, c := range []core.Store{e.store, peer} {
			if _, err := c.OpenSession(e.ctx, session("one")); !errors.Is(err, core.ErrExists) {
				return fmt.Errorf("open a session again %s: got %v, want %w", when, err, core.ErrExists)
			}
		}
		return nil
	}
	if err := first(again("while it lives"), e.listed(e.store, s)); err != nil {
		return err
	}
	if err := e.store.EndSession(e.ctx, "one", s.Beat); err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	s.Ended = true
	return first(again("after its end"), e.listed(e.store, s))
}

// sessionLimits opens sessions with names and infos that are allowed, and with others.
func sessionLimits(e *env) error {
	for _, id := range []string{"a", "Z", "0", strings.Repeat("x", core.MaxSessionID), "a0"} {
		s, err := e.open(e.store, id)
		if err := first(err, e.listed(e.store, s)); err != nil {
			return err
		}
	}
	for _, id := range []string{"", strings.Repeat("x", core.MaxSessionID+1), "a-b", "a/b", "a b", "é", "a\n", "*"} {
		if _, err := e.store.OpenSession(e.ctx, session(id)); !errors.Is(err, core.ErrInvalid) {
			return fmt.Errorf("open session %q: got %v, want %w", id, err, core.ErrInvalid)
		}
	}
	s := session("info")
	s.Info = bytes.Repeat([]byte{0, '\n', 0xff, '{'}, core.MaxInfo/4)
	s, err := e.store.OpenSession(e.ctx, s)
	if err := first(err, e.listed(e.store, s)); err != nil {
		return fmt.Errorf("a session with 16 KiB of Info: %w", err)
	}
	s.Info = append(s.Info, 'x')
	if _, err := e.store.RenewSession(e.ctx, s); !errors.Is(err, core.ErrInvalid) {
		return fmt.Errorf("renew with more than 16 KiB of Info: got %v, want %w", err, core.ErrInvalid)
	}
	s.ID = "more"
	if _, err := e.store.OpenSession(e.ctx, s); !errors.Is(err, core.ErrInvalid) {
		return fmt.Errorf("open with more than 16 KiB of Info: got %v, want %w", err, core.ErrInvalid)
	}
	return nil
}

// sessionRenew renews a few times.
func sessionRenew(e *env) error {
	s, err := e.open(e.store, "one")
	if err != nil {
		return err
	}
	for i := range 5 {
		next := s
		next.Info = fmt.Appendf(nil, "info %d", i)
		got, err := e.renew(e.store, next)
		if err != nil {
			return err
		}
		if got.Beat <= s.Beat {
			return fmt.Errorf("renewal %d: beat %d after %d", i, got.Beat, s.Beat)
		}
		next.Beat = got.Beat
		if err := first(sameSession(got, next), e.clockOf(got, s.Now), e.listed(e.store, next)); err != nil {
			return fmt.Errorf("renewal %d: %w", i, err)
		}
		s = got
	}
	return nil
}

// sessionRenewAgain renews with the beat from before a renewal, as one does whose answer was lost. The answer has
// to be a beat that peers have not seen yet: the caller counts its trust from this call.
func sessionRenewAgain(e *env) error {
	s, err := e.open(e.store, "one")
	if err != nil {
		return err
	}
	lost, err := e.renew(e.store, s)
	if err != nil {
		return err
	}
	again, err := e.renew(e.store, s)
	if err != nil {
		return fmt.Errorf("again: %w", err)
	}
	if again.Beat < lost.Beat {
		return fmt.Errorf("renewed again the session has beat %d, before it had %d", again.Beat, lost.Beat)
	}
	if err := e.listed(e.store, again); err != nil {
		return err
	}
	next, err := e.renew(e.store, again)
	if err != nil {
		return err
	}
	if next.Beat <= again.Beat {
		return fmt.Errorf("after a repeated renewal: beat %d after %d", next.Beat, again.Beat)
	}
	return e.listed(e.store, next)
}

// sessionSilent lets a session be silent for more than its TTL: it may be gone then, but it has not ended.
func sessionSilent(e *env) error {
	s := session("one")
	s.TTL = time.Second
	s, err := e.store.OpenSession(e.ctx, s)
	if err != nil {
		return fmt.Errorf("open session: %w", err)
	}
	if err := e.wait(2 * time.Second); err != nil {
		return err
	}
	got, ok, err := e.sessionOf(e.store, "one")
	if err != nil {
		return err
	}
	if ok && got.Ended {
		return errors.New("a session that was silent for two TTLs has ended by itself")
	}
	if err := e.store.EndSession(e.ctx, "one", s.Beat); err != nil {
		return fmt.Errorf("end a silent session: %w", err)
	}
	s.Ended = true
	return e.listed(e.store, s)
}

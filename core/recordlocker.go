package core

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
)

// SessionPrefix begins the keys of the records in which a [RecordLocker] keeps sessions. They have stripe 0, no
// queue and no due time.
const SessionPrefix = "session/"

// Limits of the Locker contract.
const (
	MaxSessionID = 64       // letters and digits
	MaxInfo      = 16 << 10 // bytes
)

const (
	sessionPage     = 1000           // records read at once
	sessionKept     = 24 * time.Hour // how long an ended session can still be seen
	sessionAttempts = 64             // renewals of one call: callers of one session overtake one another, but each round lets one through
)

// Records is what a [RecordLocker] needs of a [Store].
type Records interface {
	Apply(ctx context.Context, ops []Op) (Applied, error)
	Get(ctx context.Context, q GetQuery) ([]Record, error)
	List(ctx context.Context, q ListQuery) ([]Record, error)
}

// A RecordLocker is a [Locker] for stores without leases of their own: a session is a record, the beat of an open one
// is the record's version. A Store embeds it with itself as Records; a Store that wraps another one and changes Apply
// embeds one of its own, or the sessions pass it by.
//
// The clock of the store, not of any pod, decides when an ended session is forgotten. In a store without a clock
// none ever is.
//
// All methods may be called at once. A RecordLocker must not be copied after its first use.
type RecordLocker struct {
	Records Records

	latest atomic.Int64 // the greatest Now of the store so far, in microseconds; 0: none yet
}

var _ Locker = (*RecordLocker)(nil)

// ChangeOf returns what watchers are told of a change that left the record as r, or removed it if r.Version is 0.
// Every backend's feed goes through it, because a change of a session's record is told without its key.
func ChangeOf(r Record) Change {
	if strings.HasPrefix(r.Key, SessionPrefix) {
		return Change{}
	}
	return Change{Key: r.Key, Version: r.Version, Queue: r.Queue, Due: r.Due}
}

// ValidSession says whether a Locker can take s: its ID, TTL and Info. The error is [ErrInvalid].
func ValidSession(s Session) error {
	if err := validSessionID(s.ID); err != nil {
		return err
	}
	if s.TTL <= 0 {
		return &FieldError{Field: "ttl", Problem: fmt.Sprintf("%v is not positive", s.TTL)}
	}
	if len(s.Info) > MaxInfo {
		return &FieldError{Field: "info", Problem: fmt.Sprintf("%d bytes are more than %d", len(s.Info), MaxInfo)}
	}
	return nil
}

// validSessionID checks the one field that every method of a Locker is given.
func validSessionID(id string) error {
	if len(id) == 0 || len(id) > MaxSessionID {
		return &FieldError{Field: "session", Problem: fmt.Sprintf("%d bytes are not 1 to %d", len(id), MaxSessionID)}
	}
	for _, c := range []byte(id) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return &FieldError{Field: "session", Problem: fmt.Sprintf("%q is not letters and digits only", id)}
		}
	}
	return nil
}

// OpenSession implements [Locker].
func (l *RecordLocker) OpenSession(ctx context.Context, s Session) (Session, error) {
	if err := ValidSession(s); err != nil {
		return Session{}, fmt.Errorf("open session %s: %w", s.ID, err)
	}
	op, err := openOp(s, 0)
	if err != nil {
		return Session{}, fmt.Errorf("open session %s: %w", s.ID, err)
	}
	op.Announce = true
	res, now, err := l.apply(ctx, op)
	switch {
	case errors.Is(err, ErrConflict):
		return Session{}, fmt.Errorf("open session %s: %w", s.ID, ErrExists)
	case err != nil:
		return Session{}, fmt.Errorf("open session %s: %w", s.ID, err)
	}
	s.Beat, s.Ended, s.Now = res.Version, false, now
	return s, nil
}

// RenewSession implements [Locker].
//
// A conflict with an open record means that an earlier renewal of ours arrived although its answer was lost, for
// nobody else renews. Its beat is not good enough to return: it may be nearly a TTL old, and the caller counts its
// trust from the moment it called. So the session beats once more on top of it.
func (l *RecordLocker) RenewSession(ctx context.Context, s Session) (Session, error) {
	if err := ValidSession(s); err != nil {
		return Session{}, fmt.Errorf("renew session %s: %w", s.ID, err)
	}
	renewed, err := l.renew(ctx, s)
	if err != nil {
		return Session{}, fmt.Errorf("renew session %s: %w", s.ID, err)
	}
	return renewed, nil
}

// renew is RenewSession.
func (l *RecordLocker) renew(ctx context.Context, s Session) (Session, error) {
	beat := s.Beat
	for range sessionAttempts {
		if beat == 0 || s.Ended { // the one would create it, the other wake it
			return Session{}, ErrSessionLost
		}
		op, err := openOp(s, beat)
		if err != nil {
			return Session{}, err
		}
		res, now, err := l.apply(ctx, op)
		if err == nil {
			s.Beat, s.Ended, s.Now = res.Version, false, now
			return s, nil
		}
		if !errors.Is(err, ErrConflict) {
			return Session{}, err
		}
		if res.Current.Version == 0 {
			return Session{}, ErrSessionLost
		}
		cur, err := sessionOf(res.Current)
		if err != nil {
			return Session{}, err
		}
		if cur.Ended {
			return Session{}, ErrSessionLost
		}
		beat = cur.Beat
	}
	return Session{}, fmt.Errorf("overtaken %d times: %w", sessionAttempts, ErrUncertain)
}

// EndSession implements [Locker].
func (l *RecordLocker) EndSession(ctx context.Context, id string, beat uint64) error {
	if err := validSessionID(id); err != nil {
		return fmt.Errorf("end session %s: %w", id, err)
	}
	if err := l.end(ctx, id, beat); err != nil {
		return fmt.Errorf("end session %s: %w", id, err)
	}
	return nil
}

// end is EndSession. What it reads first may be stale, so it decides nothing but what the ended record says of
// the pod; an ended one is ended in any case.
func (l *RecordLocker) end(ctx context.Context, id string, beat uint64) error {
	recs, err := l.Records.Get(ctx, GetQuery{Keys: []string{SessionPrefix + id}})
	if err != nil {
		return err
	}
	s := Session{ID: id}
	if recs[0].Version != 0 {
		if s, err = sessionOf(recs[0]); err != nil {
			return err
		}
	}
	if s.Ended {
		return nil
	}
	now, err := l.now(ctx)
	if err != nil {
		return err
	}
	cur, err := l.endOver(ctx, s, beat, beat, now)
	if beat != 0 && errors.Is(err, ErrConflict) && cur.Version == 0 {
		cur, err = l.endOver(ctx, s, beat, 0, now) // gone: recorded, so that it stays so
	}
	if !errors.Is(err, ErrConflict) || cur.Version == 0 {
		return err
	}
	if s, bad := sessionOf(cur); bad != nil || s.Ended {
		return bad
	}
	return err
}

// endOver writes the end of s over the record of that version; with ErrConflict it returns the record as it is.
func (l *RecordLocker) endOver(ctx context.Context, s Session, last, version uint64, at time.Time) (Record, error) {
	op, err := endOp(s, last, version, at)
	if err != nil {
		return Record{}, err
	}
	res, _, err := l.apply(ctx, op)
	return res.Current, err
}

// Sessions implements [Locker]. It also removes the sessions that ended more than a day ago.
func (l *RecordLocker) Sessions(ctx context.Context) ([]Session, error) {
	var (
		sessions []Session
		old      []Op
		now      = l.latest.Load()
	)
	for after := ""; ; {
		page, err := l.Records.List(ctx, ListQuery{Prefix: SessionPrefix, After: after, Limit: sessionPage})
		if err != nil {
			return nil, fmt.Errorf("list sessions: %w", err)
		}
		if len(page) == 0 {
			break
		}
		after = page[len(page)-1].Key
		for _, r := range page {
			s, ended, err := decodeSession(r)
			if err != nil {
				return nil, fmt.Errorf("list sessions: %w", err)
			}
			if !ended.IsZero() && now-ended.UnixMicro() > sessionKept.Microseconds() {
				old = append(old, Op{Old: r, Delete: true})
				continue
			}
			sessions = append(sessions, s)
		}
	}
	l.forget(ctx, old)
	return sessions, nil
}

// forget removes the records of sessions that ended long ago. Whatever goes wrong, the next call finds them again.
func (l *RecordLocker) forget(ctx context.Context, old []Op) {
	if len(old) == 0 {
		return
	}
	_, _ = l.Records.Apply(ctx, old[:min(len(old), MaxBatch)])
}

// apply carries out one op and makes its result's error the call's.
func (l *RecordLocker) apply(ctx context.Context, op Op) (Result, time.Time, error) {
	a, err := l.Records.Apply(ctx, []Op{op})
	if err != nil {
		return Result{}, time.Time{}, err
	}
	l.saw(a.Now)
	return a.Results[0], a.Now, a.Results[0].Err
}

// now asks the store for its clock; zero if it has none.
func (l *RecordLocker) now(ctx context.Context) (time.Time, error) {
	a, err := l.Records.Apply(ctx, nil)
	if err != nil {
		return time.Time{}, err
	}
	l.saw(a.Now)
	return a.Now, nil
}

// saw keeps the greatest clock of the store.
func (l *RecordLocker) saw(now time.Time) {
	if now.IsZero() {
		return
	}
	us := now.UnixMicro()
	for {
		old := l.latest.Load()
		if us <= old || l.latest.CompareAndSwap(old, us) {
			return
		}
	}
}

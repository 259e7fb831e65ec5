package core

import (
	"context"
	"time"
)

// A Locker keeps the pods' sessions. A backend that has leases of its own implements it on them; the others
// embed a [RecordLocker], which needs nothing but the rest of [Store]. Named locks need no backend code: they
// are records that the engine steps (see [Scheduler.Lock]).
//
// A session lives until it is ended: by its owner, or by a peer that has seen the same beat for a whole TTL on
// the peer's own monotonic clock. No machine's clock is ever compared with another's. Ended is for ever; a pod
// that comes back opens another session. A session that the backend has lost (a lease revoked early, a
// fail-over) has not ended: peers treat it as silent and wait out its TTL.
type Locker interface {
	// OpenSession opens s under s.ID, which the caller makes unique for all time, and returns it with its first
	// Beat and the store's Now. [ErrExists] if the ID was ever used. After [ErrUncertain] open another one.
	OpenSession(ctx context.Context, s Session) (Session, error)

	// RenewSession proves that s lives and stores its Info; it returns s with the next Beat and the store's Now.
	// [ErrSessionLost] if it has ended or is gone. After [ErrUncertain] call it again: it may be repeated.
	RenewSession(ctx context.Context, s Session) (Session, error)

	// EndSession ends the session if its beat is still the given one, and is nil if it has ended already.
	// [ErrConflict] if it has beaten since. A session that is gone is recorded as ended.
	EndSession(ctx context.Context, id string, beat uint64) error

	// Sessions returns the open sessions and, for a day, the ended ones.
	Sessions(ctx context.Context) ([]Session, error)
}

// A Session is a pod's lease on being alive.
type Session struct {
	ID    string // 1 to 64 letters and digits
	Pod   string // the pod's name, for people
	TTL   time.Duration
	Info  []byte    // what the pod tells of itself; opaque to a Locker; at most 16 KiB
	Beat  uint64    // grows at every renewal
	Ended bool      // for ever
	Now   time.Time // the store's clock when the call was answered; zero if it has none
}

package core

import (
	"context"
	"time"
)

// A Store holds versioned records with a due index. It is all that belfry asks of a backend, and it knows
// nothing of jobs, schedules or retries: the engine decides, the store compares and sets.
//
// What follows is the contract. Package backendtest has a case for each sentence of it and of the methods'
// comments; a backend that passes them is done.
//
// Keys are 1 to 512 bytes of UTF-8 without NUL and newline. No other byte means anything to a backend.
//
// Times are UTC with a precision of one microsecond; what is finer is cut off.
//
// A change gives its key a version greater than every version the key ever had, over deletion, re-creation,
// restart and fail-over. Where a fail-over can lose acknowledged changes a counter is not enough:
// max(old + 1, the store's clock in microseconds) is.
//
// A method returns soon after its context has ended, with an error that wraps the context's. Apply is the
// exception: what was under way then is answered by results with ErrUncertain.
//
// After Close every method returns [ErrClosed].
//
// A change is sent once. Client libraries' own retries are off for Apply; who sends again is the engine.
//
// Get, Due, List, Log and Sessions may be stale: what this client saw committed is in their answers, what
// others committed is in them within a second.
//
// Pages hold at most Limit items and about 4 MiB. A short page does not mean the end; an empty one does.
//
// All methods may be called at once, by many goroutines and by many processes.
type Store interface {
	Locker

	// Apply carries out up to 1,000 operations on distinct keys. Each is atomic by itself; together they are
	// not, and they have no order: one that is refused does not touch the others.
	//
	// If the error is nil there is one result for each operation, in their order. If it is not nil nothing was
	// changed and nothing will be. A batch that names a key twice is refused so, with [ErrInvalid].
	//
	// A store that was emptied, restored or rolled back, as far as this client can tell from what it was told
	// before, refuses the batch with [ErrEpoch].
	//
	// An empty batch is answered with Now, Epoch and Server, and with [ErrEpoch] as any other.
	Apply(ctx context.Context, ops []Op) (Applied, error)

	// Get returns the records of the keys, in their order. An absent one has Version 0.
	Get(ctx context.Context, q GetQuery) ([]Record, error)

	// Due returns records without their Spec, ordered by due time and then key. Records that are not due in
	// the range cost nothing.
	Due(ctx context.Context, q DueQuery) ([]Record, error)

	// List returns records in bytewise order of their keys: at least those that existed throughout the call.
	List(ctx context.Context, q ListQuery) ([]Record, error)

	// Log returns the history of a record or, if no key is given, the incidents of all, newest first.
	Log(ctx context.Context, q LogQuery) ([]Entry, error)

	// Watch calls fn from one goroutine for each announced change until ctx ends, and then returns nil. It is a
	// hint only: changes may be joined or missed, and nothing makes up for those. It mends its connection itself.
	Watch(ctx context.Context, fn func(Change)) error

	// Close gives back what Open took. It ends no session.
	Close() error
}

// A Record is what a store keeps under a key. Spec and State are opaque, and written apart: Spec seldom, State
// at every step.
type Record struct {
	Key     string
	Version uint64    // 0: there is no such record
	Queue   string    // the part of the due index, with Stripe
	Stripe  int       // 0 to 4095; the engine computes it from the key, it never changes
	Due     time.Time // zero: not in the due index
	Spec    []byte    // what the user wrote; at most 1 MiB
	State   []byte    // what the engine keeps; at most 64 KiB
}

// An Op is one conditional change of one record.
type Op struct {
	// Old is the record as it was read: Key, Version, Queue, Stripe and Due count. Version must be the stored
	// one, 0 meaning that there must be no record; otherwise the Op is refused with ErrConflict.
	Old Record

	// New is what the record becomes: Queue, Due, State, and Spec unless it is empty, which keeps the old one.
	New Record

	// Delete removes the record, its index entry and its history instead. Incidents stay.
	Delete bool

	// History is written in the same atomic step, and not if the Op is refused. At most 64 entries.
	History []Entry

	// Announce tells watchers of the change. Most changes need not be told.
	Announce bool

	// Server, if not empty, is the [Applied.Server] whose records this Op was computed from. Any other server
	// must not carry it out; the result is then ErrMoved. A store whose fail-overs lose nothing may ignore it.
	Server string
}

// A Result is the answer to one Op.
type Result struct {
	Version uint64 // the record's new version if Err is nil; 0 after Delete

	// Err is nil, [ErrConflict], [ErrUncertain], [ErrMoved] or [ErrInvalid], wrapped or not. With any other
	// error too the Op was not carried out and will not be.
	Err error

	// Current is, with ErrConflict, the record as it is, so that nobody need read it again; its Spec only if
	// the Op carried one.
	Current Record
}

// Applied is the answer to a batch.
type Applied struct {
	Results []Result
	Now     time.Time // the store's clock at some moment of the call; zero if it has none
	Epoch   string    // names the life of the store's data: it changes when the store is emptied, and by [Adopter]
	Server  string    // names the server that answered; it changes when another one, or a restarted one, answers
}

// A GetQuery names records.
type GetQuery struct {
	Keys []string // at most 1,000
	Spec bool     // return their Spec; otherwise it is nil
}

// A DueQuery selects records of a queue by stripe and due time: From <= Due < To.
type DueQuery struct {
	Queue    string
	Stripes  []int
	From, To time.Time
	AfterKey string // of records due at From exactly, only those with a greater key: the next page starts at the last record
	Limit    int    // 1 to 10,000
}

// A ListQuery selects records by key.
type ListQuery struct {
	Prefix string
	After  string // only greater keys
	Limit  int    // 1 to 10,000
	Spec   bool
}

// An Entry is a line of a record's history.
type Entry struct {
	Key  string // of the record; may be empty within an Op
	Slot int    // 0 to 199: the place in the record's ring; what was there is overwritten
	Time time.Time
	Data []byte // at most 32 KiB

	// Incident lets the entry also appear among the incidents of all records, of which the newest 10,000 stay
	// readable, also when the record is deleted.
	Incident bool
}

// A LogQuery selects history.
type LogQuery struct {
	Key       string    // of one record; empty: the incidents of all
	Before    time.Time // only entries with an earlier Time; zero: from the newest on
	BeforeKey string    // and of those at Before exactly, those with a smaller Key
	Limit     int       // 1 to 10,000
}

// A Change says that a record has changed. It carries no data: who cares reads the record.
type Change struct {
	Key     string // empty: a session was opened or ended
	Version uint64 // 0: deleted
	Queue   string
	Due     time.Time
}

// A Checker is a Store that can say which settings of its server would break the contract. Open refuses those
// that are certain to lose claims; Check tells all of them.
type Checker interface {
	Check(ctx context.Context) ([]Finding, error)
}

// An Adopter is a Store that can begin a new epoch, once somebody has decided to go on after it was emptied or
// rolled back.
type Adopter interface {
	Adopt(ctx context.Context) (epoch string, err error)
}

// A Finding is one thing about a server to change, or to know.
type Finding struct {
	Severe  bool   // claims can be lost
	Setting string // "maxmemory-policy"
	Problem string // "allkeys-lru lets the server delete jobs"
	Remedy  string // "CONFIG SET maxmemory-policy noeviction"
}

// Limits of the Store contract.
const (
	MaxBatch   = 1000     // operations in one Apply, keys in one Get
	MaxKey     = 512      // bytes
	MaxSpec    = 1 << 20  // bytes
	MaxState   = 64 << 10 // bytes
	MaxEntry   = 32 << 10 // bytes of one history entry
	MaxEntries = 64       // history entries in one Op
	MaxSlots   = 200      // slots of a record's history ring
	MaxPage    = 10000    // items
)

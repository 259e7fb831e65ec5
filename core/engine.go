package core

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// An engine is a pod at work. One goroutine, its loop, owns the jobs it has to do with; the others bring it what they
// have read, heard or run, and carry out what it decides. So no lock is ever held around a clock or a store.
type engine struct {
	opts     *Options
	store    Store
	clock    *clock
	handlers map[string]Handler
	base     context.Context //nolint:containedctx // handlers' contexts are made from its values
	keep     *keeper
	notes    *notifier
	specs    *specCache
	starts   *starter
	in       inbox
	shared   shared
	told     atomic.Pointer[told]
	stripes  int
	tasks    sync.WaitGroup // store calls under way for the loop

	slots map[string]*slot // by key
	ahead slotQueue        // held entries that may be claimed before they are due
	at    slotQueue        // held entries that may not
	timed slotQueue        // slots with events, retries and claims to vouch for
	live  map[string]*live // runs of this pod, by claim
	over  []*live          // runs whose contexts have ended, until their handlers return or are given up

	view       *view
	deal       dealer
	sess       string                  // the session under which triggers are claimed; "" while there is none
	claims     uint64                  // claim ids given under it
	endSession context.CancelCauseFunc // ends what was done under it
	server     string
	known      bool // server and epoch are: nothing is sent before, for it could not say what it was computed from
	epoch      string
	quiet      micros // no claims before it: another server answers
	blocked    bool   // the store is not the one this pod knew
	leaving    micros // when the pod stops claiming, once it drains; 0: it does not
	full       bool
	busy       int // triggers claimed whose handlers have not returned
	promised   int // triggers that changes under way claim
	flights    int // batches under way
	rate       rates
	claimed    micros        // when triggers were last claimed ahead
	late       micros        // how late the latest claims were
	lateAt     micros        // when they were made
	swept      time.Duration // when the runs were last looked over
	missing    map[string]micros
	offered    []offered // what was completed lately
}

// A live is a run that this pod holds.
type live struct {
	run     run
	spec    *spec
	slot    *slot
	session string
	until   micros // vouched for
	out     tail

	mu      sync.Mutex
	ctx     context.Context //nolint:containedctx // the handler's
	cancel  context.CancelCauseFunc
	began   bool // the handler has started
	started micros
	over    time.Duration // by the monotonic clock: when the context ended; 0: it has not
	done    bool          // the handler has returned
	givenUp bool          // its outcome was written without it
}

// came returns when the run is due to start.
func (l *live) came() micros {
	if l.run.manual() {
		return l.run.Fire
	}
	return l.spec.came(l.run.Fire)
}

const (
	maxFlight = 2   // batches under way at once: more add nothing but latency
	maxGroup  = 512 // operations in a batch
	giveUp    = 5 * time.Second
	idle      = time.Second // the loop's longest sleep
)

// loop does the pod's work until stop is closed.
func (g *engine) loop(stop <-chan struct{}) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-stop:
			return
		case <-g.in.wake:
		case <-timer.C:
		}
		now := g.clock.now()
		g.receive(now)
		g.checkSession(now)
		g.sweepOver(now)
		g.pump(now)
		timer.Reset(g.pause(now))
	}
}

// receive takes what the others have brought.
func (g *engine) receive(now moment) {
	m := g.in.take()
	for _, f := range m.calls {
		f(now)
	}
	for i := range m.batches {
		g.land(m.batches[i], now)
	}
	for i := range m.ends {
		g.ended(&m.ends[i], now)
	}
	for i := range m.reads {
		g.offer(&m.reads[i], now)
	}
	if len(m.hints) > 0 {
		g.heed(m.hints, now)
	}
	g.tellSelf()
	if now.store-g.lateAt > 2*second {
		g.late = 0
	}
	g.shared.late.Store(int64(g.late))
	g.shared.grace.Store(int64(g.grace()))
	g.shared.gone.Store(g.sess == "" || g.blocked || g.leaving != 0)
}

// checkSession stops the work under a session that cannot be trusted any more.
func (g *engine) checkSession(now moment) {
	if g.sess != "" && !g.keep.holds(g.sess, now) {
		g.loseSession(g.sess, ErrSessionLost, now)
	}
}

// newSession takes the keeper's session.
func (g *engine) newSession(s Session, now moment) {
	if g.sess == s.ID || !g.keep.holds(s.ID, now) {
		return
	}
	g.sess, g.claims = s.ID, 0
	g.endSession = g.shared.open(g.base, s.ID)
}

// loseSession ends all that was claimed under a session: what has not started is given up, what runs is cancelled, and
// changes with an unknown outcome are dropped, for what they claimed is the lost session's.
func (g *engine) loseSession(id string, err error, now moment) {
	if g.sess == id {
		g.sess = ""
		g.endSession(err)
	}
	for _, l := range g.live {
		if l.session == id {
			g.stop(l, err, now)
		}
	}
	for _, s := range g.slots {
		if s.flight != nil && !s.flying && s.flight.session == id {
			g.reread(s, now)
		}
	}
}

// nextClaim returns a claim id: the session's and a number.
func (g *engine) nextClaim() string {
	g.claims++
	return g.sess + "." + strconv.FormatUint(g.claims, 36)
}

// takeView takes a new view of the pods.
func (g *engine) takeView(v *view) {
	g.view = v
	g.deal.see(v.pods)
	g.shared.view.Store(v)
}

// budget is how many triggers the pod may claim now: its free slots and what it has lately finished within a grace, so
// that many short runs can be claimed ahead but nothing is claimed that could not start.
func (g *engine) budget(now moment) int {
	if g.sess == "" || g.blocked || now.store < g.quiet || g.leaving != 0 && now.store >= g.leaving {
		return 0
	}
	return g.opts.Concurrency + g.rate.finished(now.mono) - g.busy - g.promised
}

// tellFull lets the other pods know at once when this one has no slots, or has some again.
func (g *engine) tellFull(full bool) { //nolint:revive // it is the news
	if g.full != full {
		g.full = full
		g.tellSelf()
		g.keep.beatNow()
	}
}

// told is what the loop tells the keeper of the pod.
type told struct {
	busy          int
	full, leaving bool
}

func (g *engine) tellSelf() {
	g.told.Store(&told{busy: g.busy, full: g.full, leaving: g.leaving != 0})
}

// grace is how overdue an entry must be before the next rank may take it.
func (g *engine) grace() micros {
	return max(150*millisecond, min(4*g.rate.worst(), second))
}

// alive answers a step's question about a session.
func (g *engine) alive(session string) liveness {
	l := g.view.of(session)
	if l == unknown {
		g.keep.track(session)
	}
	return l
}

// holds reports whether this pod still has a claim of its own.
func (g *engine) holds(claim string) bool { return g.live[claim] != nil }

// pause returns for how long the loop may sleep.
func (g *engine) pause(now moment) time.Duration {
	next := now.store + span(idle)
	if g.known && g.flights < maxFlight {
		if len(g.timed.slots) > 0 {
			next = min(next, g.timed.slots[0].when)
		}
		if g.budget(now) > 0 {
			next = min(next, g.nextClaims(now.store))
		}
	}
	wait := (next - now.store).duration()
	if g.sess != "" { // handlers' contexts end with the trust in the session
		wait = min(wait, g.keep.trustLeft(now))
	}
	return max(0, wait)
}

// nextClaims returns when the next held entries are to be claimed.
func (g *engine) nextClaims(now micros) micros {
	next := now + span(idle)
	if len(g.at.slots) > 0 {
		next = min(next, g.at.slots[0].when)
	}
	if len(g.ahead.slots) > 0 {
		next = min(next, g.claimTime())
	}
	return next
}

// claimTime returns when the next entries are to be claimed ahead: when they come within the lead, but gathered for half
// of it, as far as the commit allows.
func (g *engine) claimTime() micros {
	head := g.ahead.slots[0].when
	lead := g.lead()
	return max(head-lead, min(g.claimed+lead/2, head-g.rate.worst()-2*millisecond))
}

// trickle is how many distinct milliseconds of due times make fires spread rather than bursts.
const trickle = 20

// lead is how far ahead the next entries are claimed: as little as their number needs at the pod's own rate. Fires that
// are spread over time are claimed further ahead, so that claims gather: a wake-up costs more than a claim.
func (g *engine) lead() micros {
	if len(g.ahead.slots) == 0 {
		return 5 * millisecond
	}
	burst := g.ahead.group(g.ahead.slots[0].when)
	lead := 5*millisecond + g.rate.worst() + g.rate.need(burst)
	if len(g.ahead.groups) > trickle {
		lead = max(lead, 100*millisecond)
	}
	return min(lead, 500*millisecond)
}

// gather is for how long completions wait for company.
func (g *engine) gather() micros {
	if len(g.ahead.groups) > trickle {
		return 50 * millisecond
	}
	return 10 * millisecond
}

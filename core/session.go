package core

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// A keeper keeps the pod's session and its view of the others. It beats, watches the peers' beats, and ends the sessions
// of those that have fallen silent.
type keeper struct {
	store Store
	clock *clock
	opts  *Options
	self  func() podInfo // what to tell of this pod now
	event func(Event)
	met   func(server, epoch string)
	away  func(error)         // takes errors of the store
	seen  func(*view)         // takes each new view
	heard func(Session)       // takes each answer of the store to a beat
	lost  func(string, error) // the session of that id is over

	poke chan struct{} // beat now
	look chan struct{} // read the sessions now

	introduced bool          // the loop knows the server
	warned     time.Duration // the monotonic time of the last warning about the clock

	mu     sync.Mutex
	sess   Session
	sent   moment // when the last acknowledged renewal was sent
	lapsed bool   // the session could not be trusted at some moment
	peers  map[string]*peer
	calm   time.Duration // time in which the own beats were acknowledged
	last   time.Duration // the monotonic time of the last acknowledged beat; 0: none yet
}

// A peer is another session as this pod has seen it.
type peer struct {
	Session

	info   podInfo
	since  time.Duration // the keeper's calm time when the beat was first seen
	fresh  time.Duration // the monotonic time then
	absent bool          // the store does not have it
}

// A view is what a pod knows of all sessions at one moment. It is immutable.
type view struct {
	live map[string]liveness
	pods map[string][]dealt // by queue: who serves it
	all  []*peer            // open sessions, this one's included
}

func (v *view) of(session string) liveness {
	if v == nil {
		return unknown
	}
	return v.live[session]
}

const (
	beatEvery     = time.Second
	suspectAfter  = 2500 * time.Millisecond
	maxClockSkew  = 2 * time.Second
	openBackoff   = 200 * time.Millisecond
	sessionMargin = 5 // a fifth of the TTL
)

// interval is how often the session beats: every second, or four times a TTL if that is short.
func (k *keeper) interval() time.Duration { return min(beatEvery, k.opts.SessionTTL/sessionMargin) }

// run keeps sessions until ctx ends: it opens one, beats until that is lost, and opens the next.
func (k *keeper) run(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := k.open(ctx); err != nil {
			if errors.Is(err, ErrClosed) || ctx.Err() != nil {
				return err
			}
			k.away(fmt.Errorf("open session: %w", err))
			sleep(ctx, openBackoff)
			continue
		}
		if err := k.beat(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (k *keeper) open(ctx context.Context) error {
	s := Session{ID: newID(), Pod: k.opts.Name, TTL: k.opts.SessionTTL}
	sent := k.clock.now()
	info := k.self()
	info.Clock, info.Skew = microsOf(sent.wall), microsOf(sent.wall)-sent.store
	text, err := encodePodInfo(&info)
	if err != nil {
		return err
	}
	s.Info = text
	call, cancel := context.WithTimeout(ctx, k.opts.SessionTTL/2)
	defer cancel()
	s, err = k.store.OpenSession(call, s)
	if err != nil {
		return err
	}
	k.clock.observe(s.Now, sent.mono, k.clock.now().mono)
	k.mu.Lock()
	k.sess, k.sent, k.lapsed = s, sent, false
	k.mu.Unlock()
	k.introduce(ctx)
	k.heard(s)
	k.event(Event{Kind: EventSession})
	k.read(ctx)
	return nil
}

// introduce learns which server answers, before anything is computed from its records.
func (k *keeper) introduce(ctx context.Context) {
	if k.introduced {
		return
	}
	call, cancel := context.WithTimeout(ctx, max(k.opts.SessionTTL/4, 100*time.Millisecond))
	defer cancel()
	a, err := k.store.Apply(call, nil)
	if err != nil {
		k.away(err)
		return
	}
	k.introduced = true
	k.met(a.Server, a.Epoch)
}

// beat renews the session until it is lost, which is no error, or ctx ends or the store is closed.
func (k *keeper) beat(ctx context.Context) error {
	tick := time.NewTimer(k.interval())
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-k.look:
			k.read(ctx)
			continue
		case <-k.poke:
		case <-tick.C:
		}
		wait := k.interval()
		err := k.renew(ctx)
		switch {
		case err == nil:
			k.introduce(ctx)
			k.read(ctx)
		case errors.Is(err, ErrClosed):
			return err
		case errors.Is(err, ErrSessionLost) || !k.trusted(k.clock.now()):
			k.lose(err)
			return nil
		default:
			wait = min(wait, 250*time.Millisecond)
		}
		tick.Reset(wait)
	}
}

// renew beats once. The trust counts from the moment the renewal was sent, so that a slow answer cannot stretch it.
func (k *keeper) renew(ctx context.Context) error {
	sent := k.clock.now()
	s := k.session()
	info := k.self()
	info.Clock, info.Skew = microsOf(sent.wall), microsOf(sent.wall)-sent.store
	text, err := encodePodInfo(&info)
	if err != nil {
		return err
	}
	s.Info = text
	call, cancel := context.WithTimeout(ctx, max(k.opts.SessionTTL/4, 100*time.Millisecond))
	defer cancel()
	s, err = k.store.RenewSession(call, s)
	received := k.clock.now()
	if err != nil {
		k.away(err)
		return err
	}
	k.clock.observe(s.Now, sent.mono, received.mono)
	k.mu.Lock()
	if !k.trustedLocked(received) { // the answer came too late: what was done under the session has been given up
		k.mu.Unlock()
		return fmt.Errorf("renew session %s: answered after its trust had ended: %w", s.ID, ErrSessionLost)
	}
	k.sess, k.sent = s, sent
	if k.last != 0 && received.mono-k.last <= 3*k.interval() {
		k.calm += received.mono - k.last
	}
	k.last = received.mono
	k.mu.Unlock()
	k.heard(s)
	k.checkClock(sent)
	return nil
}

// checkClock warns of this pod's own clock.
func (k *keeper) checkClock(m moment) {
	skew := m.wall.Sub(m.store.time())
	if skew.Abs() > maxClockSkew && (k.warned == 0 || m.mono-k.warned >= time.Minute) {
		k.warned = m.mono
		k.event(Event{Kind: EventClock, Err: fmt.Errorf("the clock of pod %s is off by %v", k.opts.Name, skew.Round(time.Millisecond))})
	}
}

func (k *keeper) session() Session {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.sess
}

// trusted reports whether the session may still be relied on: until the last renewal was sent plus its TTL less a margin,
// by the wall clock or the monotonic one, whichever says so first.
func (k *keeper) trusted(m moment) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.trustedLocked(m)
}

func (k *keeper) trustedLocked(m moment) bool {
	trust := k.opts.SessionTTL - k.opts.SessionTTL/sessionMargin
	if m.mono-k.sent.mono >= trust || m.wall.Sub(k.sent.wall) >= trust {
		k.lapsed = true // for ever: no later renewal can bring back what was given up
	}
	return k.sess.ID != "" && !k.lapsed
}

// holds reports whether the session with that id is the pod's and can be trusted.
func (k *keeper) holds(id string, m moment) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.sess.ID == id && k.trustedLocked(m)
}

// giveUp makes the session lapse.
func (k *keeper) giveUp(id string) {
	k.mu.Lock()
	if k.sess.ID == id {
		k.lapsed = true
	}
	k.mu.Unlock()
	k.beatNow()
}

// trustLeft is for how long the session can still be trusted without another renewal.
func (k *keeper) trustLeft(m moment) time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.sess.ID == "" {
		return idle
	}
	trust := k.opts.SessionTTL - k.opts.SessionTTL/sessionMargin
	return trust - max(m.mono-k.sent.mono, m.wall.Sub(k.sent.wall))
}

// lose gives up the session: nothing is done under it any more.
func (k *keeper) lose(err error) {
	k.mu.Lock()
	old := k.sess
	k.sess, k.last = Session{}, 0
	k.mu.Unlock()
	if old.ID == "" {
		return
	}
	switch {
	case err == nil:
		err = ErrSessionLost
	case !errors.Is(err, ErrSessionLost):
		err = fmt.Errorf("%w: %w", ErrSessionLost, err)
	}
	k.lost(old.ID, err)
	k.event(Event{Kind: EventSession, Err: err})
	k.mu.Lock()
	k.peers[old.ID] = &peer{Session: old, since: k.calm + 3*k.interval()} // it is judged like any other that is silent
	k.mu.Unlock()
}

// end ends the pod's own session, after its last change.
func (k *keeper) end(ctx context.Context) error {
	s := k.session()
	if s.ID == "" {
		return nil
	}
	err := k.store.EndSession(ctx, s.ID, s.Beat)
	k.mu.Lock()
	k.sess = Session{}
	k.mu.Unlock()
	return err
}

// track makes the keeper judge a session that the store does not list, as if it were silent.
func (k *keeper) track(id string) {
	k.mu.Lock()
	if k.peers[id] == nil && id != k.sess.ID {
		k.peers[id] = &peer{Session: Session{ID: id, TTL: k.opts.SessionTTL}, since: k.calm + 3*k.interval(), absent: true}
	}
	k.mu.Unlock()
	k.refresh()
}

// refresh asks for the sessions to be read soon.
func (k *keeper) refresh() { nudge(k.look) }

// beatNow asks for a beat soon, because what the pod tells of itself has changed.
func (k *keeper) beatNow() { nudge(k.poke) }

func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// read reads all sessions, ends those that are dead, and publishes the view.
func (k *keeper) read(ctx context.Context) {
	call, cancel := context.WithTimeout(ctx, max(k.opts.SessionTTL/4, 100*time.Millisecond))
	defer cancel()
	all, err := k.store.Sessions(call)
	if err != nil {
		return // the old view stands; silence is not counted meanwhile, because it needs a read to be seen
	}
	m := k.clock.now()
	for _, p := range k.take(all, m.mono) {
		k.bury(ctx, p)
	}
	k.seen(k.view(m))
}

// take compares the sessions with what was seen of them before, and returns those that have been silent for a TTL.
func (k *keeper) take(all []Session, mono time.Duration) []*peer {
	k.mu.Lock()
	defer k.mu.Unlock()
	listed := make(map[string]bool, len(all))
	for _, s := range all {
		listed[s.ID] = true
		old := k.peers[s.ID]
		if old == nil || old.Beat != s.Beat || old.absent || s.Ended && !old.Ended {
			info, _ := decodePodInfo(s.Info) // a pod whose description cannot be read still lives
			k.peers[s.ID] = &peer{Session: s, info: info, since: k.silence(mono), fresh: mono}
		}
	}
	var silent []*peer
	for _, id := range slices.Sorted(maps.Keys(k.peers)) {
		p := k.peers[id]
		if !listed[id] && p.Ended {
			delete(k.peers, id)
			continue
		}
		if !listed[id] && !p.absent { // gone, not dead: it is silent
			gone := *p
			gone.absent = true
			p, k.peers[id] = &gone, &gone
		}
		if id != k.sess.ID && !p.Ended && k.calm-p.since >= p.TTL {
			silent = append(silent, p)
		}
	}
	return silent
}

// silence returns where a peer's silence begins that was heard of at a reading of the monotonic clock: the calm time up
// to then, of which the part since the last own beat will be counted only when the next one is acknowledged.
func (k *keeper) silence(mono time.Duration) time.Duration {
	if k.last == 0 {
		return k.calm
	}
	return k.calm + max(0, mono-k.last)
}

// bury ends a session that was silent for its whole TTL, if it still is.
func (k *keeper) bury(ctx context.Context, p *peer) {
	call, cancel := context.WithTimeout(ctx, max(k.opts.SessionTTL/4, 100*time.Millisecond))
	defer cancel()
	err := k.store.EndSession(call, p.ID, p.Beat)
	k.mu.Lock()
	defer k.mu.Unlock()
	now := *p // peers are shared with views, and so never changed
	switch {
	case err == nil:
		now.Ended = true
		k.peers[p.ID] = &now
		k.event(Event{Kind: EventPod, Err: fmt.Errorf("pod %s (session %s) was silent for %v and is dead", p.Pod, p.ID, p.TTL)})
	case errors.Is(err, ErrConflict):
		now.since = k.calm + 3*k.interval() // it has beaten since
		k.peers[p.ID] = &now
	}
}

// view makes what is known now into a value.
func (k *keeper) view(m moment) *view {
	k.mu.Lock()
	defer k.mu.Unlock()
	v := &view{live: make(map[string]liveness, len(k.peers)+1), pods: map[string][]dealt{}}
	for _, p := range k.peers {
		switch {
		case p.Ended:
			v.live[p.ID] = dead
			continue
		case p.absent:
			continue
		}
		v.live[p.ID] = alive
		v.all = append(v.all, p)
		idle := p.info.Leaving || p.info.Full || p.ID != k.sess.ID && m.mono-p.fresh > k.suspectAfter()
		for _, q := range p.info.Queues {
			v.pods[q] = append(v.pods[q], dealt{session: p.ID, hash: hashString(p.ID), idle: idle})
		}
	}
	if k.sess.ID != "" {
		v.live[k.sess.ID] = alive
	}
	slices.SortFunc(v.all, func(a, b *peer) int { return cmp.Or(cmp.Compare(a.Pod, b.Pod), cmp.Compare(a.ID, b.ID)) })
	return v
}

func (k *keeper) suspectAfter() time.Duration {
	return min(suspectAfter, k.opts.SessionTTL/4)
}

// sleep waits for d or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

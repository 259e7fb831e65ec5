package core

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
)

// A notifier hands events to the listener, in order, from one goroutine, without ever holding up who tells them.
type notifier struct {
	pod    string
	log    *slog.Logger
	listen func(Event)
	wake   chan struct{}

	mu    sync.Mutex
	queue []Event
}

func newNotifier(o *Options) *notifier {
	n := &notifier{pod: o.Name, log: o.Logger, listen: o.OnEvent, wake: make(chan struct{}, 1)}
	if n.listen == nil {
		n.listen = n.logEvent
	}
	return n
}

// wants reports whether anybody cares for events of a kind, so that the frequent ones need not be made for nothing.
func (n *notifier) wants(kind EventKind) bool {
	if n.log == nil { // OnEvent is set
		return true
	}
	ev := Event{Kind: kind, Outcome: Outcome{Kind: Succeeded}}
	return n.log.Enabled(context.Background(), ev.level()) //nolint:forbidigo // an event outlives the call it came from
}

func (n *notifier) tell(ev Event) {
	ev.Pod = n.pod
	n.mu.Lock()
	n.queue = append(n.queue, ev)
	n.mu.Unlock()
	nudge(n.wake)
}

// loop hands out events until stop is closed, and then what is left.
func (n *notifier) loop(stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			n.drain()
			return
		case <-n.wake:
			n.drain()
		}
	}
}

func (n *notifier) drain() {
	for {
		n.mu.Lock()
		q := n.queue
		n.queue = nil
		n.mu.Unlock()
		if len(q) == 0 {
			return
		}
		for _, ev := range q {
			n.listen(ev)
		}
	}
}

// logEvent is the default listener.
func (n *notifier) logEvent(ev Event) {
	ctx := context.Background() //nolint:forbidigo // an event outlives the call it came from
	if l := ev.level(); n.log.Enabled(ctx, l) {
		n.log.LogAttrs(ctx, l, ev.Kind.String(), ev.attrs()...) //nolint:sloglint // a kind's name is one of a few constants
	}
}

// outcome is an outcome as users see it.
func (g *engine) outcome(sp *spec, o *ended) *Outcome {
	out := outcomeOf(sp, o)
	if o.Session == g.sess && o.Session != "" {
		out.Pod = g.opts.Name
	}
	return out
}

func outcomeOf(sp *spec, o *ended) *Outcome {
	out := &Outcome{
		Trigger: Trigger{Job: sp.ID, Fire: o.Run.Fire.time()}, Count: o.Count, Kind: o.Kind, Nominal: o.Run.Nominal.time(),
		Attempt: o.Run.Attempt, Token: o.Run.Token, Cause: o.Run.Cause, Session: o.Session,
		Started: o.Start.time(), Ended: o.End.time(), Reason: o.Reason, Error: o.Error, Output: o.Output,
	}
	if o.Count > 1 {
		out.Through = o.Through.time()
	}
	return out
}

// report tells of what a committed step has decided.
func (g *engine) report(s *slot, ef *effects, now moment) {
	if ef.Spec != nil {
		s.spec = ef.Spec
	}
	for i := range ef.Ended {
		o := &ef.Ended[i]
		if o.Kind == Succeeded && !g.notes.wants(EventEnded) {
			continue
		}
		ev := Event{Kind: EventEnded, Time: now.store.time(), Outcome: *g.outcome(s.spec, o), Attempt: o.Run.Attempt, Token: o.Run.Token}
		ev.Trigger = ev.Outcome.Trigger
		switch {
		case o.Kind == SkippedMisfire || o.Kind == SkippedOverlap:
			ev.Kind = EventSkipped
		case o.Start != 0:
			ev.Took = (o.End - o.Start).duration()
		}
		g.notes.tell(ev)
	}
	for i := range ef.Retries {
		r := &ef.Retries[i]
		g.notes.tell(Event{
			Kind: EventRetry, Time: now.store.time(), Trigger: Trigger{Job: s.spec.ID, Fire: r.Fire.time()},
			Attempt: r.Attempt, Retry: r.Due.time(),
		})
	}
}

// refuse tells of completions that came too late.
func (g *engine) refuse(s *slot, ef *effects, now moment) {
	for range ef.Refused {
		g.notes.tell(Event{Kind: EventRefused, Time: now.store.time(), Trigger: Trigger{Job: s.spec.ID}})
	}
}

// tellUnserved tells of a job that nobody can run.
func (g *engine) tellUnserved(handler string, f *found, now moment) {
	for _, p := range g.view.all {
		for _, h := range p.info.Handlers {
			if h == handler || p.info.Cut {
				return
			}
		}
	}
	g.notes.tell(Event{
		Kind: EventUnserved, Time: now.store.time(), Trigger: Trigger{Job: f.spec.ID, Fire: f.st.Cursor.time()},
		Err: fmt.Errorf("no live pod has the handler %q of job %s", handler, f.spec.ID),
	})
}

package core

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

// TestStep runs the specification: testdata/step/*.txt. Each command there builds the input of one step, calls it,
// and prints what it decided. Times without a date are of scriptDay; tokens are counted; a pod is its session.
// Run it with -rewrite to accept what comes out.
func TestStep(t *testing.T) {
	paths, err := filepath.Glob("testdata/step/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			sc := newScript()
			datadriven.RunTest(t, path, func(t *testing.T, td *datadriven.TestData) string {
				t.Helper()
				sc.out.Reset()
				if err := sc.run(td); err != nil {
					td.Fatalf(t, "%v", err)
				}
				if sc.out.Len() == 0 {
					return "ok\n"
				}
				return sc.out.String()
			})
			b, err := os.ReadFile(path) //nolint:gosec // the test's own data
			if n := strings.Count(string(b), "\n"); err != nil || n >= 120 {
				t.Errorf("%s has %d lines, %v: keep it under 120", path, n, err)
			}
		})
	}
}

// A script is the one record of a script file and those around it.
type script struct {
	watch    *watcher
	spec     *spec
	st       state
	version  int
	due      micros
	now      micros
	epoch    string
	sessions map[string]liveness
	held     map[string]map[string]bool // by session
	claims   int
	tokens   map[uint64]int    // counted
	byToken  map[string]string // claim by counted token
	acts     int
	out      strings.Builder
}

func newScript() *script {
	sc := &script{now: scriptDay, sessions: map[string]liveness{}, held: map[string]map[string]bool{}}
	sc.forget()
	return sc
}

// forget starts over with no record, but with the tokens given so far.
func (sc *script) forget() {
	sc.spec, sc.st, sc.due, sc.watch = nil, state{}, 0, newWatcher()
	sc.tokens, sc.byToken, sc.version = map[uint64]int{}, map[string]string{}, 0
}

// run executes one command.
func (sc *script) run(td *datadriven.TestData) error {
	a := args{td: td}
	sc.now = a.instant("at", sc.now)
	if err := sc.command(td.Cmd, &a); err != nil {
		return err
	}
	if err := a.unused(); err != nil {
		return err
	}
	return a.err
}

func (sc *script) command(cmd string, a *args) error {
	switch cmd {
	case "sessions":
		for _, s := range a.words() {
			sc.sessions[s], sc.held[s] = alive, map[string]bool{}
		}
		return nil
	case "end-session", "unseen", "seen":
		for _, s := range a.words() {
			sc.sessions[s] = map[string]liveness{"end-session": dead, "unseen": unknown, "seen": alive}[cmd]
		}
		return nil
	case "lose": // its pod forgets a run: a completion was lost
		claim := sc.byToken[a.text("token", "")]
		delete(sc.held[claimOwner(claim)], claim)
		return nil
	case "epoch":
		sc.epoch = strings.Join(a.words(), "")
		return nil
	case "new-job":
		sc.forget()
		return nil
	case "counts":
		sc.counts()
		return nil
	case "work":
		return sc.work(a)
	}
	ev, pod, err := sc.event(cmd, a)
	if err != nil {
		return err
	}
	e := sc.env(pod, a)
	if a.err != nil {
		return a.err
	}
	return sc.step(ev, e, true)
}

// env is that of a pod, or of a client if pod is "".
func (sc *script) env(pod string, a *args) env {
	e := env{
		Now: sc.now, TTL: 10 * second, Epoch: sc.epoch, Self: pod, Lead: a.span("lead", 0),
		Alive: func(s string) liveness { return sc.sessions[s] },
		Held:  func(c string) bool { return sc.held[pod][c] },
		Claim: func() string { sc.claims++; return fmt.Sprintf("%s.%d", pod, sc.claims) },
	}
	if pod != "" {
		e.Free, e.Able = a.number("free", 10), !a.flag("unable")
	}
	return e
}

// step steps the record and prints the decisions.
func (sc *script) step(events []event, e env, show bool) error {
	if sc.held[e.Self] == nil {
		sc.held[e.Self] = map[string]bool{}
	}
	next, ef, err := sc.watch.step(sc.spec, sc.st, events, e, sc.held[e.Self])
	if err != nil {
		return err
	}
	for range ef.Refused {
		fmt.Fprintln(&sc.out, "refused: the claim is not in the record any more")
	}
	switch {
	case ef.Sessions:
		fmt.Fprintln(&sc.out, "unknown owner: read the sessions and look again")
		return nil
	case ef.Err != nil:
		fmt.Fprintf(&sc.out, "error: %s\n", refusal(ef.Err))
		return nil //nolint:nilerr // the script shows it
	}
	if err := sc.watch.commit(&next, &ef); err != nil {
		return err
	}
	before := sc.st
	sc.st = next
	if ef.Spec != nil {
		sc.spec = ef.Spec
	}
	for i := range ef.Start {
		r := &ef.Start[i]
		n := len(sc.tokens) + 1
		sc.tokens[r.Token], sc.byToken[fmt.Sprint(n)] = n, r.Claim
	}
	if show {
		sc.decisions(&before, &ef, e.Now)
		sc.written(&ef, e.Now)
	}
	sc.due = ef.Due
	for i := range ef.Ended {
		delete(sc.held[ef.Ended[i].Run.owner()], ef.Ended[i].Run.Claim)
	}
	if ef.Remove {
		sc.spec, sc.st = nil, state{}
	}
	return nil
}

func refusal(err error) string {
	if f, ok := errors.AsType[*FieldError](err); ok {
		return f.Field + ": " + f.Problem
	}
	return err.Error()
}

// work lets a pod with many slots look, each run succeeding at once, until the record is not due any more.
func (sc *script) work(a *args) error {
	pod := a.text("pod", "a")
	e := sc.env(pod, a)
	var events []event
	for steps := 1; steps <= 10000; steps++ {
		if err := sc.step(events, e, false); err != nil {
			return err
		}
		events = nil
		for claim := range sc.held[pod] {
			events = append(events, event{what: evFinished, claim: claim, kind: Succeeded, started: sc.now, at: sc.now})
		}
		clear(sc.held[pod])
		if len(events) == 0 && (sc.due == 0 || sc.due > sc.now) {
			fmt.Fprintf(&sc.out, "%d steps\n", steps)
			sc.counts()
			return nil
		}
	}
	return errors.New("no end of work")
}

// event builds the event of a command, and tells whose step it is.
func (sc *script) event(cmd string, a *args) (evs []event, pod string, err error) {
	if ev, ok := sc.ofRun(cmd, a); ok {
		if ev.claim == "" {
			return nil, "", errors.New("name a run by the token of its claim")
		}
		if ev.what != evVouched {
			delete(sc.held[claimOwner(ev.claim)], ev.claim)
		}
		return []event{ev}, claimOwner(ev.claim), nil
	}
	sc.acts++
	ev := event{act: a.text("act", fmt.Sprintf("act%d", sc.acts)), reason: a.text("reason", "")}
	switch cmd {
	case "look":
		return nil, a.text("pod", "a"), nil
	case "put", "edit":
		ev.what, ev.create = evPut, a.flag("create")
		ev.job, err = sc.job(cmd, a)
	case "pause":
		ev.what, ev.until = evPause, a.instant("until", 0)
	case "resume":
		ev.what = evResume
	case "delete":
		ev.what = evDelete
	case "run":
		ev.what = evRunNow
	case "backfill":
		ev.what, ev.from, ev.to = evBackfill, a.instant("from", 0), a.instant("to", 0)
	case "cancel":
		ev.what, ev.fire = evCancel, a.instant("fire", 0)
	default:
		return nil, "", fmt.Errorf("no command %q", cmd)
	}
	return []event{ev}, "", err
}

// ofRun builds what a pod says of a run it holds or held.
func (sc *script) ofRun(cmd string, a *args) (event, bool) {
	what, kind := evFinished, OutcomeKind(0)
	switch cmd {
	case "finish":
		kind = Succeeded
	case "fail":
		kind = Failed
	case "timeout":
		kind = TimedOut
	case "cancelled":
		kind = Cancelled
	case "vouch":
		what = evVouched
	case "release":
		what = evReleased
	default:
		return event{}, false
	}
	at := a.instant("ended", sc.now)
	return event{
		what: what, kind: kind, claim: sc.byToken[a.text("token", "")], started: at, at: at,
		permanent: a.flag("permanent"), after: time.Duration(a.span("after", 0)) * time.Microsecond,
	}, true
}

//go:build belfrysim

package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// A nemesis is what happens to pods and to the server.
type nemesis struct {
	w    *world
	ctx  context.Context //nolint:containedctx // pods are started under it
	r    *rand.Rand
	pods []*pod // one for each place; a killed one is replaced
	n    int
}

func (n *nemesis) next() int {
	n.n++
	return n.n
}

// later does something after d, or when the faults are over: then all is mended anyway.
func (n *nemesis) later(d time.Duration, f func()) {
	n.w.life.Go(func() {
		if n.w.pause(d) {
			f()
		}
	})
}

func (n *nemesis) strike(what string) {
	i := n.r.IntN(len(n.pods))
	p, w := n.pods[i], n.w
	d := time.Duration(n.r.Int64N(int64(3 * w.TTL)))
	switch what {
	case "kill":
		w.count.kills.Add(1)
		p.kill()
		n.replace(i, d)
	case "drain":
		w.count.drains.Add(1)
		p.stop()
		n.replace(i, d)
	case "freeze":
		w.count.freezes.Add(1)
		if n.r.IntN(2) == 0 {
			d /= 10
		}
		p.freeze()
		n.later(d, p.thaw)
	case "cut":
		n.cut(p, d/2)
	case "jump":
		p.mu.Lock()
		p.jumped = time.Now()
		p.mu.Unlock()
		p.skew.Store(int64(w.drawSkew(n.r)))
		w.strike("%s: its clock is off by %v now", p.name, time.Duration(p.skew.Load()))
	case "stall":
		w.strike("the server stalls for 600ms")
		w.server.stall(600 * time.Millisecond)
	case "moved":
		n.failover(0)
	case "failover":
		n.failover(1 + n.r.IntN(12))
	}
}

// replace starts another pod in the place of one that has ended, or will.
func (n *nemesis) replace(i int, d time.Duration) {
	name := fmt.Sprintf("p%d", n.next())
	r := n.w.fork()
	if !n.w.pause(min(d, 2*time.Second)) {
		return
	}
	n.pods[i] = n.w.newPod(n.ctx, name, r, false)
}

// cut takes a pod's network away for a while.
func (n *nemesis) cut(p *pod, d time.Duration) {
	set := func(v bool) {
		p.conn.mu.Lock()
		p.conn.cut = v
		p.conn.mu.Unlock()
		n.w.strike("%s: cut off %v", p.name, v)
	}
	set(true)
	n.later(d, func() { set(false) })
}

// failover lets another server answer, which lacks the last commits.
func (n *nemesis) failover(commits int) {
	outage := 40*time.Millisecond + time.Duration(n.r.Int64N(int64(time.Second)))
	offset := time.Duration(n.r.IntN(2*int(maxOffset)) - int(maxOffset))
	lost := n.w.server.failover(commits, outage, offset)
	n.w.count.failovers.Add(1)
	n.w.count.lost.Add(uint64(lost))
	n.w.strike("%s answers now, after %v, %d commits are lost, its clock is off by %v", n.w.server.named(), outage, lost, offset)
}

// maxOffset is how far the servers' clocks are apart at most.
const maxOffset = 4 * time.Millisecond

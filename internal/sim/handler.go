//go:build belfrysim

package sim

import (
	"context"
	"errors"
	"hash/fnv"
	"math/rand/v2"
	"time"

	"github.com/belfry-io/belfry/core"
)

var errWork = errors.New("the work went wrong")

// handle is every handler: what it does is drawn from the trigger and the attempt, so that it does not depend on which
// pod runs it.
func (p *pod) handle(ctx context.Context, run core.Run) (err error) {
	h := fnv.New64a()
	_, _ = h.Write([]byte(run.String()))
	r := rand.New(rand.NewPCG(p.w.opts.Seed, h.Sum64()+uint64(run.Attempt)))
	p.wait()
	x := p.w.check.started(ctx, p, &run)
	panics := false
	defer func() {
		p.w.check.ended(x, err == nil && !panics)
		if panics {
			panic("as drawn")
		}
	}()
	if run.Labels["probe"] != "" {
		return nil
	}
	deaf := r.IntN(20) == 0
	if !p.work(ctx, p.duration(r), deaf) {
		return context.Cause(ctx)
	}
	switch r.IntN(12) {
	case 0:
		return errWork
	case 1:
		return core.Permanent(errWork)
	case 2:
		return core.RetryAfter(errWork, time.Duration(r.IntN(2000))*time.Millisecond)
	case 3:
		panics = true
	}
	return nil
}

// duration is how long the work takes. When it is calm all is quick.
func (p *pod) duration(r *rand.Rand) time.Duration {
	d := time.Duration(0)
	switch n := r.IntN(20); {
	case n < 8:
	case n < 14:
		d = time.Duration(r.Int64N(int64(50 * time.Millisecond)))
	case n < 17:
		d = time.Duration(r.Int64N(int64(time.Second)))
	case n < 19:
		d = time.Duration(r.Int64N(int64(p.w.Slow)))
	default:
		d = time.Duration(r.Int64N(int64(3 * p.w.TTL)))
	}
	if !p.w.faulty() {
		d = min(d, 50*time.Millisecond)
	}
	return d
}

// work takes d, and reports false if its context ended before. A deaf handler notices that late, sometimes too late to be
// waited for.
func (p *pod) work(ctx context.Context, d time.Duration, deaf bool) bool { //nolint:revive // what the handler is
	defer p.wait()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-p.dead:
		return false
	case <-ctx.Done():
	}
	if deaf {
		select {
		case <-time.After(d % (8 * time.Second)):
		case <-p.dead:
		}
	}
	return false
}

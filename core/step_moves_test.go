package core

import (
	"fmt"
	"time"
)

// A move is three bytes: what happens, and two numbers.
type move [3]byte

func movesOf(b []byte) []move {
	var list []move
	for ; len(b) >= len(move{}); b = b[len(move{}):] {
		list = append(list, move(b))
	}
	return list
}

// play makes the moves from nothing, in up to so much time, and heals what is left.
func play(moves []move, budget micros) (trace []string, err error) {
	c := newCluster(budget)
	for i, m := range moves {
		if err = c.move(m); err != nil {
			return c.trace, fmt.Errorf("move %d, %v: %w", i, m, err)
		}
	}
	if err = c.heal(len(moves)%3 == 0); err != nil {
		return c.trace, fmt.Errorf("healing: %w", err)
	}
	return c.trace, nil
}

func (c *cluster) move(m move) error {
	a, b := int(m[1]), int(m[2])
	i := a % testPods
	if c.sp == nil {
		return c.request(event{what: evPut, job: someJob(a, b, c.now)})
	}
	switch m[0] % 24 {
	case 0, 1, 2:
		c.pass(micros(1+a*b) * 40 * millisecond / 8)
	case 3:
		c.pass(micros(1+a) * second)
	case 4:
		if b%4 == 0 {
			c.pass(micros(1+a) * 2 * time1h)
		}
	case 5, 6, 7: // to where something is due
		if c.due > c.now && c.due-c.now < 2*time1h {
			c.pass(c.due - c.now + micros(b%3)*100*millisecond - 50*millisecond)
		}
		c.refresh(i)
		return c.podStep(i, nil, b%5, micros(b%2)*maxTestLead, false)
	case 8, 9:
		c.refresh(i)
		return c.podStep(i, nil, b%100, micros(b%6)*100*millisecond, b%7 == 0)
	case 10: // with an old copy
		return c.podStep(i, nil, 5, 0, false)
	case 11:
		c.refresh(i)
	case 12, 13, 14:
		return c.report(i, a, b)
	case 15:
		if claim := c.someRun(i, b); claim != "" {
			c.refresh(i)
			return c.podStep(i, []event{{what: evVouched, claim: claim}}, b%3, 0, false)
		}
	case 16:
		c.note("pod %d dies", i)
		c.open(i)
		if b%2 == 0 { // frozen otherwise: it will report what it held
			c.bury(i)
		}
	case 17: // a completion is lost
		if claim := c.someRun(i, b); claim != "" {
			c.note("%s forgotten", claim)
			delete(c.held[claimOwner(claim)], claim)
		}
	default:
		return c.administer(int(m[0]%24), a, b)
	}
	return nil
}

const time1h = 60 * minute

// pass lets time go by, as much as the oracle can count.
func (c *cluster) pass(d micros) {
	if d < 0 || d > c.budget {
		return
	}
	c.budget -= d
	c.now += d
}

// bury makes a pod's former sessions report nothing any more.
func (c *cluster) bury(i int) {
	for s := range c.held {
		if s[0] == byte('a'+i) && s != c.pods[i].session {
			clear(c.held[s])
		}
	}
}

// report lets a handler return, in a session that lives or is over.
func (c *cluster) report(i, a, b int) error {
	claim := c.someRun(i, b)
	if claim == "" {
		return nil
	}
	r := c.st.byClaim(claim)
	if r == nil {
		delete(c.held[claimOwner(claim)], claim)
		return nil
	}
	if c.now < c.sp.came(r.Fire) {
		return nil // claimed ahead: it has not begun
	}
	now := c.now + c.pods[i].skew
	kind := []OutcomeKind{Succeeded, Succeeded, Failed, Failed, TimedOut, Cancelled}[b%6]
	ev := event{what: evFinished, claim: claim, kind: kind, at: now - micros(a%4)*3*millisecond, permanent: a%11 == 0, after: time.Duration(b%3) * time.Second}
	if ev.at < max(r.Fire, r.At) {
		ev.at = now
	}
	if b%13 == 0 {
		ev = event{what: evReleased, claim: claim}
	}
	c.refresh(i)
	return c.podStep(i, []event{ev}, a%3, micros(a%2)*maxTestLead, false)
}

// administer makes a client's request.
func (c *cluster) administer(what, a, b int) error {
	switch what {
	case 18:
		j := c.sp.Job
		if b%2 == 0 {
			edit(&j, a, b/2, c.now)
		}
		if j.Validate() != nil {
			return nil //nolint:nilerr // such an edit never reaches the step
		}
		c.note("put %s max %d", j.Schedule, j.MaxRuns)
		return c.request(event{what: evPut, job: &j})
	case 19:
		ev := event{what: evPause, reason: "test"}
		if b%2 == 0 {
			ev.until = c.now + micros(1+a)*7*second
		}
		c.note("pause until %s", clockText(ev.until))
		return c.request(ev)
	case 20:
		c.note("resume")
		return c.request(event{what: evResume})
	case 21:
		if b%3 == 0 {
			c.note("delete")
			return c.request(event{what: evDelete})
		}
		c.note("put again")
		return c.request(event{what: evPut, job: someJob(a, b, c.now)})
	case 22:
		if b%3 != 0 {
			c.note("run")
			return c.request(event{what: evRunNow})
		}
		from := c.now - micros(a)*minute
		c.note("backfill from %s", clockText(from))
		return c.request(event{what: evBackfill, from: from, to: from + micros(1+b)*second})
	default:
		if len(c.st.Runs) == 0 {
			return nil
		}
		fire := c.st.Runs[b%len(c.st.Runs)].Fire
		c.note("cancel %s", clockText(fire))
		return c.request(event{what: evCancel, fire: fire, reason: "test"})
	}
}

// someJob makes a definition of two numbers.
func someJob(a, b int, now micros) *Job {
	j := &Job{
		ID: "job", Schedule: someSchedule(a, now), Overlap: Overlap(b % 4), Recover: Recover(b / 4 % 2), //nolint:gosec // small
		Misfire: Misfire{Mode: MisfireMode(b / 8 % 3)}, Claim: Claim(a / 8 % 3), //nolint:gosec // small
		Keep: 3,
	}
	if b&32 != 0 {
		j.Retry = Retry{Max: 1 + a%3, Delay: time.Duration(1+b%20) * time.Second}
	}
	if b&64 != 0 {
		j.Misfire.After, j.Misfire.Limit = time.Duration(1+a%90)*time.Second, 1+a%5
	}
	if a&64 != 0 {
		j.MaxRuns = 1 + b%7
	}
	if a&128 != 0 {
		j.Jitter = time.Duration(b) * 100 * time.Millisecond
	}
	return j
}

func someSchedule(n int, now micros) Schedule {
	switch n % 8 {
	case 0:
		return Every(time.Second)
	case 1:
		return Every(5 * time.Second)
	case 2:
		return Every(700 * time.Millisecond)
	case 3:
		return Every(time.Minute)
	case 4:
		return Cron("*/7 * * * * *", "UTC")
	case 5:
		return Cron("* * * * *", "Europe/London")
	case 6:
		return At(now.time().Truncate(time.Second).Add(3 * time.Second))
	}
	return Cron("0 */2 * * *", "Asia/Seoul")
}

// edit changes one thing.
func edit(j *Job, a, b int, now micros) {
	switch b % 8 {
	case 0, 1:
		j.Schedule = someSchedule(a, now)
	case 2:
		j.Overlap = Overlap(a % 4) //nolint:gosec // small
	case 3:
		j.MaxRuns = a % 20
	case 4:
		j.NotAfter = now.time().Add(time.Duration(a) * time.Second)
	case 5:
		j.NotAfter, j.NotBefore = time.Time{}, now.time().Add(time.Duration(a-100)*time.Second)
	case 6:
		j.Misfire.Mode, j.Recover = MisfireMode(a%3), Recover(a%2) //nolint:gosec // small
	default:
		j.Retry.Max, j.Priority = a%4, b%100
	}
}

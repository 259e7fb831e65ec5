package evidence

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"time"
)

// maxFires bounds the fire times that a job is checked for in one run: 10 ms apart, half a day.
const maxFires = 5_000_000

// A plan is what one job of a run has to execute.
type plan struct {
	job   Job
	fires []time.Time // all of them, in order
	due   int         // the first so many had to be executed by now
}

// makePlan lists the fire times of j that no later run has taken over: when a leader starts anew in the middle of a
// run, what remains belongs to its new run.
func makePlan(j Job, later []Run, now time.Time, settle time.Duration) (*plan, error) {
	schedule, err := j.schedule()
	if err != nil {
		return nil, err
	}
	p := &plan{job: j}
	f := schedule.Next(j.From.Add(-time.Millisecond))
	for n := 0; !f.IsZero() && !f.After(j.To); n++ {
		if n == maxFires {
			return nil, fmt.Errorf("schedule %q has more than %d fire times from %s to %s", j.Schedule, maxFires, stamp(j.From), stamp(j.To))
		}
		if !f.Before(j.From) && !covered(j.Job, f, later) {
			p.fires = append(p.fires, f)
		}
		next := schedule.Next(f)
		if !next.After(f) {
			break
		}
		f = next
	}
	p.due = sort.Search(len(p.fires), func(i int) bool { return !p.fires[i].Before(now.Add(-settle)) })
	return p, nil
}

func covered(job string, fire time.Time, runs []Run) bool {
	for i := range runs {
		if j := runs[i].find(job); j != nil && j.covers(fire) {
			return true
		}
	}
	return false
}

// has reports whether fire is one of the fire times.
func (p *plan) has(fire time.Time) bool {
	_, found := slices.BinarySearchFunc(p.fires, fire, time.Time.Compare)
	return found
}

// until counts the fire times not after t.
func (p *plan) until(t time.Time) int {
	return sort.Search(len(p.fires), func(i int) bool { return p.fires[i].After(t) })
}

// deal gives each execution to the run it belongs to: the latest that lists its job with a range that covers its
// fire time, otherwise the latest that had begun by then. What is older than every run goes to the first one, so that
// nothing is left out of every report.
func deal(runs []Run, records []Record) [][]Record {
	dealt := make([][]Record, len(runs))
	for _, r := range records {
		i := owner(runs, &r)
		dealt[i] = append(dealt[i], r)
	}
	return dealt
}

func owner(runs []Run, r *Record) int {
	for i := len(runs) - 1; i >= 0; i-- {
		if j := runs[i].find(r.Job); j != nil && j.covers(r.Fire) {
			return i
		}
	}
	for i := len(runs) - 1; i > 0; i-- {
		if !r.Fire.Before(runs[i].begin()) {
			return i
		}
	}
	return 0
}

// dealIdle gives each idle session to the first run that had not ended when it opened.
func dealIdle(runs []Run, idle []IdleFile) [][]IdleFile {
	dealt := make([][]IdleFile, len(runs))
	for _, f := range idle {
		for i := range runs {
			if !f.Opened.After(runs[i].end()) {
				dealt[i] = append(dealt[i], f)
				break
			}
		}
	}
	return dealt
}

// A subject is one job of a run: what it had to execute and what was executed.
type subject struct {
	id      string
	plan    *plan    // nil: the run does not list the job
	records []Record // by start
}

// explained reports whether there is a reason for r's fire time.
func (s *subject) explained(r *Record) bool {
	return !r.Nominal.IsZero() || s.plan != nil && s.plan.has(r.Fire)
}

// triggers groups the records by fire time, each group by attempt, then start.
func (s *subject) triggers() [][]Record {
	sorted := slices.Clone(s.records)
	slices.SortStableFunc(sorted, func(a, b Record) int {
		return cmp.Or(a.Fire.Compare(b.Fire), cmp.Compare(a.Attempt, b.Attempt), a.Start.Compare(b.Start))
	})
	var groups [][]Record
	for len(sorted) > 0 {
		n := 1
		for n < len(sorted) && sorted[n].Fire.Equal(sorted[0].Fire) {
			n++
		}
		groups = append(groups, sorted[:n:n])
		sorted = sorted[n:]
	}
	return groups
}

func sortByStart(records []Record) {
	slices.SortStableFunc(records, func(a, b Record) int {
		return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
}

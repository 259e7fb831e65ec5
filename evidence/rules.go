package evidence

import (
	"fmt"
	"slices"
	"time"
)

// checkTwice finds triggers that were executed twice. A trigger may be executed again as a higher attempt under a
// greater token, by a retry or because its pod died; never twice as the same attempt, and never beyond the attempts
// that the run says its job can have.
func checkTwice(s *subject) []Violation {
	var found []Violation
	for _, group := range s.triggers() {
		for len(group) > 0 {
			n := 1
			for n < len(group) && group[n].Attempt == group[0].Attempt {
				n++
			}
			if n > 1 {
				found = append(found, s.violation(CheckTwice, fmt.Sprintf("executed %d times as attempt %d", n, group[0].Attempt), group[:n]...))
			}
			if s.plan != nil && s.plan.job.Attempts > 0 && group[0].Attempt > s.plan.job.Attempts {
				found = append(found, s.violation(CheckTwice, fmt.Sprintf("executed as attempt %d although this job is tried at most %d times", group[0].Attempt, s.plan.job.Attempts), group[:n]...))
			}
			group = group[n:]
		}
	}
	return found
}

// checkNear finds executions that nothing explains and that started close to another one of the same job: what two
// schedulers do that agree on the job but not on its fire time. Two fire times of the schedule may well start close
// together, when the first was late.
func checkNear(s *subject, window time.Duration) []Violation {
	var found []Violation
	for i := range s.records {
		r := &s.records[i]
		if s.explained(r) {
			continue
		}
		for _, k := range [...]int{i - 1, i + 1} {
			if k < 0 || k >= len(s.records) {
				continue
			}
			other := &s.records[k]
			if other.Fire.Equal(r.Fire) || other.Start.Sub(r.Start).Abs() > window {
				continue
			}
			if k > i && !s.explained(other) {
				continue // found again as the other's predecessor
			}
			gap := other.Start.Sub(r.Start).Abs()
			found = append(found, s.violation(CheckNear, fmt.Sprintf("started %v from another execution, under a fire time of its own", gap), *r, *other))
			break
		}
	}
	return found
}

// checkMissing finds fire times that are due and have no execution. The violation shows the executions before and
// after the gap.
func checkMissing(s *subject) []Violation {
	if s.plan == nil {
		return nil
	}
	groups := s.triggers()
	var found []Violation
	for _, fire := range s.plan.fires[:s.plan.due] {
		k, there := slices.BinarySearchFunc(groups, fire, func(g []Record, f time.Time) int { return g[0].Fire.Compare(f) })
		if there {
			continue
		}
		var around []Record
		if k > 0 {
			around = append(around, groups[k-1][0])
		}
		if k < len(groups) {
			around = append(around, groups[k][0])
		}
		v := s.violation(CheckMissing, "never executed; its neighbours:", around...)
		v.Fire = fire
		if len(around) == 0 {
			v.Detail = "never executed, nor was any other of this job"
		}
		found = append(found, v)
	}
	return found
}

// checkUnexpected finds executions at fire times that the job does not have.
func checkUnexpected(s *subject) []Violation {
	var found []Violation
	for i := range s.records {
		r := &s.records[i]
		if s.explained(r) && s.plan != nil {
			continue
		}
		detail := "the run does not list this job"
		if s.plan != nil {
			detail = s.plan.whyNot(r.Fire)
		}
		found = append(found, s.violation(CheckUnexpected, detail, *r))
	}
	return found
}

func (p *plan) whyNot(fire time.Time) string {
	switch {
	case fire.Before(p.job.From):
		return "this fire time is before the job's from, " + stamp(p.job.From)
	case fire.After(p.job.To):
		return "this fire time is after the job's to, " + stamp(p.job.To)
	}
	return fmt.Sprintf("schedule %q has no such fire time, and no nominal one is given", p.job.Schedule)
}

// checkEarly finds starts before the fire time.
func checkEarly(s *subject, skew time.Duration) []Violation {
	var found []Violation
	for i := range s.records {
		r := &s.records[i]
		if early := r.Fire.Sub(r.Start); early > skew {
			found = append(found, s.violation(CheckEarly, fmt.Sprintf("started %v before its fire time", early), *r))
		}
	}
	return found
}

// checkTokens requires that tokens grow: over the starts of a job, where the clocks can tell which was first, and
// over the attempts of a trigger; and that no two executions share one. It leaves alone what checkTwice reports.
func checkTokens(s *subject, skew time.Duration) []Violation {
	found := s.tokensOverStarts(skew)
	found = append(found, s.tokensOverAttempts(skew)...)
	return append(found, s.tokensShared(skew)...)
}

func (s *subject) tokensOverStarts(skew time.Duration) []Violation {
	var found []Violation
	var top *Record // the greatest token among those that surely started before
	next := 0
	for i := range s.records {
		r := &s.records[i]
		for ; ordered(&s.records[next], r, skew); next++ {
			if top == nil || s.records[next].Token > top.Token {
				top = &s.records[next]
			}
		}
		if top != nil && r.Token <= top.Token && !sameAttempt(top, r) {
			found = append(found, s.violation(CheckTokens, fmt.Sprintf("token %d started after token %d", r.Token, top.Token), *top, *r))
		}
	}
	return found
}

// tokensOverAttempts looks only at what tokensOverStarts cannot: starts without an order.
func (s *subject) tokensOverAttempts(skew time.Duration) []Violation {
	var found []Violation
	for _, group := range s.triggers() {
		for i := 1; i < len(group); i++ {
			a, b := &group[i-1], &group[i]
			if a.Attempt < b.Attempt && b.Token <= a.Token && !ordered(a, b, skew) {
				found = append(found, s.violation(CheckTokens, fmt.Sprintf("attempt %d has token %d, attempt %d has %d", a.Attempt, a.Token, b.Attempt, b.Token), *a, *b))
			}
		}
	}
	return found
}

func (s *subject) tokensShared(skew time.Duration) []Violation {
	var found []Violation
	holders := make(map[uint64]*Record, len(s.records))
	for i := range s.records {
		r := &s.records[i]
		first := holders[r.Token]
		if first == nil {
			holders[r.Token] = r
			continue
		}
		if first.Fire.Equal(r.Fire) || ordered(first, r, skew) {
			continue // one of the other two checks has it
		}
		found = append(found, s.violation(CheckTokens, fmt.Sprintf("two executions have token %d", r.Token), *first, *r))
	}
	return found
}

// ordered reports whether a surely started before b.
func ordered(a, b *Record, skew time.Duration) bool { return a.Start.Add(skew).Before(b.Start) }

func sameAttempt(a, b *Record) bool { return a.Fire.Equal(b.Fire) && a.Attempt == b.Attempt }

// violation is one about the trigger of the first record.
func (s *subject) violation(c CheckName, detail string, records ...Record) Violation {
	v := Violation{Check: c, Job: s.id, Detail: detail, Records: slices.Clone(records)}
	if len(records) > 0 {
		v.Fire = records[0].Fire
	}
	return v
}

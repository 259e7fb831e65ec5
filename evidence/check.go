package evidence

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// Options are the bounds of a check; nil and zero fields mean the defaults.
type Options struct {
	// Skew is how far the clocks of two pods, or a pod and its backend, may differ. A start by no more than this
	// before its fire time is not early, and starts closer than this have no order. 0: 10 ms, right for pods of one
	// machine; for several machines say what their time service keeps. Negative: none at all.
	Skew time.Duration

	// Settle is how old a fire time must be before it counts as missing: time to start, to end and to be written.
	// 0: 2 s. Give more while jobs run that take longer.
	Settle time.Duration

	// Window is how close two starts of a job are near-simultaneous. 0: 1 s.
	Window time.Duration
}

const (
	defaultSkew   = 10 * time.Millisecond
	defaultSettle = 2 * time.Second
	defaultWindow = time.Second

	// triggersPerPod is how many triggers a pod's absence takes to be the scheduler's doing: with 30 triggers on
	// 8 pods a fair scheduler leaves one idle in 15% of runs, with 7 a pod in less than 1%.
	triggersPerPod = 7
)

func (o *Options) withDefaults() Options {
	var v Options
	if o != nil {
		v = *o
	}
	switch {
	case v.Skew == 0:
		v.Skew = defaultSkew
	case v.Skew < 0:
		v.Skew = 0
	}
	if v.Settle <= 0 {
		v.Settle = defaultSettle
	}
	if v.Window <= 0 {
		v.Window = defaultWindow
	}
	return v
}

// Check judges the latest run of ev as of now, which should be a moment before ev was read. What belongs to earlier
// runs is left out.
func Check(ev *Evidence, now time.Time, opts *Options) Report {
	if len(ev.Runs) == 0 {
		return checkRun(ev, -1, ev.Executions, nil, now, opts.withDefaults())
	}
	last := len(ev.Runs) - 1
	return checkRun(ev, last, deal(ev.Runs, ev.Executions)[last], dealIdle(ev.Runs, ev.Idle)[last], now, opts.withDefaults())
}

// CheckAll judges every run of ev, the oldest first; without any it returns what [Check] says of that.
func CheckAll(ev *Evidence, now time.Time, opts *Options) []Report {
	if len(ev.Runs) == 0 {
		return []Report{Check(ev, now, opts)}
	}
	records, idle := deal(ev.Runs, ev.Executions), dealIdle(ev.Runs, ev.Idle)
	reports := make([]Report, len(ev.Runs))
	for i := range ev.Runs {
		reports[i] = checkRun(ev, i, records[i], idle[i], now, opts.withDefaults())
	}
	return reports
}

// checkRun judges run i of ev; -1 stands for executions without any run.
func checkRun(ev *Evidence, i int, records []Record, idle []IdleFile, now time.Time, opts Options) Report {
	rep := Report{Now: now.UTC(), Skew: opts.Skew, Settle: opts.Settle, Torn: ev.Torn}
	var run Run
	var later []Run
	if i >= 0 {
		run, later = ev.Runs[i], ev.Runs[i+1:]
	} else {
		rep.violate(Violation{Check: CheckNothing, Detail: "there is no jobs.json, so nothing says what should have run; start one pod with --leader, or write the file"})
	}
	rep.Run, rep.Started = run.ID, run.Started
	rep.Live = i >= 0 && !now.After(run.end().Add(opts.Settle))
	rep.judgeJobs(&run, later, records, &opts)
	rep.judgePods(&run, records, idle)
	rep.judgeFiles(ev)
	rep.Lateness = measure(records)
	if i >= 0 && rep.Low == 0 {
		rep.violate(Violation{Check: CheckNothing, Detail: "no trigger was due, so nothing was checked; try again in a few seconds, or look at from and to in jobs.json"})
	}
	return rep
}

// judgeJobs runs the checks that look at one job at a time.
func (rep *Report) judgeJobs(run *Run, later []Run, records []Record, opts *Options) {
	for _, s := range rep.subjects(run, later, records, opts) {
		found := slices.Concat(
			checkTwice(s),
			checkNear(s, opts.Window),
			checkMissing(s),
			checkUnexpected(s),
			checkEarly(s, opts.Skew),
			checkTokens(s, opts.Skew),
		)
		for _, v := range found {
			rep.violate(v)
		}
		line := JobReport{Job: s.id, Executions: len(s.records)}
		line.count(s, rep.Now)
		line.OK = len(found) == 0 && line.inRange()
		rep.Jobs = append(rep.Jobs, line)
		rep.Executions += line.Executions
		rep.Low += line.Expected
		rep.High += line.Most
	}
}

// subjects lists the jobs in the order of the run, then those it does not list, by name.
func (rep *Report) subjects(run *Run, later []Run, records []Record, opts *Options) []*subject {
	byJob := make(map[string][]Record)
	for _, r := range records {
		byJob[r.Job] = append(byJob[r.Job], r)
	}
	var subjects []*subject
	for _, j := range run.Jobs {
		p, err := makePlan(j, later, rep.Now, opts.Settle)
		if err != nil {
			rep.violate(Violation{Check: CheckNothing, Job: j.Job, Detail: err.Error()})
			p = &plan{job: j}
		}
		subjects = append(subjects, &subject{id: j.Job, plan: p, records: byJob[j.Job]})
		delete(byJob, j.Job)
	}
	for _, id := range slices.Sorted(maps.Keys(byJob)) {
		subjects = append(subjects, &subject{id: id, records: byJob[id]})
	}
	for _, s := range subjects {
		sortByStart(s.records)
	}
	return subjects
}

// count says how many executions there should be: at least one of each fire time that is due; at most one of each
// that has come, and besides those the manual triggers and the further attempts.
func (l *JobReport) count(s *subject, now time.Time) {
	extra := 0
	for i := range s.records {
		r := &s.records[i]
		if !r.Nominal.IsZero() || r.Attempt > 1 {
			extra++
		}
		if r.Start.After(now) { // executed while the evidence was being read
			now = r.Start
		}
	}
	if s.plan == nil {
		return
	}
	l.Schedule = s.plan.job.Schedule
	l.Expected = s.plan.due
	l.Most = s.plan.until(now) + extra
}

// judgePods counts executions by pod, and asks whether each took part. Sessions are what is counted: replicas may
// share a name.
func (rep *Report) judgePods(run *Run, records []Record, idle []IdleFile) {
	type key struct{ pod, session string }
	sessions := make(map[key]bool)
	pods := make(map[string]*PodReport)
	for _, r := range records {
		p := pods[r.Pod]
		if p == nil {
			p = &PodReport{Pod: r.Pod}
			pods[r.Pod] = p
		}
		p.Executions++
		if k := (key{r.Pod, r.Session}); !sessions[k] {
			sessions[k] = true
			p.Sessions++
		}
	}
	for _, name := range slices.Sorted(maps.Keys(pods)) {
		rep.Pods = append(rep.Pods, *pods[name])
	}
	rep.Sessions = len(sessions) + len(idle)
	rep.Idle = idle
	rep.judgeSpread(run, len(sessions), idle)
}

// judgeSpread requires a part of every pod where there were enough triggers for that since it was there.
func (rep *Report) judgeSpread(run *Run, active int, idle []IdleFile) {
	all := max(active+len(idle), run.Pods)
	enough := triggersPerPod * all
	rep.SpreadRequired = rep.Low >= enough
	if !rep.SpreadRequired {
		return
	}
	for _, f := range idle {
		if n := rep.dueAfter(run, f.Opened); n >= enough {
			rep.violate(Violation{Check: CheckSpread, Files: []string{f.File}, Detail: fmt.Sprintf("the pod of %s was there from %s, while %d triggers came, and executed none", f.File, stamp(f.Opened), n)})
		}
	}
	if seen := active + len(idle); run.Pods > seen {
		rep.violate(Violation{Check: CheckSpread, Detail: fmt.Sprintf("%d of %d pods executed anything", active, run.Pods)})
	}
}

// dueAfter counts the due fire times of the run's jobs after t.
func (rep *Report) dueAfter(run *Run, t time.Time) int {
	n := 0
	for _, j := range run.Jobs {
		p, err := makePlan(j, nil, rep.Now, rep.Settle)
		if err != nil {
			continue // judgeJobs has said so
		}
		n += max(0, p.due-p.until(t))
	}
	return n
}

// judgeFiles reports the lines that could not be read, whichever run they are of.
func (rep *Report) judgeFiles(ev *Evidence) {
	for _, u := range ev.Unreadable {
		rep.violate(Violation{Check: CheckReadable, Files: []string{fmt.Sprintf("%s:%d", u.File, u.Line)}, Detail: fmt.Sprintf("%s:%d: %s", u.File, u.Line, u.Reason)})
	}
}

func (rep *Report) violate(v Violation) { rep.Violations = append(rep.Violations, v) }

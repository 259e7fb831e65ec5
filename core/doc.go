// Package core is belfry's engine and its contract: what a job is, when it fires, what becomes of each fire
// time, and what a backend has to provide so that exactly one pod claims it.
//
// A [Scheduler] is one pod. Give it a [Store], register the handlers it can run, and call [Scheduler.Run]. Start
// the same program elsewhere on the same store and the work spreads over both:
//
//	s, err := core.New(store, nil)
//	s.Handle("hello", func(ctx context.Context, run core.Run) error { return nil })
//	err = s.Put(ctx, core.Job{ID: "hello", Schedule: core.Every(5 * time.Second)})
//	err = s.Run(ctx) // until ctx ends; then it drains
//
// A Scheduler that never runs is a client; all other methods work without Run.
//
// # Words
//
// A job says what to run and when. A fire time is an instant that its schedule names. A [Trigger] is a job and
// one of its fire times: the unit of exactly-once. A claim gives a trigger to one pod by one compare-and-set. A
// [Run] is a claimed trigger being executed, an [Outcome] says how it ended. Every fire time that passes while
// its job is enabled ends in exactly one outcome; [Counts] keeps the sum.
//
// # What is promised
//
// A trigger is claimed once, whatever crashes, freezes, restarts or disagrees about the time. That is not
// exactly-once effects, which no scheduler can give: a handler that changes something elsewhere passes on
// [Run.Token], which only grows, or uses [Trigger.String] as an idempotency key.
//
// # What is left out
//
// Workflows, results, progress, unique arguments, rate limits, a leader election, custom Go schedules (another
// pod could not read them), global state, and a separate client type.
//
// # Concurrency
//
// All methods of all exported types may be called from many goroutines at once unless they say otherwise.
package core

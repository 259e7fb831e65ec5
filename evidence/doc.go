// Package evidence defines what handlers leave behind when they ran, and checks it against what should have run.
//
// A scheduler that reports on itself proves little. So the handlers write: one file a pod and session, named
// <pod>-<session>.jsonl, one line of JSON an [Execution], handed to the operating system before the handler returns.
// The pod that creates the jobs adds a [Run]: which jobs there are, on which schedule, from when to when. These two
// say everything that [Check] needs to find a trigger that ran twice, one that never ran, one that ran early, a
// token that went back, or a pod that did nothing.
//
// [Writer] and [WriteJobs] write the format, [Read] reads a directory of it, [Check] and [CheckAll] judge it, and
// [Report.WriteText] prints the result. The format is public and small on purpose, so that others can write checkers
// of their own; docs/evidence.md describes it field by field.
package evidence

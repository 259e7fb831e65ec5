// Package sim runs real pods - the engine with its goroutines, timers and handlers - in one testing/synctest bubble on a
// store that does to them what stores do: it loses answers, carries requests out after the client has given them up,
// stalls, fails over and forgets, and reads stale. Meanwhile pods are killed, frozen, drained and restarted, their clocks
// are wrong, and people edit, pause and delete the jobs.
//
// An observer inside the store sees each change at the moment it is committed and holds it against the contract. Its
// schedules and sums are computed independently of the engine's.
//
// Everything is drawn from one seed. The seed fixes the workload and the faults but not how the goroutines interleave, so
// a failing one may need some tries to fail again; the history that it prints is what counts.
//
// All but this file is built with the tag belfrysim only, under which the engine can be broken on purpose (core.BreakRule).
package sim

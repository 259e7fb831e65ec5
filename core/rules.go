//go:build !belfrysim

package core

// The simulation breaks one rule at a time, to see that it is caught (see rules_sim.go). In every other build the rules
// cannot be broken.
const (
	breakReadBack     = false // R1: an unknown outcome is settled by reading
	breakNoLast       = false // R3: an edit sets the cursor from the clock alone
	breakEager        = false // R5: overlap is decided when the fire time is claimed, not when the run ends
	breakNoVouch      = false // R8: claims are not vouched for
	breakAnyPod       = false // R13: after one grace any pod takes an overdue entry
	breakAbsentDead   = false // R15: a session that is not in view is dead
	breakCrossServers = false // R1: what was computed from one server's records is sent to another
)

package core

import (
	"encoding/json"
	"fmt"
	"time"
)

// Overlap says what becomes of a fire time that comes while an earlier run of the same job is live: running,
// or waiting for its retry.
type Overlap uint8

// The overlap policies.
const (
	OverlapSkip    Overlap = iota // it becomes skipped-overlap (the default)
	OverlapAllow                  // it runs beside the other; beyond 64 live runs it becomes skipped-overlap
	OverlapQueue                  // it runs after the other; one waits, further ones become skipped-overlap
	OverlapReplace                // the other is cancelled, and it runs once that has ended
)

// Recover says what becomes of a run whose pod died.
type Recover uint8

// The recovery policies.
const (
	RecoverAbandon Recover = iota // its outcome is lost: the handler was started at most once (the default)
	RecoverRerun                  // it runs again under a new token, at most three times: at least once
)

// Claim says how early a trigger may be claimed.
type Claim uint8

// The claim policies.
const (
	ClaimAuto  Claim = iota // ahead if the job fires more often than once a minute, otherwise at (the default)
	ClaimAhead              // up to 500 ms before the fire time, so that the start is on time; a pod that dies in between loses the run, unless RecoverRerun
	ClaimAt                 // at the fire time: the start comes one commit later; a pod that dies before it costs a moment, not a run
)

// Misfire says what becomes of fire times that are found later than After because no pod was there to claim
// them.
type Misfire struct {
	Mode  MisfireMode   `json:"mode,omitempty"`
	After time.Duration `json:"after,omitempty"` // later than this is a misfire; 0: one minute

	// Until is the age beyond which a misfire is not run any more. 0: for MisfireOnce until the next fire time,
	// at most 24 h; for MisfireAll 24 h.
	Until time.Duration `json:"until,omitempty"`

	Limit int `json:"limit,omitempty"` // MisfireAll runs the newest so many, 1 to 1,000; 0: 100
}

// MisfireMode is the choice in [Misfire].
type MisfireMode uint8

// The misfire policies.
const (
	MisfireOnce MisfireMode = iota // the latest runs, the others become skipped-misfire (the default)
	MisfireSkip                    // all become skipped-misfire
	MisfireAll                     // they run, oldest first, up to Limit
)

const maxMisfireLimit = 1000

func (m *Misfire) after() micros {
	if m.After == 0 {
		return micros(time.Minute / time.Microsecond)
	}
	return micros(m.After.Microseconds())
}

// keep is how many of the newest misfires may run.
func (m *Misfire) keep() int {
	switch m.Mode {
	case MisfireSkip:
		return 0
	case MisfireAll:
		if m.Limit == 0 {
			return 100
		}
		return m.Limit
	case MisfireOnce:
	}
	return 1
}

// Retry says how often and when a failed or timed-out run is tried again: the same trigger, the next attempt, a
// new token. The n-th retry waits Delay * 2^(n-1), at most Cap, give or take the share Jitter of it.
type Retry struct {
	Max    int           `json:"max,omitempty"`    // retries after the first attempt, at most 1,000; 0: none
	Delay  time.Duration `json:"delay,omitempty"`  // 0: 10 s
	Cap    time.Duration `json:"cap,omitempty"`    // 0: 1 h
	Jitter float64       `json:"jitter,omitempty"` // 0 to 1; 0: 0.1
}

// durationText is the JSON form of a duration: text such as "1m30s".
type durationText time.Duration

// MarshalText returns the text of [time.Duration.String].
func (d durationText) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads what [time.ParseDuration] reads.
func (d *durationText) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil {
		return &FieldError{Field: "duration", Problem: fmt.Sprintf("%q is not one", b), Remedy: `write it like "30s", "1h30m" or "250ms"`}
	}
	*d = durationText(v)
	return nil
}

type plainMisfire Misfire

type misfireJSON struct {
	plainMisfire
	After durationText `json:"after,omitempty"`
	Until durationText `json:"until,omitempty"`
}

// MarshalJSON writes durations as text.
func (m Misfire) MarshalJSON() ([]byte, error) {
	return json.Marshal(misfireJSON{plainMisfire(m), durationText(m.After), durationText(m.Until)})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (m *Misfire) UnmarshalJSON(b []byte) error {
	var v misfireJSON
	if err := json.Unmarshal(b, &v); err != nil {
		return err //nolint:wrapcheck // the caller names the job
	}
	*m = Misfire(v.plainMisfire)
	m.After, m.Until = time.Duration(v.After), time.Duration(v.Until)
	return nil
}

type plainRetry Retry

type retryJSON struct {
	plainRetry
	Delay durationText `json:"delay,omitempty"`
	Cap   durationText `json:"cap,omitempty"`
}

// MarshalJSON writes durations as text.
func (r Retry) MarshalJSON() ([]byte, error) {
	return json.Marshal(retryJSON{plainRetry(r), durationText(r.Delay), durationText(r.Cap)})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (r *Retry) UnmarshalJSON(b []byte) error {
	var v retryJSON
	if err := json.Unmarshal(b, &v); err != nil {
		return err //nolint:wrapcheck // the caller names the job
	}
	*r = Retry(v.plainRetry)
	r.Delay, r.Cap = time.Duration(v.Delay), time.Duration(v.Cap)
	return nil
}

func enumText(kind string, names []string, v uint8) ([]byte, error) {
	if int(v) >= len(names) {
		return nil, &FieldError{Field: kind, Problem: fmt.Sprintf("%d is no such policy", v), Remedy: "use one of the declared constants"}
	}
	return []byte(names[v]), nil
}

func enumValue(kind string, names []string, text []byte) (uint8, error) {
	for i, n := range names {
		if n == string(text) {
			return uint8(i), nil
		}
	}
	return 0, &FieldError{Field: kind, Problem: fmt.Sprintf("%q is no such policy", text), Remedy: fmt.Sprintf("use one of %q", names)}
}

func enumString(kind string, names []string, v uint8) string {
	if int(v) >= len(names) {
		return fmt.Sprintf("%s(%d)", kind, v)
	}
	return names[v]
}

//nolint:gochecknoglobals // constant tables
var (
	overlapNames = []string{"skip", "allow", "queue", "replace"}
	recoverNames = []string{"abandon", "rerun"}
	claimNames   = []string{"auto", "ahead", "at"}
	misfireNames = []string{"once", "skip", "all"}
)

// String returns the policy's name as job files spell it.
func (o Overlap) String() string { return enumString("overlap", overlapNames, uint8(o)) }

// MarshalText returns the policy's name.
func (o Overlap) MarshalText() ([]byte, error) { return enumText("overlap", overlapNames, uint8(o)) }

// UnmarshalText reads the policy's name.
func (o *Overlap) UnmarshalText(b []byte) error {
	v, err := enumValue("overlap", overlapNames, b)
	*o = Overlap(v)
	return err
}

// String returns the policy's name as job files spell it.
func (r Recover) String() string { return enumString("recover", recoverNames, uint8(r)) }

// MarshalText returns the policy's name.
func (r Recover) MarshalText() ([]byte, error) { return enumText("recover", recoverNames, uint8(r)) }

// UnmarshalText reads the policy's name.
func (r *Recover) UnmarshalText(b []byte) error {
	v, err := enumValue("recover", recoverNames, b)
	*r = Recover(v)
	return err
}

// String returns the policy's name as job files spell it.
func (c Claim) String() string { return enumString("claim", claimNames, uint8(c)) }

// MarshalText returns the policy's name.
func (c Claim) MarshalText() ([]byte, error) { return enumText("claim", claimNames, uint8(c)) }

// UnmarshalText reads the policy's name.
func (c *Claim) UnmarshalText(b []byte) error {
	v, err := enumValue("claim", claimNames, b)
	*c = Claim(v)
	return err
}

// String returns the policy's name as job files spell it.
func (m MisfireMode) String() string { return enumString("misfire.mode", misfireNames, uint8(m)) }

// MarshalText returns the policy's name.
func (m MisfireMode) MarshalText() ([]byte, error) {
	return enumText("misfire.mode", misfireNames, uint8(m))
}

// UnmarshalText reads the policy's name.
func (m *MisfireMode) UnmarshalText(b []byte) error {
	v, err := enumValue("misfire.mode", misfireNames, b)
	*m = MisfireMode(v)
	return err
}

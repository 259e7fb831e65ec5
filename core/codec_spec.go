package core

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// specFormat is the format of a definition that this build reads and writes. It is left out while it is 1.
const specFormat = 1

// specJSON is the stored form of a definition: the job as in job files, and its number.
type specJSON struct {
	Format int    `json:"fmt,omitempty"`
	Rev    uint64 `json:"rev"`
	jobJSON
}

// encodeSpec returns the stored form of s. It fails only if the payload or the schedule is one that Validate
// refuses.
func encodeSpec(s *spec) ([]byte, error) {
	b, err := marshal(specJSON{Rev: s.Rev, jobJSON: s.toJSON()})
	if err != nil {
		return nil, fmt.Errorf("encode definition of %s: %w", s.ID, err)
	}
	return b, nil
}

// decodeSpec reads what encodeSpec writes. Fields that this build does not know are passed over: it never writes a
// definition that was not put with it. A later format is an [ErrFormat]. A schedule that cannot be followed, such as
// one in a zone that is unknown here, is an error, for a job without fire times would look finished.
func decodeSpec(b []byte) (*spec, error) {
	var v specJSON
	err := json.Unmarshal(b, &v)
	if f := laterFormat(b, v.Format, err); f > specFormat {
		return nil, fmt.Errorf("decode definition: format %d, this build reads up to %d: %w", f, specFormat, ErrFormat)
	}
	if err != nil {
		return nil, fmt.Errorf("decode definition: %w", err)
	}
	job := Job(v.plainJob)
	job.Timeout, job.Jitter = time.Duration(v.Timeout), time.Duration(v.Jitter)
	if job.ID == "" {
		return nil, fmt.Errorf("decode definition: %w", &corruptError{field: "id", problem: "is missing", at: len(b)})
	}
	s := newSpec(job, v.Rev)
	if err := s.sched.Err(); err != nil {
		return nil, fmt.Errorf("decode definition of %s: %w", job.ID, err)
	}
	s.size = len(b)
	return s, nil
}

// laterFormat returns the format that b states, although reading all of it may have failed, since a later format
// may have other types.
func laterFormat(b []byte, read int, err error) int {
	if err == nil {
		return read
	}
	var head struct {
		Format int `json:"fmt"`
	}
	if json.Unmarshal(b, &head) != nil {
		return 0
	}
	return head.Format
}

// marshal is json.Marshal but leaves <, > and & alone, so that records and payloads stay what was written.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err //nolint:wrapcheck // the caller names what it encodes
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// marshalPlain is marshal of a struct of text, numbers, truth values and lists of them, which cannot fail.
func marshalPlain(v any) []byte {
	b, err := marshal(v)
	if err != nil {
		panic("core: not a plain value: " + err.Error())
	}
	return b
}

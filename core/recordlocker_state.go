package core

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// A sessionHead is the first line of a session's State, in JSON; the Info follows it byte by byte. So both can be
// read in the store by eye.
type sessionHead struct {
	Pod     string    `json:"pod,omitempty"`
	TTL     string    `json:"ttl,omitempty"`
	Ended   bool      `json:"ended,omitempty"`
	EndedAt time.Time `json:"ended_at,omitzero"`
	Beat    uint64    `json:"beat,omitempty"` // the last one; the ended record's own version is nobody's beat
}

// openOp writes s, open, over the record of that beat; 0 means that there must be none.
func openOp(s Session, beat uint64) (Op, error) {
	return sessionOp(s, sessionHead{Pod: s.Pod, TTL: s.TTL.String()}, beat)
}

// endOp writes s, ended after its last beat at a time of the store's clock, over the record of that version.
func endOp(s Session, last, version uint64, at time.Time) (Op, error) {
	h := sessionHead{Pod: s.Pod, Ended: true, EndedAt: at, Beat: last}
	if s.TTL > 0 {
		h.TTL = s.TTL.String()
	}
	op, err := sessionOp(s, h, version)
	op.Announce = true
	return op, err
}

// sessionOp writes head and s.Info over the record of that beat.
func sessionOp(s Session, head sessionHead, beat uint64) (Op, error) {
	state, err := json.Marshal(head)
	if err != nil {
		return Op{}, fmt.Errorf("encode session: %w", err)
	}
	state = append(append(state, '\n'), s.Info...)
	key := SessionPrefix + s.ID
	return Op{Old: Record{Key: key, Version: beat}, New: Record{Key: key, State: state}}, nil
}

// sessionOf reads a session from its record.
func sessionOf(r Record) (Session, error) {
	s, _, err := decodeSession(r)
	return s, err
}

// decodeSession reads a session from its record, and when it ended by the store's clock.
func decodeSession(r Record) (Session, time.Time, error) {
	line, info, ok := bytes.Cut(r.State, []byte{'\n'})
	if !ok {
		return Session{}, time.Time{}, fmt.Errorf("record %s is no session: %w", r.Key, ErrFormat)
	}
	var h sessionHead
	if err := json.Unmarshal(line, &h); err != nil {
		return Session{}, time.Time{}, fmt.Errorf("record %s is no session (%w): %w", r.Key, err, ErrFormat)
	}
	s := Session{
		ID:    strings.TrimPrefix(r.Key, SessionPrefix),
		Pod:   h.Pod,
		Beat:  r.Version,
		Ended: h.Ended,
	}
	if h.Ended {
		s.Beat = h.Beat
	}
	if len(info) > 0 {
		s.Info = info
	}
	if h.TTL != "" {
		ttl, err := time.ParseDuration(h.TTL)
		if err != nil {
			return Session{}, time.Time{}, fmt.Errorf("record %s is no session (%w): %w", r.Key, err, ErrFormat)
		}
		s.TTL = ttl
	}
	return s, h.EndedAt, nil
}

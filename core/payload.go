package core

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
)

// A Payload is a job's argument: bytes that belfry stores and hands on, and neither reads nor logs. The zero
// Payload is empty.
type Payload struct {
	data []byte
	err  error
}

// JSON returns v in JSON as a payload. If v cannot be encoded, [Job.Validate] and so [Scheduler.Put] say why.
func JSON(v any) Payload {
	b, err := json.Marshal(v)
	return Payload{b, err}
}

// Bytes returns a copy of b as a payload.
func Bytes(b []byte) Payload { return Payload{data: slices.Clone(b)} }

// Bytes returns a copy of what the payload holds.
func (p Payload) Bytes() []byte { return slices.Clone(p.data) }

// Len returns the payload's size in bytes.
func (p Payload) Len() int { return len(p.data) }

// IsZero reports whether the payload is empty.
func (p Payload) IsZero() bool { return len(p.data) == 0 && p.err == nil }

// Decode reads the payload, which must be JSON, into v. An empty payload leaves v alone.
func (p Payload) Decode(v any) error {
	if len(p.data) == 0 {
		return p.err
	}
	return json.Unmarshal(p.data, v) //nolint:wrapcheck // the caller knows what it decodes
}

// LogValue shows the size only.
func (p Payload) LogValue() slog.Value { return slog.StringValue(p.String()) }

// String shows the size only.
func (p Payload) String() string { return fmt.Sprintf("payload(%d bytes)", len(p.data)) }

// GoString shows the size only.
func (p Payload) GoString() string { return p.String() }

func (p Payload) check() error {
	if p.err != nil {
		return &FieldError{Field: "payload", Problem: p.err.Error(), Remedy: "pass a value that encoding/json can encode"}
	}
	if len(p.data) > maxPayload {
		return &FieldError{
			Field: "payload", Problem: fmt.Sprintf("has %d bytes", len(p.data)),
			Remedy: fmt.Sprintf("use at most %d, and keep larger things elsewhere", maxPayload),
		}
	}
	return nil
}

// base64Key marks payloads that are not JSON in the JSON form.
const base64Key = "$base64"

// MarshalJSON writes a payload that is JSON as it is, compacted, and any other as {"$base64": "..."}.
func (p Payload) MarshalJSON() ([]byte, error) {
	switch {
	case p.err != nil:
		return nil, p.err
	case len(p.data) == 0:
		return []byte("null"), nil
	case json.Valid(p.data) && !isCoded(p.data):
		return p.data, nil
	}
	return json.Marshal(map[string]string{base64Key: base64.StdEncoding.EncodeToString(p.data)})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (p *Payload) UnmarshalJSON(b []byte) error {
	*p = Payload{}
	if bytes.Equal(bytes.TrimSpace(b), []byte("null")) {
		return nil
	}
	if !isCoded(b) {
		p.data = slices.Clone(b)
		return nil
	}
	var coded map[string]string
	if err := json.Unmarshal(b, &coded); err != nil {
		return err //nolint:wrapcheck // the caller names the job
	}
	data, err := base64.StdEncoding.DecodeString(coded[base64Key])
	if err != nil {
		return &FieldError{Field: "payload", Problem: err.Error(), Remedy: "write standard base64 with padding"}
	}
	p.data = data
	return nil
}

// isCoded reports whether b is an object whose only key is base64Key.
func isCoded(b []byte) bool {
	var coded map[string]json.RawMessage
	return json.Unmarshal(b, &coded) == nil && len(coded) == 1 && coded[base64Key] != nil
}

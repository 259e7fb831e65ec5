// Package handlers has the handlers that the belfry program brings along, so that a job can do something without
// any Go being written: exec runs a program, http makes a request, log writes a line, and record writes evidence of
// the execution for the analyzer.
//
// A payload that makes no sense fails the run at once, without retries: the error names the field.
package handlers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"github.com/belfry-io/belfry/core"
)

// The names under which jobs ask for the handlers.
const (
	NameExec   = "exec"
	NameHTTP   = "http"
	NameLog    = "log"
	NameRecord = "record"
)

// decode reads a run's payload into v. It accepts no field that v does not have: a misspelt one would be a setting
// that silently does nothing.
func decode(run core.Run, v any) error {
	data := run.Payload.Bytes()
	if len(data) == 0 {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	err := dec.Decode(v)
	if err == nil {
		if _, err = dec.Token(); errors.Is(err, io.EOF) {
			return nil
		}
		return refuse("", "more than one JSON value", "write one object")
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return refuse(e.Field, "is a JSON "+e.Value, fmt.Sprintf("write a %s", e.Type))
	}
	if field, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return refuse(strings.Trim(field, `"`), "is no field of this handler", "use "+strings.Join(fields(v), ", "))
	}
	return refuse("", err.Error(), "write a JSON object")
}

// fields lists the JSON names of the struct that v points to.
func fields(v any) []string {
	t := reflect.TypeOf(v).Elem()
	names := make([]string, 0, t.NumField())
	for field := range t.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// refuse is a payload error: no retry can mend it.
func refuse(field, problem, remedy string) error {
	name := "payload"
	if field != "" {
		name += "." + field
	}
	return core.Permanent(&core.FieldError{Field: name, Problem: problem, Remedy: remedy})
}

package handlers

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/belfry-io/belfry/core"
	"github.com/belfry-io/belfry/evidence"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// aRun is a run as a pod would hand it to a handler, with a payload in JSON.
func aRun(payload string) core.Run {
	return core.Run{
		Trigger: core.Trigger{Job: "backup", Fire: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)},
		Attempt: 2, Token: 7, Pod: "pod-a", Session: "s1", Payload: core.Bytes([]byte(payload)),
	}
}

// isPermanent asks as the engine does: the verdict survives wrapping, and is told from the same error without one.
func isPermanent(t *testing.T, err error) bool {
	t.Helper()
	field, ok := errors.AsType[*core.FieldError](err)
	return ok && field != nil && err != error(field) //nolint:errorlint // whether it is wrapped is the question
}

func TestPayloadsThatMakeNoSense(t *testing.T) {
	t.Parallel()
	exec, request := (&Exec{}).Run, (&HTTP{}).Run
	for name, c := range map[string]struct {
		handler core.Handler
		payload string
		want    string // in the message: the field, at least
	}{
		"exec without payload":       {exec, ``, "payload.argv: is empty"},
		"exec with empty argv":       {exec, `{"argv":[""]}`, "payload.argv: is empty"},
		"exec with a misspelt field": {exec, `{"args":["ls"]}`, "payload.args: is no field of this handler; use argv, dir, env, shell, stdin"},
		"exec with a string":         {exec, `{"argv":"ls -l"}`, "payload.argv: is a JSON string"},
		"exec with a command line":   {exec, `{"argv":["echo a | cat"]}`, `payload.argv: "echo a | cat" looks like a command line`},
		"exec with a NUL":            {exec, `{"argv":["echo","a\u0000b"]}`, "payload.argv.1: has a NUL byte"},
		"exec with a bad variable":   {exec, `{"argv":["true"],"env":{"A=B":"c"}}`, `payload.env: "A=B" cannot be set`},
		"exec with no object":        {exec, `["ls"]`, "payload: is a JSON array"},
		"exec with two values":       {exec, `{"argv":["ls"]} {}`, "payload: more than one JSON value"},
		"exec with no JSON":          {exec, `ls -l`, "payload: "},
		"http without URL":           {request, `{}`, "payload.url: "},
		"http with a relative URL":   {request, `{"url":"/x"}`, "payload.url: "},
		"http with another scheme":   {request, `{"url":"file:///etc/passwd"}`, "payload.url: "},
		"http with a bad method":     {request, `{"url":"http://h","method":"G T"}`, "payload.method: "},
		"http with a bad header":     {request, `{"url":"http://h","headers":{"A B":"c"}}`, "payload.headers: "},
		"http with a split header":   {request, `{"url":"http://h","headers":{"A":"c\r\nB: d"}}`, "payload.headers.A: "},
		"log with a bad level":       {Log, `{"level":"loud"}`, `"loud"`},
		"log with a misspelt field":  {Log, `{"mesage":"x"}`, "payload.mesage: is no field of this handler; use level, message"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := c.handler(t.Context(), aRun(c.payload))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want an error with %q", err, c.want)
			}
			if !isPermanent(t, err) || !errors.Is(err, core.ErrInvalid) {
				t.Errorf("%v (%T) is not a permanent payload error", err, err)
			}
		})
	}
}

func TestLog(t *testing.T) {
	t.Parallel()
	for _, payload := range []string{``, `null`, `{"message":"hello","level":"WARN"}`} {
		if err := Log(t.Context(), aRun(payload)); err != nil {
			t.Errorf("payload %s: %v", payload, err)
		}
	}
}

func TestRecordWritesBeforeItReturns(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := evidence.NewWriter(dir)
	h := Record(w)
	run := aRun(``)
	run.Nominal = run.Fire.Add(-time.Hour)
	if err := h(context.Background(), run); err != nil {
		t.Fatal(err)
	}
	found, err := evidence.Read(dir) // the writer is still open: what is there was flushed
	if err != nil {
		t.Fatal(err)
	}
	if len(found.Executions) != 1 {
		t.Fatalf("%d executions", len(found.Executions))
	}
	got := found.Executions[0].Execution
	if got.Start.IsZero() || got.End.Before(got.Start) {
		t.Errorf("start %v, end %v", got.Start, got.End)
	}
	got.Start, got.End = time.Time{}, time.Time{}
	want := evidence.Execution{Job: "backup", Fire: run.Fire, Nominal: run.Nominal, Pod: "pod-a", Session: "s1", Attempt: 2, Token: 7}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := h(context.Background(), run); err == nil {
		t.Error("an execution that could not be written down was reported as a success")
	}
}

package handlers

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/belfry-io/belfry/core"
)

func TestHTTPRequest(t *testing.T) {
	t.Parallel()
	type seen struct {
		method, body string
		header       http.Header
	}
	for name, c := range map[string]struct {
		payload string // of which URL is replaced
		want    seen
	}{
		"get":  {`{"url":"URL"}`, seen{"GET", "", http.Header{"Content-Type": nil}}},
		"text": {`{"url":"URL","body":"a\nb"}`, seen{"POST", "a\nb", http.Header{"Content-Type": nil}}},
		"json": {`{"url":"URL","method":"put","body":{"a":[1]}}`, seen{"PUT", `{"a":[1]}`, http.Header{"Content-Type": {"application/json"}}}},
		"headers": {
			`{"url":"URL","headers":{"Content-Type":"text/x","X-A":"b","Idempotency-Key":"mine"},"body":[]}`,
			seen{"POST", "[]", http.Header{"Content-Type": {"text/x"}, "X-A": {"b"}}},
		},
		"null": {`{"url":"URL","body":null}`, seen{"GET", "", nil}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got seen
			server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				got = seen{r.Method, string(body), r.Header}
			}))
			defer server.Close()
			h := &HTTP{Client: server.Client(), Version: "v1"}
			if err := h.Run(t.Context(), aRun(strings.ReplaceAll(c.payload, "URL", server.URL))); err != nil {
				t.Fatal(err)
			}
			if got.method != c.want.method || got.body != c.want.body {
				t.Errorf("got %s %q, want %s %q", got.method, got.body, c.want.method, c.want.body)
			}
			for k, v := range map[string]string{"Idempotency-Key": "backup@2026-01-02T03:04:05Z", "Fencing-Token": "7", "User-Agent": "belfry/v1"} {
				if got.header.Get(k) != v {
					t.Errorf("%s is %q, want %q", k, got.header.Get(k), v)
				}
			}
			for k, v := range c.want.header {
				if g := strings.Join(got.header.Values(k), ","); g != strings.Join(v, ",") {
					t.Errorf("%s is %q, want %q", k, g, v)
				}
			}
		})
	}
}

// TestHTTPAnswers compares the verdict with one made by core, as only the engine can look inside.
func TestHTTPAnswers(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, c := range map[string]struct {
		code  int
		after string
		want  func(error) error // nil: success
	}{
		"ok":                {200, "", nil},
		"no content":        {204, "", nil},
		"redirect":          {304, "", core.Permanent},
		"bad request":       {400, "", core.Permanent},
		"gone, retry-after": {410, "5", core.Permanent},
		"too many":          {429, "", plain},
		"too many, 7 s":     {429, "7", after(7 * time.Second)},
		"away":              {503, "", plain},
		"away, date":        {503, now.Add(90 * time.Second).Format(http.TimeFormat), after(90 * time.Second)},
		"away, past":        {503, now.Add(-time.Second).Format(http.TimeFormat), plain},
		"away, nonsense":    {503, "soon", plain},
		"away, negative":    {503, "-5", plain},
		"away, for ages":    {503, "99999999", after(24 * time.Hour)},
		"broken":            {500, "", plain},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req := httptest.NewRequest(http.MethodGet, "https://h/p?secret=1", nil)
			resp := &http.Response{StatusCode: c.code, Status: "S", Header: http.Header{}, Request: req}
			resp.Header.Set("Retry-After", c.after)
			err := judge(resp, now)
			if c.want == nil {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil {
				t.Fatal("taken for a success")
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("%v shows the query", err)
			}
			cause := err
			if inside := errors.Unwrap(err); inside != nil {
				cause = inside
			}
			if want := c.want(cause); !reflect.DeepEqual(err, want) {
				t.Errorf("got %#v, want %#v", err, want)
			}
		})
	}
}

func plain(err error) error { return err }

func after(d time.Duration) func(error) error {
	return func(err error) error { return core.RetryAfter(err, d) }
}

func TestHTTPStops(t *testing.T) {
	t.Parallel()
	arrived, release := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(arrived)
		<-release
	}))
	defer server.Close()
	defer close(release)
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	go func() {
		<-arrived
		cancel(core.ErrTimeout)
	}()
	h := &HTTP{Client: server.Client()}
	if err := h.Run(ctx, aRun(`{"url":"`+server.URL+`"}`)); !errors.Is(err, core.ErrTimeout) {
		t.Errorf("got %v, want the cause", err)
	}
}

func TestHTTPHidesSecretsOfTheURL(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	place := strings.TrimPrefix(server.URL, "http://")
	server.Close() // so that nobody answers
	h := &HTTP{Client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	err := h.Run(t.Context(), aRun(`{"url":"http://user:hidden@`+place+`/p?key=hidden"}`))
	if err == nil || strings.Contains(err.Error(), "hidden") {
		t.Errorf("got %v", err)
	}
	if errors.Is(err, core.ErrInvalid) {
		t.Error("a server that is away is no mistake in the payload")
	}
}

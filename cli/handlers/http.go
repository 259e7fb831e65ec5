package handlers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/belfry-io/belfry/core"
)

// HTTPPayload says what request an http job makes.
type HTTPPayload struct {
	URL     string            `json:"url"`
	Method  string            `json:"method,omitempty"` // default GET, or POST if there is a body
	Headers map[string]string `json:"headers,omitempty"`

	// Body is sent as it is if it is text, and as JSON, with that content type, if it is any other value.
	Body json.RawMessage `json:"body,omitempty"`
}

// HTTP makes requests.
type HTTP struct {
	// Client makes them; default: one of its own, which has no timeout, since the job's ends the run.
	Client *http.Client

	// Version is shown in the User-Agent.
	Version string
}

const (
	// maxBody is how much of an answer is read; the end of it goes to the run's output.
	maxBody = 64 << 10

	// maxRetryAfter bounds what a server may ask for.
	maxRetryAfter = 24 * time.Hour
)

// Run makes the request of the payload. An answer of 200 to 299 is success; 429 and 500 to 599 are failures that a
// retry may mend, no sooner than their Retry-After says; any other answer fails the run for good. The answer's body
// goes to the run's output. The request carries Idempotency-Key, the same for every attempt at a trigger, and
// Fencing-Token, which grows.
func (h *HTTP) Run(ctx context.Context, run core.Run) error {
	var p HTTPPayload
	if err := decode(run, &p); err != nil {
		return err
	}
	req, err := h.request(ctx, run, &p)
	if err != nil {
		return err
	}
	client := h.Client
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("http %s %s: stopped: %w", req.Method, place(req.URL), context.Cause(ctx))
		}
		return fmt.Errorf("http %s %s: %w", req.Method, place(req.URL), inner(err))
	}
	defer resp.Body.Close()
	if _, err := io.Copy(run.Output(), io.LimitReader(resp.Body, maxBody)); err != nil {
		return fmt.Errorf("http %s %s: read the answer: %w", req.Method, place(req.URL), err)
	}
	return judge(resp, time.Now())
}

// request builds the request, and refuses a payload that makes none.
func (h *HTTP) request(ctx context.Context, run core.Run, p *HTTPPayload) (*http.Request, error) {
	target, err := url.Parse(p.URL)
	if err != nil || target.Host == "" || target.Scheme != "http" && target.Scheme != "https" {
		return nil, refuse("url", "is not an absolute http or https URL", "write one such as https://example.com/path")
	}
	body, contentType, err := p.body()
	if err != nil {
		return nil, err
	}
	method := p.Method
	if method == "" {
		method = http.MethodGet
		if len(body) > 0 {
			method = http.MethodPost
		}
	}
	req, err := http.NewRequestWithContext(ctx, strings.ToUpper(method), p.URL, bytes.NewReader(body))
	if err != nil {
		return nil, refuse("method", err.Error(), "use one such as GET or POST")
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	req.Header.Set("User-Agent", strings.TrimSuffix("belfry/"+h.Version, "/"))
	for k, v := range p.Headers {
		if strings.EqualFold(k, "Host") {
			req.Host = v
			continue
		}
		req.Header.Set(k, v)
	}
	req.Header.Set("Idempotency-Key", run.String())
	req.Header.Set("Fencing-Token", strconv.FormatUint(run.Token, 10))
	return req, checkHeader(req.Header)
}

func (p *HTTPPayload) body() (body []byte, contentType string, err error) {
	if len(p.Body) == 0 || bytes.Equal(p.Body, []byte("null")) {
		return nil, "", nil
	}
	if p.Body[0] != '"' {
		return p.Body, "application/json", nil
	}
	var text string
	if err := json.Unmarshal(p.Body, &text); err != nil {
		return nil, "", refuse("body", err.Error(), "write JSON")
	}
	return []byte(text), "", nil
}

// checkHeader refuses what net/http would refuse as if the server were to blame.
func checkHeader(header http.Header) error {
	for k, values := range header {
		if k == "" || strings.ContainsFunc(k, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r) }) {
			return refuse("headers", fmt.Sprintf("%q is no header name", k), "use letters, digits and -")
		}
		if strings.ContainsFunc(values[0], func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			return refuse("headers."+k, "has a control character", "remove it")
		}
	}
	return nil
}

// judge turns an answer into the run's result.
func judge(resp *http.Response, now time.Time) error {
	code := resp.StatusCode
	if code >= 200 && code <= 299 {
		return nil
	}
	err := fmt.Errorf("http %s %s: answered %s", resp.Request.Method, place(resp.Request.URL), resp.Status)
	if code != http.StatusTooManyRequests && code < 500 {
		return core.Permanent(err)
	}
	if after := retryAfter(resp.Header.Get("Retry-After"), now); after > 0 {
		return core.RetryAfter(err, after)
	}
	return err
}

// retryAfter reads seconds or a date. 0: none, or none that makes sense.
func retryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return min(time.Duration(seconds)*time.Second, maxRetryAfter)
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return max(0, min(at.Sub(now), maxRetryAfter))
}

// place is a URL without what may be secret in it.
func place(u *url.URL) string { return u.Scheme + "://" + u.Host + u.EscapedPath() }

// inner takes off net/http's wrapping, which repeats the whole URL.
func inner(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

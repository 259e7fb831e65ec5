package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestParseTime(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 678_901_234, time.UTC)
	for text, want := range map[string]string{
		"":                             "0001-01-01T00:00:00Z",
		"2026-01-02T03:04:05Z":         "2026-01-02T03:04:05Z",
		"2026-01-02T03:04:05.25+09:00": "2026-01-01T18:04:05.25Z",
		"+90m":                         "2026-01-02T04:34:05.678Z",
		"+1h30m":                       "2026-01-02T04:34:05.678Z",
	} {
		got, err := parseTime("at", text, now)
		if err != nil || got.Format(time.RFC3339Nano) != want {
			t.Errorf("%q: got %v, %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"now", "+x", "2026-01-02", "90m", "+"} {
		if _, err := parseTime("at", text, now); err == nil || !strings.Contains(err.Error(), "--at") {
			t.Errorf("%q: got %v, want an error that names the flag", text, err)
		}
	}
}

func TestParseLabels(t *testing.T) {
	t.Parallel()
	got, err := parseLabels([]string{"a=b", "c=d=e", "f=", "g=h,i"})
	if err != nil || len(got) != 4 || got["a"] != "b" || got["c"] != "d=e" || got["f"] != "" || got["g"] != "h,i" {
		t.Errorf("got %v, %v", got, err)
	}
	for _, pair := range []string{"a", "=b", ""} {
		if _, err := parseLabels([]string{pair}); err == nil {
			t.Errorf("%q was taken for a label", pair)
		}
	}
}

func TestPayloadSources(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "p.json")
	if err := os.WriteFile(file, []byte("{\n \"a\": 1\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		`{"a": [1, 2]}`: `{"a":[1,2]}`,
		`"text"`:        `"text"`,
		"@" + file:      `{"a":1}`,
		"-":             `{"in":true}`,
	} {
		p := &program{Config: Config{Stdin: strings.NewReader(` {"in": true}`)}}
		got, err := p.payload(text)
		if err != nil || string(got.Bytes()) != want {
			t.Errorf("%s: got %s, %v, want %s", text, got.Bytes(), err, want)
		}
	}
	p := &program{Config: Config{Stdin: bytes.NewReader(make([]byte, maxPayloadFile+1))}}
	for text, want := range map[string]string{
		"hello":       "--payload: not JSON",
		"{}{}":        "--payload: not JSON",
		"@/no/such":   "--payload: open /no/such",
		"-":           "more than",
		"":            "--payload: not JSON",
		`{"a": 1,}`:   "--payload: not JSON",
		"@":           "--payload: open",
		"{\"a\":NaN}": "--payload: not JSON",
	} {
		if _, err := p.payload(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}

func TestShortDuration(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		time.Minute: "1m", 90 * time.Second: "1m30s", time.Hour: "1h", 10 * time.Second: "10s", 24 * time.Hour: "24h", 61 * time.Minute: "1h1m",
	} {
		if got := shortDuration(d); got != want {
			t.Errorf("%v: got %s, want %s", d, got, want)
		}
	}
}

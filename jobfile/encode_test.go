package jobfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/belfry-io/belfry/core"
)

// roundTrip writes jobs in each format and reads them back.
func roundTrip(t *testing.T, jobs []core.Job) {
	t.Helper()
	for _, format := range []Format{YAML, JSON} {
		var b bytes.Buffer
		if err := Encode(&b, jobs, format); err != nil {
			t.Fatalf("encode %s: %v", format, err)
		}
		if b.Len() > MaxSize {
			continue // escapes may take a file that was read over the limit
		}
		back, err := Decode("back."+string(format), bytes.NewReader(b.Bytes()))
		if err != nil {
			t.Fatalf("%v\n%s", err, b.Bytes())
		}
		changes, err := Diff(jobs, back)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range changes {
			if c.Kind != Same {
				t.Errorf("%s: job %s came back with another %v:\n%s", format, c.ID, c.Fields, b.Bytes())
			}
		}
		if len(changes) != len(jobs) {
			t.Errorf("%s: %d jobs came back as %d", format, len(jobs), len(changes))
		}
	}
}

func TestRoundTripEveryField(t *testing.T) {
	for _, format := range []Format{YAML, JSON} {
		var b bytes.Buffer
		if err := Encode(&b, []core.Job{everyField()}, format); err != nil {
			t.Fatal(err)
		}
		if got := decode(t, "f."+string(format), b.String()); !reflect.DeepEqual(got, []core.Job{everyField()}) {
			t.Errorf("%s: got %+v from\n%s", format, got, b.String())
		}
	}
}

func TestEncodeText(t *testing.T) {
	var b strings.Builder
	if err := Encode(&b, []core.Job{everyField(), {ID: "a", Schedule: core.Every(5 * time.Second)}}, YAML); err != nil {
		t.Fatal(err)
	}
	const want = `jobs:
  - id: digest
    handler: mail
    payload:
      "n": 1
    schedule: cron 0 9 * * MON-FRI Asia/Seoul
    overlap: queue
    misfire:
      mode: all
      limit: 7
      after: 1m30s
      until: 1h0m0s
    recover: rerun
    claim: at
    retry:
      max: 3
      jitter: 0.5
      delay: 10s
      cap: 1m0s
    timeout: 1h30m0s
    jitter: 250ms
    priority: -5
    not_before: "2026-01-02T03:04:05Z"
    not_after: "2027-01-02T03:04:05.006Z"
    max_runs: 9
    revision: 12
    keep: -1
    queue: gpu
    labels:
      env: "yes"
      team: web
  - id: a
    schedule: every 5s
`
	if b.String() != want {
		t.Errorf("got\n%s", b.String())
	}
	b.Reset()
	if err := Encode(&b, nil, YAML); err != nil || b.String() != "jobs: []\n" {
		t.Errorf("no jobs: %q, %v", b.String(), err)
	}
	b.Reset()
	if err := Encode(&b, []core.Job{{ID: "a", Schedule: core.Every(5 * time.Second), Payload: core.JSON([]int{1})}}, JSON); err != nil {
		t.Fatal(err)
	}
	const wantJSON = `{
  "jobs": [
    {
      "id": "a",
      "payload": [
        1
      ],
      "schedule": "every 5s"
    }
  ]
}
`
	if b.String() != wantJSON {
		t.Errorf("got\n%s", b.String())
	}
}

// TestAwkwardPayloads keeps what is easily mistaken for something else.
func TestAwkwardPayloads(t *testing.T) {
	for _, p := range []string{
		"\x00\x01\xff", "hello", `"hello"`, " 1 ", `{"a": 1}`, `{"a":1,"a":2}`, `{"$base64":"AAH/"}`, `{"$base64":5}`, "null", `""`,
		`[1e999,-0,0.10,1E5,123456789012345678901234567890]`, `"é\/"`, `"\ud800"`, `{"<<":{"a":1}}`, `{"":""}`, `"yes"`, `["~","null","0x10","1_000","1:30","2026-01-02"]`,
		"[\"a\\nb\\tc \\u0007\",\"\u2028\ufeff\u0085\",\" x \",\"a: b\",\"a #b\",\"- a\",\"? a\",\"&a\",\"*a\",\"!a\",\"%a\",\"@a\",\"`a\",\"a:\"]",
		strings.Repeat("[", 600) + strings.Repeat("]", 600), `{"` + strings.Repeat("k", 300) + `":1}`, `"` + strings.Repeat("word ", 100) + `"`,
	} {
		jobs := []core.Job{{ID: "a", Schedule: core.Every(5 * time.Second), Payload: core.Bytes([]byte(p))}}
		roundTrip(t, jobs)
		for _, format := range []Format{YAML, JSON} {
			var b bytes.Buffer
			if err := Encode(&b, jobs, format); err != nil {
				t.Fatal(err)
			}
			got := decode(t, "f."+string(format), b.String())[0].Payload.Bytes()
			want := []byte(p)
			if wellFormed, err := json.Marshal(json.RawMessage(p)); err == nil { // compact, and escaped as core's form is
				want = wellFormed
			}
			if !bytes.Equal(got, want) && !bytes.Equal(got, []byte(p)) {
				t.Errorf("%s: %q came back as %q", format, p, got)
			}
		}
	}
}

// TestRandomTexts reads back texts of the characters that mean something to YAML.
func TestRandomTexts(t *testing.T) {
	const seed = 1
	rnd := rand.New(rand.NewPCG(seed, seed)) //nolint:gosec // a test
	letters := []rune(" \t\n:#-?*&!|>'\"%@`,[]{}~.0123456789abenostyxEN_+=<\\/é\u0085\u2028\ufeff😀\x00\x1b")
	text := func() string {
		var b strings.Builder
		for range rnd.IntN(12) {
			b.WriteRune(letters[rnd.IntN(len(letters))])
		}
		return b.String()
	}
	for range 500 {
		roundTrip(t, []core.Job{{
			ID: "a", Schedule: core.Every(5 * time.Second), Labels: map[string]string{"k": text()},
			Payload: core.JSON(map[string]any{text(): []any{text(), map[string]any{text(): text()}}}),
		}})
	}
}

func TestEncodeErrors(t *testing.T) {
	var b strings.Builder
	if err := Encode(&b, nil, "toml"); !errors.Is(err, core.ErrInvalid) || !strings.Contains(err.Error(), `"toml"`) {
		t.Errorf("format: %v", err)
	}
	if err := Encode(&b, []core.Job{{ID: "bad"}}, YAML); err == nil || !strings.Contains(err.Error(), "encode job bad") {
		t.Errorf("no schedule: %v", err)
	}
	if err := Encode(&b, []core.Job{{ID: "bad", Schedule: core.Every(time.Second), Payload: core.JSON(func() {})}}, YAML); err == nil {
		t.Error("a function was encoded")
	}
	if err := Encode(brokenWriter{}, nil, YAML); !errors.Is(err, errBroken) {
		t.Errorf("write: %v", err)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

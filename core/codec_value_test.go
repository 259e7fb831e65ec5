package core

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func goldenSpec() (*spec, string) {
	s := newSpec(Job{
		ID: "digest", Handler: "mail", Payload: Bytes([]byte(`{"to":"<ann&bob>"}`)), Schedule: Every(5 * time.Second),
		Overlap: OverlapQueue, Misfire: Misfire{Mode: MisfireAll, Limit: 3}, Timeout: 90 * time.Second,
		NotBefore: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Revision: 4, Labels: map[string]string{"team": "ops"},
	}, 7)
	const text = `{"rev":7,"id":"digest","handler":"mail","payload":{"to":"<ann&bob>"},"schedule":"every 5s",` +
		`"overlap":"queue","misfire":{"mode":"all","limit":3},"not_before":"2026-01-02T03:04:05Z","revision":4,` +
		`"labels":{"team":"ops"},"timeout":"1m30s"}`
	s.size = len(text)
	return s, text
}

func TestSpecGolden(t *testing.T) {
	s, want := goldenSpec()
	b, err := encodeSpec(s)
	if err != nil || string(b) != want {
		t.Errorf("encodeSpec: %v\n got %s\nwant %s", err, b, want)
	}
	got, err := decodeSpec([]byte(want))
	if err != nil || !reflect.DeepEqual(got, s) {
		t.Errorf("decodeSpec: %v\n got %+v\nwant %+v", err, got, s)
	}
}

// TestSpecPayloads checks that a payload comes back as it was, JSON or not.
func TestSpecPayloads(t *testing.T) {
	for _, payload := range []string{"", "\x00\xff", `{"a":[1,"<>&"]}`, `"\u2028"`, `{"$base64":"x"}`, "null x"} {
		s := newSpec(Job{ID: "j", Schedule: Every(time.Second), Payload: Bytes([]byte(payload))}, 1)
		b, err := encodeSpec(s)
		if err != nil {
			t.Errorf("%q: %v", payload, err)
			continue
		}
		got, err := decodeSpec(b)
		if err != nil || string(got.Payload.Bytes()) != payload {
			t.Errorf("%q came back from %s with %v", payload, b, err)
		}
	}
}

func TestSpecRefused(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{``, "decode definition: unexpected end of JSON input"},
		{`null`, "decode definition: id: is missing, at byte 4"},
		{`{"rev":"x","id":"a"}`, "rev"},
		{`{"rev":1,"id":"a"}`, "decode definition of a: schedule: "},
		{`{"rev":1,"id":"a","schedule":"cron 0 9 * * * Mars/Olympus"}`, "Mars/Olympus"},
	} {
		_, err := decodeSpec([]byte(c.in))
		if err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, ErrFormat) {
			t.Errorf("%s\n got %v\nwant %s", c.in, err, c.want)
		}
	}
	for _, in := range []string{
		`{"fmt":2,"rev":1,"id":"a","schedule":"every 5s"}`,
		`{"id":["other","type"],"schedule":"sometimes","fmt":2}`,
	} {
		if _, err := decodeSpec([]byte(in)); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: got %v, want ErrFormat", in, err)
		}
	}
	if _, err := encodeSpec(newSpec(Job{ID: "a", Schedule: Every(time.Second), Payload: JSON(make(chan int))}, 1)); err == nil {
		t.Error("a payload that cannot be encoded was encoded")
	}
}

func goldenOutcome() (Outcome, string) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 120000, time.UTC)
	o := Outcome{
		Trigger: Trigger{Job: "digest", Fire: at}, Through: at.Add(time.Second), Count: 2, Kind: Failed, Nominal: at,
		Attempt: 3, Token: 17, Cause: CauseManual, Pod: "p", Session: "s7", Started: at.Add(time.Millisecond),
		Ended: at.Add(time.Minute), Reason: "why", Error: "a < b", Output: "line\n",
	}
	return o, `{"job":"digest","fire":"2026-01-01T00:00:00.00012Z","through":"2026-01-01T00:00:01.00012Z","count":2,` +
		`"kind":"failed","nominal":"2026-01-01T00:00:00.00012Z","attempt":3,"token":17,"cause":"manual","pod":"p",` +
		`"session":"s7","started":"2026-01-01T00:00:00.00112Z","ended":"2026-01-01T00:01:00.00012Z","reason":"why",` +
		`"error":"a < b","output":"line\n"}`
}

func TestOutcomeGolden(t *testing.T) {
	o, want := goldenOutcome()
	if got := string(encodeOutcome(&o)); got != want {
		t.Errorf("encodeOutcome\n got %s\nwant %s", got, want)
	}
	got, err := decodeOutcome([]byte(want))
	if err != nil || !reflect.DeepEqual(got, o) {
		t.Errorf("decodeOutcome: %v\n got %+v\nwant %+v", err, got, o)
	}
	var api Outcome // the same text is an Outcome to encoding/json
	if err := json.Unmarshal([]byte(want), &api); err != nil || !reflect.DeepEqual(api, o) {
		t.Errorf("json.Unmarshal: %v\n got %+v\nwant %+v", err, api, o)
	}
}

func TestOutcomeLimits(t *testing.T) {
	for _, c := range []struct {
		name, in         string
		error, outputMin int // bytes kept of the error; of the output at least
	}{
		{"short", "boom", 4, 4},
		{"long", strings.Repeat("x", 100_000), maxError, maxOutput},
		{"two bytes a character", "a" + strings.Repeat("é", 50_000), maxError - 1, maxOutput - 1},
		{"three bytes a character", strings.Repeat("漢", 50_000), maxError - 1, maxOutput - 1},
		{"not UTF-8", strings.Repeat("\xff", 100_000), maxError - 1, maxOutput - 1},
		{"escapes", strings.Repeat("\x01", 100_000), maxError, maxOutput / 8},
	} {
		o := Outcome{Trigger: Trigger{Job: "j"}, Kind: Failed, Reason: c.in, Error: c.in, Output: c.in + "end"}
		b := encodeOutcome(&o)
		got, err := decodeOutcome(b)
		switch {
		case err != nil:
			t.Errorf("%s: %v", c.name, err)
		case len(b) > MaxEntry:
			t.Errorf("%s: takes %d bytes", c.name, len(b))
		case len(got.Error) != c.error || len(got.Reason) != c.error:
			t.Errorf("%s: %d bytes of the error and %d of the reason are kept, want %d", c.name, len(got.Error), len(got.Reason), c.error)
		case len(got.Output) < c.outputMin || len(got.Output) > maxOutput || !strings.HasSuffix(got.Output, "end"):
			t.Errorf("%s: %d bytes of the output are kept", c.name, len(got.Output))
		case !utf8.ValidString(got.Error + got.Output):
			t.Errorf("%s: not UTF-8", c.name)
		}
	}
}

func TestOutcomeRefused(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{``, "decode outcome: unexpected end"},
		{`{"kind":"lost","cause":"luck"}`, "cause"},
		{`{"kind":"won","cause":"manual"}`, "outcome"},
		{`{"job":"j","kind":"lost","cause":"manual","ended":"noon"}`, `decode outcome of "j": ended: `},
	} {
		if _, err := decodeOutcome([]byte(c.in)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s\n got %v\nwant %s", c.in, err, c.want)
		}
	}
	// Whatever is in it, it is written.
	if b := encodeOutcome(&Outcome{Kind: 99, Cause: 99, Ended: time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC)}); !json.Valid(b) {
		t.Errorf("not JSON: %s", b)
	}
}

func goldenPod() (podInfo, string) {
	p := podInfo{
		Started: 1767225600000000, Version: "v1", Queues: []string{"default"}, Handlers: []string{"mail", "sum"}, Slots: 256,
		Running: 3, Free: 253, Clock: 1767225600000001, Format: 1, Deal: 1, Leaving: true, Full: true,
	}
	return p, `{"at":1767225600000000,"v":"v1","q":["default"],"h":["mail","sum"],"n":256,"run":3,"free":253,` +
		`"clk":1767225600000001,"f":1,"d":1,"leave":true,"full":true}`
}

func TestPodInfoGolden(t *testing.T) {
	p, want := goldenPod()
	b, err := encodePodInfo(&p)
	if err != nil || string(b) != want {
		t.Errorf("encodePodInfo: %v\n got %s\nwant %s", err, b, want)
	}
	got, err := decodePodInfo([]byte(want))
	if err != nil || !reflect.DeepEqual(got, p) {
		t.Errorf("decodePodInfo: %v\n got %+v\nwant %+v", err, got, p)
	}
	if _, err := decodePodInfo(nil); err == nil {
		t.Error("no info was read as some")
	}
}

func TestPodInfoLimit(t *testing.T) {
	p, _ := goldenPod()
	p.Handlers = nil
	for i := range 2000 {
		p.Handlers = append(p.Handlers, fmt.Sprintf("handler-%d", i))
	}
	b, err := encodePodInfo(&p)
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodePodInfo(b)
	if err != nil {
		t.Fatal(err)
	}
	n := len(got.Handlers)
	if len(b) > maxInfo || len(b) < maxInfo-100 || !got.Cut || n == 0 || !reflect.DeepEqual(got.Handlers, p.Handlers[:n]) {
		t.Errorf("%d bytes, %d handlers, cut %v", len(b), n, got.Cut)
	}
	if p.Cut || len(p.Handlers) != 2000 {
		t.Error("encodePodInfo changed its argument")
	}
	p.Queues = p.Handlers
	if _, err := encodePodInfo(&p); !errors.Is(err, ErrInvalid) {
		t.Errorf("too many queues: got %v, want ErrInvalid", err)
	}
}

func FuzzDecodeSpec(f *testing.F) {
	_, text := goldenSpec()
	f.Add([]byte(text))
	f.Add([]byte(`{"rev":1,"id":"a","schedule":"at 2026-01-02T03:04:05Z","payload":{"$base64":"/w=="},"retry":{"max":2,"delay":"1s"}}`))
	f.Add([]byte(`{"fmt":2,"id":7}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := decodeSpec(b)
		if err != nil {
			return
		}
		if s.size != len(b) {
			t.Fatalf("size %d of %d bytes", s.size, len(b))
		}
		out, err := encodeSpec(s)
		if err != nil {
			t.Fatalf("%q cannot be written: %v", b, err)
		}
		again, err := decodeSpec(out)
		if err != nil || again.Rev != s.Rev || !again.same(&s.Job) {
			t.Fatalf("%q\nbecame %q\nand %v", b, out, err)
		}
	})
}

func FuzzDecodeOutcome(f *testing.F) {
	_, text := goldenOutcome()
	f.Add([]byte(text))
	f.Add([]byte(`{"job":"j","kind":"skipped-misfire","cause":"schedule","fire":"2026-01-01T09:00:00+09:00","output":"\u0001"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		o, err := decodeOutcome(b)
		if err != nil {
			return
		}
		out := encodeOutcome(&o)
		again, err := decodeOutcome(out)
		if err != nil || again.Kind != o.Kind || again.Token != o.Token || !again.Fire.Equal(o.Fire.Truncate(time.Microsecond)) {
			t.Fatalf("%q\nbecame %q\nand %v", b, out, err)
		}
	})
}

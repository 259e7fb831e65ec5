package jobfile

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/belfry-io/belfry/core"
)

func decode(t *testing.T, name, text string) []core.Job {
	t.Helper()
	jobs, err := Decode(name, strings.NewReader(text))
	if err != nil {
		t.Fatalf("decode %s: %v", name, err)
	}
	return jobs
}

// everyField is a job that sets each field to something that is not its default.
func everyField() core.Job {
	return core.Job{
		ID: "digest", Handler: "mail", Payload: core.JSON(map[string]any{"n": 1}),
		Schedule: core.Cron("0 9 * * MON-FRI", "Asia/Seoul"),
		Overlap:  core.OverlapQueue, Recover: core.RecoverRerun, Claim: core.ClaimAt,
		Misfire: core.Misfire{Mode: core.MisfireAll, After: 90 * time.Second, Until: time.Hour, Limit: 7},
		Retry:   core.Retry{Max: 3, Delay: 10 * time.Second, Cap: time.Minute, Jitter: 0.5},
		Timeout: 90 * time.Minute, Jitter: 250 * time.Millisecond, Priority: -5,
		NotBefore: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), NotAfter: time.Date(2027, 1, 2, 3, 4, 5, 6_000_000, time.UTC),
		MaxRuns: 9, Revision: 12, Keep: -1, Queue: "gpu", Labels: map[string]string{"team": "web", "env": "yes"},
	}
}

// TestEveryFieldIsKnown guards everyField: a field that core adds must be added there.
func TestEveryFieldIsKnown(t *testing.T) {
	v := reflect.ValueOf(everyField())
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			t.Errorf("everyField leaves out %s", v.Type().Field(i).Name)
		}
	}
}

const everyFieldYAML = `
jobs:
  - id: digest
    handler: mail
    payload: {n: 1}
    schedule: cron 0 9 * * MON-FRI Asia/Seoul
    overlap: queue
    misfire: {mode: all, after: 90s, until: 1h, limit: 7}
    recover: rerun
    claim: at
    retry:
      max: 3
      delay: 10s
      cap: 1m
      jitter: 0.5
    timeout: 1h30m
    jitter: 250ms
    priority: -5
    not_before: 2026-01-02T12:04:05+09:00
    not_after: 2027-01-02T03:04:05.006Z
    max_runs: 9
    revision: 12
    keep: -1
    queue: gpu
    labels: {team: web, env: "yes"}
`

func TestDecodeEveryField(t *testing.T) {
	if got, want := decode(t, "jobs.yaml", everyFieldYAML), []core.Job{everyField()}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

func TestForms(t *testing.T) {
	for name, text := range map[string]string{
		"jobs":         "jobs:\n- {id: a, schedule: every 5s}\n- {id: b, schedule: every 5s}\n",
		"list":         "- {id: a, schedule: every 5s}\n- {id: b, schedule: every 5s}\n",
		"documents":    "---\nid: a\nschedule: every 5s\n---\n# nothing\n---\nid: b\nschedule: every 5s\n",
		"json":         "{\"jobs\": [\n\t{\"id\": \"a\", \"schedule\": \"every 5s\"},\n\t{\"id\": \"b\", \"schedule\": \"every 5s\"}\n]}\n",
		"json list":    `[{"id":"a","schedule":"every 5s"},{"id":"b","schedule":"every\u00205s"}]`,
		"null fields":  "jobs:\n- {id: a, schedule: every 5s, payload: null, retry: ~, labels: }\n- {id: b, schedule: every 5s, timeout: }\n",
		"with anchors": "x-common: &c {schedule: every 5s}\njobs:\n- {id: a, <<: *c}\n- id: b\n  <<: [{schedule: every 5s}, {schedule: every 9s}]\n",
	} {
		t.Run(name, func(t *testing.T) {
			want := []core.Job{{ID: "a", Schedule: core.Every(5 * time.Second)}, {ID: "b", Schedule: core.Every(5 * time.Second)}}
			if got := decode(t, "stdin", text); !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
	if got := decode(t, "one.json", `{"id":"a","schedule":"every 5s"}`); len(got) != 1 || got[0].ID != "a" {
		t.Errorf("one job: %+v", got)
	}
	if got := decode(t, "none.yaml", "jobs: []\n"); len(got) != 0 {
		t.Errorf("no job: %+v", got)
	}
}

func TestPayloads(t *testing.T) {
	for text, want := range map[string]string{
		`{b: 1, a: 2}`: `{"b":1,"a":2}`,
		`[1, 1.0, 1e3, -0, 12345678901234567890123]`: `[1,1.0,1e3,-0,12345678901234567890123]`,
		`[0x10, 0o17, 1_000, +5, .5]`:                `[16,15,1000,5,0.5]`,
		`[true, False, yes, "no", ~]`:                `[true,false,"yes","no",null]`,
		`2026-01-02`:                                 `"2026-01-02"`,
		`"<a & b>"`:                                  `"\u003ca \u0026 b\u003e"`,
		`{$base64: AAH/}`:                            "\x00\x01\xff",
		`{$base64: AAH/, more: 1}`:                   `{"$base64":"AAH/","more":1}`,
		`!!str 12`:                                   `"12"`,
		`{"1": a}`:                                   `{"1":"a"}`,
		"|\n  line 1\n  line 2\n":                    `"line 1\nline 2\n"`,
		`{}`:                                         `{}`,
		`false`:                                      `false`,
		`null`:                                       ``,
	} {
		jobs := decode(t, "p.yaml", "id: a\nschedule: every 5s\npayload: "+text+"\n")
		if got := string(jobs[0].Payload.Bytes()); got != want {
			t.Errorf("payload %s: got %s, want %s", text, got, want)
		}
	}
	jobs := decode(t, "p.json", `{"id":"a","schedule":"every 5s","payload":{"face":"\ud83d\ude00","path":"a\/b"}}`)
	if got, want := string(jobs[0].Payload.Bytes()), `{"face":"😀","path":"a/b"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestSamePayloadAsGo compares the canonical form with what a program puts.
func TestSamePayloadAsGo(t *testing.T) {
	type args struct {
		URL string  `json:"url"`
		N   float64 `json:"n"`
	}
	want := core.JSON(args{"http://x/?a=1&b=<2>", 1.5})
	got := decode(t, "p.yaml", "id: a\nschedule: every 5s\npayload:\n  url: http://x/?a=1&b=<2>\n  n: 1.5\n")[0].Payload
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %s, want %s", got.Bytes(), want.Bytes())
	}
}

// expect compares messages line by line; a line of want may leave out the end.
func expect(t *testing.T, err error, want ...string) {
	t.Helper()
	if !errors.Is(err, core.ErrInvalid) {
		t.Fatalf("got %v, want an invalid file", err)
	}
	got := strings.Split(err.Error(), "\n")
	for i, w := range want {
		if i >= len(got) || !strings.HasPrefix(got[i], w) {
			t.Errorf("message %d: want %q in\n%v", i, w, err)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d messages, want %d:\n%v", len(got), len(want), err)
	}
}

func TestAllMistakesAtOnce(t *testing.T) {
	const text = `jobs:
  - id: a
    schedule: each 5s
    timeot: 30s
    timeout: 30
    overlap: never
    priority: high
    retry:
      max: 5000
      dealy: 1s
      delay: soon
    labels:
      team: web
      version: 1.10
    not_before: 2026-01-02
  - id: 42
    schedule: every 5s
    maxRuns: 3
  - schedule: every 5s
    payload: {$base64: "%"}
  - id: a
    shedule: every 5s
    jitter: -1s
  - just text
  - id: g
    schedule: every 5s
    retry: often
    labels: [a]
    queue: true
    zzz: 1
`
	_, err := Decode("jobs.yaml", strings.NewReader(text))
	expect(t, err,
		"jobs.yaml:3: job a: schedule: ",
		`jobs.yaml:4: job a: unknown field "timeot"; did you mean "timeout"?`,
		`jobs.yaml:5: job a: timeout: 30 (a number); write a duration such as "30s" or "1h30m"`,
		`jobs.yaml:6: job a: overlap: "never" is no such policy; use one of ["skip" "allow" "queue" "replace"]`,
		`jobs.yaml:7: job a: priority: "high" (text); write a whole number`,
		"jobs.yaml:9: job a: retry.max: 5000 is out of range; use 0 to 1000",
		`jobs.yaml:10: job a: retry: unknown field "dealy"; did you mean "delay"?`,
		`jobs.yaml:11: job a: retry.delay: "soon" is not one; write it like "30s"`,
		`jobs.yaml:14: job a: labels.version: 1.10 (a number); quote it: "1.10"`,
		`jobs.yaml:15: job a: not_before: "2026-01-02" (text); write a time such as "2026-01-02T03:04:05Z"`,
		`jobs.yaml:16: id: 42 (a number); quote it: "42"`,
		`jobs.yaml:18: unknown field "maxRuns"; did you mean "max_runs"?`,
		"jobs.yaml:19: id: is empty",
		"jobs.yaml:20: payload: illegal base64 data at input byte 0; write standard base64 with padding",
		"jobs.yaml:21: job a: id: the job on line 2 has it already",
		`jobs.yaml:22: job a: unknown field "shedule"; did you mean "schedule"?`,
		"jobs.yaml:23: job a: jitter: -1s is out of range; use 0s to ",
		`jobs.yaml:24: a job is an object of fields, not "just text" (text)`,
		`jobs.yaml:27: job g: retry: "often" (text); write an object`,
		"jobs.yaml:28: job g: labels: a list; write an object",
		`jobs.yaml:29: job g: queue: true (a boolean); quote it: "true"`,
		`jobs.yaml:30: job g: unknown field "zzz"; the fields are id, handler, payload, schedule, overlap,`,
	)
	var first *Error
	if !errors.As(err, &first) || first.Line != 3 || first.File != "jobs.yaml" || first.Job != "a" {
		t.Errorf("the first error: %+v", first)
	}
}

func TestBrokenFiles(t *testing.T) {
	for _, c := range []struct{ name, file, text, want string }{
		{"empty", "f.yaml", "", "f.yaml: the file holds no jobs"},
		{"a comment", "f.yaml", "# jobs\n", "f.yaml: the file holds no jobs"},
		{"empty json", "f.json", " \n", "f.json: the file holds no jobs"},
		{"text", "f.yaml", "\nhello\n", `f.yaml:2: the file is "hello" (text)`},
		{"yaml syntax", "f.yaml", "jobs:\n- id: a\n   b: c\n", "f.yaml:3: YAML: "},
		{"json syntax", "f.json", "{\"jobs\": [\n  {\"id\": \"a\",}\n]}\n", "f.json:2: "},
		{"json cut", "f.json", "{\"jobs\": [\n  {\"id\": \"a\"\n", "f.json:3: the JSON ends in the middle"},
		{"json twice", "f.json", "[]\n[]", "f.json:2: something follows the first value"},
		{"key twice", "f.yaml", "id: a\nschedule: every 5s\nid: b\n", `f.yaml:3: "id" is there twice; the first is on line 1`},
		{"json key twice", "f.json", "{\"id\": \"a\",\n\"id\": \"b\"}", `f.json:2: "id" is there twice; the first is on line 1`},
		{"payload key twice", "f.yaml", "id: a\npayload:\n  b: 1\n  b: 2\n", `f.yaml:4: "b" is there twice; the first is on line 3`},
		{"jobs is no list", "f.yaml", "jobs: {id: a}\n", "f.yaml:1: jobs is an object, not a list of jobs"},
		{"beside jobs", "f.yaml", "defaults: {}\njobs: []\n", `f.yaml:1: unknown field "defaults" beside jobs`},
		{"misspelt jobs", "f.yaml", "job:\n- id: a\n", `f.yaml:1: unknown field "job"; did you mean "jobs"?`},
		{"not utf-8", "f.yaml", "jobs:\n- id: \xff\n", "f.yaml:2: the file is not UTF-8"},
		{"octal", "f.yaml", "id: a\npayload: 0644\n", "f.yaml:2: 0644 is octal to some"},
		{"infinite", "f.yaml", "id: a\npayload: .inf\n", "f.yaml:2: .inf has no form in JSON"},
		{"a tag", "f.yaml", "id: a\npayload: !!binary AAH/\n", "f.yaml:2: the tag !!binary has no meaning here"},
		{"a number as key", "f.yaml", "id: a\npayload: {1: a}\n", `f.yaml:2: the key 1 is read as a number; quote it: "1"`},
		{"a list as key", "f.yaml", "id: a\npayload: {[1]: a}\n", "f.yaml:2: a key is no text"},
		{"a loop", "f.yaml", "id: a\npayload: &p [*p]\n", `f.yaml:2: the anchor "p" contains itself`},
		{"a merge of text", "f.yaml", "id: a\n<<: b\n", `f.yaml:2: << merges objects, not "b" (text)`},
		{"deep", "f.yaml", "id: a\npayload: " + strings.Repeat("[", 600) + strings.Repeat("]", 600), "f.yaml:2: values are nested more than 500 deep"},
		{"deep json", "f.json", strings.Repeat("[", 600) + strings.Repeat("]", 600), "f.json:1: values are nested more than 500 deep"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Decode(c.file, strings.NewReader(c.text))
			expect(t, err, c.want)
		})
	}
}

// TestAliasesAreBounded reads ten lines that stand for ten billion values, and one that repeats a long text.
func TestAliasesAreBounded(t *testing.T) {
	bomb := "x-0: &a0 [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]\n"
	for i := 1; i < 10; i++ {
		prev, name := string(rune('0'+i-1)), string(rune('0'+i))
		bomb += "x-" + name + ": &a" + name + " [" + strings.Repeat("*a"+prev+", ", 10) + "]\n"
	}
	_, err := Decode("bomb.yaml", strings.NewReader(bomb+"jobs: []\n"))
	if err == nil || !strings.Contains(err.Error(), "the values take more than 64 MiB") {
		t.Errorf("got %v", err)
	}
	long := "x-0: &a " + strings.Repeat("z", 1<<20) + "\nx-1: [" + strings.Repeat("*a, ", 100) + "]\njobs: []\n"
	if _, err := Decode("long.yaml", strings.NewReader(long)); err == nil {
		t.Error("a text of 100 MiB was built")
	}
}

func TestSizeLimit(t *testing.T) {
	text := "jobs: []\n#" + strings.Repeat("x", MaxSize-10)
	if _, err := Decode("f.yaml", strings.NewReader(text)); err != nil {
		t.Errorf("at the limit: %v", err)
	}
	_, err := Decode("f.yaml", strings.NewReader(text+"x"))
	expect(t, err, "f.yaml: the file has more than 16777216 bytes")
}

func TestManyMistakesAreCut(t *testing.T) {
	_, err := Decode("f.yaml", strings.NewReader(strings.Repeat("- 1\n", 150)))
	if lines := strings.Split(err.Error(), "\n"); len(lines) != maxErrors+1 || lines[maxErrors] != "f.yaml: and 50 problems more" {
		t.Errorf("%d messages, the last %q", len(lines), lines[len(lines)-1])
	}
}

type brokenReader struct{}

var errBroken = errors.New("broken pipe")

func (brokenReader) Read([]byte) (int, error) { return 0, errBroken }

func TestReadError(t *testing.T) {
	if _, err := Decode("stdin", brokenReader{}); !errors.Is(err, errBroken) || errors.Is(err, core.ErrInvalid) {
		t.Errorf("got %v", err)
	}
}

func TestNearest(t *testing.T) {
	for name, want := range map[string]string{
		"schdeule": "schedule", "Schedule": "schedule", "not-before": "not_before", "maxruns": "max_runs", "label": "labels",
		"ID": "id", "qeue": "queue", "cron": "", "concurrency": "", "": "", strings.Repeat("schedule", 20): "",
	} {
		if got := nearest(name, jobSchema.names); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("jobs.yaml", everyFieldYAML)
	f.Add("jobs.yaml", "x-a: &a {schedule: every 5s}\njobs:\n- {<<: *a, id: b, payload: [1, .5, 0x1, 1e999, \"\\u2028\"]}\n")
	f.Add("jobs.json", `{"id":"a","schedule":"every 5s","payload":{"$base64":"AAH/"}}`)
	f.Add("x", `[{"id":"a","schedule":"at 2026-01-02T03:04:05Z","labels":{"a":"b: #c"}}]`)
	f.Fuzz(func(t *testing.T, name, text string) {
		jobs, err := Decode(name, strings.NewReader(text))
		if err != nil {
			if !errors.Is(err, core.ErrInvalid) {
				t.Fatalf("not an invalid file: %v", err)
			}
			return
		}
		for _, job := range jobs {
			if err := job.Validate(); err != nil {
				t.Fatalf("an invalid job: %v", err)
			}
			if _, err := json.Marshal(job); err != nil {
				t.Fatalf("no JSON form: %v", err)
			}
		}
		roundTrip(t, jobs)
	})
}

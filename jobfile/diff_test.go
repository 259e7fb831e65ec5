package jobfile

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/belfry-io/belfry/core"
)

func TestDiff(t *testing.T) {
	stored := []core.Job{
		{ID: "z-gone", Schedule: core.Every(time.Minute)},
		{ID: "a-gone", Schedule: core.Every(time.Minute)},
		everyField(),
		{ID: "same", Schedule: core.Every(time.Minute), Payload: core.Bytes([]byte(`{"b": 1, "a": "<"}`)), Revision: 4},
		{ID: "newer", Schedule: core.Every(time.Minute), Revision: 4},
	}
	changed := everyField()
	changed.Schedule = core.Every(time.Hour)
	changed.Retry.Max, changed.Retry.Delay = 4, 0
	changed.Misfire = core.Misfire{}
	changed.Labels = map[string]string{"team": "web", "env": "no", "new": "1"}
	changed.Payload = core.JSON(map[string]any{"n": 2})
	file := []core.Job{
		{ID: "fresh", Schedule: core.Every(time.Minute)},
		changed,
		{ID: "same", Schedule: core.Every(60 * time.Second), Payload: core.Bytes([]byte(`{"b":1,"a":"\u003c"}`))},
		{ID: "newer", Schedule: core.Every(time.Hour), Revision: 3},
	}
	got, err := Diff(stored, file)
	if err != nil {
		t.Fatal(err)
	}
	want := []Change{
		{ID: "fresh", Kind: Create},
		{ID: "digest", Kind: Update, Fields: []string{
			"payload", "schedule", "misfire.after", "misfire.limit", "misfire.mode", "misfire.until", "retry.delay", "retry.max", "labels.env", "labels.new",
		}},
		{ID: "same", Kind: Same},
		{ID: "newer", Kind: Older, Fields: []string{"schedule", "revision"}},
		{ID: "a-gone", Kind: OnlyThere},
		{ID: "z-gone", Kind: OnlyThere},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// TestDiffNamesEveryField changes each field alone.
func TestDiffNamesEveryField(t *testing.T) {
	full := everyField()
	for i := range reflect.TypeFor[core.Job]().NumField() {
		f := reflect.TypeFor[core.Job]().Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "id" || name == "schedule" {
			continue // a job has them always; TestDiff changes the schedule
		}
		less := full
		reflect.ValueOf(&less).Elem().Field(i).SetZero()
		changes, err := Diff([]core.Job{less}, []core.Job{full})
		if err != nil {
			t.Fatal(err)
		}
		if c := changes[0]; c.Kind != Update || len(c.Fields) == 0 || strings.Split(c.Fields[0], ".")[0] != name {
			t.Errorf("%s alone differs: %+v", name, c)
		}
	}
}

func TestDiffError(t *testing.T) {
	bad, good := core.Job{ID: "a"}, core.Job{ID: "a", Schedule: core.Every(time.Minute)}
	for _, pair := range [][2]core.Job{{bad, good}, {good, bad}} {
		if _, err := Diff(pair[:1], pair[1:]); err == nil || !strings.Contains(err.Error(), "compare job a") {
			t.Errorf("got %v", err)
		}
	}
}

// TestSameFileTwice puts a file over itself.
func TestSameFileTwice(t *testing.T) {
	first, second := decode(t, "f.yaml", everyFieldYAML), decode(t, "f.yaml", everyFieldYAML)
	changes, err := Diff(first, second)
	if err != nil || len(changes) != 1 || changes[0].Kind != Same {
		t.Errorf("got %+v, %v", changes, err)
	}
}

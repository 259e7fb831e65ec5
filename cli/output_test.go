package cli

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"text/tabwriter"

	"go.yaml.in/yaml/v3"
)

// TestYAMLSaysWhatJSONSays: strings that look like something else stay strings.
func TestYAMLSaysWhatJSONSays(t *testing.T) {
	t.Parallel()
	in := map[string]any{
		"strings": []any{"", "true", "null", "1", "1.5", "0x10", "2026-01-02", "a: b", "- a", "#c", "~", "line\nline\n", "\u0000\x1b", "\u2028", "é", "😀", "no", " x "},
		"numbers": []any{1.0, -2.5, 1e300},
		"empty":   map[string]any{"list": []any{}, "map": map[string]any{}, "null": nil},
		"bool":    true,
	}
	data, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	text, err := toYAML(data)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := yaml.Unmarshal(text, &out); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	back, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	var again map[string]any
	if err := json.Unmarshal(back, &again); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(in, again) {
		t.Errorf("got %v\nwant %v\nfrom\n%s", again, in, text)
	}
	if strings.HasPrefix(string(text), "{") {
		t.Errorf("still looks like JSON: %s", text)
	}
}

// TestCellsKeepTheirPlace: what others wrote (an error, a pause's reason) breaks neither the table nor the terminal.
func TestCellsKeepTheirPlace(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	row(w, "a\tb", "x\ny\r\nz", "\x1b[31mred\u009b", "")
	row(w, "c", "d", 1, "e")
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	want := "a b  x y  z  ?[31mred?  -\nc    d       1          e\n"
	if got := out.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

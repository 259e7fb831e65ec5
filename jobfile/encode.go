package jobfile

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/belfry-io/belfry/core"
)

// A Format is how a job file is written.
type Format string

// The formats.
const (
	YAML Format = "yaml"
	JSON Format = "json"
)

// base64Key marks a payload that is not JSON.
const base64Key = "$base64"

// Encode writes jobs as a file, in the order given. Fields that have their default are left out. [Decode] reads the
// same definitions from it; only the white space and the escapes within a JSON payload may differ from before, which
// no Put takes for a change.
func Encode(w io.Writer, jobs []core.Job, format Format) error {
	list := &node{kind: kindList}
	for i := range jobs {
		n, err := jobNode(&jobs[i])
		if err != nil {
			return fmt.Errorf("encode job %s: %w", jobs[i].ID, err)
		}
		list.items = append(list.items, n)
	}
	root := &node{kind: kindObject, fields: []field{{name: "jobs", value: list}}}
	var text []byte
	var err error
	switch format {
	case YAML:
		text, err = writeYAML(root)
	case JSON:
		text, err = writeJSON(root)
	default:
		return fmt.Errorf("encode jobs: %w: no format %q; use %q or %q", core.ErrInvalid, format, YAML, JSON)
	}
	if err != nil {
		return fmt.Errorf("encode jobs: %w", err)
	}
	if _, err := w.Write(text); err != nil {
		return fmt.Errorf("write jobs: %w", err)
	}
	return nil
}

// jobNode is the job's JSON form with its fields in the order of the type.
func jobNode(job *core.Job) (*node, error) {
	bare := *job
	bare.Payload = core.Payload{}
	data, err := json.Marshal(bare)
	if err != nil {
		return nil, err
	}
	n, err := parseJSON(data)
	if err != nil {
		return nil, err
	}
	if !job.Payload.IsZero() {
		payload, err := payloadNode(job.Payload)
		if err != nil {
			return nil, err
		}
		n.fields = append(n.fields, field{name: "payload", value: payload})
	}
	slices.SortStableFunc(n.fields, func(a, b field) int {
		return slices.Index(jobSchema.names, a.name) - slices.Index(jobSchema.names, b.name)
	})
	return n, nil
}

// payloadNode writes a payload as the value it is if that comes back as the same definition, as bytes otherwise: what
// is no JSON, names a key twice, or is nested too deep.
func payloadNode(p core.Payload) (*node, error) {
	data, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	if n, err := parseJSON(data); err == nil && n.kind != kindNull && inYAML(n) && comesBack(n, data) {
		return n, nil
	}
	coded := &node{kind: kindText, text: base64.StdEncoding.EncodeToString(p.Bytes())}
	return &node{kind: kindObject, fields: []field{{name: base64Key, value: coded}}}, nil
}

func comesBack(n *node, data []byte) bool {
	var back core.Payload
	if err := json.Unmarshal(n.json(), &back); err != nil {
		return false
	}
	again, err := json.Marshal(back)
	return err == nil && bytes.Equal(again, data)
}

// inYAML reports whether YAML reads each number of n as a number: 1e999 is text to it.
func inYAML(n *node) bool {
	if n.kind == kindNumber {
		switch (&yaml.Node{Kind: yaml.ScalarNode, Value: n.text}).ShortTag() {
		case "!!int", "!!float":
			return true
		}
		return false
	}
	return !slices.ContainsFunc(n.items, func(item *node) bool { return !inYAML(item) }) &&
		!slices.ContainsFunc(n.fields, func(f field) bool { return !inYAML(f.value) })
}

func writeJSON(root *node) ([]byte, error) {
	var b bytes.Buffer
	if err := json.Indent(&b, root.json(), "", "  "); err != nil {
		return nil, fmt.Errorf("indent: %w", err)
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}

func writeYAML(root *node) ([]byte, error) {
	const indent = 2
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(indent)
	err := errors.Join(enc.Encode(root.yaml()), enc.Close())
	return b.Bytes(), err
}

func (n *node) yaml() *yaml.Node {
	switch n.kind {
	case kindNull:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: "null"}
	case kindBool, kindNumber:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: n.text}
	case kindText:
		return yamlText(n.text)
	case kindList:
		list := &yaml.Node{Kind: yaml.SequenceNode}
		for _, item := range n.items {
			list.Content = append(list.Content, item.yaml())
		}
		return list
	case kindObject:
	}
	object := &yaml.Node{Kind: yaml.MappingNode}
	for _, f := range n.fields {
		object.Content = append(object.Content, yamlText(f.name), f.value.yaml())
	}
	return object
}

// plain is text that no YAML reader takes for anything else, whichever version of YAML it keeps to.
var plain = regexp.MustCompile(`^([A-Za-z/][A-Za-z0-9 _./:@*+-]*|[0-9]+[0-9a-zµ.]*[a-z])$`)

// yamlText leaves text bare where it can, since "schedule: every 5s" reads better, and quotes it otherwise.
func yamlText(s string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
	bare := plain.MatchString(s) && !strings.Contains(s, ": ") && !strings.HasSuffix(s, ":") && !strings.HasSuffix(s, " ") &&
		(&yaml.Node{Kind: yaml.ScalarNode, Value: s}).ShortTag() == "!!str" && !oldBoolean(s)
	if !bare {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}

// oldBoolean reports whether YAML 1.1 takes s for a boolean.
func oldBoolean(s string) bool {
	switch strings.ToLower(s) {
	case "y", "n", "yes", "no", "on", "off":
		return true
	}
	return false
}

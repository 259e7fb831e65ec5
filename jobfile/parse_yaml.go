package jobfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// A yamlReader turns YAML into nodes: aliases are followed, merges are made, and what has no JSON form is refused.
type yamlReader struct {
	budget budget
	open   map[*yaml.Node]bool // the anchors that are being followed
	over   bool                // the budget is spent
	errs   []error             // *lineError
}

// parseYAML reads all documents of a stream. Its errors are *lineError; it goes on after those that concern one value.
func parseYAML(data []byte) ([]*node, []error) {
	r := &yamlReader{budget: maxExpanded, open: make(map[*yaml.Node]bool)}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var docs []*node
	for {
		var doc yaml.Node
		err := dec.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return docs, r.errs
		}
		if err != nil {
			return nil, append(r.errs, yamlError(err))
		}
		if len(doc.Content) == 1 {
			docs = append(docs, r.value(doc.Content[0], 0))
		}
	}
}

var yamlErrorLine = regexp.MustCompile(`^yaml: line (\d+): (?s:(.*))$`)

// yamlError finds the line in the parser's text, which is the only place where it says it.
func yamlError(err error) error {
	if m := yamlErrorLine.FindStringSubmatch(err.Error()); m != nil {
		if line, convErr := strconv.Atoi(m[1]); convErr == nil {
			return &lineError{line, "YAML: " + m[2]}
		}
	}
	return &lineError{0, err.Error()}
}

func (r *yamlReader) refuse(n *yaml.Node, format string, args ...any) *node {
	r.errs = append(r.errs, &lineError{n.Line, fmt.Sprintf(format, args...)})
	return &node{line: n.Line}
}

func (r *yamlReader) value(n *yaml.Node, depth int) *node {
	if r.over || len(r.errs) > maxErrors {
		return &node{line: n.Line}
	}
	if err := r.budget.spend(depth, n.Value); err != nil {
		r.over = true
		return r.refuse(n, "%v", err)
	}
	switch n.Kind {
	case yaml.AliasNode:
		return r.alias(n, depth)
	case yaml.SequenceNode:
		list := &node{kind: kindList, line: n.Line}
		for _, item := range n.Content {
			list.items = append(list.items, r.value(item, depth+1))
		}
		return list
	case yaml.MappingNode:
		return r.mapping(n, depth)
	case yaml.ScalarNode:
		return r.scalar(n)
	case yaml.DocumentNode:
	}
	return r.refuse(n, "this YAML has no meaning here")
}

func (r *yamlReader) alias(n *yaml.Node, depth int) *node {
	if r.open[n.Alias] {
		return r.refuse(n, "the anchor %q contains itself", n.Value)
	}
	r.open[n.Alias] = true
	v := r.value(n.Alias, depth+1)
	delete(r.open, n.Alias)
	return v
}

func (r *yamlReader) mapping(n *yaml.Node, depth int) *node {
	object := &node{kind: kindObject, line: n.Line}
	seen := make(map[string]int)
	var merges []*node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch tag := key.ShortTag(); {
		case tag == "!!merge":
			merges = append(merges, r.value(value, depth+1))
			continue
		case key.Kind != yaml.ScalarNode:
			r.refuse(key, "a key is no text")
			continue
		case tag != "!!str":
			r.refuse(key, "the key %s is read as %s; quote it: %q", shorten(key.Value), yamlKind(tag), shorten(key.Value))
			continue
		}
		if first, twice := seen[key.Value]; twice {
			r.refuse(key, "%s", repeated(key.Value, first))
			continue
		}
		seen[key.Value] = key.Line
		object.fields = append(object.fields, field{key.Value, key.Line, r.value(value, depth+1)})
	}
	for _, m := range merges {
		r.merge(object, seen, m)
	}
	return object
}

// merge adds the fields that object does not have yet; of a list, the first object's win.
func (r *yamlReader) merge(object *node, seen map[string]int, from *node) {
	switch from.kind {
	case kindList:
		for _, item := range from.items {
			r.merge(object, seen, item)
		}
	case kindObject:
		for _, f := range from.fields {
			if _, there := seen[f.name]; !there {
				seen[f.name] = f.line
				object.fields = append(object.fields, f)
			}
		}
	case kindNull, kindBool, kindNumber, kindText:
		r.errs = append(r.errs, &lineError{from.line, "<< merges objects, not " + from.describe()})
	}
}

func (r *yamlReader) scalar(n *yaml.Node) *node {
	v := &node{line: n.Line, text: n.Value}
	switch tag := n.ShortTag(); tag {
	case "!!str", "!!timestamp": // JSON has no times; a time is the text it was written as
		v.kind = kindText
	case "!!null":
		v.kind, v.text = kindNull, ""
	case "!!bool":
		var b bool
		if err := n.Decode(&b); err != nil {
			return r.refuse(n, "%q is no boolean", shorten(n.Value))
		}
		v.kind, v.text = kindBool, strconv.FormatBool(b)
	case "!!int", "!!float":
		return r.number(n, v)
	default:
		return r.refuse(n, `the tag %s has no meaning here; write bytes as {"$base64": "..."}`, tag)
	}
	return v
}

var (
	jsonNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)
	oldOctal   = regexp.MustCompile(`^[-+]?0[0-9_]+$`)
)

// number keeps a number as it is written if JSON writes it so too.
func (r *yamlReader) number(n *yaml.Node, v *node) *node {
	v.kind = kindNumber
	if jsonNumber.MatchString(n.Value) {
		return v
	}
	if oldOctal.MatchString(n.Value) {
		return r.refuse(n, "%s is octal to some and decimal to others; quote it, or write it without the leading zero", n.Value)
	}
	var value any
	if err := n.Decode(&value); err != nil {
		return r.refuse(n, "%q is no number", shorten(n.Value))
	}
	if f, ok := value.(float64); ok && (math.IsNaN(f) || math.IsInf(f, 0)) {
		return r.refuse(n, "%s has no form in JSON; quote it", n.Value)
	}
	text, err := json.Marshal(value)
	if err != nil || !jsonNumber.Match(text) {
		return r.refuse(n, "%q is no number", shorten(n.Value))
	}
	v.text = string(text)
	return v
}

func yamlKind(tag string) string {
	switch tag {
	case "!!bool":
		return "a boolean"
	case "!!int", "!!float":
		return "a number"
	case "!!null":
		return "null"
	case "!!timestamp":
		return "a time"
	}
	return tag
}

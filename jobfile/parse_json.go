package jobfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// A jsonReader turns JSON into nodes. JSON is YAML for most purposes, but not with tabs, surrogate pairs or escaped
// slashes in it; so it has a reader of its own.
type jsonReader struct {
	data   []byte
	dec    *json.Decoder
	budget budget
	line   int // of offset
	offset int
}

// A lineError is an error and the line it is on.
type lineError struct {
	line    int
	problem string
}

func (e *lineError) Error() string { return fmt.Sprintf("line %d: %s", e.line, e.problem) }

// parseJSON reads one value and nothing after it. Its errors are *lineError.
func parseJSON(data []byte) (*node, error) {
	r := &jsonReader{data: data, dec: json.NewDecoder(bytes.NewReader(data)), budget: maxExpanded, line: 1}
	r.dec.UseNumber()
	n, err := r.value(0)
	if err != nil {
		return nil, err
	}
	if _, err := r.dec.Token(); !errors.Is(err, io.EOF) {
		return nil, &lineError{r.lineAt(r.dec.InputOffset()), "something follows the first value; put the jobs into one list"}
	}
	return n, nil
}

// lineAt returns the line of an offset. Offsets only grow but for errors, which end the reading.
func (r *jsonReader) lineAt(offset int64) int {
	end := min(int(offset), len(r.data))
	if end > r.offset {
		r.line += bytes.Count(r.data[r.offset:end], []byte{'\n'})
		r.offset = end
	}
	return r.line
}

func (r *jsonReader) token() (json.Token, int, error) {
	t, err := r.dec.Token()
	if err == nil {
		return t, r.lineAt(r.dec.InputOffset()), nil
	}
	at := r.dec.InputOffset()
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		at = max(at, syntax.Offset)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, 0, &lineError{r.lineAt(int64(len(r.data))), "the JSON ends in the middle"}
	}
	return nil, 0, &lineError{r.lineAt(at), err.Error()}
}

func (r *jsonReader) value(depth int) (*node, error) {
	t, line, err := r.token()
	if err != nil {
		return nil, err
	}
	n := &node{line: line}
	switch v := t.(type) {
	case nil:
		n.kind = kindNull
	case bool:
		n.kind, n.text = kindBool, strconv.FormatBool(v)
	case json.Number:
		n.kind, n.text = kindNumber, v.String()
	case string:
		n.kind, n.text = kindText, v
	case json.Delim:
		n.kind = kindObject
		if v == '[' {
			n.kind = kindList
		}
	}
	if err := r.budget.spend(depth, n.text); err != nil {
		return nil, &lineError{line, err.Error()}
	}
	switch n.kind {
	case kindList:
		return n, r.list(n, depth)
	case kindObject:
		return n, r.object(n, depth)
	case kindNull, kindBool, kindNumber, kindText:
	}
	return n, nil
}

func (r *jsonReader) list(n *node, depth int) error {
	for r.dec.More() {
		item, err := r.value(depth + 1)
		if err != nil {
			return err
		}
		n.items = append(n.items, item)
	}
	_, _, err := r.token()
	return err
}

func (r *jsonReader) object(n *node, depth int) error {
	seen := make(map[string]int)
	for r.dec.More() {
		t, line, err := r.token()
		if err != nil {
			return err
		}
		name, ok := t.(string)
		if !ok {
			return &lineError{line, "a key is no string"}
		}
		if first, twice := seen[name]; twice {
			return &lineError{line, repeated(name, first)}
		}
		seen[name] = line
		v, err := r.value(depth + 1)
		if err != nil {
			return err
		}
		n.fields = append(n.fields, field{name, line, v})
	}
	_, _, err := r.token()
	return err
}

package jobfile

import (
	"encoding/json"
	"fmt"
	"strings"
)

const (
	// maxDepth bounds nesting, and with it the recursion over values.
	maxDepth = 500

	// maxExpanded bounds what the values of a file take once its aliases were followed, in bytes: some lines of
	// YAML can stand for billions of values. valueCost is what a value takes besides its text.
	maxExpanded = 4 * MaxSize
	valueCost   = 64
)

type kind uint8

const (
	kindNull kind = iota
	kindBool
	kindNumber
	kindText
	kindList
	kindObject
)

// A node is a value of a file, whichever format it came in, and the line it stands on.
type node struct {
	kind   kind
	line   int
	text   string // a text's value; a number or boolean as JSON writes it
	items  []*node
	fields []field
}

type field struct {
	name  string
	line  int
	value *node
}

// get returns the value of a field, or nil.
func (n *node) get(name string) *node {
	for _, f := range n.fields {
		if f.name == name {
			return f.value
		}
	}
	return nil
}

// describe names the value for messages: `"5s" (text)`, `a list`.
func (n *node) describe() string {
	switch n.kind {
	case kindNull:
		return "null"
	case kindBool:
		return n.text + " (a boolean)"
	case kindNumber:
		return n.text + " (a number)"
	case kindText:
		return fmt.Sprintf("%q (text)", shorten(n.text))
	case kindList:
		return "a list"
	case kindObject:
		return "an object"
	}
	return "nothing"
}

func shorten(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}

// json returns the value in canonical form.
func (n *node) json() []byte { return n.append(nil) }

func (n *node) append(b []byte) []byte {
	switch n.kind {
	case kindNull:
		return append(b, "null"...)
	case kindBool, kindNumber:
		return append(b, n.text...)
	case kindText:
		return appendText(b, n.text)
	case kindList:
		b = append(b, '[')
		for i, item := range n.items {
			if i > 0 {
				b = append(b, ',')
			}
			b = item.append(b)
		}
		return append(b, ']')
	case kindObject:
		b = append(b, '{')
		for i, f := range n.fields {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendText(b, f.name), ':')
			b = f.value.append(b)
		}
		return append(b, '}')
	}
	return b
}

func appendText(b []byte, s string) []byte {
	quoted, err := json.Marshal(s)
	if err != nil {
		return b // a string always has a JSON form
	}
	return append(b, quoted...)
}

// A budget is how many bytes the values of a file may still take.
type budget int

// spend takes one value out of the budget, and says why it must not be built at this depth.
func (b *budget) spend(depth int, text string) error {
	*b -= budget(valueCost + len(text))
	switch {
	case depth > maxDepth:
		return fmt.Errorf("values are nested more than %d deep", maxDepth)
	case *b < 0:
		return fmt.Errorf("the values take more than %d MiB, those that aliases stand for included; split the file", maxExpanded>>20)
	}
	return nil
}

func repeated(name string, line int) string {
	return fmt.Sprintf("%q is there twice; the first is on line %d", shorten(name), line)
}

package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"
	"go.yaml.in/yaml/v3"
)

// The forms of an answer.
const (
	formatTable = "table"
	formatJSON  = "json"
	formatYAML  = "yaml"
)

// format returns --output, checked.
func format(c *cli.Context) (string, error) {
	switch f := c.String(flagOutput); f {
	case formatTable, formatJSON, formatYAML:
		return f, nil
	default:
		return "", usagef("--output: %q is no form; use table, json or yaml", f)
	}
}

// show writes v as JSON or YAML, or whatever table writes.
func (p *program) show(c *cli.Context, v any, table func(w io.Writer)) error {
	f, err := format(c)
	if err != nil {
		return err
	}
	if f == formatTable {
		w := tabwriter.NewWriter(p.Stdout, 0, 0, 2, ' ', tabwriter.StripEscape)
		table(w)
		return written(w.Flush())
	}
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	data = append(data, '\n')
	if f == formatYAML {
		if data, err = toYAML(data); err != nil {
			return fmt.Errorf("encode the answer: %w", err)
		}
	}
	_, err = p.Stdout.Write(data)
	return written(err)
}

func written(err error) error {
	if err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	return nil
}

// toYAML turns JSON into block YAML and keeps the order of the fields. So the names, durations and enums are those
// of the JSON form, which has the only set of tags.
func toYAML(data []byte) ([]byte, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("read back: %w", err)
	}
	block(&doc)
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(&doc); err != nil {
		return nil, fmt.Errorf("write yaml: %w", err)
	}
	return out.Bytes(), nil
}

// block takes the JSON look off: the encoder quotes where it must. Empty lists and maps have only the one form.
func block(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode || len(n.Content) > 0 {
		n.Style = 0
	}
	for _, child := range n.Content {
		block(child)
	}
}

// row writes the cells of a table's row.
func row(w io.Writer, cells ...any) {
	for i, c := range cells {
		if i > 0 {
			fmt.Fprint(w, "\t")
		}
		fmt.Fprint(w, cell(fmt.Sprint(c)))
	}
	fmt.Fprintln(w)
}

// cell keeps text that others wrote from breaking the table or the terminal.
func cell(text string) string {
	if text == "" {
		return "-"
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == tabwriter.Escape:
			return '?'
		}
		return r
	}, text)
}

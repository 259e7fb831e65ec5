package jobfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/belfry-io/belfry/core"
)

// MaxSize is how large a job file may be, in bytes.
const MaxSize = 16 << 20

// Decode reads a job file. name is for messages; one that ends in ".json" is read as JSON and nothing else, any other
// as JSON if it is that, as YAML otherwise. YAML may hold several documents.
//
// The jobs are valid and their ids differ, or there is an error: that of r, or all that is wrong with the file, as
// [*Error] values joined in the order of their lines. A file without any job is an error unless it says "jobs: []".
func Decode(name string, r io.Reader) ([]core.Job, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("read job file %s: %w", name, err)
	}
	d := &decoder{problems: problems{file: name}, taken: make(map[string]int)}
	jobs := d.file(data)
	if err := d.err(); err != nil {
		return nil, err
	}
	return jobs, nil
}

type decoder struct {
	problems

	taken map[string]int // the line of each id
	some  bool           // the file says something, if only that there are no jobs
}

func (d *decoder) file(data []byte) []core.Job {
	switch {
	case len(data) > MaxSize:
		d.add(0, "", "the file has more than %d bytes; split it", MaxSize)
		return nil
	case !utf8.Valid(data):
		d.add(1+bytes.Count(validPrefix(data), []byte{'\n'}), "", "the file is not UTF-8")
		return nil
	}
	docs, errs := parse(d.problems.file, data)
	for _, err := range errs {
		if at, ok := errors.AsType[*lineError](err); ok {
			d.add(at.line, "", "%s", at.problem)
		}
	}
	if len(errs) > 0 {
		return nil // what is half read would be reported wrongly
	}
	var jobs []core.Job
	for _, doc := range docs {
		for _, n := range d.entries(doc) {
			jobs = append(jobs, d.job(n))
		}
	}
	if !d.some && len(d.list) == 0 {
		d.add(0, "", `the file holds no jobs; write "jobs:" and a list of them`)
	}
	return jobs
}

func validPrefix(data []byte) []byte {
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && size == 1 {
			return data[:i]
		}
		i += size
	}
	return data
}

// parse chooses the format.
func parse(name string, data []byte) ([]*node, []error) {
	start := bytes.TrimLeft(data, " \t\r\n")
	looksJSON := len(start) > 0 && (start[0] == '{' || start[0] == '[') && json.Valid(data)
	if !looksJSON && !strings.HasSuffix(strings.ToLower(name), ".json") {
		return parseYAML(data)
	}
	if len(start) == 0 {
		return nil, nil
	}
	n, err := parseJSON(data)
	if err != nil {
		return nil, []error{err}
	}
	return []*node{n}, nil
}

// entries returns the jobs of a document, in whichever of the three forms it has them.
func (d *decoder) entries(doc *node) []*node {
	switch doc.kind {
	case kindNull: // an empty document
		return nil
	case kindList:
		d.some = true
		return doc.items
	case kindObject:
		d.some = true
		if doc.get("jobs") == nil {
			return []*node{doc}
		}
		return d.listed(doc)
	case kindBool, kindNumber, kindText:
	}
	d.add(doc.line, "", `the file is %s, not "jobs:" and a list, nor a list, nor a job`, doc.describe())
	return nil
}

func (d *decoder) listed(doc *node) []*node {
	var jobs []*node
	for _, f := range doc.fields {
		switch {
		case f.name == "jobs" && f.value.kind == kindList:
			jobs = f.value.items
		case f.name == "jobs" && f.value.kind != kindNull:
			d.add(f.line, "", "jobs is %s, not a list of jobs", f.value.describe())
		case f.name != "jobs" && !strings.HasPrefix(f.name, "x-"):
			d.add(f.line, "", `unknown field %q beside jobs; put it into a job, or call it "x-..." if it only holds what others refer to`, shorten(f.name))
		}
	}
	return jobs
}

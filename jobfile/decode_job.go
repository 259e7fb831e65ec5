package jobfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/belfry-io/belfry/core"
)

// job reads one job. Every field is tried by itself, so that each that is wrong is reported, with its own line; those
// that are right are then read together.
func (d *decoder) job(n *node) core.Job {
	if n.kind != kindObject {
		d.add(n.line, "", "a job is an object of fields, not %s", n.describe())
		return core.Job{}
	}
	e := &entry{decoder: d, node: n, wrong: make(map[string]bool)}
	if id := n.get("id"); id != nil && id.kind == kindText {
		e.id = id.text
	}
	var job core.Job
	good := e.fields(n, jobSchema, "")
	if err := json.Unmarshal(good.json(), &job); err != nil {
		d.add(n.line, e.id, "%v", err) // a field that is right by itself is right among others
		return core.Job{}
	}
	job.NotBefore, job.NotAfter = inUTC(job.NotBefore), inUTC(job.NotAfter)
	e.validate(job)
	e.claim(job.ID)
	return job
}

// inUTC makes equal instants equal text, whatever offset a file wrote them in.
func inUTC(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC()
}

// An entry is a job that is being read.
type entry struct {
	*decoder

	node  *node
	id    string
	wrong map[string]bool // the paths of fields that could not be read, or that seem to be misspelt
	lost  bool            // it seems to be no job at all
}

// fields returns those fields of n that are right. prefix is the path of n: "" or "retry.".
func (e *entry) fields(n *node, s *schema, prefix string) *node {
	good := &node{kind: kindObject, line: n.line}
	for _, f := range n.fields {
		path := prefix + f.name
		t, known := s.types[f.name]
		if !known {
			e.unknown(f, s, prefix)
			continue
		}
		if f.value.kind == kindNull { // the same as leaving it out
			continue
		}
		if sub := s.subs[f.name]; sub != nil && f.value.kind == kindObject {
			f.value = e.fields(f.value, sub, path+".")
			good.fields = append(good.fields, f)
			continue
		}
		if err := try(f, prefix); err != nil {
			e.wrong[path] = true
			e.add(lineOfFault(f.value, t), e.id, "%s", explain(path, f.value, t, err))
			continue
		}
		good.fields = append(good.fields, f)
	}
	return good
}

// unknown reports a field that does not exist, and which one may be meant: in a file that is one job, also "jobs".
func (e *entry) unknown(f field, s *schema, prefix string) {
	near := nearest(f.name, s.names)
	if prefix == "" && len(e.node.fields) == 1 && nearest(f.name, []string{"jobs"}) != "" {
		near, e.lost = "jobs", true
	}
	if near == "" {
		e.add(f.line, e.id, "%sunknown field %q; the fields are %s", in(prefix), shorten(f.name), strings.Join(s.names, ", "))
		return
	}
	e.wrong[prefix+near] = true
	e.add(f.line, e.id, "%sunknown field %q; did you mean %q?", in(prefix), shorten(f.name), near)
}

func in(prefix string) string {
	if prefix == "" {
		return ""
	}
	return strings.TrimSuffix(prefix, ".") + ": "
}

// lineOfFault is the line of v, or of that part of it which is the wrong one.
func lineOfFault(v *node, t reflect.Type) int {
	if t.Kind() == reflect.Map {
		if bad := notText(v); bad != nil {
			return bad.line
		}
	}
	return v.line
}

// try reads a field by itself.
func try(f field, prefix string) error {
	object := &node{kind: kindObject, fields: []field{f}}
	if prefix != "" {
		object = &node{kind: kindObject, fields: []field{{name: strings.TrimSuffix(prefix, "."), value: object}}}
	}
	var probe core.Job
	return json.Unmarshal(object.json(), &probe) //nolint:wrapcheck // explain makes it a message
}

// explain puts an error of encoding/json or of core in the words of the file.
func explain(path string, v *node, t reflect.Type, err error) string {
	if wrong, ok := errors.AsType[*core.FieldError](err); ok {
		return (&core.FieldError{Field: path, Problem: wrong.Problem, Remedy: wrong.Remedy}).Error()
	}
	if t.Kind() == reflect.Map {
		if bad := notText(v); bad != nil {
			return fmt.Sprintf("%s.%s: %s; %s", path, bad.name, bad.value.describe(), quote(bad.value))
		}
	}
	if t.Kind() == reflect.String {
		return fmt.Sprintf("%s: %s; %s", path, v.describe(), quote(v))
	}
	return fmt.Sprintf("%s: %s; write %s", path, v.describe(), wanted(t))
}

// notText finds the value of an object of texts that is none.
func notText(v *node) *field {
	for i := range v.fields {
		if v.fields[i].value.kind != kindText {
			return &v.fields[i]
		}
	}
	return nil
}

func quote(v *node) string {
	if v.kind == kindNumber || v.kind == kindBool {
		return fmt.Sprintf("quote it: %q", v.text)
	}
	return "write text"
}

// validate reports what the job itself knows to be wrong, but for fields that were reported already.
func (e *entry) validate(job core.Job) {
	if e.lost {
		return
	}
	for _, err := range unjoin(job.Validate()) {
		wrong, ok := errors.AsType[*core.FieldError](err)
		if !ok {
			e.add(e.node.line, e.id, "%v", err)
			continue
		}
		if !e.wrong[wrong.Field] {
			e.add(e.lineOf(wrong.Field), e.id, "%v", err)
		}
	}
}

// unjoin takes errors.Join apart.
func unjoin(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	return joined.Unwrap()
}

// lineOf finds the line of a path such as "retry.max"; of a field that is not there, that of what should hold it.
func (e *entry) lineOf(path string) int {
	top, rest, deeper := strings.Cut(path, ".")
	for _, f := range e.node.fields {
		if f.name != top {
			continue
		}
		if !deeper {
			return f.line
		}
		for _, sub := range f.value.fields {
			if sub.name == rest {
				return sub.line
			}
		}
		return f.line
	}
	return e.node.line
}

// claim refuses an id that an earlier job of the file has.
func (e *entry) claim(id string) {
	if id == "" {
		return
	}
	if first, taken := e.taken[id]; taken {
		e.add(e.lineOf("id"), id, "id: the job on line %d has it already; give every job its own", first)
		return
	}
	e.taken[id] = e.lineOf("id")
}

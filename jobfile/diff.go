package jobfile

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/belfry-io/belfry/core"
)

// A ChangeKind says what putting a job would do.
type ChangeKind string

// The kinds of change.
const (
	Create    ChangeKind = "create"     // there is no such job yet
	Update    ChangeKind = "change"     // it differs in some fields
	Same      ChangeKind = "same"       // putting it changes nothing
	Older     ChangeKind = "older"      // its revision is lower than the stored one: putting it changes nothing
	OnlyThere ChangeKind = "only-there" // it is stored and not in the file; nothing is put
)

// A Change is what becomes of one job.
type Change struct {
	ID     string     `json:"id"`
	Kind   ChangeKind `json:"kind"`
	Fields []string   `json:"fields,omitempty"` // of Update and Older: what differs, as the file spells it: "schedule", "retry.max", "labels.team"
}

// Diff compares the jobs of a file with the stored ones: first what becomes of each job of the file, in its order,
// then the jobs that are only stored, by id. Two jobs are the same if putting one over the other changes nothing, so a
// revision of 0 in the file differs from none. The error is that of a job that has no JSON form, such as one with an
// invalid schedule.
func Diff(stored, file []core.Job) ([]Change, error) {
	there := make(map[string]*core.Job, len(stored))
	for i := range stored {
		there[stored[i].ID] = &stored[i]
	}
	changes := make([]Change, 0, len(file))
	for i := range file {
		job := &file[i]
		c, err := compare(there[job.ID], job)
		if err != nil {
			return nil, fmt.Errorf("compare job %s: %w", job.ID, err)
		}
		changes = append(changes, c)
		delete(there, job.ID)
	}
	left := len(changes)
	for id := range there {
		changes = append(changes, Change{ID: id, Kind: OnlyThere})
	}
	slices.SortFunc(changes[left:], func(a, b Change) int { return strings.Compare(a.ID, b.ID) })
	return changes, nil
}

func compare(stored, job *core.Job) (Change, error) {
	c := Change{ID: job.ID, Kind: Create}
	if stored == nil {
		return c, nil
	}
	old := *stored
	if job.Revision == 0 { // always applies, and keeps the stored one
		old.Revision = 0
	}
	var err error
	if c.Fields, err = differing(&old, job); err != nil {
		return c, err
	}
	switch {
	case len(c.Fields) == 0:
		c.Kind = Same
	case job.Revision != 0 && job.Revision < old.Revision:
		c.Kind = Older
	default:
		c.Kind = Update
	}
	return c, nil
}

// differing lists the fields in which two jobs differ, in the order of the type, labels and policies by their parts.
func differing(a, b *core.Job) ([]string, error) {
	na, err := jobNode(a)
	if err != nil {
		return nil, err
	}
	nb, err := jobNode(b)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, name := range jobSchema.names {
		va, vb := na.get(name), nb.get(name)
		if equal(va, vb) {
			continue
		}
		if name != "labels" && jobSchema.subs[name] == nil {
			names = append(names, name)
			continue
		}
		for _, part := range parts(va, vb) {
			if !equal(va.part(part), vb.part(part)) {
				names = append(names, name+"."+part)
			}
		}
	}
	return names, nil
}

// parts lists the field names of both, sorted.
func parts(a, b *node) []string {
	var names []string
	for _, n := range []*node{a, b} {
		if n == nil {
			continue
		}
		for _, f := range n.fields {
			names = append(names, f.name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// part is get for values that may not be there.
func (n *node) part(name string) *node {
	if n == nil {
		return nil
	}
	return n.get(name)
}

func equal(a, b *node) bool {
	if a == nil || b == nil {
		return a == b
	}
	return bytes.Equal(a.json(), b.json())
}

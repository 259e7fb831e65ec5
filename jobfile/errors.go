package jobfile

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/belfry-io/belfry/core"
)

// An Error is one thing that is wrong with a file. It is a [core.ErrInvalid].
type Error struct {
	File    string // as it was given to Decode
	Line    int    // from 1; 0: the file as a whole
	Job     string // the id of the job, if it is about one and that has one
	Problem string // what is wrong, beginning with the field, and what would be right
}

// Error returns "file:line: job id: problem", which editors and terminals turn into a link.
func (e *Error) Error() string {
	where := e.File
	if e.Line > 0 {
		where = fmt.Sprintf("%s:%d", e.File, e.Line)
	}
	if e.Job != "" {
		where += ": job " + e.Job
	}
	return where + ": " + e.Problem
}

// Is makes every Error a [core.ErrInvalid].
func (*Error) Is(target error) bool { return target == core.ErrInvalid }

// maxErrors bounds what is reported of one file.
const maxErrors = 100

// problems gathers what is wrong with a file.
type problems struct {
	file string
	list []*Error
}

func (p *problems) add(line int, job, format string, args ...any) {
	p.list = append(p.list, &Error{File: p.file, Line: line, Job: shorten(job), Problem: fmt.Sprintf(format, args...)})
}

// err returns the problems in the order of their lines, joined, or nil.
func (p *problems) err() error {
	slices.SortStableFunc(p.list, func(a, b *Error) int { return cmp.Compare(a.Line, b.Line) })
	errs := make([]error, 0, len(p.list))
	for i, e := range p.list {
		if i == maxErrors {
			errs = append(errs, &Error{File: p.file, Problem: fmt.Sprintf("and %d problems more", len(p.list)-maxErrors)})
			break
		}
		errs = append(errs, e)
	}
	return errors.Join(errs...)
}

package redis

import (
	"strconv"

	"github.com/belfry-io/belfry/core"
)

// texts makes the strings of a call in two pieces of memory, one for their bytes and one for themselves: a move
// has three, and its client would otherwise spend more on them than on anything else. The strings are handed out
// as pointers, which go into an argument list without another allocation, and hold nothing before finish.
type texts struct {
	bytes   []byte
	ends    []int
	strings []string
	none    string
}

// perMove is how many strings an operation has at most: head, body and due time.
const perMove = 3

func newTexts(ops []core.Op, places []int) *texts {
	size, n := 0, perMove*len(places)
	for _, at := range places {
		op := &ops[at]
		size += 160 + len(op.Old.Queue) + len(op.New.Queue) + len(op.New.State) // at most seven numbers of 20 digits
	}
	return &texts{bytes: make([]byte, 0, size), ends: make([]int, 0, n), strings: make([]string, n)}
}

// add makes a string of what was appended.
func (t *texts) add(b []byte) *string {
	t.bytes = b
	t.ends = append(t.ends, len(b))
	return &t.strings[len(t.ends)-1]
}

// head is what a stored record begins with; empty for one that must not exist.
func (t *texts) head(r *core.Record) *string {
	if r.Version == 0 {
		return &t.none
	}
	return t.add(appendHead(t.bytes, r))
}

// body is a new record without its version.
func (t *texts) body(r *core.Record, stripe int) *string {
	return t.add(append(appendPlace(t.bytes, r, stripe), r.State...))
}

func (t *texts) due(r *core.Record) *string {
	return t.add(strconv.AppendInt(t.bytes, r.Due.UnixMicro(), 10))
}

// finish fills the strings in.
func (t *texts) finish() {
	all, from := string(t.bytes), 0
	for i, end := range t.ends {
		t.strings[i] = all[from:end]
		from = end
	}
}

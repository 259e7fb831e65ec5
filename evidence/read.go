package evidence

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// ErrNoEvidence says that a directory does not exist or holds nothing to check.
var ErrNoEvidence = errors.New("no evidence")

const (
	maxReadLine = 64 << 10 // far more than any writer writes; a longer line is unreadable
	maxJobsFile = 64 << 20
)

// Evidence is what a directory holds.
type Evidence struct {
	Dir        string
	Runs       []Run        // by start, the latest last
	Executions []Record     // by file and line
	Idle       []IdleFile   // sessions that were announced and have executed nothing
	Torn       []Unreadable // last lines that stop in the middle, as a killed pod leaves them
	Unreadable []Unreadable // other lines that are no executions
}

// A Record is an execution and where it was found.
type Record struct {
	Execution

	File string `json:"file"` // within the directory
	Line int    `json:"line"` // from 1
}

// An IdleFile is the empty file of an announced session.
type IdleFile struct {
	File   string    `json:"file"`
	Opened time.Time `json:"opened"` // when the file was last changed, thus created
}

// An Unreadable line is no execution; Reason says why not.
type Unreadable struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Reason string `json:"reason"`
}

// Read reads a directory. Pods may be writing to it: take the time for [Check] before, so that nothing counts as
// missing that was executed while Read was reading.
//
// A line that cannot be read is no error but part of the result, and makes Check fail; only the unfinished last line
// of a file is forgiven, and named. Fields that are not known are ignored. Read returns [ErrNoEvidence] for a
// directory that does not exist or holds neither executions nor jobs, and an error that names the file if a jobs
// file is broken.
func Read(dir string) (*Evidence, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read evidence: %w: directory %s does not exist; start pods with --evidence %s, or name the directory they write to", ErrNoEvidence, dir, dir)
	}
	if err != nil {
		return nil, fmt.Errorf("read evidence: %w", err)
	}
	ev := &Evidence{Dir: dir}
	files := 0
	for _, entry := range entries {
		name := entry.Name()
		if entry.IsDir() || strings.HasPrefix(name, ".") {
			continue
		}
		switch {
		case strings.HasSuffix(name, executionsExt):
			err = ev.readExecutions(name)
		case name == jobsFile, strings.HasPrefix(name, jobsPrefix) && strings.HasSuffix(name, ".json"):
			err = ev.readJobs(name)
		default:
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read evidence: %w", err)
		}
		files++
	}
	if files == 0 {
		return nil, fmt.Errorf("read evidence: %w: directory %s has no %s and no *%s; start pods with --evidence %s, or wait until they have begun", ErrNoEvidence, dir, jobsFile, executionsExt, dir)
	}
	slices.SortStableFunc(ev.Runs, func(a, b Run) int {
		return cmp.Or(a.Started.Compare(b.Started), cmp.Compare(a.ID, b.ID))
	})
	return ev, nil
}

// readJobs adds a run. Every run but one is there twice when all is well; jobs.json comes after jobs-*.json in
// the directory's order, and replaces its copy.
func (ev *Evidence) readJobs(name string) error {
	f, err := os.Open(filepath.Join(ev.Dir, name))
	if err != nil {
		return fmt.Errorf("open jobs: %w", err)
	}
	defer f.Close() //nolint:errcheck // nothing was written
	data, err := io.ReadAll(io.LimitReader(f, maxJobsFile+1))
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	if len(data) > maxJobsFile {
		return fmt.Errorf("read %s: it has more than %d bytes", name, maxJobsFile)
	}
	run, err := decodeRun(data)
	if err != nil {
		return fmt.Errorf("read %s: %w; remove the file or have the leader write it again", name, err)
	}
	if i := slices.IndexFunc(ev.Runs, func(r Run) bool { return r.ID == run.ID }); i >= 0 {
		ev.Runs[i] = run
		return nil
	}
	ev.Runs = append(ev.Runs, run)
	return nil
}

func (ev *Evidence) readExecutions(name string) error {
	f, err := os.Open(filepath.Join(ev.Dir, name))
	if err != nil {
		return fmt.Errorf("open executions: %w", err)
	}
	defer f.Close() //nolint:errcheck // nothing was written
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	if info.Size() == 0 {
		ev.Idle = append(ev.Idle, IdleFile{File: name, Opened: info.ModTime().UTC()})
		return nil
	}
	lines := bufio.NewReaderSize(f, maxReadLine)
	for n := 1; ; n++ {
		line, err := lines.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			err = skipLine(lines)
			ev.Unreadable = append(ev.Unreadable, Unreadable{name, n, fmt.Sprintf("longer than %d bytes", maxReadLine)})
		} else {
			ev.add(name, n, line)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read %s line %d: %w", name, n, err)
		}
	}
}

// skipLine reads to the end of a line that is too long to be kept.
func skipLine(r *bufio.Reader) error {
	for {
		if _, err := r.ReadSlice('\n'); !errors.Is(err, bufio.ErrBufferFull) {
			return err //nolint:wrapcheck // the caller names the file and line
		}
	}
}

// add takes a line in. A last line without its newline that is whole otherwise counts: its handler had finished.
func (ev *Evidence) add(name string, n int, line []byte) {
	text, ended := bytes.CutSuffix(line, []byte{'\n'})
	if len(bytes.TrimSpace(text)) == 0 {
		return
	}
	e, err := decodeExecution(text)
	switch {
	case err == nil:
		ev.Executions = append(ev.Executions, Record{Execution: e, File: name, Line: n})
	case ended:
		ev.Unreadable = append(ev.Unreadable, Unreadable{name, n, err.Error()})
	default:
		ev.Torn = append(ev.Torn, Unreadable{name, n, "stops in the middle; its pod was killed while writing, or is writing now"})
	}
}

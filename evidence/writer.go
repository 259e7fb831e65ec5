package evidence

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

const (
	executionsExt = ".jsonl"
	jobsFile      = "jobs.json"
	jobsPrefix    = "jobs-" // jobs-<run>.json: a copy of jobs.json that later runs do not replace

	// maxLine bounds a line, newline included: 4,096 bytes are written in one piece even where the directory is
	// something less than a disk.
	maxLine = 4096

	// maxNamePart bounds what a pod, session or run contributes to a file name, which may have 255 bytes.
	maxNamePart = 100

	dirMode  fs.FileMode = 0o755
	fileMode fs.FileMode = 0o644 // the analyser may be another user
)

// A Writer appends executions to the files of a directory, one file for each pod and session that it meets. It may
// be used by several goroutines at once, and by several pods of one process. Each line is handed to the operating
// system in one write before Write returns, so it outlives the process, though not the machine.
type Writer struct {
	dir string

	mu     sync.Mutex
	files  map[string]*appender // by file name
	closed bool
}

// An appender is an open file and whether its last line is whole.
type appender struct {
	file *os.File
	torn bool
}

// NewWriter returns a writer into dir. Nothing is created before the first Write or Announce.
func NewWriter(dir string) *Writer {
	return &Writer{dir: dir, files: make(map[string]*appender)}
}

// Announce creates the file of a session that has executed nothing yet, so that a pod that stays idle can be told
// from one that does not exist. Call it once when the session opens; it is optional.
func (w *Writer) Announce(pod, session string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, err := w.open(pod, session); err != nil {
		return fmt.Errorf("announce pod %s session %s: %w", pod, session, err)
	}
	return nil
}

// Write appends one execution. An execution that the format cannot express, such as one without a job or of more
// than 4 KiB, is refused. After Close it returns an [fs.ErrClosed].
func (w *Writer) Write(e Execution) error {
	if err := w.write(e.utc()); err != nil {
		return fmt.Errorf("write evidence of %s@%s attempt %d: %w", e.Job, stamp(e.Fire), e.Attempt, err)
	}
	return nil
}

func (w *Writer) write(e Execution) error {
	if err := e.validate(); err != nil {
		return err
	}
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	line = append(line, '\n')
	if len(line) > maxLine {
		return fmt.Errorf("the line has %d bytes, more than %d", len(line), maxLine)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	a, err := w.open(e.Pod, e.Session)
	if err != nil {
		return err
	}
	return a.append(line)
}

// append writes a line. After a write that was cut short (a full disk), the next line begins with a newline, so that
// one execution is lost and not two.
func (a *appender) append(line []byte) error {
	if a.torn {
		line = append([]byte{'\n'}, line...)
	}
	n, err := a.file.Write(line)
	if n > 0 {
		a.torn = n < len(line)
	}
	return err //nolint:wrapcheck // Write names the execution, the path error names the file
}

func (w *Writer) open(pod, session string) (*appender, error) {
	if w.closed {
		return nil, fs.ErrClosed
	}
	name := fileName(pod, session)
	if a := w.files[name]; a != nil {
		return a, nil
	}
	if err := os.MkdirAll(w.dir, dirMode); err != nil {
		return nil, fmt.Errorf("create evidence directory: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(w.dir, name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, fileMode)
	if err != nil {
		return nil, fmt.Errorf("open evidence file: %w", err)
	}
	a := &appender{file: f}
	w.files[name] = a
	return a, nil
}

// Close closes the files. Calling it again does nothing.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	var errs []error
	for _, a := range w.files {
		if err := a.file.Close(); err != nil {
			errs = append(errs, fmt.Errorf("close evidence file: %w", err))
		}
	}
	clear(w.files)
	return errors.Join(errs...)
}

// WriteJobs records in dir what run should execute: as jobs.json, which holds the latest run, and as
// jobs-<run>.json, which stays when the next one begins. Both appear whole or not at all. Writing a run again
// replaces it.
func WriteJobs(dir string, run Run) error {
	run = run.utc()
	if err := run.validate(); err != nil {
		return fmt.Errorf("write jobs: %w", err)
	}
	data, err := json.MarshalIndent(run, "", "  ")
	if err != nil {
		return fmt.Errorf("write jobs of run %s: %w", run.ID, err)
	}
	data = append(data, '\n')
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return fmt.Errorf("write jobs of run %s: %w", run.ID, err)
	}
	for _, name := range []string{jobsPrefix + namePart(run.ID) + ".json", jobsFile} {
		if err := replaceFile(filepath.Join(dir, name), data); err != nil {
			return fmt.Errorf("write jobs of run %s: %w", run.ID, err)
		}
	}
	return nil
}

// replaceFile writes a file beside path and renames it.
func replaceFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".jobs-*.tmp")
	if err != nil {
		return fmt.Errorf("create temporary file: %w", err)
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(fileMode), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// fileName names a session's file. Two sessions never share one, as session ids are unique and plain.
func fileName(pod, session string) string {
	return namePart(pod) + "-" + namePart(session) + executionsExt
}

// namePart makes a part of a file name of what a user chose: pods may be called "../a" or "west/1".
func namePart(s string) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '-', r == '.':
			return r
		}
		return '_'
	}, s)
	if len(clean) > maxNamePart {
		clean = clean[:maxNamePart]
	}
	if clean == "" || clean[0] == '.' { // no hidden files
		return "_" + clean
	}
	return clean
}

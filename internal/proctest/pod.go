package proctest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
)

// BuildBelfry builds the belfry binary into a directory that goes with the test, and returns its path.
func BuildBelfry(t testing.TB) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "belfry")
	out, err := exec.Command("go", "build", "-o", bin, "github.com/belfry-io/belfry/cli/belfry").CombinedOutput()
	if err != nil {
		t.Fatalf("build belfry: %v\n%s", err, out)
	}
	return bin
}

// A Pod is a running belfry process of a test's own. Its methods must be called from the test's goroutine.
type Pod struct {
	Name string

	t      testing.TB
	cmd    *exec.Cmd
	out    syncBuffer
	done   chan struct{}
	err    error
	killed bool
}

// StartPod starts "belfry pod" with a name and further arguments. It is killed when the test ends, if it still runs.
func StartPod(t testing.TB, bin, name string, args ...string) *Pod {
	t.Helper()
	p := &Pod{Name: name, t: t, done: make(chan struct{})}
	p.cmd = exec.Command(bin, append([]string{"pod", "--name", name}, args...)...)
	p.cmd.Env = append(os.Environ(), "BELFRY_BACKEND=")
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start pod %s: %v", name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("output of %s:\n%s", name, p.out.String())
		}
	})
	return p
}

// Kill ends the process by SIGKILL and waits for that. It does nothing if it has ended.
func (p *Pod) Kill() {
	select {
	case <-p.done:
		return
	default:
	}
	p.killed = true
	_ = p.cmd.Process.Kill()
	<-p.done
}

// Pause stops the process (SIGSTOP): it keeps its connections and does nothing.
func (p *Pod) Pause() { p.signal(syscall.SIGSTOP) }

// Resume undoes Pause.
func (p *Pod) Resume() { p.signal(syscall.SIGCONT) }

// Interrupt asks the process to drain (SIGTERM).
func (p *Pod) Interrupt() { p.signal(syscall.SIGTERM) }

func (p *Pod) signal(sig os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.t.Fatalf("signal pod %s: %v", p.Name, err)
	}
}

// Wait waits for the process to end by itself, and fails the test if its exit code is not 0.
func (p *Pod) Wait() {
	p.t.Helper()
	<-p.done
	if p.err != nil && !p.killed {
		p.t.Errorf("pod %s: %v\n%s", p.Name, p.err, p.out.String())
	}
}

// A syncBuffer is a buffer that a process writes to while others read it.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

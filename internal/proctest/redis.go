package proctest

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// readyWithin is how long a server may take to answer, with its data loaded.
const readyWithin = 20 * time.Second

// Redis is a redis-server of a test's own, on a free loopback port, in a directory that goes with the test. Its
// methods fail the test on errors and must be called from the test's goroutine.
type Redis struct {
	Addr string // 127.0.0.1:port
	Dir  string // holds dump.rdb, appendonlydir and redis.log

	t    testing.TB
	args []string
	cmd  *exec.Cmd
	done chan struct{} // closed when cmd has been waited for
}

// StartRedis starts a server without persistence; args are redis-server's ("--appendonly", "yes") and come after
// the defaults. The test is skipped if there is no redis-server on the PATH, unless the environment variable
// BELFRY_REQUIRE names redis: then it fails.
func StartRedis(t testing.TB, args ...string) *Redis {
	t.Helper()
	binary := Find(t, "redis", "redis-server")
	r := &Redis{Dir: t.TempDir(), t: t, args: append([]string{binary}, args...)}
	t.Cleanup(r.Kill)
	// Somebody else may take the port between its choice and its use.
	for try := 1; ; try++ {
		r.Addr = freeAddr(t)
		err := r.start()
		if err == nil {
			return r
		}
		if try == 3 {
			t.Fatalf("start redis-server: %v\n%s", err, r.log())
		}
	}
}

// Start starts the server again after Kill or Stop, at the same address and with the same data.
func (r *Redis) Start() {
	r.t.Helper()
	if err := r.start(); err != nil {
		r.t.Fatalf("restart redis-server: %v\n%s", err, r.log())
	}
}

// Kill ends the server by SIGKILL: what it has not written to disk is lost. It does nothing if the server is down.
func (r *Redis) Kill() { r.end(syscall.SIGKILL) }

// Stop ends the server by SIGTERM: it writes to disk what it is set to.
func (r *Redis) Stop() { r.end(syscall.SIGTERM) }

// Pause stops the process (SIGSTOP): connections stay open and nothing is answered.
func (r *Redis) Pause() { r.signal(syscall.SIGSTOP) }

// Resume undoes Pause.
func (r *Redis) Resume() { r.signal(syscall.SIGCONT) }

// Pid is the process id of the running server.
func (r *Redis) Pid() int { return r.cmd.Process.Pid }

// URL is the server's address as belfry takes it, with a query such as "prefix=a".
func (r *Redis) URL(query string) string {
	u := "redis://" + r.Addr
	if query != "" {
		u += "?" + query
	}
	return u
}

func (r *Redis) start() error {
	_, port, err := net.SplitHostPort(r.Addr)
	if err != nil {
		return err
	}
	args := []string{
		"--port", port, "--bind", "127.0.0.1", "--dir", r.Dir, "--logfile", filepath.Join(r.Dir, "redis.log"),
		"--save", "", "--appendonly", "no",
	}
	r.cmd = exec.Command(r.args[0], append(args, r.args[1:]...)...)
	if err := r.cmd.Start(); err != nil {
		return err
	}
	r.done = make(chan struct{})
	go func(cmd *exec.Cmd, done chan struct{}) {
		defer close(done)
		_ = cmd.Wait() // killed by a signal is how most end
	}(r.cmd, r.done)
	if err := r.ready(); err != nil {
		r.Kill()
		return err
	}
	return nil
}

// ready waits until the server answers PING, which it does not while it loads.
func (r *Redis) ready() error {
	deadline := time.Now().Add(readyWithin)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ping(r.Addr)
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("no answer within %v: %w", readyWithin, err)
		}
		select {
		case <-r.done:
			return errors.New("it ended at once")
		case <-tick.C:
		}
	}
}

// ping asks without a client library. A server that wants a password is up, too.
func ping(addr string) error {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	if _, err := c.Write([]byte("PING\r\n")); err != nil {
		return err
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		return err
	}
	if !strings.HasPrefix(line, "+PONG") && !strings.HasPrefix(line, "-NOAUTH") {
		return fmt.Errorf("answer %q", strings.TrimSpace(line))
	}
	return nil
}

func (r *Redis) end(sig os.Signal) {
	if r.cmd == nil || r.cmd.Process == nil || r.done == nil {
		return
	}
	select {
	case <-r.done:
		return
	default:
	}
	if err := r.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		r.t.Errorf("signal redis-server %d: %v", r.Pid(), err)
		return
	}
	<-r.done
}

func (r *Redis) signal(sig os.Signal) {
	r.t.Helper()
	if err := r.cmd.Process.Signal(sig); err != nil {
		r.t.Fatalf("signal redis-server %d: %v", r.Pid(), err)
	}
}

// log returns the end of the server's log, for failures.
func (r *Redis) log() string {
	b, err := os.ReadFile(filepath.Join(r.Dir, "redis.log"))
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-2000):])
}

// Find returns the path of a server's binary. Without one the test is skipped, or fails if BELFRY_REQUIRE (a list
// such as "redis,etcd") names the server.
func Find(t testing.TB, server, binary string) string {
	t.Helper()
	path, err := exec.LookPath(binary)
	if err == nil {
		return path
	}
	for name := range strings.SplitSeq(os.Getenv("BELFRY_REQUIRE"), ",") {
		if strings.TrimSpace(name) == server {
			t.Fatalf("%s is required (BELFRY_REQUIRE) and not on the PATH: %v", binary, err)
		}
	}
	t.Skipf("NOT TESTED: %s is not on the PATH (BELFRY_REQUIRE=%s makes this a failure): %v", binary, server, err)
	return ""
}

// freeAddr is a loopback address that nobody listens on.
func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("find a free port: %v", err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port //nolint:forcetypeassert // it listens on tcp
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}

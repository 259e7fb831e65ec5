package proctest

import (
	"net"
	"sync"
	"testing"
)

// Fate is what becomes of bytes that reach a [Proxy].
type Fate int

// The fates.
const (
	Pass Fate = iota // handed on
	Lose             // swallowed, and all later ones of the connection too, so that no half message comes through
	Cut              // swallowed, and the connection is closed on both sides
)

// A Proxy stands between clients and a TCP server and can lose requests and replies. Its methods may be called at
// once.
type Proxy struct {
	Addr string // where it listens

	listener net.Listener
	workers  sync.WaitGroup

	mu       sync.Mutex
	target   string
	requests Fate
	replies  Fate
	conns    map[net.Conn]struct{}
	closed   bool
}

// StartProxy starts a proxy in front of target; it ends with the test.
func StartProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	p := &Proxy{Addr: l.Addr().String(), listener: l, target: target, conns: make(map[net.Conn]struct{})}
	p.workers.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

// Set says what becomes of requests and replies from now on.
func (p *Proxy) Set(requests, replies Fate) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests, p.replies = requests, replies
}

// Retarget sends new connections to another server and closes the present ones.
func (p *Proxy) Retarget(target string) {
	p.mu.Lock()
	p.target = target
	p.mu.Unlock()
	p.Break()
}

// Break closes all connections.
func (p *Proxy) Break() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close() // its pump ends and closes the other side
	}
}

func (p *Proxy) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	_ = p.listener.Close()
	p.Break()
	p.workers.Wait()
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		target := p.target
		p.mu.Unlock()
		server, err := net.Dial("tcp", target)
		if err != nil {
			_ = client.Close()
			continue
		}
		if !p.keep(client, server) {
			return
		}
		p.workers.Go(func() { p.pump(server, client, p.requestFate) })
		p.workers.Go(func() { p.pump(client, server, p.replyFate) })
	}
}

// keep notes a pair of connections, or closes them if the proxy has ended.
func (p *Proxy) keep(pair ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range pair {
		if p.closed {
			_ = c.Close()
			continue
		}
		p.conns[c] = struct{}{}
	}
	return !p.closed
}

func (p *Proxy) requestFate() Fate {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.requests
}

func (p *Proxy) replyFate() Fate {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.replies
}

// pump copies one direction until either side closes.
func (p *Proxy) pump(to, from net.Conn, fate func() Fate) {
	defer func() {
		_ = to.Close()
		_ = from.Close()
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.conns, to)
		delete(p.conns, from)
	}()
	buf := make([]byte, 64<<10)
	lost := false
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		switch f := fate(); {
		case f == Cut:
			return
		case f == Lose || lost:
			lost = true
			continue
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

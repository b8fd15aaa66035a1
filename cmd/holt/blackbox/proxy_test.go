package blackbox_test

import (
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

// proxy stands between clients and a server, and now and then loses an answer
// whose request the server has had.
type proxy struct {
	listener net.Listener
	target   string

	mu     sync.Mutex
	rng    *rand.Rand
	lost   int
	closed bool
	conns  map[net.Conn]bool
	wg     sync.WaitGroup
}

func newProxy(t *testing.T, target string, rng *rand.Rand) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: listener, target: target, rng: rng, conns: map[net.Conn]bool{}}
	p.wg.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

func (p *proxy) accept() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return
		}
		if !p.keep(conn) {
			return
		}
		p.wg.Go(func() { p.serve(conn) })
	}
}

// keep remembers a connection so that close ends it.
func (p *proxy) keep(conn net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		conn.Close()
		return false
	}
	p.conns[conn] = true
	return true
}

func (p *proxy) drop(conn net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, conn)
	conn.Close()
}

func (p *proxy) close() {
	p.listener.Close()
	p.mu.Lock()
	p.closed = true
	for conn := range p.conns {
		conn.Close()
	}
	p.mu.Unlock()
	p.wg.Wait()
}

// serve copies both ways until one side ends or the proxy cuts it.
func (p *proxy) serve(client net.Conn) {
	defer p.drop(client)
	upstream, err := net.Dial("tcp", p.target)
	if err != nil || !p.keep(upstream) {
		return
	}
	defer p.drop(upstream)
	go func() {
		io.Copy(upstream, client)
		upstream.Close()
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := upstream.Read(buf)
		if n > 0 {
			keep, cut := p.fate(n)
			client.Write(buf[:keep])
			if cut {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// fate decides how much of an answer passes, and whether the rest is lost.
func (p *proxy) fate(n int) (keep int, cut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.rng.IntN(40) > 0:
		return n, false
	case p.rng.IntN(2) == 0:
		keep = p.rng.IntN(n)
	}
	p.lost++
	return keep, true
}

func (p *proxy) losses() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lost
}

// The load runs over a network that loses answers, and the server is stopped
// for a while now and then, past the end of leases too.
func TestLostAnswersAndPauses(t *testing.T) {
	t.Parallel()
	seed, cycles := runSeed(t), 12
	if testing.Short() {
		cycles = 3
	}
	t.Logf("%d pauses; %s=%d repeats this run's choices", cycles, seedVariable, seed)
	s := newServer(t)
	c := newClient(t, s)
	setUp(c)

	h := newHistory(t)
	l := newLoad(s, h, seed)
	p := newProxy(t, s.addr, l.rand(7777))
	l.addr = p.listener.Addr().String()
	l.topics = slices.Sorted(maps.Keys(crashTopics))
	for _, g := range crashGroups {
		l.groups = append(l.groups, g.name)
	}
	l.run(4, 9)
	rng := l.rand(8888)
	for range cycles {
		pause(time.Duration(200+rng.IntN(800)) * ms)
		s.signal(syscall.SIGSTOP)
		pause(time.Duration(rng.IntN(1500)) * ms)
		s.signal(syscall.SIGCONT)
	}
	eventually(t, time.Minute, "the proxy has lost an answer", func() bool { return p.losses() > 0 })
	l.await(t)
	l.finish()
	l.addr = s.addr
	t.Logf("%d answers were lost", p.losses())
	settleDown(t, c, l)
	verify(t, h)
}

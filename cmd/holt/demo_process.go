package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"time"
)

const (
	demoReady   = 60 * time.Second // for a server to say that it is ready, a replay included
	demoStop    = 30 * time.Second // for a child to end when it is asked to
	demoMinFree = "64MiB"          // the demo needs less, and a temporary file system may be small
	demoLogTail = 5                // lines shown of a child that failed
)

// demoChildren starts processes that do not outlive the demo: each leads a process group, which close kills, and where
// the kernel can (Linux) each dies with the demo, however that ends.
type demoChildren struct {
	starts chan func()
	ended  chan struct{}

	mu  sync.Mutex
	all []*demoChild
}

// newDemoChildren starts the thread that starts every child: a parent-death signal is sent when the thread that made
// the child ends, so that thread must not end before the demo.
func newDemoChildren() *demoChildren {
	c := &demoChildren{starts: make(chan func()), ended: make(chan struct{})}
	go func() {
		runtime.LockOSThread()
		defer close(c.ended)
		for start := range c.starts {
			start()
		}
	}()
	return c
}

// close kills every child that still runs and waits until all are gone.
func (c *demoChildren) close() {
	c.mu.Lock()
	all := c.all
	c.mu.Unlock()
	for _, p := range all {
		p.kill()
	}
	close(c.starts)
	<-c.ended
}

// demoChild is one child process.
type demoChild struct {
	process *os.Process
	done    chan struct{} // closed when it is gone and its output is read
	err     error         // how it ended; after done
}

// start runs cmd. read reads its standard output to the end.
func (c *demoChildren) start(cmd *exec.Cmd, read func(io.Reader)) (*demoChild, error) {
	cmd.SysProcAttr = childAttributes()
	cmd.Env = demoEnvironment(os.Environ())
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	failed := make(chan error, 1)
	c.starts <- func() { failed <- cmd.Start() }
	if err := <-failed; err != nil {
		return nil, err
	}
	p := &demoChild{process: cmd.Process, done: make(chan struct{})}
	c.mu.Lock()
	c.all = append(c.all, p)
	c.mu.Unlock()
	go func() {
		defer close(p.done)
		read(stdout)
		_, _ = io.Copy(io.Discard, stdout) // so that the child never waits for a reader
		p.err = cmd.Wait()
	}()
	return p, nil
}

// demoEnvironment is env without settings for other servers and clients.
func demoEnvironment(env []string) (out []string) {
	for _, e := range env {
		if !strings.HasPrefix(e, "HOLT_") {
			out = append(out, e)
		}
	}
	return out
}

// kill ends the child's group as a crash would and waits until it is gone.
func (p *demoChild) kill() {
	if !p.gone() {
		killGroup(p.process)
	}
	<-p.done
}

func (p *demoChild) gone() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// await waits until the child has ended as it was asked to, and returns how.
func (p *demoChild) await() error {
	limit := time.NewTimer(demoStop)
	defer limit.Stop()
	select {
	case <-p.done:
		return p.err
	case <-limit.C:
		p.kill()
		return fmt.Errorf("still running %v after it was asked to end", demoStop)
	}
}

// demoServer is "holt serve" on the demo's directory.
type demoServer struct {
	children *demoChildren
	self     string
	data     string
	log      string // file
	listen   string
	address  string // as the server said it
	child    *demoChild
}

// newServer starts a server on a free port.
func (c *demoChildren) newServer(ctx context.Context, self, data, log string) (*demoServer, error) {
	s := &demoServer{children: c, self: self, data: data, log: log, listen: "127.0.0.1:0"}
	return s, s.start(ctx)
}

// start runs the server, after the first time on the same port, and waits until it is ready.
func (s *demoServer) start(ctx context.Context) error {
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() // the child has its own
	cmd := exec.Command(s.self, "serve", "--data", s.data, "--listen", s.listen, "--min-free", demoMinFree)
	cmd.Stderr = log
	ready := make(chan string, 1)
	s.child, err = s.children.start(cmd, func(stdout io.Reader) {
		line, _ := bufio.NewReader(stdout).ReadString('\n')
		ready <- line
	})
	if err != nil {
		return fmt.Errorf("start the server: %w", err)
	}
	limit := time.NewTimer(demoReady)
	defer limit.Stop()
	select {
	case line := <-ready:
		return s.heard(line)
	case <-limit.C:
		return fmt.Errorf("the server is not ready after %v", demoReady)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// heard takes the line with the address.
func (s *demoServer) heard(line string) error {
	_, address, ok := strings.Cut(strings.TrimSpace(line), "http://")
	if !ok {
		<-s.child.done
		return s.failure()
	}
	s.address, s.listen = "http://"+address, address
	return nil
}

// failure is the error of a server that ended by itself.
func (s *demoServer) failure() error {
	return fmt.Errorf("the server ended by itself (%v): %s", s.child.err, tailOf(s.log))
}

// stop has the server end on its own.
func (s *demoServer) stop() error {
	if err := terminate(s.child.process); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	if err := s.child.await(); err != nil {
		return fmt.Errorf("stop the server: %w: %s", err, tailOf(s.log))
	}
	return nil
}

// tailOf is the end of a log file, on one line.
func tailOf(file string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	return lastLines(string(b), demoLogTail)
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "; ")
}

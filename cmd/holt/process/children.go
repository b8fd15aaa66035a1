package process

import (
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
	stopTime = 30 * time.Second // for a child to end when it is asked to
	logTail  = 5                // lines shown of a child that failed
)

// Children starts processes that do not outlive the command: each leads a process group, which Close kills, and where
// the kernel can (Linux) each dies with the command, however that ends.
type Children struct {
	starts chan func()
	ended  chan struct{}

	mu  sync.Mutex
	all []*Child
}

// NewChildren starts the thread that starts every child: a parent-death signal is sent when the thread that made
// the child ends, so that thread must not end before the command.
func NewChildren() *Children {
	c := &Children{starts: make(chan func()), ended: make(chan struct{})}
	go func() {
		runtime.LockOSThread()
		defer close(c.ended)
		for start := range c.starts {
			start()
		}
	}()
	return c
}

// Close kills every child that still runs and waits until all are gone.
func (c *Children) Close() {
	c.mu.Lock()
	all := c.all
	c.mu.Unlock()
	for _, p := range all {
		p.Kill()
	}
	close(c.starts)
	<-c.ended
}

// Child is one child process.
type Child struct {
	Process *os.Process
	Done    chan struct{} // closed when it is gone and its output is read
	Err     error         // how it ended; after Done
}

// Start runs cmd, without settings for other servers and clients in its environment. read reads its standard output to the end.
func (c *Children) Start(cmd *exec.Cmd, read func(io.Reader)) (*Child, error) {
	cmd.SysProcAttr = Attributes()
	cmd.Env = environment(os.Environ())
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	failed := make(chan error, 1)
	c.starts <- func() { failed <- cmd.Start() }
	if err := <-failed; err != nil {
		return nil, err
	}
	p := &Child{Process: cmd.Process, Done: make(chan struct{})}
	c.mu.Lock()
	c.all = append(c.all, p)
	c.mu.Unlock()
	go func() {
		defer close(p.Done)
		read(stdout)
		_, _ = io.Copy(io.Discard, stdout) // so that the child never waits for a reader
		p.Err = cmd.Wait()
	}()
	return p, nil
}

// environment is env without settings for other servers and clients.
func environment(env []string) (out []string) {
	for _, e := range env {
		if !strings.HasPrefix(e, "HOLT_") {
			out = append(out, e)
		}
	}
	return out
}

// Kill ends the child's group as a crash would and waits until it is gone.
func (p *Child) Kill() {
	if !p.Gone() {
		Kill(p.Process)
	}
	<-p.Done
}

// Gone says whether it has ended.
func (p *Child) Gone() bool {
	select {
	case <-p.Done:
		return true
	default:
		return false
	}
}

// Await waits until the child has ended as it was asked to, and returns how.
func (p *Child) Await() error {
	limit := time.NewTimer(stopTime)
	defer limit.Stop()
	select {
	case <-p.Done:
		return p.Err
	case <-limit.C:
		p.Kill()
		return fmt.Errorf("still running %v after it was asked to end", stopTime)
	}
}

// Tail is the end of a log file, on one line.
func Tail(file string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	return lastLines(string(b), logTail)
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "; ")
}

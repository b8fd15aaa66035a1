package process

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

const (
	readyTime = 60 * time.Second // for a server to say that it is ready, a replay included
	minFree   = "64MiB"          // such a server needs less, and a temporary file system may be small
)

// Server is "holt serve" on a directory of its own.
type Server struct {
	Address string // as the server said it
	Child   *Child

	children *Children
	self     string // the program
	data     string
	log      string // file
	listen   string
}

// NewServer starts a server on a free port.
func (c *Children) NewServer(ctx context.Context, self, data, log string) (*Server, error) {
	s := &Server{children: c, self: self, data: data, log: log, listen: "127.0.0.1:0"}
	return s, s.Start(ctx)
}

// Start runs the server, after the first time on the same port, and waits until it is ready.
func (s *Server) Start(ctx context.Context) error {
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() // the child has its own
	cmd := exec.Command(s.self, "serve", "--data", s.data, "--listen", s.listen, "--min-free", minFree)
	cmd.Stderr = log
	ready := make(chan string, 1)
	s.Child, err = s.children.Start(cmd, func(stdout io.Reader) {
		line, _ := bufio.NewReader(stdout).ReadString('\n')
		ready <- line
	})
	if err != nil {
		return fmt.Errorf("start the server: %w", err)
	}
	limit := time.NewTimer(readyTime)
	defer limit.Stop()
	select {
	case line := <-ready:
		return s.heard(line)
	case <-limit.C:
		return fmt.Errorf("the server is not ready after %v", readyTime)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// heard takes the line with the address.
func (s *Server) heard(line string) error {
	_, address, ok := strings.Cut(strings.TrimSpace(line), "http://")
	if !ok {
		<-s.Child.Done
		return s.Failure()
	}
	s.Address, s.listen = "http://"+address, address
	return nil
}

// Failure is the error of a server that ended by itself.
func (s *Server) Failure() error {
	return fmt.Errorf("the server ended by itself (%v): %s", s.Child.Err, Tail(s.log))
}

// Stop has the server end on its own.
func (s *Server) Stop() error {
	if err := Terminate(s.Child.Process); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	if err := s.Child.Await(); err != nil {
		return fmt.Errorf("stop the server: %w: %s", err, Tail(s.log))
	}
	return nil
}

package main

import (
	"bytes"
	"io"
	"strings"
	"sync"
)

const maxHeldLine = 64 << 10 // bytes of an unfinished line

// sharedWriter lets several commands write to one stream, a write at a time.
type sharedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (s *sharedWriter) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(p)
}

// lineWriter passes whole lines on, so that those of commands side by side do not mix, and remembers the last one
// that is not empty.
type lineWriter struct {
	to   io.Writer
	held []byte
	last string
}

func (l *lineWriter) Write(p []byte) (int, error) {
	l.held = append(l.held, p...)
	end := bytes.LastIndexByte(l.held, '\n') + 1
	if end == 0 && len(l.held) > maxHeldLine {
		end = len(l.held)
	}
	if end == 0 {
		return len(p), nil
	}
	whole := l.held[:end]
	l.remember(whole)
	_, err := l.to.Write(whole)
	l.held = append(l.held[:0], l.held[end:]...)
	return len(p), err
}

// flush passes on the rest.
func (l *lineWriter) flush() {
	if len(l.held) > 0 {
		l.remember(l.held)
		_, _ = l.to.Write(l.held)
		l.held = nil
	}
}

func (l *lineWriter) remember(lines []byte) {
	lines = bytes.TrimSpace(lines)
	if len(lines) == 0 {
		return
	}
	line := lines[bytes.LastIndexByte(lines, '\n')+1:]
	l.last = strings.ToValidUTF8(string(line[:min(len(line), maxErrorLine)]), "\uFFFD")
}

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
)

// reloadEvery is how often files are looked at for changes.
const reloadEvery = 2 * time.Second

// watched are files that are read again when they change, and what to do then.
type watched struct {
	what  string
	paths []string
	load  func() error
	seen  []fileMark
}

// fileMark tells a file from what it was.
type fileMark struct {
	size    int64
	changed time.Time
	exists  bool
}

func markOf(path string) fileMark {
	info, err := os.Stat(path) // follows links: Kubernetes swaps them
	if err != nil {
		return fileMark{}
	}
	return fileMark{info.Size(), info.ModTime(), true}
}

func (w *watched) marks() []fileMark {
	marks := make([]fileMark, len(w.paths))
	for i, p := range w.paths {
		marks[i] = markOf(p)
	}
	return marks
}

// reloader reads tokens and certificates again: when their files change, and at SIGHUP. What cannot be read is logged, and what was before stays.
type reloader struct {
	log   *slog.Logger
	files []*watched
}

// add has files watched from now on.
func (r *reloader) add(what string, load func() error, paths ...string) {
	w := &watched{what: what, paths: paths, load: load}
	w.seen = w.marks()
	r.files = append(r.files, w)
}

// run watches until ctx is done.
func (r *reloader) run(ctx context.Context) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	tick := time.NewTicker(reloadEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-hup:
			r.look(true)
		case <-tick.C:
			r.look(false)
		}
	}
}

// look reads what changed, or all.
func (r *reloader) look(all bool) {
	for _, w := range r.files {
		marks := w.marks()
		same := true
		for i := range marks {
			same = same && marks[i] == w.seen[i]
		}
		if same && !all {
			continue
		}
		w.seen = marks
		if err := w.load(); err != nil {
			r.log.Error("not read again: what was before stays", "what", w.what, "error", err)
			continue
		}
		r.log.Info("read again", "what", w.what)
	}
}

// certificate is the server's, which may be changed at any time.
type certificate struct {
	cert, key string // files
	now       atomic.Pointer[tls.Certificate]
}

// loadCertificate reads the certificate for the first time.
func loadCertificate(cert, key string) (*certificate, error) {
	c := &certificate{cert: cert, key: key}
	return c, c.reload()
}

func (c *certificate) reload() error {
	read, err := readCertificate(c.cert, c.key)
	if err == nil {
		c.now.Store(read)
	}
	return err
}

// config is what connections are made with.
func (c *certificate) config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.now.Load(), nil },
	}
}

// readCertificate reads a chain and its key; a chain whose time is over is none.
func readCertificate(cert, key string) (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, err
	}
	if pair.Leaf == nil {
		return nil, errors.New("the chain is empty")
	}
	if end := pair.Leaf.NotAfter; time.Now().After(end) {
		return nil, fmt.Errorf("%s: the certificate ended at %s", cert, end.UTC().Format(time.RFC3339))
	}
	return &pair, nil
}

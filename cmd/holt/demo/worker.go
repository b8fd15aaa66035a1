package demo

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/holtmq/holt/client"
	"github.com/holtmq/holt/cmd/holt/process"
)

const (
	headerReceipt = "receipt"              // of a digest's record: the lease it was computed under,
	headerTry     = "try"                  // and the how manieth try to publish it this was
	retryAfter    = 100 * time.Millisecond // before a digest's publish is repeated
)

// WorkConfig is what a worker process is told.
type WorkConfig struct {
	Server, Dir, Member string // address; tree of the files; name of this worker
	Concurrency         int    // files hashed at a time
}

// Work is a worker process: it works until ctx ends, and writes to events, which Run reads, what it is given and what it settles.
func Work(ctx context.Context, cfg WorkConfig, events io.Writer) error {
	root, err := os.OpenRoot(cfg.Dir)
	if err != nil {
		return err
	}
	defer root.Close()
	tell := newTeller(events)
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 4 * cfg.Concurrency
	watch := &http.Client{Transport: &tap{next: transport, tell: tell}}
	c, err := client.New(cfg.Server, client.WithName("holt demo worker"), client.WithHTTPClient(watch))
	if err != nil {
		return err
	}
	defer transport.CloseIdleConnections()
	h := &hasher{client: c, root: root}
	trouble := client.OnError(func(err error) { tell.event(event{Kind: kindTrouble, Text: err.Error()}) })
	return c.Work(ctx, hashGroup, h.handle, client.Concurrency(cfg.Concurrency), client.Member(cfg.Member), trouble)
}

// hasher does the jobs of one worker.
type hasher struct {
	client *client.Client
	root   *os.Root
}

// handle publishes the file's digest. Work acks the job afterwards: a worker that dies in between leaves a digest
// behind, and the job comes again.
func (h *hasher) handle(ctx context.Context, r *client.Record) error {
	var job job
	if err := r.JSON(&job); err != nil {
		return client.Reject(err)
	}
	digest, err := hashFile(h.root, job.Path)
	if err != nil {
		return err
	}
	for try := 1; ; try++ {
		err := h.client.Publish(ctx, digestsTopic, client.JSON(digest), client.Key(job.Path),
			client.Header(headerReceipt, r.Receipt), client.Header(headerTry, strconv.Itoa(try)))
		if !client.Temporary(err) || ctx.Err() != nil {
			return err
		}
		select {
		case <-time.After(retryAfter):
		case <-ctx.Done():
		}
	}
}

// worker is a worker process as the demo sees it.
type worker struct {
	name  string
	child *process.Child
	stdin io.Closer
}

func (d *demo) startWorker() error {
	w := &worker{name: fmt.Sprintf("worker-%d", d.history.nextWorker())}
	log, err := os.OpenFile(d.workerLog(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(d.self, "demo", "worker", "--server", d.server.Address, "--dir", d.root,
		"--member", w.name, "--concurrency", fmt.Sprint(d.cfg.Concurrency))
	cmd.Stderr = log
	if w.stdin, err = cmd.StdinPipe(); err != nil {
		return err
	}
	w.child, err = d.children.Start(cmd, func(stdout io.Reader) { d.history.listen(w.name, stdout) })
	if err != nil {
		return fmt.Errorf("start a worker: %w", err)
	}
	d.workers = append(d.workers, w)
	return nil
}

func (d *demo) workerLog() string { return filepath.Join(d.dir, "workers.log") }

// stopWorkers has them settle what they hold and end, all at once.
func (d *demo) stopWorkers() error {
	errs := make([]error, len(d.workers))
	var wg sync.WaitGroup
	for i, w := range d.workers {
		d.notePeak(w)
		_ = w.stdin.Close()
		wg.Go(func() { errs[i] = w.child.Await() })
	}
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			return fmt.Errorf("stop %s: %w: %s", d.workers[i].name, err, process.Tail(d.workerLog()))
		}
	}
	return nil
}

func (d *demo) notePeak(w *worker) {
	d.facts.workerPeak = max(d.facts.workerPeak, process.PeakMemory(w.child.Process.Pid))
}

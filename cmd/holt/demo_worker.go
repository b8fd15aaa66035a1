package main

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

	"github.com/spf13/cobra"

	"github.com/holtmq/holt/client"
)

const (
	demoHeaderReceipt = "receipt"              // of a digest's record: the lease it was computed under,
	demoHeaderTry     = "try"                  // and the how manieth try to publish it this was
	demoRetry         = 100 * time.Millisecond // before a digest's publish is repeated
)

// newDemoWorkerCommand is the demo's worker process. It ends when its standard input does, which is when the demo does.
func (a *app) newDemoWorkerCommand() *cobra.Command {
	var member, dir string
	var concurrency int
	cmd := &cobra.Command{
		Use: "worker", Short: "Run a worker of the demo", Args: cobra.NoArgs, Hidden: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithCancel(cmd.Context())
			defer cancel()
			go func() {
				_, _ = io.Copy(io.Discard, a.stdin)
				cancel()
			}()
			return a.demoHash(ctx, dir, member, concurrency)
		},
	}
	f := cmd.Flags()
	f.StringVar(&dir, "dir", ".", "`tree` of the files")
	f.StringVar(&member, "member", "", "name of this worker")
	f.IntVar(&concurrency, "concurrency", 1, "files hashed at a time")
	return cmd
}

// demoHash works until ctx ends, and tells the demo on standard output what it is given and what it settles.
func (a *app) demoHash(ctx context.Context, dir, member string, concurrency int) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	tell := newDemoTeller(a.stdout)
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 4 * concurrency
	watch := &http.Client{Transport: &demoTap{next: transport, tell: tell}}
	c, err := client.New(a.server, client.WithName("holt demo worker"), client.WithHTTPClient(watch))
	if err != nil {
		return err
	}
	defer transport.CloseIdleConnections()
	h := &demoHasher{client: c, root: root}
	trouble := client.OnError(func(err error) { tell.event(demoEvent{Kind: demoTrouble, Text: err.Error()}) })
	return c.Work(ctx, demoGroup, h.handle, client.Concurrency(concurrency), client.Member(member), trouble)
}

// demoHasher does the jobs of one worker.
type demoHasher struct {
	client *client.Client
	root   *os.Root
}

// handle publishes the file's digest. Work acks the job afterwards: a worker that dies in between leaves a digest
// behind, and the job comes again.
func (h *demoHasher) handle(ctx context.Context, r *client.Record) error {
	var job demoJob
	if err := r.JSON(&job); err != nil {
		return client.Reject(err)
	}
	digest, err := hashFile(h.root, job.Path)
	if err != nil {
		return err
	}
	for try := 1; ; try++ {
		err := h.client.Publish(ctx, demoDigests, client.JSON(digest), client.Key(job.Path),
			client.Header(demoHeaderReceipt, r.Receipt), client.Header(demoHeaderTry, strconv.Itoa(try)))
		if !client.Temporary(err) || ctx.Err() != nil {
			return err
		}
		pauseFor(ctx, demoRetry)
	}
}

// demoWorker is a worker process as the demo sees it.
type demoWorker struct {
	name  string
	child *demoChild
	stdin io.Closer
}

func (d *demo) startWorker() error {
	w := &demoWorker{name: fmt.Sprintf("worker-%d", d.history.nextWorker())}
	log, err := os.OpenFile(d.workerLog(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(d.self, "demo", "worker", "--server", d.server.address, "--dir", d.root,
		"--member", w.name, "--concurrency", fmt.Sprint(d.cfg.Concurrency))
	cmd.Stderr = log
	if w.stdin, err = cmd.StdinPipe(); err != nil {
		return err
	}
	w.child, err = d.children.start(cmd, func(stdout io.Reader) { d.history.listen(w.name, stdout) })
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
		wg.Go(func() { errs[i] = w.child.await() })
	}
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			return fmt.Errorf("stop %s: %w: %s", d.workers[i].name, err, tailOf(d.workerLog()))
		}
	}
	return nil
}

func (d *demo) notePeak(w *demoWorker) {
	d.facts.workerPeak = max(d.facts.workerPeak, peakMemory(w.child.process.Pid))
}

package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/holtmq/holt/client"
	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/cmd/holt/process"
)

// What the demo makes on its server.
const (
	filesTopic   = "demo.files"   // a record per file to hash, key = its path
	digestsTopic = "demo.digests" // a record per digest, key = the path
	hashGroup    = "demo.hash"
	lettersTopic = hashGroup + ".dlq"
)

// The group's settings: short, so that what a killed worker held comes back while the demo still runs.
const (
	leaseTime    = 2 * time.Second
	MaxAttempts  = 3
	firstBackoff = 200 * time.Millisecond
)

// Limits of the flags.
const (
	MaxJobs        = 100_000
	MaxWorkers     = 64
	MaxConcurrency = 100
	Planted        = 6 // unreadable files among the jobs
)

// Config is what a demo can be told.
type Config struct {
	Dir         string // tree of files; "" = src of the Go installation
	Jobs        int    // 0 = every file, at most MaxJobs
	Workers     int
	Concurrency int // files a worker hashes at a time
	Seed        uint64
	Keep        bool
}

// Validate says what of it is out of its limits.
func (c *Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(c.Jobs >= 0 && c.Jobs <= MaxJobs, "--jobs %d: 0 (all) to %d", c.Jobs, MaxJobs)
	check(c.Workers >= 1 && c.Workers <= MaxWorkers, "--workers %d: 1 to %d", c.Workers, MaxWorkers)
	check(c.Concurrency >= 1 && c.Concurrency <= MaxConcurrency, "--concurrency %d: 1 to %d", c.Concurrency, MaxConcurrency)
	return errors.Join(errs...)
}

// Console is where a demo says how it goes.
type Console struct {
	Say func(format string, args ...any) // writes a line of prose
	Bar io.Writer                        // a terminal to draw a bar on; nil: lines tell how far it is
}

// Run runs the whole demo with the program at self as server and workers. The report says what came of it; an
// error is only what kept it from getting that far.
func Run(ctx context.Context, self string, cfg Config, out Console) (report *Report, err error) {
	root, err := findTree(ctx, cfg.Dir)
	if err != nil {
		return nil, err
	}
	jobs, err := listJobs(root, cfg.Jobs, cfg.Seed)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "holt-demo-")
	if err != nil {
		return nil, err
	}
	children := process.NewChildren()
	defer func() {
		children.Close()
		err = errors.Join(err, leaveDir(dir, cfg.Keep, out))
	}()
	d := &demo{
		out: out, cfg: cfg, self: self, dir: dir, root: root, jobs: jobs, children: children,
		rng: rand.New(rand.NewPCG(cfg.Seed, 1)), history: newHistory(),
	}
	return d.run(ctx)
}

func leaveDir(dir string, keep bool, out Console) error {
	if keep {
		out.Say("kept: %s", dir)
		return nil
	}
	return os.RemoveAll(dir)
}

// demo is one run.
type demo struct {
	out  Console
	cfg  Config
	self string // this program
	dir  string // temporary
	root string // of the files
	jobs []job
	rng  *rand.Rand

	children *process.Children
	server   *process.Server
	workers  []*worker
	client   *client.Client
	history  *history
	progress *progress

	facts facts
}

// facts are measured while the demo runs.
type facts struct {
	begin       time.Time
	publishTook time.Duration
	workerKills int
	killedHeld  int // leases that killed workers held
	serverKills int
	restart     span
	serverAway  time.Duration
	stalled     bool
	serverPeak  int64 // bytes; 0 = not measured
	workerPeak  int64
}

func (d *demo) run(ctx context.Context) (*Report, error) {
	d.facts.begin = time.Now()
	if err := d.startServer(ctx); err != nil {
		return nil, err
	}
	defer d.client.Close()
	if err := d.prepare(ctx); err != nil {
		return nil, err
	}
	if err := d.work(ctx); err != nil {
		return nil, err
	}
	d.out.Say("checking every digest…")
	evidence, err := d.gather(ctx)
	if err != nil {
		return nil, err
	}
	return newReport(d.cfg, d.root, &d.facts, evidence, verdict(evidence)), nil
}

func (d *demo) startServer(ctx context.Context) error {
	s, err := d.children.NewServer(ctx, d.self, filepath.Join(d.dir, "data"), filepath.Join(d.dir, "server.log"))
	if err != nil {
		return err
	}
	d.server = s
	d.client, err = client.New(s.Address, client.WithName("holt demo"))
	return err
}

// prepare makes topics and group.
func (d *demo) prepare(ctx context.Context) error {
	for _, topic := range []string{filesTopic, digestsTopic} {
		if _, err := d.client.PutTopic(ctx, topic, nil); err != nil {
			return fmt.Errorf("make topic %s: %w", topic, err)
		}
	}
	_, err := d.client.PutGroup(ctx, hashGroup, map[string]any{
		"topics": []string{filesTopic}, "lease": api.Duration(leaseTime), "max_attempts": MaxAttempts,
		"backoff": map[string]any{"initial": api.Duration(firstBackoff)},
	})
	if err != nil {
		return fmt.Errorf("make group %s: %w", hashGroup, err)
	}
	return nil
}

// work publishes the jobs and lets the workers do them, faults included, until all are settled.
func (d *demo) work(ctx context.Context) error {
	for range d.cfg.Workers {
		if err := d.startWorker(); err != nil {
			return err
		}
	}
	d.out.Say("%d jobs: files of %s; %d workers, seed %d", len(d.jobs), d.root, d.cfg.Workers, d.cfg.Seed)
	ctx, cancel := context.WithCancel(ctx)
	d.progress = newProgress(len(d.jobs), d.out)
	published := make(chan error, 1)
	var wg sync.WaitGroup
	wg.Go(func() { published <- d.publish(ctx) })
	err := d.watch(ctx, published)
	cancel()
	wg.Wait()
	d.progress.finish()
	if err != nil {
		return err
	}
	if d.facts.stalled { // they may hang, too
		for _, w := range d.workers {
			w.child.Kill()
		}
		return nil
	}
	return d.stopWorkers()
}

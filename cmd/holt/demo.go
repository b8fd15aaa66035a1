package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/holtmq/holt/client"
	"github.com/holtmq/holt/client/api"
)

// What the demo makes on its server.
const (
	demoFiles   = "demo.files"   // a record per file to hash, key = its path
	demoDigests = "demo.digests" // a record per digest, key = the path
	demoGroup   = "demo.hash"
	demoLetters = demoGroup + ".dlq"
)

// The group's settings: short, so that what a killed worker held comes back while the demo still runs.
const (
	demoLease       = 2 * time.Second
	demoMaxAttempts = 3
	demoBackoff     = 200 * time.Millisecond
)

// Limits of the flags.
const (
	maxDemoJobs        = 100_000
	maxDemoWorkers     = 64
	maxDemoConcurrency = 100
	demoPlanted        = 6 // unreadable files among the jobs
)

// demoConfig is what "holt demo" can be told.
type demoConfig struct {
	Dir         string // tree of files; "" = src of the Go installation
	Jobs        int    // 0 = every file, at most maxDemoJobs
	Workers     int
	Concurrency int // files a worker hashes at a time
	Seed        uint64
	Keep        bool
}

func (c *demoConfig) validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(c.Jobs >= 0 && c.Jobs <= maxDemoJobs, "--jobs %d: 0 (all) to %d", c.Jobs, maxDemoJobs)
	check(c.Workers >= 1 && c.Workers <= maxDemoWorkers, "--workers %d: 1 to %d", c.Workers, maxDemoWorkers)
	check(c.Concurrency >= 1 && c.Concurrency <= maxDemoConcurrency, "--concurrency %d: 1 to %d", c.Concurrency, maxDemoConcurrency)
	return errors.Join(errs...)
}

func (a *app) newDemoCommand() *cobra.Command {
	var cfg demoConfig
	cmd := &cobra.Command{
		Use: "demo", Short: "Hash a source tree with workers that are killed, and check that nothing is lost", Args: cobra.NoArgs,
		Long: `Start a server on a temporary directory, publish a job for each file of the Go installation's sources, and let
worker processes compute the SHA-256 of each. Workers are killed with SIGKILL now and then, the server once half-way.
A few planted files cannot be read: they end as dead letters.

At the end every digest is compared with a direct computation. The exit code is 1 if a job was lost, delivered again
after its ack was answered, or if a digest is wrong.`,
		Example: "  holt demo\n  holt demo --dir ~/photos --jobs 5000 --workers 4",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cfg.validate(); err != nil {
				return &usageError{err.Error()}
			}
			if !cmd.Flags().Changed("seed") {
				cfg.Seed = rand.Uint64N(1e6)
			}
			if !a.asJSON && !cmd.Flags().Changed("output") {
				a.format = formatTable // a report is for people, in a log, too
			}
			return a.demo(cmd.Context(), cfg)
		},
	}
	f := cmd.Flags()
	f.StringVar(&cfg.Dir, "dir", "", "`tree` of files to hash (default: the sources of the Go installation)")
	f.IntVar(&cfg.Jobs, "jobs", 0, "hash only this many of the files (default: all)")
	f.IntVar(&cfg.Workers, "workers", 8, "worker processes")
	f.IntVar(&cfg.Concurrency, "concurrency", 4, "files that a worker hashes at a time")
	f.Uint64Var(&cfg.Seed, "seed", 0, "chooses the order of the jobs and which workers are killed when (default: random)")
	f.BoolVar(&cfg.Keep, "keep", false, "keep the temporary directory with data and server log")
	cmd.AddCommand(a.newDemoWorkerCommand())
	return cmd
}

func (a *app) demo(ctx context.Context, cfg demoConfig) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the own program: %w", err)
	}
	report, err := a.runDemo(ctx, self, cfg)
	if err != nil {
		return err
	}
	if err := a.showDemo(report); err != nil {
		return err
	}
	return report.err()
}

// runDemo runs the whole demo with the program at self as server and workers. The report says what came of it; an
// error is only what kept it from getting that far.
func (a *app) runDemo(ctx context.Context, self string, cfg demoConfig) (report *demoReport, err error) {
	root, err := demoTree(ctx, cfg.Dir)
	if err != nil {
		return nil, err
	}
	jobs, err := demoJobs(root, cfg.Jobs, cfg.Seed)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "holt-demo-")
	if err != nil {
		return nil, err
	}
	children := newDemoChildren()
	defer func() {
		children.close()
		err = errors.Join(err, a.leaveDemoDir(dir, cfg.Keep))
	}()
	d := &demo{
		app: a, cfg: cfg, self: self, dir: dir, root: root, jobs: jobs, children: children,
		rng: rand.New(rand.NewPCG(cfg.Seed, 1)), history: newDemoHistory(),
	}
	return d.run(ctx)
}

func (a *app) leaveDemoDir(dir string, keep bool) error {
	if keep {
		a.say("kept: %s", dir)
		return nil
	}
	return os.RemoveAll(dir)
}

// demo is one run.
type demo struct {
	app  *app
	cfg  demoConfig
	self string // this program
	dir  string // temporary
	root string // of the files
	jobs []demoJob
	rng  *rand.Rand

	children *demoChildren
	server   *demoServer
	workers  []*demoWorker
	client   *client.Client
	history  *demoHistory
	progress *demoProgress

	facts demoFacts
}

// demoFacts are measured while the demo runs.
type demoFacts struct {
	begin       time.Time
	publishTook time.Duration
	workerKills int
	killedHeld  int // leases that killed workers held
	serverKills int
	restart     demoSpan
	serverAway  time.Duration
	stalled     bool
	serverPeak  int64 // bytes; 0 = not measured
	workerPeak  int64
}

func (d *demo) run(ctx context.Context) (*demoReport, error) {
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
	d.app.say("checking every digest…")
	evidence, err := d.gather(ctx)
	if err != nil {
		return nil, err
	}
	return newDemoReport(d.cfg, d.root, &d.facts, evidence, judgeDemo(evidence)), nil
}

func (d *demo) startServer(ctx context.Context) error {
	s, err := d.children.newServer(ctx, d.self, filepath.Join(d.dir, "data"), filepath.Join(d.dir, "server.log"))
	if err != nil {
		return err
	}
	d.server = s
	d.client, err = client.New(s.address, client.WithName("holt demo"))
	return err
}

// prepare makes topics and group.
func (d *demo) prepare(ctx context.Context) error {
	for _, topic := range []string{demoFiles, demoDigests} {
		if _, err := d.client.PutTopic(ctx, topic, nil); err != nil {
			return fmt.Errorf("make topic %s: %w", topic, err)
		}
	}
	_, err := d.client.PutGroup(ctx, demoGroup, map[string]any{
		"topics": []string{demoFiles}, "lease": api.Duration(demoLease), "max_attempts": demoMaxAttempts,
		"backoff": map[string]any{"initial": api.Duration(demoBackoff)},
	})
	if err != nil {
		return fmt.Errorf("make group %s: %w", demoGroup, err)
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
	d.app.say("%d jobs: files of %s; %d workers, seed %d", len(d.jobs), d.root, d.cfg.Workers, d.cfg.Seed)
	ctx, cancel := context.WithCancel(ctx)
	d.progress = d.app.newDemoProgress(len(d.jobs))
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
			w.child.kill()
		}
		return nil
	}
	return d.stopWorkers()
}

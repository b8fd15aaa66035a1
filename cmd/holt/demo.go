package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"

	"github.com/spf13/cobra"

	"github.com/holtmq/holt/cmd/holt/demo"
)

func (a *app) newDemoCommand() *cobra.Command {
	var cfg demo.Config
	cmd := &cobra.Command{
		Use: "demo", Short: "Hash a source tree with workers that are killed, and check that nothing is lost", Args: cobra.NoArgs,
		Long: `Start a server on a temporary directory, publish a job for each file of the Go installation's sources, and let
worker processes compute the SHA-256 of each. Workers are killed with SIGKILL now and then, the server once half-way.
A few planted files cannot be read: they end as dead letters.

At the end every digest is compared with a direct computation. The exit code is 1 if a job was lost, delivered again
after its ack was answered, or if a digest is wrong.`,
		Example: "  holt demo\n  holt demo --dir ~/photos --jobs 5000 --workers 4",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cfg.Validate(); err != nil {
				return &usageError{err.Error()}
			}
			if !cmd.Flags().Changed("seed") {
				cfg.Seed = rand.Uint64N(1e6)
			}
			if !a.asJSON && !cmd.Flags().Changed("output") {
				a.format = formatTable // a report is for people, in a log, too
			}
			return a.runDemo(cmd.Context(), cfg)
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

func (a *app) runDemo(ctx context.Context, cfg demo.Config) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the own program: %w", err)
	}
	out := demo.Console{Say: a.say}
	if isTerminal(a.stderr) {
		out.Bar = a.stderr
	}
	report, err := demo.Run(ctx, self, cfg, out)
	if err != nil {
		return err
	}
	if err := a.showDemo(report); err != nil {
		return err
	}
	return report.Err()
}

// newDemoWorkerCommand is the demo's worker process. It ends when its standard input does, which is when the demo does.
func (a *app) newDemoWorkerCommand() *cobra.Command {
	var cfg demo.WorkConfig
	cmd := &cobra.Command{
		Use: "worker", Short: "Run a worker of the demo", Args: cobra.NoArgs, Hidden: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithCancel(cmd.Context())
			defer cancel()
			go func() {
				_, _ = io.Copy(io.Discard, a.stdin)
				cancel()
			}()
			cfg.Server = a.server
			return demo.Work(ctx, cfg, a.stdout)
		},
	}
	f := cmd.Flags()
	f.StringVar(&cfg.Dir, "dir", ".", "`tree` of the files")
	f.StringVar(&cfg.Member, "member", "", "name of this worker")
	f.IntVar(&cfg.Concurrency, "concurrency", 1, "files hashed at a time")
	return cmd
}

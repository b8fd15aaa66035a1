package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/holtmq/holt/cmd/holt/bench"
	"github.com/holtmq/holt/cmd/holt/process"
)

func (a *app) newBenchCommand() *cobra.Command {
	s := bench.Setting{Producers: 4, Workers: 4, Batch: 100, Size: 100, Topics: 1, Partitions: 4, Ordering: "none"}
	var cfg bench.Config
	var compare string
	cmd := &cobra.Command{
		Use: "bench", Short: "Measure a server under load: publish, lease and ack, and both at once", Args: takes(0, 0),
		Long: `Measure a server under load, in three scenarios: publish; lease and ack of what was published; both at once.
Without --server it starts one of its own, in a process of its own on a temporary directory, and takes it away after.
On the server that --server names it makes topics and a group of its own and deletes them.

The figures are those of this machine at this moment, client and server on the same cores: they say nothing about
others. Ratios within a run say more. --compare measures two settings in turns, and gives the ratio of each round, so
that the noise shows: the settings stand on both sides of a colon, and what one does not name is as the flags say.

A scenario ends after --seconds, after 1 GiB of values, or when everything is acked.`,
		Example: "  holt bench --batch 1\n" +
			"  holt bench --compare batch=1:batch=100\n" +
			"  holt bench --compare keys=0:keys=1000,ordering=key --rounds 5\n" +
			"  holt bench --compare ride=false:ride=true --batch 1 --json",
	}
	f := cmd.Flags()
	f.IntVar(&s.Producers, "producers", s.Producers, "clients that publish")
	f.IntVar(&s.Workers, "workers", s.Workers, "clients that lease and ack")
	f.IntVar(&s.Batch, "batch", s.Batch, "records of a publish, and of a lease at most")
	f.IntVar(&s.Size, "size", s.Size, "`bytes` of a value")
	f.IntVar(&s.Topics, "topics", s.Topics, "topics, all read by one group")
	f.IntVar(&s.Partitions, "partitions", s.Partitions, "partitions of each topic")
	f.IntVar(&s.Keys, "keys", s.Keys, "different keys, 0 = records have none")
	f.StringVar(&s.Ordering, "ordering", s.Ordering, "of the group: none or key")
	f.BoolVar(&s.Ride, "ride", s.Ride, "settle with the next lease, in one call")
	f.Float64Var(&cfg.Seconds, "seconds", 5, "how long each scenario takes at most")
	f.IntVar(&cfg.Rounds, "rounds", 0, "how often all of it is done (default 1, with --compare 3)")
	f.StringVar(&compare, "compare", "", "two `settings` to measure in turns, as in batch=1:batch=100")
	_ = cmd.RegisterFlagCompletionFunc("ordering", fixedCompletion("none", "key"))
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var err error
		if cfg.Settings, err = bench.Sides(s, compare); err == nil {
			err = cfg.Validate()
		}
		if err != nil {
			return &usageError{err.Error()}
		}
		return a.bench(cmd.Context(), cfg, cmd.Flags().Changed("server"))
	}
	return cmd
}

// bench measures, and prints what came out. Without a server that was given it starts one.
func (a *app) bench(ctx context.Context, cfg bench.Config, given bool) error {
	if !given {
		stop, err := a.benchServer(ctx)
		if err != nil {
			return err
		}
		defer stop()
	}
	cfg.Own, cfg.Connect, cfg.Say = !given, a.client, a.say
	r, err := bench.Run(ctx, cfg)
	if err != nil {
		return err
	}
	return a.one(row{"bench", r, nil}, func() error { return a.showBench(r) })
}

// benchServer starts a server that the other calls of a go to; stop ends it and removes its data.
func (a *app) benchServer(ctx context.Context) (stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find the own program: %w", err)
	}
	dir, err := os.MkdirTemp("", "holt-bench-")
	if err != nil {
		return nil, err
	}
	children := process.NewChildren()
	s, err := children.NewServer(ctx, self, filepath.Join(dir, "data"), filepath.Join(dir, "server.log"))
	stop = func() {
		if err == nil {
			if err := s.Stop(); err != nil {
				a.say("holt: %v", err)
			}
		}
		children.Close()
		if err := os.RemoveAll(dir); err != nil {
			a.say("holt: %v", err)
		}
	}
	if err != nil {
		stop()
		return nil, err
	}
	a.server = s.Address
	return stop, nil
}

package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/holtmq/holt/client"
	"github.com/holtmq/holt/cmd/holt/process"
)

// Limits of a bench.
const (
	maxBenchClients = 1000
	maxBenchBatch   = 1000
	maxBenchSize    = 1 << 20
	maxBenchTopics  = 100
	maxBenchParts   = 1000
	maxBenchKeys    = 10_000_000
	maxBenchSeconds = 3600
	maxBenchRounds  = 100
	benchCleanup    = 30 * time.Second
)

// benchSetting is what the load is made of.
type benchSetting struct {
	Producers  int    `json:"producers"`
	Workers    int    `json:"workers"`
	Batch      int    `json:"batch"` // records of a publish, and of a lease at most
	Size       int    `json:"size"`  // bytes of a value
	Topics     int    `json:"topics"`
	Partitions int    `json:"partitions"` // of each topic
	Keys       int    `json:"keys"`       // 0 = none
	Ordering   string `json:"ordering"`
	Ride       bool   `json:"ride"` // settles go with the next lease
}

// set changes one field by its name.
func (s *benchSetting) set(name, value string) error {
	if name == "ordering" {
		s.Ordering = value
		return nil
	}
	if name == "ride" {
		b, err := strconv.ParseBool(value)
		if err != nil {
			return usagef("ride=%s: true or false", value)
		}
		s.Ride = b
		return nil
	}
	fields := map[string]*int{
		"producers": &s.Producers, "workers": &s.Workers, "batch": &s.Batch, "size": &s.Size,
		"topics": &s.Topics, "partitions": &s.Partitions, "keys": &s.Keys,
	}
	field := fields[name]
	if field == nil {
		return usagef("%q: a setting is one of producers, workers, batch, size, topics, partitions, keys, ordering and ride", name)
	}
	n, err := strconv.Atoi(value)
	if err != nil {
		return usagef("%s=%s: not a whole number", name, value)
	}
	*field = n
	return nil
}

func (s *benchSetting) check() error {
	for _, f := range []struct {
		name              string
		value, least, top int
	}{
		{"producers", s.Producers, 1, maxBenchClients}, {"workers", s.Workers, 1, maxBenchClients}, {"batch", s.Batch, 1, maxBenchBatch},
		{"size", s.Size, 1, maxBenchSize}, {"topics", s.Topics, 1, maxBenchTopics}, {"partitions", s.Partitions, 1, maxBenchParts},
		{"keys", s.Keys, 0, maxBenchKeys},
	} {
		if f.value < f.least || f.value > f.top {
			return usagef("%s %d: %d to %d", f.name, f.value, f.least, f.top)
		}
	}
	switch {
	case s.Ordering != "none" && s.Ordering != "key":
		return usagef("ordering %q: none or key", s.Ordering)
	case s.Ordering == "key" && s.Keys == 0:
		return usagef("ordering key orders nothing without keys: say how many")
	case s.Batch*s.Size > maxBenchRequest:
		return usagef("%d records of %d bytes: a request holds %d bytes", s.Batch, s.Size, maxBenchRequest)
	}
	return nil
}

// benchFlags are the flags of holt bench.
type benchFlags struct {
	setting benchSetting
	seconds float64
	rounds  int
	compare string
}

func (a *app) newBenchCommand() *cobra.Command {
	b := benchFlags{setting: benchSetting{
		Producers: 4, Workers: 4, Batch: 100, Size: 100, Topics: 1, Partitions: 4, Ordering: "none",
	}}
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
	s := &b.setting
	f.IntVar(&s.Producers, "producers", s.Producers, "clients that publish")
	f.IntVar(&s.Workers, "workers", s.Workers, "clients that lease and ack")
	f.IntVar(&s.Batch, "batch", s.Batch, "records of a publish, and of a lease at most")
	f.IntVar(&s.Size, "size", s.Size, "`bytes` of a value")
	f.IntVar(&s.Topics, "topics", s.Topics, "topics, all read by one group")
	f.IntVar(&s.Partitions, "partitions", s.Partitions, "partitions of each topic")
	f.IntVar(&s.Keys, "keys", s.Keys, "different keys, 0 = records have none")
	f.StringVar(&s.Ordering, "ordering", s.Ordering, "of the group: none or key")
	f.BoolVar(&s.Ride, "ride", s.Ride, "settle with the next lease, in one call")
	f.Float64Var(&b.seconds, "seconds", 5, "how long each scenario takes at most")
	f.IntVar(&b.rounds, "rounds", 0, "how often all of it is done (default 1, with --compare 3)")
	f.StringVar(&b.compare, "compare", "", "two `settings` to measure in turns, as in batch=1:batch=100")
	_ = cmd.RegisterFlagCompletionFunc("ordering", fixedCompletion("none", "key"))
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		settings, err := b.settings()
		if err != nil {
			return err
		}
		return a.bench(cmd.Context(), settings, &b, cmd.Flags().Changed("server"))
	}
	return cmd
}

// settings are what is to be measured, one or two.
func (b *benchFlags) settings() (out []benchSetting, err error) {
	switch {
	case !(b.seconds > 0 && b.seconds <= maxBenchSeconds):
		return nil, usagef("--seconds %g: more than 0, at most %d", b.seconds, maxBenchSeconds)
	case b.rounds < 0 || b.rounds > maxBenchRounds:
		return nil, usagef("--rounds %d: 1 to %d", b.rounds, maxBenchRounds)
	}
	sides := []string{""}
	if b.compare != "" {
		first, second, ok := strings.Cut(b.compare, ":")
		if !ok || strings.Contains(second, ":") || first == second {
			return nil, usagef("--compare %q: two settings, as in batch=1:batch=100", b.compare)
		}
		sides = []string{first, second}
	}
	if b.rounds == 0 {
		b.rounds = 2*len(sides) - 1
	}
	for _, side := range sides {
		s := b.setting
		for assignment := range strings.SplitSeq(side, ",") {
			name, value, ok := strings.Cut(strings.TrimSpace(assignment), "=")
			if side == "" {
				break
			}
			if !ok {
				return nil, usagef("%q: a setting is written as in batch=100", assignment)
			}
			if err := s.set(name, value); err != nil {
				return nil, err
			}
		}
		if err := s.check(); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// bench measures the settings in turns and prints what came out.
func (a *app) bench(ctx context.Context, settings []benchSetting, b *benchFlags, given bool) (err error) {
	if !given {
		stop, err := a.benchServer(ctx)
		if err != nil {
			return err
		}
		defer stop()
	}
	c, err := a.client()
	if err != nil {
		return err
	}
	defer c.Close()
	info, err := c.Info(ctx)
	if err != nil {
		return err
	}
	r := newBenchReport(settings, b)
	r.Server = benchServerInfo{Version: info.Version, Engine: info.Engine, Own: !given}
	limit := time.Duration(b.seconds * float64(time.Second))
	for i, s := range settings {
		a.say("warming up%s", r.label(i))
		if _, err := a.benchTurn(ctx, c, s, []benchScenario{scenarioBoth}, min(limit, time.Second)); err != nil {
			return err
		}
	}
	for round := 1; round <= b.rounds; round++ {
		for _, i := range benchOrder(len(settings), round) {
			for _, scenarios := range [][]benchScenario{{scenarioPublish, scenarioDrain}, {scenarioBoth}} {
				results, err := a.benchTurn(ctx, c, settings[i], scenarios, limit)
				for _, res := range results {
					r.add(i, round, res)
					a.say("round %d of %d%s, %s", round, b.rounds, r.label(i), res.summary())
				}
				if err != nil {
					return err
				}
			}
		}
	}
	r.finish()
	return a.one(row{"bench", r, nil}, func() error { return a.showBench(r) })
}

// benchOrder is the order of the settings in a round: it turns round by round, so that a machine that becomes slower
// or faster favours none.
func benchOrder(n, round int) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	if round%2 == 0 {
		slices.Reverse(order)
	}
	return order
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

// benchTurn measures scenarios of one setting, one after the other, on topics and a group made for them.
func (a *app) benchTurn(ctx context.Context, c *client.Client, s benchSetting, scenarios []benchScenario, limit time.Duration) (results []benchResult, err error) {
	l := &benchLoad{app: a, setting: s, group: "bench-" + rand.Text()[:10], tick: benchTick}
	for i := range s.Topics {
		l.topics = append(l.topics, fmt.Sprintf("%s-%d", l.group, i))
	}
	defer func() { err = errors.Join(err, l.remove(c)) }()
	if err := l.prepare(ctx, c); err != nil {
		return nil, err
	}
	for _, scenario := range scenarios {
		res, err := l.run(ctx, scenario, limit)
		if err != nil {
			return results, fmt.Errorf("%s: %w", scenario, err)
		}
		results = append(results, res)
	}
	return results, nil
}

package main

import (
	"context"
	"errors"
	"os/exec"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/holtmq/holt/client"
)

const maxConcurrency = 10_000

// workFlags are the flags of holt work.
type workFlags struct {
	topics      []string
	concurrency int
	lease       time.Duration
	member      string
	drain       bool
}

func (a *app) newWorkCommand() *cobra.Command {
	var w workFlags
	cmd := &cobra.Command{
		Use:   "work GROUP --topic TOPIC [flags] -- CMD [ARG…]",
		Short: "Run a command for each record",
		Long: `Run a command for each record of a group: the value on its standard input, the rest in its environment.

  HOLT_TOPIC HOLT_PARTITION HOLT_OFFSET HOLT_TIMESTAMP   where and when it was published
  HOLT_KEY                                               its key; absent without one
  HOLT_HEADER_NAME                                       a header; name in upper case, what is no letter or digit is _
  HOLT_ATTEMPT HOLT_DELIVERIES HOLT_RECEIPT HOLT_GROUP   its lease

A key or header that is no text is in HOLT_KEY_BASE64 or HOLT_HEADER_NAME_BASE64 instead; HOLT_TOMBSTONE=1 is set
for a record without a value.

Exit code 0 acks the record, 65 rejects it (it becomes a dead letter), anything else fails it, to be tried again after
the group's backoff; the last line of standard error is kept as the error. Leases are extended while the command runs;
when one is lost the command gets SIGTERM, and SIGKILL 5 seconds later.

SIGTERM or SIGINT stops leasing and waits for the running commands; a second one ends them at once.`,
		Example: "  holt work mailer --topic emails --concurrency 8 -- ./send-mail",
		RunE: func(cmd *cobra.Command, args []string) error {
			dash := cmd.ArgsLenAtDash()
			switch {
			case dash < 0 || len(args) == dash:
				return usagef("the command is missing: it stands after --")
			case dash != 1:
				return usagef("one GROUP stands before --, not %d arguments", dash)
			case w.concurrency < 1 || w.concurrency > maxConcurrency:
				return usagef("--concurrency %d: 1 to %d", w.concurrency, maxConcurrency)
			}
			return a.work(cmd.Context(), args[0], args[1:], &w)
		},
		ValidArgsFunction: a.completeGroups(false),
	}
	f := cmd.Flags()
	f.StringSliceVarP(&w.topics, "topic", "t", nil, "only this `topic`; several times for several. Makes a missing group")
	f.IntVarP(&w.concurrency, "concurrency", "c", 1, "commands that run at a time")
	addDuration(f, &w.lease, "lease", "length of the leases (default: the group's)")
	f.StringVar(&w.member, "member", "", "name of this worker (default: host name and a random suffix)")
	f.BoolVar(&w.drain, "drain", false, "end when the group has settled everything there is")
	_ = cmd.RegisterFlagCompletionFunc("topic", a.completeTopics(true))
	return cmd
}

func (a *app) work(ctx context.Context, group string, argv []string, w *workFlags) error {
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return err // before a record is leased for nothing
	}
	c, err := a.client()
	if err != nil {
		return err
	}
	opts := []client.WorkOption{
		client.Concurrency(w.concurrency), client.LeaseFor(w.lease), client.OnError(a.newTrouble().report),
		client.Topics(w.topics...),
	}
	if w.member != "" {
		opts = append(opts, client.Member(w.member))
	}
	run := &command{
		group: group, path: path, args: argv,
		stdout: &sharedWriter{mu: &a.outMu, w: a.stdout}, stderr: &sharedWriter{mu: &a.errMu, w: a.stderr},
	}
	defer run.endAtSecondSignal()()
	said := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(said)
		a.say("holt: stopping; waiting for the commands that run")
	})
	working, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if w.drain {
		go func() { cancel(awaitDrained(working, c, group)) }()
	}
	err = c.Work(working, group, run.handle, opts...)
	if why := context.Cause(working); err == nil && w.drain && ctx.Err() == nil && !errors.Is(why, context.Canceled) {
		err = why
	}
	if !stop() {
		<-said
	}
	if isTerminal(a.stderr) {
		a.say("holt: %s", &run.tally)
	}
	return err
}

// drainEvery is how often a worker that is to end with its work asks whether any is left.
const drainEvery = 200 * time.Millisecond

// awaitDrained returns once nothing is left for a group to settle. Errors: that the server does not say.
func awaitDrained(ctx context.Context, c *client.Client, group string) error {
	tick := time.NewTicker(drainEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		switch g, err := c.GroupSummary(ctx, group); {
		case err == nil && g.Totals.Lag == 0:
			return nil
		case err != nil && !client.Temporary(err) && !errors.Is(err, client.ErrGroupNotFound): // the worker's first lease makes it
			return err
		}
	}
}

const troublePause = 5 * time.Second // between two lines about a server that is away

// trouble reports what the worker copes with on its own. A server that is away fails many calls at a time: it is one line.
type trouble struct {
	app *app

	mu   sync.Mutex
	next time.Time // for a line about something temporary
}

func (a *app) newTrouble() *trouble { return &trouble{app: a} }

func (t *trouble) report(err error) {
	if client.Temporary(err) {
		t.mu.Lock()
		now := time.Now()
		quiet := now.Before(t.next)
		if !quiet {
			t.next = now.Add(troublePause)
		}
		t.mu.Unlock()
		if quiet {
			return
		}
	}
	t.app.say("holt: %v", err)
}

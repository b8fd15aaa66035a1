package main

import (
	"context"
	"errors"
	"os/exec"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/holtmq/holt/client"
	"github.com/holtmq/holt/client/api"
)

// consumeFlags are the flags of holt consume.
type consumeFlags struct {
	topics  []string
	member  string
	session time.Duration
	atOnce  int
	max     int
	idle    time.Duration
	drain   bool
}

func (a *app) newConsumeCommand() *cobra.Command {
	var f consumeFlags
	cmd := &cobra.Command{
		Use:   "consume GROUP --topic TOPIC [flags] [-- CMD [ARG…]]",
		Short: "Read topics in order as a member of an ordered group",
		Long: `Read topics as a member of an ordered group: each partition in order, by one member at a time. The group remembers how far
it is; what was printed, or handled, is committed, and the next run goes on there.

Records are printed, or with a command it is run for each: the value on its standard input, the rest in HOLT_TOPIC, HOLT_PARTITION,
HOLT_OFFSET, HOLT_TIMESTAMP, HOLT_KEY, HOLT_HEADER_NAME and HOLT_GROUP, as for holt work. A command that fails ends it: the record
comes again at the next run, for what follows must not overtake it.

It waits for more until it is interrupted, or has --max records, or nothing came for --idle; with --drain it ends when all there is has been read. With --member the member comes back as the
same one: within --session its partitions wait for it.`,
		Example: "  holt consume billing --topic orders\n" +
			"  holt consume billing --topic orders --member reader-1 -- ./book",
		RunE: func(cmd *cobra.Command, args []string) error {
			dash := cmd.ArgsLenAtDash()
			if dash < 0 {
				dash = len(args)
			}
			switch {
			case dash != 1:
				return usagef("one GROUP is given, not %d arguments", dash)
			case cmd.ArgsLenAtDash() >= 0 && len(args) == dash:
				return usagef("the command is missing: it stands after --")
			case f.atOnce < 1 || f.atOnce > maxConcurrency:
				return usagef("--at-once %d: 1 to %d", f.atOnce, maxConcurrency)
			case f.max < 0:
				return usagef("--max %d: at least 0", f.max)
			}
			return a.consume(cmd.Context(), args[0], args[1:], &f)
		},
		ValidArgsFunction: a.completeGroups(false),
	}
	fs := cmd.Flags()
	fs.StringSliceVarP(&f.topics, "topic", "t", nil, "only this `topic`; several times for several. Makes a missing group")
	fs.StringVar(&f.member, "member", "", "an id that the member keeps over its restarts")
	addDuration(fs, &f.session, "session", "how long the member may be silent (default 30s)")
	fs.IntVar(&f.atOnce, "at-once", 1, "partitions that are worked on at a time")
	fs.IntVarP(&f.max, "max", "n", 0, "records to read, 0 = all")
	fs.BoolVar(&f.drain, "drain", false, "end when all there is has been read")
	addDuration(fs, &f.idle, "idle", "end when nothing came for so long (default: never)")
	_ = cmd.RegisterFlagCompletionFunc("topic", a.completeTopics(true))
	return cmd
}

// consume reads until it is to end. Its records are handled one at a time and partition, and committed after that.
func (a *app) consume(ctx context.Context, group string, argv []string, f *consumeFlags) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	if a.format == formatJSON {
		a.format = formatNDJSON // a document would never end
	}
	out := &consumed{app: a, most: f.max, idle: f.idle, printer: a.newPrinter()}
	handle := out.print
	if len(argv) > 0 {
		path, err := exec.LookPath(argv[0])
		if err != nil {
			return err
		}
		run := &command{
			group: group, path: path, args: argv,
			stdout: &sharedWriter{mu: &a.outMu, w: a.stdout}, stderr: &sharedWriter{mu: &a.errMu, w: a.stderr},
		}
		handle = run.handle
		defer run.endAtSecondSignal()()
	}
	ctx, out.stop = context.WithCancel(ctx)
	defer out.stop()
	opts := []client.ConsumeOption{client.FromTopics(f.topics...), client.AtOnce(f.atOnce), client.OnConsumeError(a.newTrouble().report)}
	if f.member != "" {
		opts = append(opts, client.StaticMember(f.member))
	}
	if f.session > 0 {
		opts = append(opts, client.Session(f.session))
	}
	if f.max > 0 {
		opts = append(opts, client.MaxRecords(min(f.max, maxConsumed)))
	}
	if f.drain {
		opts = append(opts, client.UntilEnd())
	}
	out.begin()
	defer out.end()
	err = c.Consume(ctx, group, func(ctx context.Context, r *client.Record) error { return out.one(ctx, r, handle) }, opts...)
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	return out.printer.end()
}

const maxConsumed = 1000 // records a poll asks for

// consumed counts records and ends the reading when there are enough, or none come.
type consumed struct {
	app     *app
	most    int
	idle    time.Duration
	stop    context.CancelFunc
	timer   *time.Timer // nil: it never ends for want of records
	printer *printer

	mu    sync.Mutex
	count int
}

func (c *consumed) begin() {
	if c.idle > 0 {
		c.timer = time.AfterFunc(c.idle, c.stop)
	}
}

func (c *consumed) end() {
	if c.timer != nil {
		c.timer.Stop()
	}
}

// one handles a record; those beyond the last one that was asked for are left.
func (c *consumed) one(ctx context.Context, r *client.Record, handle func(context.Context, *client.Record) error) error {
	c.mu.Lock()
	c.count++
	number := c.count
	c.mu.Unlock()
	if c.most > 0 && number > c.most {
		return errEnough
	}
	if c.timer != nil {
		c.timer.Stop()
	}
	if err := handle(ctx, r); err != nil {
		return err
	}
	if c.timer != nil {
		c.timer.Reset(c.idle)
	}
	if number == c.most {
		c.stop()
	}
	return nil
}

// errEnough leaves a record that another goroutine's last one came before.
var errEnough = errors.New("enough records were read")

// print prints a record at once.
func (c *consumed) print(_ context.Context, r *client.Record) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.app.format == formatTable {
		return c.app.recordLine(r)
	}
	return c.printer.add(row{name: placeName(r), value: storedJSON(r)})
}

// showOffsets prints what an ordered group has committed, and who reads it.
func (a *app) showOffsets(g api.Group) error {
	var rows [][]string
	for _, p := range g.Partitions {
		rows = append(rows, []string{p.Topic, showNumber(p.Partition), showNumber(p.StartOffset), showNumber(p.LogEndOffset), showNumber(p.Lag), orDash(p.Member)})
	}
	if err := a.section([]string{"TOPIC", "PARTITION", "OFFSET", "LOG END", "LAG", "MEMBER"}, rows); err != nil {
		return err
	}
	rows = nil
	for _, m := range g.Members {
		topics := "all"
		if m.Topics != nil {
			topics = showList(m.Topics)
		}
		rows = append(rows, []string{m.Member, showNumber(m.Epoch), topics, showNumber(len(m.Assignment)), m.Session.String(), showTimePointer(m.LastSeenAt)})
	}
	return a.section([]string{"MEMBER", "EPOCH", "TOPICS", "PARTITIONS", "SESSION", "LAST SEEN"}, rows)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

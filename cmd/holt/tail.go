package main

import (
	"context"
	"iter"

	"github.com/spf13/cobra"

	"github.com/holtmq/holt/client"
)

// tailFlags are the flags of holt tail.
type tailFlags struct {
	from, key string
	max       int
}

func (a *app) newTailCommand() *cobra.Command {
	var t tailFlags
	cmd := &cobra.Command{
		Use:   "tail TOPIC",
		Short: "Follow a topic; nothing is leased or counted",
		Long: "Follow all partitions of a topic, those that are added too. A connection that breaks is made again, and the tail goes on where\n" +
			"it was. Records that do not come any more, because retention was faster, are named on standard error, and so is a server that is away.",
		Example: "  holt tail emails\n" +
			"  holt tail emails --from earliest --key ann\n" +
			"  holt tail emails --from 0:17,1:20 -n 10",
		Args:              takes(1, 1),
		ValidArgsFunction: a.completeTopics(false),
		RunE: func(cmd *cobra.Command, args []string) error {
			if t.max < 0 {
				return usagef("--max %d: at least 0", t.max)
			}
			o := client.TailOptions{From: t.from}
			if cmd.Flags().Changed("key") {
				o.Key = []byte(t.key)
			}
			return a.tail(cmd.Context(), args[0], o, t.max)
		},
	}
	f := cmd.Flags()
	f.StringVar(&t.from, "from", "latest", "latest, earliest, a time, or offsets by partition as in 0:17,1:20")
	f.StringVarP(&t.key, "key", "k", "", "only records of this key")
	f.IntVarP(&t.max, "max", "n", 0, "records to follow, 0 = until interrupted")
	_ = cmd.RegisterFlagCompletionFunc("from", fixedCompletion("latest", "earliest"))
	return cmd
}

func (a *app) tail(ctx context.Context, topic string, o client.TailOptions, most int) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	if a.format == formatJSON {
		a.format = formatNDJSON // a document would never end
	}
	o.Away = func(err error) { a.say("holt: the server is away, and the tail goes on when it is back: %v", err) }
	o.Back = func() { a.say("holt: the server is back") }
	return a.printRecords(a.tailed(c.Tail(ctx, topic, o), topic), most)
}

// tailed passes on the records of a tail and says what does not come.
func (a *app) tailed(events iter.Seq2[client.TailEvent, error], topic string) iter.Seq2[*client.Record, error] {
	return func(yield func(*client.Record, error) bool) {
		for e, err := range events {
			if err == nil && e.Gap != nil {
				a.say("holt: %s/%d: records %d to %d do not come any more", topic, e.Gap.Partition, e.Gap.From, e.Gap.To-1)
				continue
			}
			if !yield(e.Record, err) {
				return
			}
		}
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/holtmq/holt/client"
	"github.com/holtmq/holt/client/api"
)

const (
	followWait  = 20 * time.Second // how long one read waits for more
	followPause = time.Second      // between tries while the server is away
)

// readFlags are the flags of holt read.
type readFlags struct {
	from       string
	key        string
	partitions []int
	max        int
	follow     bool
}

func (a *app) newReadCommand() *cobra.Command {
	var r readFlags
	cmd := &cobra.Command{
		Use:   "read TOPIC",
		Short: "Read a topic's records; nothing is leased or counted",
		Long: "Read a topic's records, all partitions merged by time, up to where they end now. With -f it goes on with what is\n" +
			"published later. With --key it is the newest record of a key, of a compacted topic.",
		Example: "  holt read emails --from 2026-01-02T15:04:05Z\n" +
			"  holt read emails -f --from latest\n" +
			"  holt read emails --partition 0 --from 17 -n 1\n" +
			"  holt read prices --key EURUSD",
		Args:              takes(1, 1),
		ValidArgsFunction: a.completeTopics(false),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("key") {
				if cmd.Flags().Changed("from") || cmd.Flags().Changed("partition") || r.follow {
					return usagef("--key: the newest record of a key has no place to begin, and no end to follow")
				}
				return a.readKey(cmd.Context(), args[0], r.key)
			}
			if r.max < 0 {
				return usagef("--max %d: at least 0", r.max)
			}
			return a.read(cmd.Context(), args[0], &r)
		},
	}
	f := cmd.Flags()
	f.StringVar(&r.from, "from", "earliest", "earliest, latest, a time, or an offset")
	f.IntSliceVarP(&r.partitions, "partition", "p", nil, "only this partition; several times for several")
	f.IntVarP(&r.max, "max", "n", 0, "records to read, 0 = all")
	f.StringVarP(&r.key, "key", "k", "", "only the newest record of this key")
	f.BoolVarP(&r.follow, "follow", "f", false, "go on with what is published later")
	_ = cmd.RegisterFlagCompletionFunc("from", fixedCompletion("earliest", "latest"))
	return cmd
}

// readKey prints the newest record of a key.
func (a *app) readKey(ctx context.Context, topic, key string) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	rec, err := c.ReadKey(ctx, topic, []byte(key))
	return a.printRecords(func(yield func(*client.Record, error) bool) { yield(rec, err) }, 0)
}

func (a *app) read(ctx context.Context, topic string, r *readFlags) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	partitions := r.partitions
	if len(partitions) == 0 {
		t, err := c.Topic(ctx, topic)
		if err != nil {
			return err
		}
		for _, p := range t.Partitions {
			partitions = append(partitions, p.Partition)
		}
	}
	if _, err := strconv.ParseInt(r.from, 10, 64); err == nil && len(partitions) != 1 {
		return usagef("--from %s: an offset goes with one --partition", r.from)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	records := merged(ctx, c, topic, partitions, r.from)
	if r.follow {
		if a.format == formatJSON {
			a.format = formatNDJSON // a document would never end
		}
		records = a.followed(ctx, c, topic, partitions, r.from)
	}
	return a.printRecords(records, r.max)
}

// printRecords prints up to most records (0: all) as they come.
func (a *app) printRecords(records iter.Seq2[*client.Record, error], most int) error {
	p := a.newPrinter()
	n := 0
	for r, err := range records {
		if err != nil {
			return err
		}
		if a.format == formatTable {
			err = a.recordLine(r)
		} else {
			err = p.add(row{name: placeName(r), value: storedJSON(r)})
		}
		if err != nil {
			return err
		}
		if n++; n == most {
			break
		}
	}
	return p.end()
}

// recordLine is a record for people: they see it at once, so its columns cannot wait for the widest.
func (a *app) recordLine(r *client.Record) error {
	line := fmt.Sprintf("%-12s  %s  %-12s  %s", placeName(r), showTime(api.Time(r.Timestamp)), plain(showKey(r)), plain(showValue(r)))
	if len(r.Headers) > 0 {
		line += "  " + plain(showHeaders(r))
	}
	_, err := fmt.Fprintln(a.stdout, line)
	return err
}

// merged reads partitions to where they end now, by time.
func merged(ctx context.Context, c *client.Client, topic string, partitions []int, from string) iter.Seq2[*client.Record, error] {
	return func(yield func(*client.Record, error) bool) {
		var heads []*head
		for _, p := range partitions {
			next, stop := iter.Pull2(c.Records(ctx, topic, p, client.ReadOptions{From: from}))
			defer stop()
			heads = append(heads, &head{next: next})
		}
		for _, h := range heads {
			h.advance()
		}
		for {
			first := oldest(heads)
			if first == nil {
				return
			}
			if !yield(first.record, first.err) || first.err != nil {
				return
			}
			first.advance()
		}
	}
}

// head is the next record of a partition; neither record nor error: the partition is read.
type head struct {
	next   func() (*client.Record, error, bool)
	record *client.Record
	err    error
}

func (h *head) advance() {
	r, err, ok := h.next()
	h.record, h.err = nil, nil
	if ok {
		h.record, h.err = r, err
	}
}

// oldest is the head to print next; an error comes first.
func oldest(heads []*head) (first *head) {
	for _, h := range heads {
		switch {
		case h.err != nil:
			return h
		case h.record == nil:
		case first == nil || h.record.Timestamp.Before(first.record.Timestamp):
			first = h
		}
	}
	return first
}

// followed reads partitions and goes on with what comes, each as soon as it is there. ctx ends it, without an error.
func (a *app) followed(ctx context.Context, c *client.Client, topic string, partitions []int, from string) iter.Seq2[*client.Record, error] {
	return func(yield func(*client.Record, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		ch := make(chan *head)
		away := a.newTrouble()
		var wg sync.WaitGroup
		for _, p := range partitions {
			wg.Go(func() { a.follow(ctx, c, topic, p, from, ch, away) })
		}
		defer wg.Wait()
		defer cancel()
		for {
			select {
			case h := <-ch:
				if !yield(h.record, h.err) {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}
}

// follow sends the records of one partition until ctx ends or an error that does not pass. While the server is away
// it waits, and away says so for all partitions together; where retention was faster than the reading, it goes on at the start.
func (a *app) follow(ctx context.Context, c *client.Client, topic string, partition int, from string, ch chan<- *head, away *trouble) {
	o := client.ReadOptions{From: from, Wait: followWait}
	for ctx.Err() == nil {
		var refused *client.Error
		page, err := c.Read(ctx, topic, partition, o)
		switch {
		case ctx.Err() != nil:
			return
		case errors.As(err, &refused) && refused.StartOffset != nil && o.From != from:
			o.From = strconv.FormatInt(*refused.StartOffset, 10)
			a.say("holt: %s/%d: records before offset %s are gone already", topic, partition, o.From)
			continue
		case err != nil && client.Temporary(err):
			away.report(fmt.Errorf("%w; trying again", err))
			pauseFor(ctx, followPause)
			continue
		case err != nil:
			send(ctx, ch, &head{err: fmt.Errorf("read %s/%d: %w", topic, partition, err)})
			return
		}
		for _, r := range page.Records {
			send(ctx, ch, &head{record: r})
		}
		o.From = strconv.FormatInt(page.NextOffset, 10)
	}
}

func send(ctx context.Context, ch chan<- *head, h *head) {
	select {
	case ch <- h:
	case <-ctx.Done():
	}
}

func pauseFor(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

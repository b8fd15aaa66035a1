package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/spf13/cobra"

	"github.com/holtmq/holt/client"
	"github.com/holtmq/holt/client/api"
)

// A request of publish holds at most this much; the next gathers while one is in flight.
const (
	maxBatchRecords = 1000
	maxBatchBytes   = 1 << 20
	maxCount        = 100_000_000
)

// publishFlags are the flags of holt publish.
type publishFlags struct {
	key, id             string
	headers             []string
	delay, ttl, wait    time.Duration
	priority, partition int
	count               int
	ndjson, tombstone   bool
	options             []client.RecordOption
}

func (a *app) newPublishCommand() *cobra.Command {
	var p publishFlags
	cmd := &cobra.Command{
		Use:   "publish TOPIC [VALUE…]",
		Short: "Publish records: arguments, or standard input, a line each",
		Long: "Publish records to a topic: one for each VALUE, or without any one for each line of standard input.\n" +
			"With --ndjson each line is a record as the API takes it, or as 'holt read' and 'holt lease' write it.\n" +
			"It ends when everything is on stable storage. Lines are published in order, many in a request.",
		Example: "  holt publish emails '{\"to\":\"ann@example.com\"}' -k cust-7 -H source:shop\n" +
			"  holt publish emails < lines.txt\n" +
			"  holt read emails -o ndjson | holt publish archive --ndjson",
		Args:              takes(1, -1),
		ValidArgsFunction: a.completeTopics(false),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := p.check(cmd, args); err != nil {
				return err
			}
			return a.publish(cmd.Context(), args[0], args[1:], &p)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&p.key, "key", "k", "", "key of the records")
	f.StringArrayVarP(&p.headers, "header", "H", nil, "`name:value` of a header; several times for several")
	f.StringVar(&p.id, "id", "", "id of the record: a second one with it is not stored")
	addDuration(f, &p.delay, "delay", "append after this time")
	addDuration(f, &p.ttl, "ttl", "how long groups deliver it")
	f.IntVar(&p.priority, "priority", 0, "priority, 0 is low")
	f.IntVar(&p.partition, "partition", 0, "partition (default: by key, else spread)")
	f.IntVar(&p.count, "count", 1, "publish each VALUE this many times")
	f.BoolVar(&p.ndjson, "ndjson", false, "lines are records, not values")
	f.BoolVar(&p.tombstone, "tombstone", false, "publish a tombstone for --key instead of a value")
	addDuration(f, &p.wait, "wait", "how long to wait for room when the topic's backlog is full")
	return cmd
}

// check turns the flags into options and refuses what makes no sense.
func (p *publishFlags) check(cmd *cobra.Command, args []string) error {
	set := cmd.Flags().Changed
	switch values := len(args) - 1; {
	case p.count < 1 || p.count > maxCount:
		return usagef("--count %d: 1 to %d", p.count, maxCount)
	case p.count > 1 && values == 0 && !p.tombstone:
		return usagef("--count goes with VALUE arguments, not with standard input")
	case p.ndjson && values > 0:
		return usagef("--ndjson reads standard input: it goes without VALUE arguments")
	case p.tombstone && (values > 0 || p.ndjson):
		return usagef("--tombstone goes without VALUE arguments and --ndjson")
	case p.id != "" && (values*p.count > 1 || values == 0 && !p.tombstone):
		return usagef("--id goes with one VALUE: of several records with an id only the first is stored")
	case set("priority") && set("partition"):
		return usagef("--priority and --partition exclude each other")
	}
	if set("key") {
		p.options = append(p.options, client.Key(p.key))
	}
	for _, h := range p.headers {
		name, value, err := parseHeader(h)
		if err != nil {
			return err
		}
		p.options = append(p.options, client.Header(name, value))
	}
	if p.id != "" {
		p.options = append(p.options, client.ID(p.id))
	}
	if p.delay > 0 {
		p.options = append(p.options, client.Delay(p.delay))
	}
	if set("ttl") {
		p.options = append(p.options, client.TTL(p.ttl))
	}
	if set("priority") {
		p.options = append(p.options, client.Priority(p.priority))
	}
	if set("partition") {
		p.options = append(p.options, client.Partition(p.partition))
	}
	return nil
}

// input is a record to publish and how many bytes of input it took.
type input struct {
	record api.NewRecord
	bytes  int
}

func (a *app) publish(ctx context.Context, topic string, values []string, p *publishFlags) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	records, send := a.lines(p), batches
	stream := len(values) == 0 && !p.tombstone
	if !stream {
		records, send = arguments(values, p), requests
	} else if isTerminal(a.stdin) {
		a.say("publishing the lines of standard input to %s; Ctrl-D ends it", topic)
	}
	out := &published{topic: topic, printer: a.newPrinter("TOPIC", "PARTITION", "OFFSET", "NOTE")}
	out.quiet = stream && a.format == formatTable
	bar := a.newProgress(stream || p.count > maxBatchRecords, "publish "+topic)
	defer bar.finish()
	err = send(ctx, records, func(batch []api.NewRecord, bytes int) error {
		bar.add(0, bytes)
		return publishBatch(ctx, c, topic, batch, client.PublishOptions{Wait: p.wait}, func(res api.PublishResponse) error {
			bar.add(len(res.Records), 0)
			return out.add(res)
		})
	})
	bar.finish()
	if end := out.printer.end(); err == nil {
		err = end
	}
	if err != nil && stream && out.count > 0 {
		a.say("%s went to %s before this:", count(out.count, "record"), topic)
	}
	if err == nil && out.quiet {
		a.say("published %s to %s", count(out.count, "record"), topic)
	}
	return err
}

// publishBatch publishes records in their order: in one request, or in several if the server is told to take less in one. done is told of each.
func publishBatch(ctx context.Context, c *client.Client, topic string, batch []api.NewRecord, o client.PublishOptions, done func(api.PublishResponse) error) error {
	res, err := c.PublishBatch(ctx, topic, batch, o)
	if err == nil {
		return done(res)
	}
	if len(batch) < 2 || !errors.Is(err, client.ErrRequestTooLarge) {
		return err
	}
	half := len(batch) / 2
	if err := publishBatch(ctx, c, topic, batch[:half], o, done); err != nil {
		return err
	}
	return publishBatch(ctx, c, topic, batch[half:], o, done)
}

// arguments are the records that the command line itself holds.
func arguments(values []string, p *publishFlags) iter.Seq2[input, error] {
	return func(yield func(input, error) bool) {
		if p.tombstone {
			r, err := client.NewRecord(client.Tombstone(), p.options...)
			yield(input{r, 0}, err)
			return
		}
		for _, v := range values {
			r, err := client.NewRecord(client.Text(v), p.options...)
			for range p.count {
				if !yield(input{r, len(v)}, err) {
					return
				}
			}
		}
	}
}

// published prints places.
type published struct {
	topic   string
	printer *printer
	quiet   bool // the places are not shown: there may be many, and somebody looks on
	count   int
}

func (o *published) add(res api.PublishResponse) error {
	o.count += len(res.Records)
	if o.quiet {
		return nil
	}
	for _, r := range res.Records {
		if err := o.printer.add(placeRow(o.topic, r)); err != nil {
			return err
		}
	}
	return nil
}

func placeRow(topic string, r api.Published) row {
	if s := r.Scheduled; s != nil {
		value := struct {
			Scheduled *api.Scheduled `json:"scheduled"`
		}{s}
		return row{s.ID, value, []string{topic, "-", "-", "due " + showTime(s.DeliverAt)}}
	}
	note := ""
	if r.Duplicate {
		note = "duplicate"
	}
	name := fmt.Sprintf("%s/%d/%d", topic, r.Partition, r.Offset)
	return row{name, r, []string{topic, showNumber(r.Partition), showNumber(r.Offset), note}}
}

// batches calls send with what has come since the last call, in order, so that a slow input is published as it comes
// and a fast one in full requests. It ends with the input or the first error.
func batches(ctx context.Context, records iter.Seq2[input, error], send func([]api.NewRecord, int) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ch := make(chan input, maxBatchRecords)
	ended := make(chan error, 1)
	go func() {
		defer close(ch)
		for in, err := range records {
			if err != nil {
				ended <- err
				return
			}
			select {
			case ch <- in:
			case <-ctx.Done():
				return
			}
		}
	}()
	for {
		select {
		case first, ok := <-ch:
			if !ok {
				return result(ended)
			}
			batch, bytes := gather(first, ch)
			if err := send(batch, bytes); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// requests calls send with full requests of records that are all there: what goes into one goes to one partition.
func requests(_ context.Context, records iter.Seq2[input, error], send func([]api.NewRecord, int) error) error {
	var batch []api.NewRecord
	bytes := 0
	for in, err := range records {
		if err != nil {
			return err
		}
		batch, bytes = append(batch, in.record), bytes+in.bytes
		if len(batch) < maxBatchRecords && bytes < maxBatchBytes {
			continue
		}
		if err := send(batch, bytes); err != nil {
			return err
		}
		batch, bytes = nil, 0
	}
	if len(batch) == 0 {
		return nil
	}
	return send(batch, bytes)
}

// gather takes what is there already, up to a request's size.
func gather(first input, ch <-chan input) (batch []api.NewRecord, bytes int) {
	batch, bytes = append(batch, first.record), first.bytes
	for len(batch) < maxBatchRecords && bytes < maxBatchBytes {
		select {
		case in, ok := <-ch:
			if !ok {
				return batch, bytes
			}
			batch, bytes = append(batch, in.record), bytes+in.bytes
		default:
			return batch, bytes
		}
	}
	return batch, bytes
}

func result(ended <-chan error) error {
	select {
	case err := <-ended:
		if errors.Is(err, io.EOF) {
			return nil
		}
		return err
	default:
		return nil
	}
}

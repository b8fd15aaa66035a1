package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/holtmq/holt/client"
	"github.com/holtmq/holt/client/api"
)

// A page of an export.
const (
	exportRecords = 1000
	exportBytes   = 4 << 20
)

// exportFlags are the flags of holt export.
type exportFlags struct {
	from, to   string
	partitions []int
	out        string
}

// exportedJSON is a line of an export: a record as holt read writes it, and an id that is the same each time.
type exportedJSON struct {
	recordJSON
	ID string `json:"id"`
}

func (a *app) newExportCommand() *cobra.Command {
	var e exportFlags
	cmd := &cobra.Command{
		Use: "export TOPIC", Short: "Write a topic's records as NDJSON", Args: takes(1, 1),
		Long: "Write a topic's records as NDJSON, a line each, one partition after the other, up to where they end now. Each line has an id made of\n" +
			"topic, partition, offset and time, so that 'holt import' can be repeated. Nothing is leased or counted.",
		Example: "  holt export orders --file orders.ndjson\n" +
			"  holt export orders --partition 0 --from 2026-01-02T00:00:00Z --to 2026-01-03T00:00:00Z | gzip > day.gz",
		ValidArgsFunction: a.completeTopics(false),
		RunE:              func(cmd *cobra.Command, args []string) error { return a.export(cmd.Context(), args[0], &e) },
	}
	f := cmd.Flags()
	f.StringVar(&e.from, "from", "earliest", "earliest, a time, or an offset")
	f.StringVar(&e.to, "to", "", "where to end, not included: a time or an offset (default: where the partition ends now)")
	f.IntSliceVarP(&e.partitions, "partition", "p", nil, "only this partition; several times for several")
	f.StringVarP(&e.out, "file", "f", "-", "`file` to write, - is standard output")
	return cmd
}

// end is where an export of a partition stops.
type end struct {
	offset int64 // −1: none
	at     time.Time
}

func parseEnd(s string) (end, error) {
	if s == "" {
		return end{offset: -1}, nil
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n >= 0 {
		return end{offset: n}, nil
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return end{}, usagef("--to %s: an offset, or a time as in 2026-01-02T15:04:05Z", s)
	}
	return end{offset: -1, at: t}, nil
}

func (e end) reached(r *client.Record) bool {
	return e.offset >= 0 && r.Offset >= e.offset || !e.at.IsZero() && !r.Timestamp.Before(e.at)
}

func (a *app) export(ctx context.Context, topic string, e *exportFlags) error {
	to, err := parseEnd(e.to)
	if err != nil {
		return err
	}
	c, err := a.client()
	if err != nil {
		return err
	}
	t, err := c.Topic(ctx, topic)
	if err != nil {
		return err
	}
	if e.partitions == nil {
		for _, p := range t.Partitions {
			e.partitions = append(e.partitions, p.Partition)
		}
	}
	if _, err := strconv.ParseInt(e.from, 10, 64); (err == nil || to.offset >= 0) && len(e.partitions) != 1 {
		return usagef("an offset goes with one --partition")
	}
	total := int64(0)
	for _, p := range t.Partitions {
		if slices.Contains(e.partitions, p.Partition) {
			total += p.EndOffset - p.StartOffset
		}
	}
	out, done, err := a.exportTo(e.out)
	if err != nil {
		return err
	}
	bar := a.newCountProgress("export "+topic, total)
	defer bar.finish()
	n := 0
	for _, p := range e.partitions {
		m, err := exportPartition(ctx, c, topic, p, e.from, to, out, bar)
		n += m
		if err != nil {
			return errors.Join(err, done(err))
		}
	}
	bar.finish()
	if err := done(nil); err != nil {
		return err
	}
	a.say("exported %s of %s", count(n, "record"), topic)
	return nil
}

// exportTo opens what is written to; done makes it whole, or takes an unfinished file away.
func (a *app) exportTo(name string) (out *bufio.Writer, done func(error) error, err error) {
	if name == "-" {
		out = bufio.NewWriterSize(a.stdout, 64<<10)
		return out, func(error) error { return out.Flush() }, nil
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, nil, err
	}
	out = bufio.NewWriterSize(f, 64<<10)
	return out, func(failed error) error {
		if failed != nil {
			return errors.Join(f.Close(), os.Remove(name))
		}
		return errors.Join(out.Flush(), f.Sync(), f.Close())
	}, nil
}

// exportPartition writes a partition's records and returns how many.
func exportPartition(ctx context.Context, c *client.Client, topic string, partition int, from string, to end, out io.Writer, bar *progress) (n int, err error) {
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	for r, err := range c.Records(ctx, topic, partition, client.ReadOptions{From: from, Max: exportRecords, MaxBytes: exportBytes}) {
		if err != nil {
			return n, err
		}
		if to.reached(r) {
			break
		}
		line := exportedJSON{storedJSON(r), fmt.Sprintf("export/%s/%d/%d/%d", topic, r.Partition, r.Offset, r.Timestamp.UnixMilli())}
		if len(line.ID) > maxImportID { // a long name: its end tells as well
			line.ID = line.ID[len(line.ID)-maxImportID:]
		}
		if err := enc.Encode(line); err != nil {
			return n, err
		}
		n++
		bar.add(1, 0)
	}
	return n, nil
}

const maxImportID = 256 // bytes of a record's id

// importFlags are the flags of holt import.
type importFlags struct {
	file           string
	keepPartitions bool
	noIDs          bool
	wait           time.Duration
}

func (a *app) newImportCommand() *cobra.Command {
	var i importFlags
	cmd := &cobra.Command{
		Use: "import TOPIC", Short: "Publish what 'holt export' wrote", Args: takes(1, 1),
		Long: "Publish the records of an export, in order, with their keys, headers, values and ids: repeated within the topic's dedupe_window, nothing is stored\n" +
			"twice. Times and offsets are new ones, headers of the server (holt-…) are left out, and partitions follow from the keys, unless they are kept.",
		Example: "  holt import orders2 --file orders.ndjson\n" +
			"  gzip -dc day.gz | holt import orders2 --keep-partitions",
		ValidArgsFunction: a.completeTopics(false),
		RunE:              func(cmd *cobra.Command, args []string) error { return a.importInto(cmd.Context(), args[0], &i) },
	}
	f := cmd.Flags()
	f.StringVarP(&i.file, "file", "f", "-", "`file` to read, - is standard input")
	f.BoolVar(&i.keepPartitions, "keep-partitions", false, "put each record into the partition it came from")
	f.BoolVar(&i.noIDs, "no-ids", false, "leave the ids out: nothing is remembered, a repeat doubles")
	addDuration(f, &i.wait, "wait", "how long to wait for room when the topic's backlog is full")
	return cmd
}

func (a *app) importInto(ctx context.Context, topic string, i *importFlags) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	in, size := a.stdin, int64(-1)
	if i.file != "-" {
		f, err := os.Open(i.file)
		if err != nil {
			return err
		}
		defer f.Close()
		if st, err := f.Stat(); err == nil {
			size = st.Size()
		}
		in = f
	}
	bar := a.newByteProgress("import "+topic, size)
	defer bar.finish()
	published, doubles := 0, 0
	err = batches(ctx, imported(in, i), func(batch []api.NewRecord, bytes int) error {
		bar.add(0, bytes)
		return publishBatch(ctx, c, topic, batch, client.PublishOptions{Wait: i.wait}, func(res api.PublishResponse) error {
			for _, r := range res.Records {
				if r.Duplicate {
					doubles++
				}
			}
			published += len(res.Records)
			bar.add(len(res.Records), 0)
			return nil
		})
	})
	bar.finish()
	a.say("imported %s to %s, %d of them there already", count(published, "record"), topic, doubles)
	return err
}

// imported reads the lines of an export.
func imported(in io.Reader, i *importFlags) iter.Seq2[input, error] {
	return func(yield func(input, error) bool) {
		n := 0
		for line, err := range splitLines(in) {
			n++
			if err == nil && len(line) == 0 {
				continue
			}
			var r api.NewRecord
			if err == nil {
				r, err = importedRecord(line, i)
			}
			if err != nil {
				err = fmt.Errorf("line %d: %w", n, err)
			}
			if !yield(input{r, len(line) + 1}, err) || err != nil {
				return
			}
		}
	}
}

func importedRecord(line []byte, i *importFlags) (api.NewRecord, error) {
	r, err := parseRecord(line, nil)
	if err != nil {
		return r, err
	}
	for name := range r.Headers {
		if strings.HasPrefix(name, "holt-") {
			delete(r.Headers, name)
		}
	}
	for name := range r.HeadersBase64 {
		if strings.HasPrefix(name, "holt-") {
			delete(r.HeadersBase64, name)
		}
	}
	if i.noIDs {
		r.ID = ""
	}
	if i.keepPartitions {
		var place struct {
			Partition *int `json:"partition"`
		}
		if err := json.Unmarshal(line, &place); err != nil {
			return r, err
		}
		r.Partition = place.Partition
	}
	return r, nil
}

package queue_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/store/badger"
)

// disk is a broker on the real store, without a cache.
type disk struct {
	*house
	store *badger.Store
	dir   string
}

func (d *disk) open() {
	d.t.Helper()
	st, err := badger.Open(d.t.Context(), badger.Config{Dir: d.dir, MinFree: 1, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		d.t.Fatal(err)
	}
	b, err := queue.Open(d.t.Context(), st, queue.Config{CacheBytes: 1})
	if err != nil {
		d.t.Fatal(err)
	}
	d.store, d.Broker = st, b
}

func (d *disk) close() {
	d.t.Helper()
	if err := errors.Join(d.Broker.Close(), d.store.Close()); err != nil {
		d.t.Fatal(err)
	}
}

// flip changes a bit where a text lies in the value log.
func (d *disk) flip(text string) {
	d.t.Helper()
	files, err := filepath.Glob(filepath.Join(d.dir, "*.vlog"))
	if err != nil {
		d.t.Fatal(err)
	}
	found := 0
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			d.t.Fatal(err)
		}
		if i := bytes.Index(b, []byte(text)); i >= 0 {
			found++
			b[i] ^= 0x10
			err = os.WriteFile(f, b, 0o600)
		}
		if err != nil {
			d.t.Fatal(err)
		}
	}
	if found != 1 {
		d.t.Fatalf("%q lies in %d files", text, found)
	}
}

// A bit flips in a batch that a group has not come to. All of its neighbours are delivered, readers are told where to go on, and its records become letters.
func TestFlippedBatchHoldsNothingBack(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	synctest.Test(t, func(t *testing.T) {
		d := &disk{house: &house{t: t}, dir: dir}
		large := func(name string) string { return name + strings.Repeat(".", 2000) }
		d.open()
		d.topic("t", 1)
		d.group("g", []string{"t"}, nil)
		d.publish("t", large("a"))
		d.publish("t", large("b"), large("flipped"), large("d"))
		d.publish("t", large("e"))
		d.close()
		d.open() // the newest file of the value log is another one now
		d.publish("t", large("f"))
		d.close()
		d.flip("flipped...")
		d.open()
		closed := false
		defer func() {
			if !closed {
				d.close()
			}
		}()

		names := func(ds []queue.Delivery) (s string) {
			for _, x := range ds {
				s += string(x.Record.Value[:1])
			}
			return s
		}
		ds := d.lease("g", 10, 0)
		if names(ds) != "aef" {
			t.Fatalf("leased %s", names(ds))
		}
		d.must("g", ack, ds...)
		res, err := d.Read(t.Context(), queue.ReadRequest{Topic: "t"})
		if err != nil || len(res.Records) != 1 || res.Next != 1 {
			t.Errorf("a read from the beginning: %d records, next %d, %v", len(res.Records), res.Next, err)
		}
		_, err = d.Read(t.Context(), queue.ReadRequest{Topic: "t", From: queue.Position{Offset: 1}})
		if at := (*queue.DamageError)(nil); !errors.Is(err, queue.ErrCorrupt) || !errors.As(err, &at) || at.Topic != "t" || at.From != 1 || at.Next != 4 {
			t.Errorf("a read of what is damaged: %v", err)
		}
		if res, err := d.Read(t.Context(), queue.ReadRequest{Topic: "t", From: queue.Position{Offset: 4}}); err != nil || len(res.Records) != 2 {
			t.Errorf("a read behind it: %d records, %v", len(res.Records), err)
		}
		r := d.join("o", "m", "t").poll()
		if len(r.read) != 1 {
			t.Errorf("an ordered poll from the beginning: %d records", len(r.read))
		}
		_, err = r.ask(10, 0)
		if at := (*queue.DamageError)(nil); !errors.As(err, &at) || at.Next != 4 {
			t.Errorf("an ordered poll of what is damaged: %v", err)
		}
		r.at[queue.TopicPartition{Topic: "t"}] = 4
		if r.poll(); len(r.read) != 3 {
			t.Errorf("an ordered poll behind it: %d records in all", len(r.read))
		}

		d.close()
		time.Sleep(50 * time.Second) // the minute goes on while the server is down
		d.open()
		if got := d.totals("g"); got != (queue.GroupTotals{Lag: 3, Deferred: 3}) {
			t.Errorf("totals after a restart %+v", got)
		}
		if info, err := d.Group(t.Context(), "g"); err != nil || info.Partitions[0].Start != 1 || info.Partitions[0].Deferred != 3 || info.Partitions[0].OldestUnsettled.IsZero() {
			t.Errorf("the group: %+v, %v", info, err)
		}
		time.Sleep(11 * time.Second)
		if got := d.totals("g"); got != (queue.GroupTotals{DeadLetters: 3}) {
			t.Errorf("totals %+v", got)
		}
		letters, err := d.Read(t.Context(), queue.ReadRequest{Topic: "g.dlq"})
		if err != nil || len(letters.Records) != 3 {
			t.Fatalf("letters: %+v, %v", letters, err)
		}
		for i, l := range letters.Records {
			of := map[string]string{}
			for _, h := range l.Headers {
				of[h.Name] = string(h.Value)
			}
			if of["holt-dl-offset"] != fmt.Sprint(i+1) || l.Value != nil {
				t.Errorf("letter %d is of offset %s", i, of["holt-dl-offset"])
			}
		}
		d.close()
		closed = true
	})
}

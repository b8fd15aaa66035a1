package group

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holtmq/holt/lease"
	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/ordered"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/share"
	"github.com/holtmq/holt/queue/store/memory"
	"github.com/holtmq/holt/queue/system"
	"github.com/holtmq/holt/queue/topic"
)

// yard is a set of groups in a bubble, and the topics they read.
type yard struct {
	*Set
	t    *testing.T
	env  *topic.Env
	stop chan struct{}
}

func inBubble(t *testing.T, fn func(y *yard)) {
	synctest.Test(t, func(t *testing.T) {
		st, log := memory.New(memory.Config{}), slog.New(slog.DiscardHandler)
		c := commit.New(st, nil)
		definitions, err := catalog.Open(t.Context(), st.Meta())
		if err != nil {
			t.Fatal(err)
		}
		journals := system.New(c)
		if _, err := journals.Open(t.Context(), st); err != nil {
			t.Fatal(err)
		}
		var background, work sync.WaitGroup
		work.Go(func() {
			if err := c.Run(); err != nil {
				t.Error(err)
			}
		})
		y := &yard{t: t, stop: make(chan struct{}), env: &topic.Env{
			Store: st, Cache: partition.NewCache(1 << 20), Committer: c, Logger: log, Topics: topic.NewSet(), Background: &background, Ctx: t.Context(),
		}}
		shared := &share.Env{Committer: c, Clock: share.NewClock(nil), Receipts: share.NewReceipts([share.ReceiptKeySize]byte{}, 1), Logger: log, Waiting: new(atomic.Int64), Stop: y.stop}
		y.Set = NewSet(definitions, y.env.Topics, shared, &ordered.Env{
			Committer: c, System: journals, Now: shared.Clock.Now, Time: shared.Clock.Time, Logger: log, Waiting: shared.Waiting, MaxWaiting: 10, Stop: y.stop,
		}, log)
		defer func() {
			y.Close()
			for _, t := range y.env.Topics.All() {
				t.Delayed.Close()
			}
			background.Wait()
			journals.Close()
			c.Close()
			work.Wait()
		}()
		fn(y)
	})
}

// topic makes a topic with so many records in each of two partitions.
func (y *yard) topic(name string, records int, set func(*catalog.TopicConfig)) *topic.Topic {
	y.t.Helper()
	def := catalog.Topic{Name: name, Config: catalog.DefaultTopic()}
	def.Config.Partitions = 2
	if set != nil {
		set(&def.Config)
	}
	stored, err := y.catalog.PutTopic(y.t.Context(), def)
	if err != nil {
		y.t.Fatal(err)
	}
	t, err := topic.Open(y.t.Context(), y.env, stored, nil, false)
	if err != nil {
		y.t.Fatal(err)
	}
	y.topics.Put(t)
	for range records {
		for _, p := range t.Partitions {
			y.put(p)
		}
	}
	return t
}

func (y *yard) put(p *partition.Partition) {
	y.t.Helper()
	tx, err := partition.Begin(&partition.AppendTo{Partition: p, Records: []record.Record{{Value: []byte("v")}}})
	if err != nil {
		y.t.Fatal(err)
	}
	if err := y.env.Committer.Wait(y.t.Context(), tx.Commit(y.env.Committer, time.Now(), nil)); err != nil {
		y.t.Fatal(err)
	}
}

func (y *yard) group(name string, kind catalog.Kind, topics ...string) {
	y.t.Helper()
	def := catalog.Group{Name: name, Kind: kind, Config: catalog.DefaultGroup(name)}
	if old, err := y.catalog.Group(name); err == nil {
		def = *old
	}
	if err := y.Apply(y.t.Context(), def, topics); err != nil {
		y.t.Fatal(err)
	}
}

var kinds = []catalog.Kind{catalog.KindShare, catalog.KindOrdered}

func TestNamesAreOfOneKind(t *testing.T) {
	inBubble(t, func(y *yard) {
		y.group("s", catalog.KindShare)
		y.group("o", catalog.KindOrdered)
		for _, c := range []struct {
			name            string
			shared, streams error
		}{{"s", nil, catalog.ErrKindMismatch}, {"o", catalog.ErrKindMismatch, nil}, {"x", catalog.ErrGroupNotFound, catalog.ErrGroupNotFound}} {
			if _, err := y.Share(c.name); !errors.Is(err, c.shared) {
				t.Errorf("%s as a share group: %v, want %v", c.name, err, c.shared)
			}
			if _, err := y.Ordered(c.name); !errors.Is(err, c.streams) {
				t.Errorf("%s as an ordered group: %v, want %v", c.name, err, c.streams)
			}
		}
		for _, name := range []string{"s", "o"} {
			def, err := y.catalog.Group(name)
			if err != nil {
				t.Fatal(err)
			}
			if err := y.Delete(y.t.Context(), def, false); err != nil {
				t.Fatal(err)
			}
			if _, err := y.Info(y.t.Context(), name); !errors.Is(err, catalog.ErrGroupNotFound) {
				t.Errorf("%s is deleted: %v", name, err)
			}
		}
	})
}

// Who reads a topic is known at once after every change: of a definition, of the topic, of which groups there are.
func TestReadersFollowEveryChange(t *testing.T) {
	inBubble(t, func(y *yard) {
		a, b := y.topic("a", 0, nil), y.topic("b", 0, nil)
		want := func(what, shared, streams string) {
			t.Helper()
			var got, ordered []string
			for _, of := range []*topic.Topic{a, b} {
				for _, g := range y.Readers(of.Def.ID) {
					got = append(got, of.Def.Name+":"+g.Definition().Name)
				}
				for _, g := range y.OrderedReaders(of.Def.ID) {
					ordered = append(ordered, of.Def.Name+":"+g.Definition().Name)
				}
			}
			if strings.Join(got, " ") != shared || strings.Join(ordered, " ") != streams {
				t.Errorf("%s: %v and %v, want %s and %s", what, got, ordered, shared, streams)
			}
		}
		want("nobody is there", "", "")
		y.group("z", catalog.KindShare, "a")
		y.group("g", catalog.KindShare, "b", "a")
		y.group("y", catalog.KindOrdered, "a")
		y.group("o", catalog.KindOrdered, "a", "b")
		want("all are there", "a:g a:z b:g", "a:o a:y b:o")
		y.group("g", catalog.KindShare, "a")
		y.group("o", catalog.KindOrdered, "b")
		want("each has left one out", "a:g a:z", "a:y b:o")
		if err := y.Detach(y.t.Context(), a); err != nil {
			t.Fatal(err)
		}
		want("a is being deleted", "", "b:o")
		y.group("z", catalog.KindShare, "b")
		def, err := y.catalog.Group("z")
		if err != nil {
			t.Fatal(err)
		}
		want("one came back", "b:z", "b:o")
		if err := y.Delete(y.t.Context(), def, false); err != nil {
			t.Fatal(err)
		}
		want("and is deleted", "", "b:o")
	})
}

// A reset says the same of a group of either kind: what it moves, what it clamps, and what it refuses.
func TestResets(t *testing.T) {
	for _, kind := range kinds {
		inBubble(t, func(y *yard) {
			y.topic("a", 5, nil)
			y.topic("b", 3, nil)
			y.group("g", kind, "a", "b")
			one, none := 1, 7
			for _, c := range []struct {
				what string
				req  ResetRequest
				want string
				err  error
			}{
				{"to the end", ResetRequest{To: partition.Position{Latest: true}}, "a/0:0>5 a/1:0>5 b/0:0>3 b/1:0>3", nil},
				{"past the end of one", ResetRequest{To: partition.Position{Offset: 4}, DryRun: true}, "a/0:5>4 a/1:5>4 b/0:3>3 b/1:3>3", nil},
				{"a dry run moved nothing", ResetRequest{To: partition.Position{Earliest: true}, Topics: []string{"b"}}, "b/0:3>0 b/1:3>0", nil},
				{"one partition of all", ResetRequest{To: partition.Position{Earliest: true}, Partition: &one}, "a/1:5>0 b/1:0>0", nil},
				{"one partition of one", ResetRequest{To: partition.Position{Offset: 2}, Topics: []string{"a"}, Partition: &one}, "a/1:0>2", nil},
				{"no such partition", ResetRequest{To: partition.Position{Earliest: true}, Partition: &none}, "", topic.ErrPartitionNotFound},
				{"no such topic", ResetRequest{To: partition.Position{Earliest: true}, Topics: []string{"a", "c"}}, "", catalog.ErrTopicNotFound},
			} {
				moves, err := y.Reset(y.t.Context(), "g", c.req)
				var got []string
				for _, m := range moves {
					got = append(got, fmt.Sprintf("%s/%d:%d>%d", m.Topic, m.Partition, m.From, m.To))
				}
				if !errors.Is(err, c.err) || strings.Join(got, " ") != c.want {
					t.Errorf("%s, %s: %v, %v; want %s, %v", kind, c.what, got, err, c.want, c.err)
				}
			}
		})
	}
}

// A publisher waits for room until there is some, its time is over, the server stops, or it goes.
func TestAwaitRoom(t *testing.T) {
	inBubble(t, func(y *yard) {
		full := y.topic("full", 2, func(c *catalog.TopicConfig) { c.MaxBacklogRecords = 4 })
		free := y.topic("free", 2, nil)
		y.group("slow", catalog.KindShare, "full", "free")
		y.group("stream", catalog.KindOrdered, "full") // holds nobody back
		if got, err := y.AwaitRoom(y.t.Context(), free, 0); err != nil || got != free {
			t.Errorf("without a limit: %v", err)
		}
		began := time.Now()
		if _, err := y.AwaitRoom(y.t.Context(), full, time.Minute); !errors.Is(err, ErrBacklogFull) || !strings.Contains(err.Error(), "slow") || time.Since(began) != time.Minute {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		ctx, cancel := context.WithCancel(y.t.Context())
		done := make(chan error)
		wait := func(ctx context.Context) {
			go func() {
				_, err := y.AwaitRoom(ctx, full, time.Hour)
				done <- err
			}()
			synctest.Wait()
		}
		wait(ctx)
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("whoever goes: %v", err)
		}
		g, err := y.Share("slow")
		if err != nil {
			t.Fatal(err)
		}
		wait(y.t.Context())
		if err := g.SettleAt(y.t.Context(), share.Place{Topic: "full", Partition: 1, Offset: 1}, lease.Ack); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Errorf("once one is settled: %v", err)
		}
		y.put(full.Partitions[0])
		wait(y.t.Context())
		close(y.stop)
		if err := <-done; !errors.Is(err, ErrShuttingDown) {
			t.Errorf("when the server stops: %v", err)
		}
	})
}

// Those three who hold most come first; ordered groups, and those that are through with all, hold nothing. Who asks again at once hears the same.
func TestHolders(t *testing.T) {
	inBubble(t, func(y *yard) {
		names := func() (out []string) {
			for _, one := range strings.Split(y.Holders(), ", ") {
				name, _, _ := strings.Cut(one, " (")
				out = append(out, name)
			}
			return out
		}
		if got := names(); fmt.Sprint(got) != "[]" {
			t.Errorf("of none: %s", got)
		}
		y.topic("t", 3, nil)
		y.topic("u", 1, nil)
		y.group("stream", catalog.KindOrdered, "t")
		y.group("little", catalog.KindShare, "u")
		y.group("both", catalog.KindShare, "t", "u")
		y.group("none", catalog.KindShare)
		if got := names(); fmt.Sprint(got) != "[]" {
			t.Errorf("at once: %s", got)
		}
		time.Sleep(holdersStand)
		if got := names(); fmt.Sprint(got) != "[both little]" {
			t.Errorf("%s", got)
		}
		y.topic("big", 9, nil)
		y.group("most", catalog.KindShare, "big")
		time.Sleep(holdersStand)
		if got := names(); fmt.Sprint(got) != "[most both little]" {
			t.Errorf("with one more: %s", got)
		}
	})
}

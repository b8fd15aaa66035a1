package definition

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/holtmq/holt/queue/admit"
	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/cron"
	"github.com/holtmq/holt/queue/group"
	"github.com/holtmq/holt/queue/keys"
	"github.com/holtmq/holt/queue/ordered"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/share"
	"github.com/holtmq/holt/queue/store/memory"
	"github.com/holtmq/holt/queue/system"
	"github.com/holtmq/holt/queue/tail"
	"github.com/holtmq/holt/queue/topic"
)

// desk is an editor in a bubble, with what it edits.
type desk struct {
	*Editor
	t *testing.T
}

func inBubble(t *testing.T, fn func(d *desk)) {
	synctest.Test(t, func(t *testing.T) {
		st, log := memory.New(memory.Config{}), slog.New(slog.DiscardHandler)
		c := commit.New(st, nil)
		indexes := keys.NewSet(c, log)
		var background, work sync.WaitGroup
		ctx, cancel := context.WithCancel(t.Context())
		openings := &topic.Env{Store: st, Cache: partition.NewCache(1 << 20), Committer: c, Logger: log, Topics: topic.NewSet(), Background: &background, Ctx: ctx}
		runner := cron.New(openings)
		definitions, err := catalog.Open(ctx, st.Meta())
		if err != nil {
			t.Fatal(err)
		}
		journals := system.New(c)
		stop := make(chan struct{})
		shared := &share.Env{Committer: c, Clock: share.NewClock(nil), Receipts: share.NewReceipts([share.ReceiptKeySize]byte{}, 1), Logger: log, Waiting: new(atomic.Int64), Stop: stop}
		streams := &ordered.Env{Committer: c, System: journals, Now: shared.Clock.Now, Time: shared.Clock.Time, Logger: log, Waiting: shared.Waiting, MaxWaiting: 10, Stop: stop}
		groups := group.NewSet(definitions, openings.Topics, shared, streams, log)
		if _, err := journals.Open(ctx, st); err != nil {
			t.Fatal(err)
		}
		work.Go(func() {
			if err := c.Run(); err != nil {
				t.Error(err)
			}
		})
		d := &desk{t: t, Editor: New(Config{
			Catalog: definitions, Openings: openings, Groups: groups, Cron: runner, Indexes: indexes, Tails: new(tail.Hub),
			Limits: admit.Limits{}.WithDefaults(), Work: &work,
		})}
		defer func() {
			cancel()
			groups.Close()
			for _, t := range openings.Topics.All() {
				t.Delayed.Close()
			}
			runner.Close()
			background.Wait()
			indexes.Close()
			journals.Close()
			c.Close()
			work.Wait()
		}()
		fn(d)
	})
}

func (d *desk) topic(name string, set func(*catalog.TopicConfig)) {
	d.t.Helper()
	if err := d.tryTopic(name, set); err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) tryTopic(name string, set func(*catalog.TopicConfig)) error {
	_, _, err := d.PutTopic(d.t.Context(), name, catalog.Condition{}, func(c catalog.TopicConfig, _ bool) (catalog.TopicConfig, error) {
		if set != nil {
			set(&c)
		}
		return c, nil
	})
	return err
}

func (d *desk) group(name string, set func(*admit.GroupChange)) error {
	_, _, err := d.PutGroup(d.t.Context(), name, catalog.Condition{}, func(c admit.GroupChange, _ bool) (admit.GroupChange, error) {
		set(&c)
		return c, nil
	})
	return err
}

// missing fails unless there is neither topic nor group of these names.
func (d *desk) missing(what string, names ...string) {
	d.t.Helper()
	for _, name := range names {
		if _, err := d.topics.Get(name); err == nil {
			d.t.Errorf("%s: topic %s is there", what, name)
		}
		if _, err := d.catalog.Group(name); err == nil {
			d.t.Errorf("%s: group %s is there", what, name)
		}
	}
}

func compacted(c *catalog.TopicConfig) { c.Cleanup = catalog.CleanupCompact }

// A lease or a join that is refused makes nothing on the way.
func TestGroupForThatIsRefusedMakesNothing(t *testing.T) {
	inBubble(t, func(d *desk) {
		d.topic("there", nil)
		d.topic("g.dlq", compacted)
		for _, c := range []struct {
			what   string
			group  string
			kind   catalog.Kind
			topics []string
			want   error
		}{
			{"no topic", "g", catalog.KindShare, nil, catalog.ErrGroupNotFound},
			{"a name that is none", "no such name", catalog.KindShare, []string{"new"}, catalog.ErrInvalidName},
			{"a topic twice", "h", catalog.KindShare, []string{"new", "new"}, topic.ErrInvalidRequest},
			{"a bad name behind a good one", "h", catalog.KindShare, []string{"new", "not good"}, catalog.ErrInvalidName},
			{"its own letters", "h", catalog.KindShare, []string{"new", "h.dlq"}, catalog.ErrInvalidConfig},
			{"letters that would be compacted", "g", catalog.KindShare, []string{"new"}, catalog.ErrInvalidConfig},
		} {
			created, err := d.GroupFor(d.t.Context(), c.group, c.kind, c.topics)
			if !errors.Is(err, c.want) || created != nil {
				t.Errorf("%s: made %v, %v", c.what, created, err)
			}
			d.missing(c.what, "new", "h", "h.dlq")
			if _, err := d.catalog.Group("g"); err == nil {
				t.Errorf("%s: group g is there", c.what)
			}
		}
		if created, err := d.GroupFor(d.t.Context(), "g", catalog.KindOrdered, []string{"new", "there"}); err != nil || len(created) != 2 {
			t.Errorf("an ordered group has no letters: made %v, %v", created, err)
		}
		if _, err := d.GroupFor(d.t.Context(), "g", catalog.KindShare, []string{"new"}); !errors.Is(err, catalog.ErrKindMismatch) {
			t.Errorf("of another kind: %v", err)
		}
		if _, err := d.GroupFor(d.t.Context(), "g", catalog.KindOrdered, []string{"newer"}); !errors.Is(err, catalog.ErrTopicNotFound) {
			t.Errorf("a missing topic of a group that is there: %v", err)
		}
		d.noAutoCreate = true
		if _, err := d.GroupFor(d.t.Context(), "k", catalog.KindShare, []string{"there"}); !errors.Is(err, catalog.ErrGroupNotFound) {
			t.Errorf("without auto_create: %v", err)
		}
	})
}

// Dead letters and compaction never meet, whichever comes first.
func TestLettersAreNotCompacted(t *testing.T) {
	inBubble(t, func(d *desk) {
		d.topic("t", nil)
		d.topic("squeezed", compacted)
		into := func(name string) func(*admit.GroupChange) {
			return func(c *admit.GroupChange) { c.Topics, c.Config.DeadLetterTopic = []string{"t"}, name }
		}
		if err := d.group("g", into("squeezed")); !errors.Is(err, catalog.ErrInvalidConfig) {
			t.Errorf("letters into a compacted topic: %v", err)
		}
		if err := d.group("g", into("grave")); err != nil {
			t.Fatal(err)
		}
		if err := d.tryTopic("grave", compacted); !errors.Is(err, catalog.ErrInvalidConfig) {
			t.Errorf("a new topic of letters, compacted: %v", err)
		}
		g, err := d.catalog.Group("g")
		if err != nil {
			t.Fatal(err)
		}
		p, err := d.Letters(d.t.Context(), g)
		if err != nil || p.Topic != "grave" || p.Index != 0 {
			t.Fatalf("letters go to %+v, %v", p, err)
		}
		if again, err := d.Letters(d.t.Context(), g); again != p || err != nil {
			t.Errorf("the second time they go to %+v, %v", again, err)
		}
		if made, err := d.topics.Get("grave"); err != nil || len(made.Partitions) != 1 || made.Def.LettersOf != "g" {
			t.Errorf("%+v, %v", made, err)
		}
		if err := d.group("g", into("elsewhere")); err != nil {
			t.Fatal(err)
		}
		if err := d.tryTopic("grave", compacted); !errors.Is(err, catalog.ErrInvalidConfig) {
			t.Errorf("a topic that was made for letters, compacted once they go elsewhere: %v", err)
		}
	})
}

// Growing moves keys: with a reader in key order that needs force, whatever grows.
func TestGrowingUnderKeyOrderNeedsForce(t *testing.T) {
	inBubble(t, func(d *desk) {
		d.topic("t", nil)
		if err := d.group("g", func(c *admit.GroupChange) { c.Topics, c.Config.Ordering = []string{"t"}, catalog.OrderingKey }); err != nil {
			t.Fatal(err)
		}
		for what, grow := range map[string]func(*catalog.TopicConfig){
			"partitions": func(c *catalog.TopicConfig) { c.Partitions++ },
			"priorities": func(c *catalog.TopicConfig) { c.Priorities++ },
		} {
			if err := d.tryTopic("t", grow); !errors.Is(err, catalog.ErrTopicInUse) {
				t.Errorf("%s: %v", what, err)
			}
			if _, _, err := d.PutTopic(d.t.Context(), "t", catalog.Condition{Force: true}, func(c catalog.TopicConfig, _ bool) (catalog.TopicConfig, error) {
				grow(&c)
				return c, nil
			}); err != nil {
				t.Errorf("%s with force: %v", what, err)
			}
		}
		if err := d.tryTopic("t", func(c *catalog.TopicConfig) { c.MaxBacklogRecords = 5 }); err != nil {
			t.Errorf("what grows nothing: %v", err)
		}
		g, err := d.groups.Share("g")
		if err != nil {
			t.Fatal(err)
		}
		made, err := d.topics.Get("t")
		if err != nil {
			t.Fatal(err)
		}
		if n := len(g.Progress()); n != 10 || len(made.Partitions) != 10 {
			t.Errorf("the group reads %d of %d partitions, want all of 10", n, len(made.Partitions))
		}
	})
}

// What a group keeps of its own goes with it, and no user sees it.
func TestEditedRecordsGoWithTheirGroup(t *testing.T) {
	inBubble(t, func(d *desk) {
		d.topic("t", nil)
		reads := func(c *admit.GroupChange) { c.Topics = []string{"t"} }
		if err := d.group("g", reads); err != nil {
			t.Fatal(err)
		}
		if p, err := d.Edited(d.t.Context(), "g", false); p != nil || err != nil {
			t.Errorf("before it is asked for: %v, %v", p, err)
		}
		p, err := d.Edited(d.t.Context(), "g", true)
		if err != nil || p == nil {
			t.Fatalf("%v, %v", p, err)
		}
		if again, err := d.Edited(d.t.Context(), "g", false); again != p || err != nil {
			t.Errorf("the second time: %v, %v", again, err)
		}
		d.missing("one of the server's own", editedName("g"))
		if _, err := d.Edited(d.t.Context(), "nobody", true); !errors.Is(err, catalog.ErrGroupNotFound) {
			t.Errorf("of no group: %v", err)
		}
		if err := d.DeleteGroup(d.t.Context(), "g", false, catalog.Condition{}); err != nil {
			t.Fatal(err)
		}
		if d.topics.Internal(editedName("g")) != nil {
			t.Error("it is there without its group")
		}
	})
}

// A topic that groups of either kind read is not deleted without force; with it they go on without it.
func TestDeletingWhatIsRead(t *testing.T) {
	inBubble(t, func(d *desk) {
		for _, kind := range []catalog.Kind{catalog.KindShare, catalog.KindOrdered} {
			name := "of-" + string(kind)
			d.topic("t", nil)
			d.topic("other", nil)
			if err := d.group(name, func(c *admit.GroupChange) { c.Kind, c.Topics = kind, []string{"t", "other"} }); err != nil {
				t.Fatal(err)
			}
			if err := d.DeleteTopic(d.t.Context(), "t", false, catalog.Condition{}); !errors.Is(err, catalog.ErrTopicInUse) {
				t.Errorf("%s: %v", kind, err)
			}
			if _, err := d.topics.Get("t"); err != nil {
				t.Fatalf("%s: refused, and gone: %v", kind, err)
			}
			if err := d.DeleteTopic(d.t.Context(), "t", true, catalog.Condition{}); err != nil {
				t.Fatal(err)
			}
			def, err := d.catalog.Group(name)
			if err != nil || len(def.Topics) != 1 || def.Topics[0].Topic != "other" {
				t.Errorf("%s: %+v, %v", kind, def, err)
			}
			if err := d.DeleteTopic(d.t.Context(), "t", true, catalog.Condition{}); !errors.Is(err, catalog.ErrTopicNotFound) {
				t.Errorf("%s: deleted twice: %v", kind, err)
			}
			if err := d.DeleteGroup(d.t.Context(), name, false, catalog.Condition{}); err != nil {
				t.Errorf("%s: %v", kind, err)
			}
		}
	})
}

package queue

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store/memory"
	"github.com/holtmq/holt/queue/topic"
)

// owned makes, or deletes, one of the server's own topics.
func owned(t *testing.T, b *Broker, del bool) *topic.Topic {
	t.Helper()
	unlock, err := b.catalog.Lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	if del {
		if err := b.definitions.DeleteInternal(t.Context(), "__r.g"); err != nil {
			t.Fatal(err)
		}
		return nil
	}
	own, err := b.definitions.Internal(t.Context(), "__r.g")
	if err != nil {
		t.Fatal(err)
	}
	return own
}

func TestServersOwnTopicsAreSeenByNobodyAndSurvive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := memory.New(memory.Config{})
		var b *Broker
		open := func() {
			var err error
			if b, err = Open(t.Context(), st, Config{}); err != nil {
				t.Fatal(err)
			}
		}
		restart := func() {
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
			st = st.Crash()
			open()
		}
		open()
		defer func() { _ = b.Close() }()
		own := owned(t, b, false)
		tx, err := partition.Begin(&partition.AppendTo{Partition: own.Partitions[0], Records: []record.Record{{Value: []byte("kept")}}})
		if err != nil {
			t.Fatal(err)
		}
		if err := b.committer.Wait(t.Context(), tx.Commit(b.committer, time.Now(), nil)); err != nil {
			t.Fatal(err)
		}
		restart()
		again := owned(t, b, false)
		if again.Def.ID != own.Def.ID {
			t.Errorf("made again: id %d, was %d", again.Def.ID, own.Def.ID)
		}
		if r, err := again.Partitions[0].Find(t.Context(), 0); err != nil || string(r.Value) != "kept" {
			t.Errorf("%q, %v", r.Value, err)
		}
		for _, name := range []string{"__r.g", "__holt"} {
			checkUnseen(t, b, name)
		}
		owned(t, b, true)
		restart()
		if b.topics.Internal("__r.g") != nil || len(b.catalog.Internals()) != 0 {
			t.Error("a deleted topic is back")
		}
	})
}

// checkUnseen calls everything that takes a topic's name.
func checkUnseen(t *testing.T, b *Broker, name string) {
	t.Helper()
	ctx := t.Context()
	if infos, err := b.Topics(ctx, "", 1000); err != nil || len(infos) != 0 {
		t.Errorf("topics %v, %v", infos, err)
	}
	calls := map[string]func(context.Context) error{
		"get": func(ctx context.Context) error { _, err := b.Topic(ctx, name); return err },
		"put": func(ctx context.Context) error {
			_, _, err := b.PutTopic(ctx, name, Condition{}, func(c TopicConfig, _ bool) (TopicConfig, error) { return c, nil })
			return err
		},
		"delete": func(ctx context.Context) error { return b.DeleteTopic(ctx, name, true, Condition{}) },
		"publish": func(ctx context.Context) error {
			_, _, err := b.Publish(ctx, name, []Message{{Value: []byte("v")}}, 0)
			return err
		},
		"read":      func(ctx context.Context) error { _, err := b.Read(ctx, ReadRequest{Topic: name}); return err },
		"scheduled": func(ctx context.Context) error { _, _, err := b.Scheduled(ctx, name, "", 10); return err },
		"lease": func(ctx context.Context) error {
			_, _, err := b.Lease(ctx, "made", LeaseRequest{Max: 1, Topics: []string{name}})
			return err
		},
		"group": func(ctx context.Context) error {
			_, _, err := b.PutGroup(ctx, "g", Condition{}, func(c GroupChange, _ bool) (GroupChange, error) {
				c.Topics = []string{name}
				return c, nil
			})
			return err
		},
		"schedule": func(ctx context.Context) error {
			_, _, err := b.PutSchedule(ctx, "s", Condition{}, func(c ScheduleConfig, _ bool) (ScheduleConfig, error) {
				c.Cron, c.Topic, c.CatchUp = "@hourly", name, catalog.CatchUpOne
				return c, nil
			})
			return err
		},
	}
	for what, call := range calls {
		if err := call(ctx); !errors.Is(err, ErrTopicNotFound) && !errors.Is(err, ErrInvalidName) {
			t.Errorf("%s %s: %v", what, name, err)
		}
	}
	if infos, err := b.Groups(ctx, "", 10); err != nil || len(infos) != 0 {
		t.Errorf("a refused call made groups %v, %v", infos, err)
	}
}

// tally is a machine of the server's log: it counts.
type tally struct{ n byte }

func (c *tally) Restore(b []byte) error { c.n = b[0]; return nil }
func (c *tally) Replay([]byte) error    { c.n++; return nil }
func (c *tally) Checkpoint() []byte     { return []byte{c.n} }

func TestTheServersLogIsOpenedWithTheBroker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, err := Open(t.Context(), memory.New(memory.Config{}), Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = b.Close() }()
		j := b.system.Begin("test", new(tally))
		if err := b.committer.Wait(t.Context(), b.committer.Enqueue(commit.Unit{j.Part([]byte("x"))})); err != nil {
			t.Error(err)
		}
	})
}

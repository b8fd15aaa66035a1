package share

import (
	"log/slog"
	"sync/atomic"
	"testing"

	"github.com/holtmq/holt/lease"
	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store/memory"
)

// considered returns a group that has considered so many records of a partition; n is a multiple of 1000.
func considered(t *testing.T, n lease.Offset) (*Group, *window) {
	t.Helper()
	st := memory.New(memory.Config{})
	p, err := partition.Open(t.Context(), st, partition.NewCache(1<<20), 1, "t", 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	c, done := commit.New(st, nil), make(chan error, 1)
	go func() { done <- c.Run() }()
	def := &catalog.Group{ID: 1, Name: "g", Config: catalog.DefaultGroup("g")}
	g := NewGroup(&Env{Committer: c, Clock: NewClock(nil), Receipts: receipts, Logger: slog.New(slog.DiscardHandler), Waiting: new(atomic.Int64)},
		def, []Part{{Partition: p, Epoch: 1}}, nil, nil)
	t.Cleanup(func() {
		g.Close()
		c.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	w := g.windows[0]
	for at := lease.Offset(0); at < n; at += 1000 {
		w.machine.Offer(at, make([]lease.Offered, 1000))
	}
	return g, w
}

func TestRecordsAreLostSomeAtATime(t *testing.T) {
	g, w := considered(t, 26_000)
	stays := func(at record.Offset) bool { return at%5 == 0 }
	if next := g.lose(w.part, 1, 25_000, stays); next != 1+maxLose {
		t.Errorf("one hold of the lock came to %d, want %d", next, 1+maxLose)
	}
	g.Lost(w.part, 1, 25_000, stays)
	g.Lost(w.part, 1, 25_000, stays) // what is gone is gone
	if got := w.machine.Counts().Available; got != 25_000/5+1000 {
		t.Errorf("%d records are left, want a fifth of 25,000, and the 1,000 behind", got)
	}
	g.Lost(w.part, 25_000, 99_000, func(record.Offset) bool { return false })
	if got := w.machine.End(); got != 26_000 {
		t.Errorf("the end is %d: what was not considered is passed over when it is", got)
	}
	if got := w.machine.Counts().Available; got != 25_000/5 {
		t.Errorf("%d records are left, want a fifth of 25,000", got)
	}
}

func TestRecordsAreLookedThroughSomeAtATime(t *testing.T) {
	g, w := considered(t, 2*maxWalk)
	if r := w.machine.SettleAt(0, 2*maxWalk-10, lease.Reject); r.Code != lease.OK {
		t.Fatalf("%+v", r)
	}
	out, next, more := g.someViews(w, lease.Dying, 5, 10, nil)
	if len(out) != 0 || next != 5+maxWalk || !more {
		t.Errorf("one hold of the lock found %v and came to %d, %v", out, next, more)
	}
	if out := g.views(w, lease.Dying, 5, 10); len(out) != 1 || out[0].Offset != 2*maxWalk-10 {
		t.Errorf("found %v", out)
	}
}

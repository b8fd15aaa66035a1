package retain

import (
	"context"

	"github.com/holtmq/holt/lease"
	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
)

// Kept is a log whose owner knows what of it waits, and moves its start up to the first that does: of a topic's delayed records, or of a group's edited ones.
type Kept interface {
	Partition() *partition.Partition
	// Waiting appends the offsets of [from, to) that have to stay, as at most limit ranges in order; at the limit everything behind counts. What it leaves out never has to again.
	Waiting(from, to record.Offset, limit int, dst []lease.Range) []lease.Range
	// Hold keeps the start of the log where it is until give is called.
	Hold() (give func())
}

// delayed returns the log of the topic's delayed records; nil if there is none.
func (t *Topic) delayed() *partition.Partition {
	if t.Delayed == nil {
		return nil
	}
	return t.Delayed.Partition()
}

// sparse is how many records of such a log there must be for each that waits before what is between them is taken out.
const sparse = 4

// hollowKept is hollow for such a log: what waits stays, however long; all else goes.
func (k *Keeper) hollowKept(ctx context.Context, d Kept, pc *pace) error {
	p := d.Partition()
	start, end := p.Bounds()
	missing, err := p.Missing(ctx, start, end)
	if err != nil || start >= end {
		return err
	}
	waits := need(d.Waiting(start, end, maxRanges, nil))
	if kept(start, end-1, waits)*sparse > int64(end-start)-missing {
		return nil
	}
	t := &Topic{
		Config:  catalog.TopicConfig{Retention: catalog.Retention{KeepUnsettled: true}},
		Readers: func() []Reader { return []Reader{waiting{d}} }, Followers: func() []Follower { return nil }, Holders: func() []Holder { return nil },
	}
	own := *k
	own.Host = holding{k.Host, d}
	return own.hollowTo(ctx, t, p, end, pc)
}

// waiting is such a log as a reader that has not settled what waits.
type waiting struct{ Kept }

func (w waiting) Needs(*partition.Partition) (record.Offset, bool) { return 0, true }

func (w waiting) Unsettled(_ *partition.Partition, from, to record.Offset, limit int, dst []lease.Range) []lease.Range {
	return w.Waiting(from, to, limit, dst)
}

func (w waiting) Trimmed(*partition.Partition) {}

func (w waiting) Lost(*partition.Partition, record.Offset, record.Offset, func(record.Offset) bool) {}

// holding is the host whose turn is to hold such a log.
type holding struct {
	Host
	d Kept
}

func (h holding) TakeTurn(context.Context) (give func(), err error) { return h.d.Hold(), nil }

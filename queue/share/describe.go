package share

import (
	"context"
	"time"

	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/partition"
)

// OnTopic is one group that reads a topic.
type OnTopic struct {
	Group           string
	Kind            catalog.Kind
	Lag             int64
	HoldsBytes      int64     // stored bytes from its oldest unsettled record on, if it keeps them from retention
	OldestUnsettled time.Time // zero = none
}

// OnTopic describes what the group has still to do on a topic's partitions. keeps says that the topic keeps unsettled records: else nobody holds anything back.
func (g *Group) OnTopic(parts []*partition.Partition, keeps bool) OnTopic {
	def := g.Definition()
	out := OnTopic{Group: def.Name, Kind: def.Kind}
	var oldest partition.Oldest
	for _, p := range g.progressOf(parts) {
		p = p.counted(context.Background())
		out.Lag += p.Lag
		if p.Lag == 0 {
			continue
		}
		if keeps && def.Config.Pin {
			out.HoldsBytes += p.Partition.BytesFrom(p.Start)
		}
		p.addUnsettled(&oldest)
	}
	out.OldestUnsettled, _ = oldest.Time(context.Background()) // what cannot be read is told where the group is described
	return out
}

// LagOn is OnTopic without the bytes and the time. It costs the same however many partitions there are, as Totals does.
func (g *Group) LagOn(parts []*partition.Partition) OnTopic {
	def := g.Definition()
	return OnTopic{Group: def.Name, Kind: def.Kind, Lag: g.totals(parts[0].Ends).Lag}
}

// Backlog returns what the group has not settled on a topic, or with "" on all it reads: records, and the stored bytes from the oldest one on.
func (g *Group) Backlog(name string) (records, bytes int64) {
	for _, p := range g.Progress() {
		if (name == "" || p.Partition.Topic == name) && p.Lag > 0 {
			records += p.Lag
			bytes += p.Partition.BytesFrom(p.Start)
		}
	}
	return records, bytes
}

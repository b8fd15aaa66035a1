package share

import (
	"context"
	"time"

	"github.com/holtmq/holt/queue/catalog"
)

// OnTopic is one group that reads a topic.
type OnTopic struct {
	Group           string
	Kind            catalog.Kind
	Lag             int64
	HoldsBytes      int64     // stored bytes from its oldest unsettled record on, if it keeps them from retention
	OldestUnsettled time.Time // zero = none
}

// OnTopic describes what the group has still to do on a topic. keeps says that the topic keeps unsettled records: else nobody holds anything back.
func (g *Group) OnTopic(name string, keeps bool) OnTopic {
	def := g.Definition()
	out := OnTopic{Group: def.Name, Kind: def.Kind}
	for _, p := range g.Progress() {
		if p.Partition.Topic != name {
			continue
		}
		out.Lag += p.Lag
		if p.Lag == 0 {
			continue
		}
		if keeps && def.Config.Pin {
			out.HoldsBytes += p.Partition.BytesFrom(p.Start)
		}
		at, err := p.OldestUnsettled(context.Background())
		if err == nil && !at.IsZero() && (out.OldestUnsettled.IsZero() || at.Before(out.OldestUnsettled)) {
			out.OldestUnsettled = at
		}
	}
	return out
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

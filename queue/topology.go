package queue

import (
	"context"
	"errors"
	"time"

	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/traffic"
)

// MaxTopology is how many topics, and how many groups, a topology shows.
const MaxTopology = 5_000

// ClientSeen is a client that published to a topic, or worked for a group, in the last 24 hours.
type ClientSeen = traffic.Seen

// Topology is who talks to whom.
type Topology struct {
	Topics []TopologyTopic
	Groups []TopologyGroup
	Cut    bool // there are more than MaxTopology
}

// TopologyTopic is a topic and who published to it.
type TopologyTopic struct {
	Name          string
	Partitions    int
	Records       int64 // at most: holes count
	Bytes         int64
	Schema        int    // version; 0 = none
	SchemaText    []byte // nil = none
	LettersOf     string // the group whose dead letters it was made for; "" = none
	PerSecond     float64
	Producers     []ClientSeen
	CreatedAt     time.Time
	Compatibility string
}

// TopologyGroup is a group and who worked for it.
type TopologyGroup struct {
	GroupInfo
	DeadLetters string // the topic of its dead letters; "" = none
	PerSecond   float64
	Clients     []ClientSeen
}

// Published notes that a client published so many records to a topic. It costs next to nothing.
func (b *Broker) Published(client, name string, records int) {
	if t, err := b.topics.Get(name); err == nil {
		b.traffic.Saw(traffic.Produces, t.Def.ID, client, records)
	}
}

// Worked notes that a client took, settled or read so many records for a group.
func (b *Broker) Worked(client, group string, records int) {
	if def, err := b.catalog.Group(group); err == nil {
		b.traffic.Saw(traffic.Works, def.ID, client, records)
	}
}

// watchTraffic keeps the table of clients until the broker closes.
func (b *Broker) watchTraffic() {
	b.traffic.Run(b.ctx, func(kind traffic.Kind) map[uint64]bool {
		ids := map[uint64]bool{}
		if kind == traffic.Produces {
			for _, def := range b.catalog.Topics("", everything) {
				ids[def.ID] = true
			}
			return ids
		}
		for _, def := range b.catalog.Groups("", everything) {
			ids[def.ID] = true
		}
		return ids
	})
}

// Topology tells who talks to whom. Errors: those of Topics and Groups.
func (b *Broker) Topology(ctx context.Context) (Topology, error) {
	var out Topology
	topics := b.catalog.Topics("", MaxTopology+1)
	groups := b.catalog.Groups("", MaxTopology+1)
	out.Cut = len(topics) > MaxTopology || len(groups) > MaxTopology
	for _, def := range topics[:min(len(topics), MaxTopology)] {
		t, err := b.topics.Get(def.Name)
		if err != nil {
			continue
		}
		item := TopologyTopic{
			Name: def.Name, Partitions: len(t.Partitions), Schema: def.SchemaVersion, LettersOf: def.LettersOf, CreatedAt: def.CreatedAt,
			Compatibility: string(def.Config.SchemaCompatibility), Producers: b.traffic.Clients(traffic.Produces, def.ID),
		}
		if def.Compiled != nil {
			item.SchemaText = def.Compiled.Text()
		}
		for _, p := range t.Partitions {
			start, end := p.Bounds()
			item.Records += int64(end - start)
			item.Bytes += p.Bytes()
		}
		for _, c := range item.Producers {
			item.PerSecond += c.PerSecond
		}
		out.Topics = append(out.Topics, item)
	}
	for _, def := range groups[:min(len(groups), MaxTopology)] {
		info, err := b.groups.Info(ctx, def.Name)
		if errors.Is(err, ErrGroupNotFound) {
			continue
		} else if err != nil {
			return Topology{}, err
		}
		item := TopologyGroup{GroupInfo: info, Clients: b.traffic.Clients(traffic.Works, def.ID)}
		if def.Kind == catalog.KindShare && def.Config.DeadLetters {
			item.DeadLetters = def.Config.DeadLetterTopic
		}
		for _, c := range item.Clients {
			item.PerSecond += c.PerSecond
		}
		out.Groups = append(out.Groups, item)
	}
	return out, b.committer.Durable(ctx)
}

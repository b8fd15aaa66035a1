package queue

import (
	"context"

	"github.com/holtmq/holt/queue/topology"
	"github.com/holtmq/holt/queue/traffic"
)

// MaxTopology is how many topics, and how many groups, a topology shows.
const MaxTopology = topology.MaxItems

// Names of the types that topologies are made of.
type (
	Topology      = topology.Graph
	TopologyTopic = topology.Topic
	TopologyGroup = topology.Group
	ClientSeen    = traffic.Seen
)

// Published notes that a client published so many records to a topic. It costs next to nothing.
func (b *Broker) Published(client, name string, records int) {
	b.topology.Published(client, name, records)
}

// Worked notes that a client took, settled or read so many records for a group.
func (b *Broker) Worked(client, group string, records int) { b.topology.Worked(client, group, records) }

// Topology tells who talks to whom. Errors: those of Topics and Groups.
func (b *Broker) Topology(ctx context.Context) (Topology, error) {
	out, err := b.topology.Graph(ctx)
	if err != nil {
		return Topology{}, err
	}
	return out, b.committer.Durable(ctx)
}

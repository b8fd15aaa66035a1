package queue

import "github.com/holtmq/holt/queue/share"

// readership is which share groups read each topic, by name, as of some number of changes. Publishes with max_backlog ask for it, so it is not made anew each time.
type readership struct {
	changes uint64
	by      map[uint64][]*share.Group
}

// readers returns the share groups that read a topic, by name.
func (b *Broker) readers(topicID uint64) []*share.Group { return b.allReaders()[topicID] }

// allReaders returns the share groups that read each topic, by name. Nobody changes it.
func (b *Broker) allReaders() map[uint64][]*share.Group {
	changes := b.changes.Load()
	if r := b.readership.Load(); r != nil && r.changes == changes {
		return r.by
	}
	r := &readership{changes: changes, by: map[uint64][]*share.Group{}}
	for _, def := range b.catalog.Groups("", everything) {
		b.mu.RLock()
		g := b.groups[def.Name]
		b.mu.RUnlock()
		for _, a := range def.Topics {
			if g != nil {
				r.by[a.ID] = append(r.by[a.ID], g)
			}
		}
	}
	b.readership.Store(r)
	return r.by
}

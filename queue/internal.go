package queue

import (
	"context"
	"fmt"

	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/topic"
)

// internalTopic returns one of the server's own topics, whose name begins with "__", making it with one partition if it is missing. No call of a user sees it,
// retention leaves it alone (whoever owns it trims it), and groups may have windows on it as on any other. The catalog's turn is held. Errors: the store's.
func (b *Broker) internalTopic(ctx context.Context, name string) (*topic.Topic, error) {
	if !catalog.Reserved(name) {
		panic(fmt.Sprintf("topic %s is no internal one", name))
	}
	if t := b.topics.Internal(name); t != nil {
		return t, nil
	}
	def := catalog.Topic{Name: name, Config: catalog.DefaultTopic()}
	def.Config.Partitions, def.Config.DedupeWindow = 1, 0
	stored, err := b.catalog.PutTopic(ctx, def)
	if err != nil {
		return nil, err
	}
	t, err := topic.Open(ctx, b.openings, stored, nil, false)
	if err != nil {
		return nil, err
	}
	b.topics.Put(t)
	return t, nil
}

// deleteInternal deletes one of the server's own topics, which no group reads any more; one that is missing is no error. The catalog's turn is held.
func (b *Broker) deleteInternal(ctx context.Context, name string) error {
	t := b.topics.Internal(name)
	if t == nil {
		return nil
	}
	if err := b.catalog.DeleteTopic(ctx, t.Def); err != nil {
		return err
	}
	b.closeTopic(t)
	return nil
}

// closeTopic ends an open topic whose definition is gone, and gives its space back later.
func (b *Broker) closeTopic(t *topic.Topic) {
	b.topics.Remove(t) // before the close, which wakes readers: they must not find it any more
	t.Close()
	b.groups.LoseLetters(t)
	b.indexes.End(t.Partitions)
	b.tails.Changed(t.Def.Name)
	b.work.Go(func() { b.drop(t) })
}

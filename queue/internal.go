package queue

import (
	"context"
	"fmt"

	"github.com/holtmq/holt/queue/catalog"
)

// among returns the map that an open topic of that name is in.
func (b *Broker) among(name string) map[string]*topic {
	if catalog.Reserved(name) {
		return b.internal
	}
	return b.topics
}

// internalTopic returns one of the server's own topics, whose name begins with "__", making it with one partition if it is missing. No call of a user sees it,
// retention leaves it alone (whoever owns it trims it), and groups may have windows on it as on any other. The catalog's turn is held. Errors: the store's.
func (b *Broker) internalTopic(ctx context.Context, name string) (*topic, error) {
	if !catalog.Reserved(name) {
		panic(fmt.Sprintf("topic %s is no internal one", name))
	}
	b.mu.RLock()
	t := b.internal[name]
	b.mu.RUnlock()
	if t != nil {
		return t, nil
	}
	def := catalog.Topic{Name: name, Config: catalog.DefaultTopic()}
	def.Config.Partitions, def.Config.DedupeWindow = 1, 0
	stored, err := b.catalog.PutTopic(ctx, def)
	if err != nil {
		return nil, err
	}
	if t, err = b.openTopic(ctx, stored, nil, false); err != nil {
		return nil, err
	}
	b.mu.Lock()
	b.internal[name] = t
	b.mu.Unlock()
	return t, nil
}

// deleteInternal deletes one of the server's own topics, which no group reads any more; one that is missing is no error. The catalog's turn is held.
func (b *Broker) deleteInternal(ctx context.Context, name string) error {
	b.mu.RLock()
	t := b.internal[name]
	b.mu.RUnlock()
	if t == nil {
		return nil
	}
	if err := b.catalog.DeleteTopic(ctx, t.def); err != nil {
		return err
	}
	b.closeTopic(t)
	return nil
}

// closeTopic ends an open topic whose definition is gone, and gives its space back later.
func (b *Broker) closeTopic(t *topic) {
	for _, p := range t.partitions {
		p.Close()
	}
	b.mu.Lock()
	delete(b.among(t.def.Name), t.def.Name)
	for _, g := range b.groups { // after the close: no letter comes behind
		g.LoseLetters(logs(t))
	}
	b.mu.Unlock()
	t.delayed.close()
	b.work.Go(func() { b.drop(t) })
}

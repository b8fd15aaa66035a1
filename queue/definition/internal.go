package definition

import (
	"context"
	"fmt"

	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/topic"
)

// Internal returns one of the server's own topics, whose name begins with "__", making it with one partition if it is missing. No call of a user sees it,
// retention leaves it alone (whoever owns it trims it), and groups may have windows on it as on any other. The catalog's turn is held. Errors: the store's.
func (e *Editor) Internal(ctx context.Context, name string) (*topic.Topic, error) {
	if !catalog.Reserved(name) {
		panic(fmt.Sprintf("topic %s is no internal one", name))
	}
	if t := e.topics.Internal(name); t != nil {
		return t, nil
	}
	def := catalog.Topic{Name: name, Config: catalog.DefaultTopic()}
	def.Config.Partitions, def.Config.DedupeWindow = 1, 0
	stored, err := e.catalog.PutTopic(ctx, def)
	if err != nil {
		return nil, err
	}
	t, err := topic.Open(ctx, e.openings, stored, nil, false)
	if err != nil {
		return nil, err
	}
	e.topics.Put(t)
	return t, nil
}

// DeleteInternal deletes one of the server's own topics, which no group reads any more; one that is missing is no error. The catalog's turn is held.
func (e *Editor) DeleteInternal(ctx context.Context, name string) error {
	t := e.topics.Internal(name)
	if t == nil {
		return nil
	}
	if err := e.catalog.DeleteTopic(ctx, t.Def); err != nil {
		return err
	}
	e.closeTopic(t)
	return nil
}

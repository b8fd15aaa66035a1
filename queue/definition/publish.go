package definition

import (
	"context"

	"github.com/holtmq/holt/queue/admit"
	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/topic"
)

// CheckPublish refuses messages that the topic, or one made with defaults, would not take. Errors: those of admit.Limits.Publish, topic.ErrSchemaViolation, catalog.ErrTopicNotFound, catalog.ErrInvalidName.
func (e *Editor) CheckPublish(name string, msgs []topic.Message) error {
	t, err := e.topics.Get(name)
	if err == nil {
		if err := e.limits.Publish(msgs, t.Def.Config.MaxRecordBytes); err != nil {
			return err
		}
		return t.CheckValues(msgs)
	}
	if err := catalog.CheckName(name); err != nil {
		return err
	}
	if e.noAutoCreate {
		return err
	}
	if err := e.limits.Publish(msgs, catalog.DefaultTopic().MaxRecordBytes); err != nil {
		return err
	}
	return admit.Defaults(msgs)
}

// TopicFor returns the topic, making it with defaults if the server may and the messages are good. Errors: those of CheckPublish and PutTopic.
func (e *Editor) TopicFor(ctx context.Context, name string, msgs []topic.Message) (*topic.Topic, []string, error) {
	if err := e.CheckPublish(name, msgs); err != nil {
		return nil, nil, err
	}
	if t, err := e.topics.Get(name); err == nil {
		return t, nil, nil
	}
	unlock, err := e.lock(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer unlock()
	t, made, err := e.putTopic(context.WithoutCancel(ctx), name, catalog.Condition{}, "", func(old catalog.TopicConfig, exists bool) (catalog.TopicConfig, error) { return old, nil })
	if err != nil || !made {
		return t, nil, err
	}
	return t, []string{"topics/" + name}, nil
}

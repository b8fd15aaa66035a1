package queue

import (
	"context"

	"github.com/holtmq/holt/queue/topic"
)

// PutTopic creates a topic or changes it: edit gets the configuration that is, or the defaults, and returns the one to
// be. Errors: ErrInvalidName, ErrInvalidConfig, ErrCannotShrink, ErrPrecondition, edit's.
func (b *Broker) PutTopic(ctx context.Context, name string, cond Condition, edit func(old TopicConfig, exists bool) (TopicConfig, error)) (info TopicInfo, created bool, err error) {
	return b.definitions.PutTopic(ctx, name, cond, edit)
}

// Topic describes a topic. Errors: ErrTopicNotFound.
func (b *Broker) Topic(ctx context.Context, name string) (TopicInfo, error) {
	t, err := b.topics.Get(name)
	if err != nil {
		return TopicInfo{}, err
	}
	return b.groups.Topic(t), b.committer.Durable(ctx)
}

// Topics describes up to limit topics with names after the given one, by name.
func (b *Broker) Topics(ctx context.Context, after string, limit int) ([]TopicInfo, error) {
	return b.listTopics(ctx, after, limit, b.groups.Topic)
}

// TopicSummaries is Topics with no more of each topic's groups than their lag: no record is read for it.
func (b *Broker) TopicSummaries(ctx context.Context, after string, limit int) ([]TopicInfo, error) {
	return b.listTopics(ctx, after, limit, b.groups.TopicSummary)
}

func (b *Broker) listTopics(ctx context.Context, after string, limit int, describe func(*topic.Topic) TopicInfo) ([]TopicInfo, error) {
	var out []TopicInfo
	for _, def := range b.catalog.Topics(after, limit) {
		if t, err := b.topics.Get(def.Name); err == nil {
			out = append(out, describe(t))
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return out, b.committer.Durable(ctx)
}

// DeleteTopic deletes a topic; its space comes back later. force detaches the groups that read it and gives open dead
// letters up. Errors: ErrTopicNotFound, ErrTopicInUse, ErrPrecondition.
func (b *Broker) DeleteTopic(ctx context.Context, name string, force bool, cond Condition) error {
	return b.definitions.DeleteTopic(ctx, name, force, cond)
}

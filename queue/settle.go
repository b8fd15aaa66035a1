package queue

import (
	"context"
	"errors"

	"github.com/holtmq/holt/queue/share"
	"github.com/holtmq/holt/queue/topic"
)

// Settle ends or moves leases, each on its own. Errors: *SettleError when none was settled; ErrGroupNotFound,
// ErrInvalidRequest, ErrRequestTooLarge, ErrUnavailable, ErrUnknown.
func (b *Broker) Settle(ctx context.Context, name string, actions []Action) (SettleResult, error) {
	return b.SettleAndPublish(ctx, name, SettleRequest{Actions: actions})
}

// SettleAndPublish is Settle, and with records to publish all of it in one unit or nothing. Errors: also *SettleError when there are records and one
// receipt was refused, and those of Publish.
func (b *Broker) SettleAndPublish(ctx context.Context, name string, req SettleRequest) (SettleResult, error) {
	if err := b.Ready(); err != nil && !errors.Is(err, ErrShuttingDown) {
		return SettleResult{}, err
	}
	g, err := b.groups.Share(name)
	if err != nil {
		return SettleResult{}, err
	}
	if err := b.cfg.Limits.Settle(req); err != nil {
		return SettleResult{}, err
	}
	if len(req.Actions) == 0 && len(req.Publish) == 0 {
		return SettleResult{}, nil
	}
	inner := share.SettleRequest{Actions: req.Actions, Request: req.Request}
	if len(req.Publish) > 0 {
		if res, known, err := g.Check(ctx, inner); known || err != nil { // a refused call makes no topics, and a repeat needs none
			return res, b.ofGroup(name, err)
		}
		pub, created, err := b.publicationOf(ctx, req.Publish, len(req.Actions))
		if err != nil {
			return SettleResult{}, err
		}
		inner.Publish = pub
		res, err := g.Settle(ctx, inner)
		res.Created = created
		return res, b.ofGroup(name, err)
	}
	res, err := g.Settle(ctx, inner)
	return res, b.ofGroup(name, err)
}

// publicationOf makes a publication of the records of a settle with so many actions, and topics that are missing.
func (b *Broker) publicationOf(ctx context.Context, publish []TopicMessages, actions int) (pub *topic.Publication, created []string, err error) {
	if err := b.writable(); err != nil {
		return nil, nil, err
	}
	if err := b.cfg.Limits.Whole(actions, publish); err != nil {
		return nil, nil, err
	}
	for _, p := range publish { // all of them before the first topic is made
		if err := b.definitions.CheckPublish(p.Topic, p.Messages); err != nil {
			return nil, nil, err
		}
	}
	items := make([]*topic.Item, len(publish))
	for i, p := range publish {
		t, made, err := b.definitions.TopicFor(ctx, p.Topic, p.Messages)
		if err != nil {
			return nil, created, err
		}
		created = append(created, made...)
		items[i] = &topic.Item{Topic: t, Messages: p.Messages}
	}
	pub, err = topic.NewPublication(b.openings, items...)
	return pub, created, err
}

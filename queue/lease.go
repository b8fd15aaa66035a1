package queue

import (
	"context"
	"errors"
	"time"

	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/share"
)

// Lease hands out records of a group, waiting for the first one as long as the request says; no records without an error: nothing came in
// time, or the server is stopping. Topics of the request are attached if they exist and are not yet; without the group, it and they are made with defaults, and created names
// them. Errors: ErrGroupNotFound, ErrTopicNotFound, ErrInvalidName, ErrInvalidRequest, ErrShuttingDown, ErrUnavailable, ErrUnknown.
func (b *Broker) Lease(ctx context.Context, name string, req LeaseRequest) (ds []Delivery, created []string, err error) {
	g, created, err := b.leaseGroup(ctx, name, req)
	if err != nil {
		return nil, nil, err
	}
	ds, err = g.Lease(ctx, req)
	return ds, created, b.ofGroup(name, err)
}

// LeaseAndSettle settles first and then leases, in one call. What is refused is in settled.Failed and stops nothing; with refusals, or records to
// publish, the lease does not wait. Errors: those of both; then nothing was leased.
func (b *Broker) LeaseAndSettle(ctx context.Context, name string, settle SettleRequest, req LeaseRequest) (settled SettleResult, ds []Delivery, created []string, err error) {
	if err := b.cfg.Limits.Settle(settle); err != nil {
		return settled, nil, nil, err
	}
	for _, p := range settle.Publish { // a refused call makes nothing
		if err := b.definitions.CheckPublish(p.Topic, p.Messages); err != nil {
			return settled, nil, nil, err
		}
	}
	g, created, err := b.leaseGroup(ctx, name, req)
	if err != nil {
		return settled, nil, nil, err
	}
	settled, err = b.SettleAndPublish(ctx, name, settle)
	if failed := (*SettleError)(nil); errors.As(err, &failed) {
		settled = SettleResult{Failed: failed.Failed}
	} else if err != nil {
		return settled, nil, nil, err
	}
	if len(settled.Failed) > 0 || len(settle.Publish) > 0 {
		req.Wait = 0
	}
	ds, err = g.Lease(ctx, req)
	return settled, ds, created, b.ofGroup(name, err)
}

// leaseGroup returns the group that a lease is for, refusing what cannot be.
func (b *Broker) leaseGroup(ctx context.Context, name string, req LeaseRequest) (g *share.Group, created []string, err error) {
	if err := b.Ready(); err != nil {
		return nil, nil, err
	}
	if err := b.cfg.Limits.Lease(req); err != nil {
		return nil, nil, err
	}
	if g, err = b.groups.Share(name); err != nil || !g.Definition().Reads(req.Topics) {
		if created, err = b.definitions.GroupFor(ctx, name, catalog.KindShare, req.Topics); err == nil {
			g, err = b.groups.Share(name)
		}
	}
	return g, created, err
}

// GiveBack releases records of an answer that its client never got, uncounted.
func (b *Broker) GiveBack(name string, ds []Delivery) {
	g, err := b.groups.Share(name)
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := g.GiveBack(ctx, ds); err != nil {
		b.log.Debug("records of an answer that nobody got stay leased until they expire", "group", name, "error", err)
	}
}

package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holtmq/holt/lease"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/share"
	"github.com/holtmq/holt/queue/store"
)

// Names of the share package's types that inspection needs.
type (
	GroupPlace  = share.Place
	GroupEntry  = share.Entry
	GroupRecord = share.Detail
	RecordState = lease.State
	Attempt     = share.Attempt
	Verb        = lease.Verb
)

// The states of a record in a group.
const (
	Available = lease.Available
	Leased    = lease.Leased
	Deferred  = lease.Deferred
	Dying     = lease.Dying
	Settled   = lease.Settled
)

// GroupRecords returns up to limit unsettled records of a group in one state from a place on, and where to go on; nil at
// the end. Errors: ErrGroupNotFound, ErrCorrupt.
func (b *Broker) GroupRecords(ctx context.Context, name string, state RecordState, from GroupPlace, limit int) ([]GroupEntry, *GroupPlace, error) {
	g, err := b.groups.Share(name)
	if err != nil {
		return nil, nil, err
	}
	out, next, err := g.Records(ctx, state, from, limit)
	if err != nil {
		return nil, nil, err
	}
	return out, next, b.committer.Durable(ctx)
}

// GroupRecord returns one record with what it waits for and its last attempts. Errors: ErrGroupNotFound, ErrTopicNotFound, ErrPartitionNotFound, ErrRecordNotFound.
func (b *Broker) GroupRecord(ctx context.Context, name string, at GroupPlace) (GroupRecord, error) {
	g, err := b.groupAt(name, at)
	if err != nil {
		return GroupRecord{}, err
	}
	d, err := g.Record(ctx, at)
	if err != nil {
		return d, b.atPlace(name, at, err)
	}
	return d, b.committer.Durable(ctx)
}

// ExtendAt moves the deadline of the lease on a record to length from now (0 = the group's lease); its holder keeps it. Errors: as SettleAt, and ErrLeaseLost if nobody holds it.
func (b *Broker) ExtendAt(ctx context.Context, name string, at GroupPlace, length time.Duration) (time.Time, error) {
	g, err := b.groupAt(name, at)
	if err != nil {
		return time.Time{}, err
	}
	until, err := g.ExtendAt(ctx, at, length)
	return until, b.atPlace(name, at, err)
}

// SettleAt settles one record of a group by place: Release, Ack or Reject; a running lease is lost. Errors: ErrGroupNotFound, ErrTopicNotFound, ErrPartitionNotFound,
// ErrRecordNotFound, ErrAlreadySettled, ErrUnknown.
func (b *Broker) SettleAt(ctx context.Context, name string, at GroupPlace, v Verb) error {
	g, err := b.groupAt(name, at)
	if err != nil {
		return err
	}
	return b.atPlace(name, at, g.SettleAt(ctx, at, v))
}

// groupAt returns a group that reads the place's partition.
func (b *Broker) groupAt(name string, at GroupPlace) (*share.Group, error) {
	g, err := b.groups.Share(name)
	if err != nil {
		return nil, err
	}
	if _, err := b.topics.Partition(at.Topic, at.Partition); err != nil {
		return nil, err
	}
	return g, nil
}

func (b *Broker) atPlace(name string, at GroupPlace, err error) error {
	if errors.Is(err, record.ErrNotFound) || errors.Is(err, store.ErrTrimmed) || errors.Is(err, store.ErrOutOfRange) {
		return fmt.Errorf("group %s, %s/%d at %d: %w", name, at.Topic, at.Partition, at.Offset, ErrRecordNotFound)
	}
	return b.ofGroup(name, err)
}

// Reset moves a group: of a share group, records from there on are delivered afresh, running leases are lost, and going forward what is
// skipped counts as settled. Targets are clamped to what exists. Errors: ErrGroupNotFound, ErrTopicNotFound, ErrPartitionNotFound, ErrUnknown.
func (b *Broker) Reset(ctx context.Context, name string, req ResetRequest) ([]ResetMove, error) {
	give, err := b.definitions.TakePositions(ctx) // retention must not let go of what the group goes back to
	if err != nil {
		return nil, err
	}
	defer give()
	out, err := b.groups.Reset(ctx, name, req)
	return out, b.ofOrdered(name, b.ofGroup(name, err))
}

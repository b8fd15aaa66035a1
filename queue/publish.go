package queue

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/share"
	"github.com/holtmq/holt/queue/store"
)

// unitOverhead is what a unit of records is allowed beside them: batch headers and the engine's own.
const unitOverhead = 256 << 10

// Publish appends the messages, all or none, and returns where they went, in order, once they are on stable storage. created names what was made on the way
// ("topics/emails"). wait is how long to wait for room in the topic's backlog. Errors: ErrTopicNotFound, ErrInvalidName, ErrInvalidRequest,
// ErrPartitionNotFound, ErrRecordTooLarge, ErrRequestTooLarge, ErrBacklogFull, ErrRateLimited, ErrStorageFull, ErrShuttingDown, ErrUnavailable, ErrUnknown.
func (b *Broker) Publish(ctx context.Context, name string, msgs []Message, wait time.Duration) (places []Place, created []string, err error) {
	if err := b.writable(); err != nil {
		return nil, nil, err
	}
	t, created, err := b.topicFor(ctx, name, msgs)
	if err != nil {
		return nil, nil, err
	}
	if err := b.awaitRoom(ctx, t, wait); err != nil {
		return nil, nil, err
	}
	pub, err := b.publication([]*publishing{{topic: t, msgs: msgs}})
	if err != nil {
		return nil, nil, err
	}
	if err := b.committer.Room(ctx); err != nil {
		return nil, nil, b.committed(err)
	}
	if err := pub.Begin(); err != nil {
		return nil, nil, err
	}
	// A duplicate's answer, too, waits for the record it names: that was enqueued before this unit.
	ticket := pub.Commit(b.committer, time.Now(), nil)
	if err := b.committed(b.committer.Wait(ctx, ticket)); err != nil {
		return nil, nil, fmt.Errorf("publish to %s: %w", name, err)
	}
	return pub.Places()[0], created, nil
}

// writable refuses new records while the server stops or the disk is full.
func (b *Broker) writable() error {
	if err := b.Ready(); err != nil {
		return err
	}
	if h := b.store.Health(); h.Low {
		return fmt.Errorf("%d bytes are free where the data is, below the server's minimum; most is held by %s: %w", h.Free, b.holders(3), ErrStorageFull)
	}
	return nil
}

// holders names the groups that hold most bytes, for a full disk.
func (b *Broker) holders(n int) string {
	type holder struct {
		name  string
		bytes int64
	}
	var all []holder
	for _, def := range b.catalog.Groups("", everything) {
		g, err := b.group(def.Name)
		if err != nil {
			continue
		}
		h := holder{name: def.Name}
		for _, p := range g.Progress() {
			if p.Lag > 0 {
				h.bytes += p.Partition.BytesFrom(p.Start)
			}
		}
		all = append(all, h)
	}
	if len(all) == 0 {
		return "no group"
	}
	slices.SortStableFunc(all, func(x, y holder) int { return cmp.Compare(y.bytes, x.bytes) })
	var names []string
	for _, h := range all[:min(n, len(all))] {
		names = append(names, fmt.Sprintf("%s (%d bytes)", h.name, h.bytes))
	}
	return strings.Join(names, ", ")
}

// checkPublish refuses messages that the topic, or one made with defaults, would not take.
func (b *Broker) checkPublish(name string, msgs []Message) error {
	t, err := b.topic(name)
	if err == nil {
		return b.admit(msgs, t.def.Config.MaxRecordBytes)
	}
	if err := b.userName(name); err != nil {
		return err
	}
	if b.cfg.NoAutoCreate {
		return err
	}
	if err := b.admit(msgs, b.cfg.Limits.MaxValue); err != nil {
		return err
	}
	return b.admitDefaults(msgs)
}

// topicFor returns the topic, making it with defaults if the server may and the messages are good.
func (b *Broker) topicFor(ctx context.Context, name string, msgs []Message) (*topic, []string, error) {
	if err := b.checkPublish(name, msgs); err != nil {
		return nil, nil, err
	}
	if t, err := b.topic(name); err == nil {
		return t, nil, nil
	}
	unlock, err := b.catalog.Lock(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer unlock()
	t, made, err := b.putTopic(ctx, name, Condition{}, "", func(old TopicConfig, exists bool) (TopicConfig, error) { return old, nil })
	if err != nil || !made {
		return t, nil, err
	}
	return t, []string{"topics/" + name}, nil
}

// admitDefaults refuses messages that a topic with defaults has no place for, so that a refused publish creates nothing.
func (b *Broker) admitDefaults(msgs []Message) error {
	def := defaultTopic()
	for i := range msgs {
		if m := &msgs[i]; m.Partition != nil && (*m.Partition < 0 || *m.Partition >= def.Partitions) {
			return fmt.Errorf("record %d: partition %d: the topic would have %d: %w", i, *m.Partition, def.Partitions, ErrPartitionNotFound)
		} else if m.Priority != nil && (*m.Priority < 0 || *m.Priority >= def.Priorities) {
			return fmt.Errorf("%w: record %d: priority %d: the topic would have priorities 0 to %d", ErrInvalidRequest, i, *m.Priority, def.Priorities-1)
		}
	}
	return nil
}

// admit refuses messages over a limit, or asking for what this version cannot do.
func (b *Broker) admit(msgs []Message, maxValue int64) error {
	l := &b.cfg.Limits
	switch {
	case len(msgs) == 0:
		return fmt.Errorf("%w: there is no record", ErrInvalidRequest)
	case int64(len(msgs)) > l.MaxPublish:
		return fmt.Errorf("%d records, at most %d in one request: %w", len(msgs), l.MaxPublish, ErrRequestTooLarge)
	}
	size := int64(0)
	for i := range msgs {
		if err := l.admit(&msgs[i], maxValue); err != nil {
			return fmt.Errorf("record %d: %w", i, err)
		}
		size += int64(msgs[i].size())
	}
	if size > store.MaxUnitBytes-unitOverhead {
		return fmt.Errorf("the records take %d bytes, at most %d in one request: %w", size, store.MaxUnitBytes-unitOverhead, ErrRequestTooLarge)
	}
	return nil
}

func (l *Limits) admit(m *Message, maxValue int64) error {
	headers := int64(0)
	for _, h := range m.Headers {
		headers += int64(len(h.Name) + len(h.Value))
	}
	switch {
	case int64(len(m.Value)) > maxValue:
		return fmt.Errorf("the value takes %d bytes, at most %d: %w", len(m.Value), maxValue, ErrRecordTooLarge)
	case int64(len(m.Key)) > l.MaxKey:
		return fmt.Errorf("the key takes %d bytes, at most %d: %w", len(m.Key), l.MaxKey, ErrRecordTooLarge)
	case int64(len(m.Headers)) > l.MaxHeaders:
		return fmt.Errorf("%d headers, at most %d: %w", len(m.Headers), l.MaxHeaders, ErrRecordTooLarge)
	case headers > l.MaxHeaderBytes:
		return fmt.Errorf("the headers take %d bytes, at most %d: %w", headers, l.MaxHeaderBytes, ErrRecordTooLarge)
	case int64(len(m.ID)) > l.MaxID:
		return fmt.Errorf("%w: the id takes %d bytes, at most %d", ErrInvalidRequest, len(m.ID), l.MaxID)
	case m.Delay < 0 || m.Delay > l.MaxDelay || time.Until(m.DeliverAt) > l.MaxDelay:
		return fmt.Errorf("%w: delay and deliver_at must lie within 0 and 365 days from now", ErrInvalidRequest)
	case m.Delay > 0 && !m.DeliverAt.IsZero():
		return fmt.Errorf("%w: delay and deliver_at cannot stand together", ErrInvalidRequest)
	case m.TTL < 0:
		return fmt.Errorf("%w: ttl is negative", ErrInvalidRequest)
	case m.Partition != nil && m.Priority != nil:
		return fmt.Errorf("%w: partition and priority cannot stand together", ErrInvalidRequest)
	}
	return nil
}

// besideRecord is what a unit holds of a record beside it, at most: the broker's headers of a delayed one, the hash of its id, offset and time in the
// table of ids or in the schedule; or its place in the answer that a settle remembers, or one settled lease.
const besideRecord = 128

// size is how many bytes a unit takes for the message, at most.
func (m *Message) size() int {
	n := record.EncodedSize(m.record())
	if m.ID != "" || m.Delay != 0 || !m.DeliverAt.IsZero() {
		n += len(m.ID) + besideRecord
	}
	return n
}

func (m *Message) record() record.Record {
	r := record.Record{Key: m.Key, Value: m.Value, Headers: m.Headers}
	if m.TTL > 0 {
		r.Headers = share.WithTTL(r.Headers[:len(r.Headers):len(r.Headers)], m.TTL)
	}
	return r
}

// choose returns a message's partition.
func (t *topic) choose(m *Message, sticky *[]*partition.Partition) (*partition.Partition, error) {
	if m.Partition != nil {
		if *m.Partition < 0 || *m.Partition >= len(t.partitions) {
			return nil, fmt.Errorf("partition %d: topic %s has %d: %w", *m.Partition, t.def.Name, len(t.partitions), ErrPartitionNotFound)
		}
		return t.partitions[*m.Partition], nil
	}
	lane := 0
	if m.Priority != nil {
		lane = *m.Priority
	}
	if lane < 0 || lane >= len(t.lanes) {
		return nil, fmt.Errorf("%w: priority %d: topic %s has priorities 0 to %d", ErrInvalidRequest, lane, t.def.Name, len(t.lanes)-1)
	}
	parts := t.lanes[lane]
	if m.Key != nil {
		return parts[record.PartitionFor(m.Key, len(parts))], nil
	}
	if m.ID != "" { // a repeat goes the same way
		return parts[record.PartitionFor([]byte(m.ID), len(parts))], nil
	}
	if *sticky == nil {
		*sticky = make([]*partition.Partition, len(t.lanes))
	}
	if (*sticky)[lane] == nil {
		(*sticky)[lane] = parts[t.turn.Add(1)%uint64(len(parts))]
	}
	return (*sticky)[lane], nil
}

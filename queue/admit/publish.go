package admit

import (
	"fmt"
	"time"

	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/topic"
)

// maxRecords is how many bytes the records of a unit may take: the rest is for what stands beside them, batch headers and the engine's own.
const maxRecords = store.MaxUnitBytes - 256<<10

// Defaults refuses messages that a topic with defaults has no place for, so that a refused publish creates nothing.
func Defaults(msgs []topic.Message) error {
	def := catalog.DefaultTopic()
	for i := range msgs {
		if m := &msgs[i]; m.Partition != nil && (*m.Partition < 0 || *m.Partition >= def.Partitions) {
			return fmt.Errorf("record %d: partition %d: the topic would have %d: %w", i, *m.Partition, def.Partitions, ErrPartitionNotFound)
		} else if m.Priority != nil && (*m.Priority < 0 || *m.Priority >= def.Priorities) {
			return fmt.Errorf("%w: record %d: priority %d: the topic would have priorities 0 to %d", ErrInvalidRequest, i, *m.Priority, def.Priorities-1)
		}
	}
	return nil
}

// Publish refuses messages over a limit. maxValue is the bytes a value may have, if the server's own limit is not smaller. Errors: ErrInvalidRequest, ErrRecordTooLarge, ErrRequestTooLarge.
func (l *Limits) Publish(msgs []topic.Message, maxValue int64) error {
	switch {
	case len(msgs) == 0:
		return fmt.Errorf("%w: there is no record", ErrInvalidRequest)
	case int64(len(msgs)) > l.MaxPublish:
		return fmt.Errorf("%d records, at most %d in one request: %w", len(msgs), l.MaxPublish, ErrRequestTooLarge)
	}
	size := int64(0)
	maxValue = min(maxValue, l.MaxValue)
	for i := range msgs {
		if err := l.message(&msgs[i], maxValue); err != nil {
			return fmt.Errorf("record %d: %w", i, err)
		}
		size += int64(msgs[i].Size())
	}
	if size > maxRecords {
		return fmt.Errorf("the records take %d bytes, at most %d in one request: %w", size, maxRecords, ErrRequestTooLarge)
	}
	return nil
}

func (l *Limits) message(m *topic.Message, maxValue int64) error {
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

// Whole refuses a settle with records that does not fit into one unit: so many actions, and the messages for all topics. Errors: ErrRequestTooLarge.
func (l *Limits) Whole(actions int, publish []TopicMessages) error {
	size, count := topic.BesideRecord*actions, 0
	for _, p := range publish {
		for j := range p.Messages {
			size += p.Messages[j].Size() + topic.BesideRecord
		}
		count += len(p.Messages)
	}
	if size > maxRecords || int64(count) > l.MaxPublish {
		return fmt.Errorf("%d records of %d bytes, at most %d of %d in one request: %w", count, size, l.MaxPublish, maxRecords, ErrRequestTooLarge)
	}
	return nil
}

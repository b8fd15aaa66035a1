package dlq

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holtmq/holt/dlq/letter"
	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/share"
)

// Edit says how one letter is delivered again; the zero value delivers it to its group, as it is, at once.
type Edit struct {
	Value      []byte // instead of the record's, with SetValue; nil = a tombstone
	SetValue   bool
	Headers    []record.Header // instead of all of the record's, with SetHeaders
	SetHeaders bool
	Delay      time.Duration
	ToTopic    bool // published afresh, for all to see
}

// Redriven is a letter that was delivered again: at its own place in the group, or where it was published.
type Redriven struct {
	ID        string
	Redrives  int
	Topic     string
	Partition int
	Offset    record.Offset
	Scheduled string    // published, but not due yet: the id of the delayed record; "" = it is there
	DeliverAt time.Time // of a scheduled one
}

// Redrive delivers one letter again and returns once that is on stable storage. Errors: queue.ErrGroupNotFound, ErrLetterNotFound (also when it is not open),
// queue.ErrTopicNotFound (the group, or with ToTopic nobody, has the topic any more), queue.ErrRecordTooLarge, queue.ErrInvalidRequest, queue.ErrUnavailable, queue.ErrUnknown.
func (s *Service) Redrive(ctx context.Context, group, id string, e Edit) (Redriven, error) {
	g, row, err := s.find(group, id)
	if err != nil {
		return Redriven{}, err
	}
	if row.State != letter.Open {
		return Redriven{}, fmt.Errorf("group %s, letter %s is %s, not open: %w", group, id, row.State, ErrLetterNotFound)
	}
	if err := s.broker.Ready(); err != nil {
		return Redriven{}, err
	}
	if err := s.durable(ctx); err != nil {
		return Redriven{}, err
	}
	d, err := s.read(ctx, g, &row, nil)
	if err != nil {
		return Redriven{}, s.wrap(group, err)
	}
	if d.lost && !e.SetValue && (e.ToTopic || e.SetHeaders) {
		return Redriven{}, fmt.Errorf("%w: letter %s does not hold its record: %s; give a value, or redrive it to the group as it is, which reads the record at its own place again", queue.ErrInvalidRequest, id, d.Error)
	}
	rec := recordOf(&d)
	if err := s.edit(&rec, e); err != nil {
		return Redriven{}, err
	}
	out := Redriven{ID: id, Topic: d.Topic, Partition: d.Partition, Offset: d.Offset}
	if e.ToTopic {
		return s.republishOne(ctx, g, &d, rec, e, out)
	}
	step := share.Step{IDs: []share.LetterID{row.ID}, Delay: e.Delay}
	if e.SetValue || e.SetHeaders {
		step.Edit = &rec
	}
	done, err := g.Redrive(ctx, step)
	if err != nil {
		return Redriven{}, s.wrap(group, err)
	}
	if done[0] == 0 { // somebody was faster
		return Redriven{}, fmt.Errorf("group %s, letter %s is not open any more: %w", group, id, ErrLetterNotFound)
	}
	out.Redrives = int(done[0])
	return out, nil
}

// edit changes a record, and refuses what could not have been published.
func (s *Service) edit(rec *record.Record, e Edit) error {
	l := s.broker.Info().Limits
	if e.Delay < 0 || e.Delay > l.MaxDelay {
		return fmt.Errorf("%w: delay is %s: it must be \"0s\" to \"365d\"", queue.ErrInvalidRequest, e.Delay)
	}
	if !e.SetValue && !e.SetHeaders {
		return nil
	}
	if e.SetValue {
		rec.Value = e.Value
	}
	if e.SetHeaders {
		rec.Headers = e.Headers
	}
	return l.Publish([]queue.Message{{Key: rec.Key, Value: rec.Value, Headers: letter.Plain(rec.Headers)}}, l.MaxValue)
}

// republishOne publishes a letter's record for all to see, and closes the letter.
func (s *Service) republishOne(ctx context.Context, g *share.Group, d *Detail, rec record.Record, e Edit, out Redriven) (Redriven, error) {
	msg, err := s.message(d, rec)
	if err != nil {
		return out, err
	}
	msg.Delay = e.Delay
	pub, err := s.broker.Republish([]queue.TopicMessages{{Topic: d.Topic, Messages: []queue.Message{msg}}})
	if err != nil {
		return out, err
	}
	id, _ := share.ParseLetterID(d.ID)
	done, ok, err := g.RedriveToTopic(ctx, share.Step{IDs: []share.LetterID{id}, Publish: pub})
	if err != nil {
		return out, s.wrap(g.Definition().Name, err)
	}
	if !ok {
		return out, fmt.Errorf("letter %s is not open any more: %w", d.ID, ErrLetterNotFound)
	}
	at := pub.Places()[0][0]
	out.Redrives, out.Partition, out.Offset = int(done[0]), at.Partition, at.Offset
	if at.Scheduled != "" {
		out.Scheduled, out.DeliverAt = at.Scheduled, at.Timestamp
	}
	return out, nil
}

// message is a letter's record as it is published again: with its key and priority, but without the id and the ttl that it had.
func (s *Service) message(d *Detail, rec record.Record) (queue.Message, error) {
	lane, err := s.broker.LaneOf(d.Topic, d.Partition)
	if errors.Is(err, queue.ErrTopicNotFound) {
		return queue.Message{}, fmt.Errorf("the topic that letter %s came from is gone: %w", d.ID, err)
	}
	return queue.Message{Key: rec.Key, Value: rec.Value, Headers: letter.Plain(rec.Headers), Priority: &lane}, err
}

func recordOf(d *Detail) record.Record {
	return record.Record{Key: d.Key, Value: d.Value, Headers: d.Headers}
}

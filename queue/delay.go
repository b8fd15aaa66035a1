package queue

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/journal"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/schedule"
	"github.com/holtmq/holt/queue/share"
	"github.com/holtmq/holt/queue/store"
)

// Delayed records of a topic lie in a log of their own until they are due.
const (
	delayedIndex = -1               // stands for the partition in errors and logs
	fireRecords  = 200              // records of one firing
	fireBytes    = 1 << 20          // bytes of one firing
	maxSleep     = 10 * time.Second // the wall clock, which due times follow, may jump
	restDelayed  = time.Minute      // how long a record that cannot be read is left alone
)

// delayed holds the delayed records of one topic; it outlives changes of the topic's definition.
type delayed struct {
	b       *Broker
	topicID uint64
	part    *partition.Partition
	items   *schedule.Schedule
	firings *firings
	timer   *time.Timer // guarded by the schedule's lock, as is all below
	firing  bool
	closed  bool
}

func (b *Broker) newDelayed(p *partition.Partition, topicID uint64) *delayed {
	d := &delayed{b: b, topicID: topicID, part: p, items: schedule.New(), firings: newFirings()}
	d.timer = time.AfterFunc(time.Hour, d.tick)
	d.timer.Stop()
	return d
}

// replayDelayed restores when a topic's delayed records are due.
func (b *Broker) replayDelayed(ctx context.Context, d *delayed) error {
	journals, _, err := journal.Replay(ctx, d.part.Log(), func(name store.Journal) journal.Machine {
		switch name {
		case schedule.JournalName:
			return d.items
		case partition.SizeJournal:
			return d.part.Sizes()
		case firingsJournal:
			return d.firings
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("replay delayed records of %s: %w", d.part.Topic, err)
	}
	d.items.Recover(journals[schedule.JournalName])
	if j := journals[firingsJournal]; j != nil {
		d.firings.journal = j
	}
	return d.part.Recover(ctx, journals[partition.SizeJournal])
}

// later tells whether a message is to be appended later, and fixes when.
func (m *Message) later(now time.Time) bool {
	if m.Delay > 0 {
		m.DeliverAt, m.Delay = now.Add(m.Delay), 0
	}
	return m.DeliverAt.After(now)
}

// due is when a delayed message is due, in ms, never before its time.
func (m *Message) due() int64 { return m.DeliverAt.Add(time.Millisecond - 1).UnixMilli() }

// delayedRecord is a message with what is needed to publish it when it is due.
func (m *Message) delayedRecord() Record {
	r := m.record()
	r.Headers = r.Headers[:len(r.Headers):len(r.Headers)]
	add := func(name, value string) {
		r.Headers = append(r.Headers, record.Header{Name: name, Value: []byte(value)})
	}
	if m.ID != "" {
		add(share.HeaderID, m.ID)
	}
	if m.Priority != nil {
		add(share.HeaderPriority, strconv.Itoa(*m.Priority))
	}
	if m.Partition != nil {
		add(share.HeaderPartition, strconv.Itoa(*m.Partition))
	}
	return r
}

// messageOf reads a delayed record back.
func messageOf(r Record) Message {
	m := Message{Key: r.Key, Value: r.Value, Headers: share.Visible(r.Headers), TTL: share.TTL(r)}
	for _, h := range r.Headers {
		switch h.Name {
		case share.HeaderID:
			m.ID = string(h.Value)
		case share.HeaderPriority:
			m.Priority = atoi(h.Value)
		case share.HeaderPartition:
			m.Partition = atoi(h.Value)
		}
	}
	return m
}

func atoi(b []byte) *int {
	n, err := strconv.Atoi(string(b))
	if err != nil {
		return nil
	}
	return &n
}

// scheduledPrefix begins the ids of delayed records; their offset in base 36 follows.
const scheduledPrefix = "s-"

// scheduledPlace is the answer for a record that is not appended yet.
func scheduledPlace(it schedule.Item) Place {
	return Place{Scheduled: scheduledPrefix + strconv.FormatInt(int64(it.Offset), 36), Timestamp: time.UnixMilli(it.Due).UTC()}
}

func (d *delayed) arm() {
	d.items.Lock()
	defer d.items.Unlock()
	d.armLocked()
}

// armLocked sets the timer to the next due time; the schedule is locked.
func (d *delayed) armLocked() {
	next, any := d.items.Next()
	if d.closed || d.firing || !any {
		return
	}
	d.timer.Reset(min(max(0, time.Until(next)), maxSleep))
}

func (d *delayed) tick() {
	d.items.Lock()
	defer d.items.Unlock()
	if d.closed || d.firing {
		return
	}
	d.firing = true
	d.b.background.Go(d.fire)
}

func (d *delayed) close() {
	d.items.Lock()
	d.closed = true
	d.timer.Stop()
	d.items.Unlock()
	d.part.Close()
}

// fire appends what is due.
func (d *delayed) fire() {
	for d.fireSome() {
	}
	d.items.Lock()
	d.firing = false
	d.armLocked()
	d.items.Unlock()
}

// fireSome appends some of what is due and reports whether there was anything.
func (d *delayed) fireSome() bool {
	d.items.Lock()
	items := d.items.Due(time.Now(), fireRecords)
	closed := d.closed
	d.items.Unlock()
	if closed || len(items) == 0 {
		return false
	}
	if err := d.b.durable(d.b.ctx); err != nil { // it may be due before it is durable
		return false
	}
	t, err := d.b.topic(d.part.Topic)
	if err != nil || t.def.ID != d.topicID {
		return false
	}
	it := d.read(t, items)
	if len(it.msgs) == 0 {
		return true
	}
	pub, err := d.b.publication([]*publishing{it})
	if err == nil {
		err = pub.Begin()
	}
	if err != nil {
		d.b.log.Error("delayed records cannot be appended; trying again", "topic", d.part.Topic, "error", err)
		d.postpone(it.fired)
		return true
	}
	pub.Commit(d.b.committer, time.Now(), nil)
	return d.b.durable(d.b.ctx) == nil
}

// read reads due records; those that cannot be read rest.
func (d *delayed) read(t *topic, items []schedule.Item) *publishing {
	it := &publishing{topic: t, fired: []record.Offset{}}
	cursor, size := partition.NewCursor(d.part), 0
	for _, item := range items {
		r, err := cursor.Find(d.b.ctx, item.Offset)
		if err != nil {
			if d.b.ctx.Err() == nil {
				d.b.log.Error("a delayed record cannot be read", "topic", d.part.Topic, "offset", item.Offset, "error", err)
			}
			d.postpone([]record.Offset{item.Offset})
			continue
		}
		if size += r.Size(); size > fireBytes && len(it.msgs) > 0 {
			break
		}
		m := messageOf(r)
		if m.Partition != nil && *m.Partition >= len(t.partitions) || m.Priority != nil && *m.Priority >= len(t.lanes) {
			m.Partition, m.Priority = nil, nil // cannot be: topics only grow
		}
		it.msgs = append(it.msgs, m)
		it.fired = append(it.fired, item.Offset)
	}
	return it
}

func (d *delayed) postpone(offsets []record.Offset) {
	d.items.Lock()
	defer d.items.Unlock()
	for _, at := range offsets {
		d.items.Postpone(at, time.Now().Add(restDelayed))
	}
}

// take takes items off the schedule and lets go of the records before the first that is left; the schedule is locked.
func (d *delayed) take(offsets []record.Offset) commit.Part {
	entries := d.items.Take(offsets)
	_, end := d.part.Bounds()
	part := d.part.Trim(d.items.First(end))
	part.Entries = entries
	return part
}

// checkpoint writes a checkpoint of the schedule if one is due, a piece at a time; the schedule is locked.
func (d *delayed) checkpoint() {
	if d.closed { // whoever closes it waits for what runs in the background
		return
	}
	entries := d.items.Checkpoint()
	if len(entries) == 0 {
		return
	}
	d.b.background.Go(func() {
		for _, e := range entries {
			d.items.Lock()
			closed := d.closed
			var t commit.Ticket
			if !closed {
				t = d.b.committer.Enqueue(commit.Unit{{Log: d.part.ID, Entries: []store.Entry{e}}})
			}
			d.items.Unlock()
			if closed || d.b.committer.Wait(d.b.ctx, t) != nil {
				return
			}
		}
		d.items.Lock()
		d.items.Written()
		d.items.Unlock()
	})
}

// ScheduledRecord is a delayed record that is not due yet.
type ScheduledRecord struct {
	ID        string
	DeliverAt time.Time
	Record    Record
	Priority  *int
	Partition *int
}

// Scheduled returns up to limit delayed records of a topic from an id on ("" = the first), in the order in which they were published, and the id to go on
// with; "" at the end. Errors: ErrTopicNotFound, ErrInvalidRequest, ErrCorrupt.
func (b *Broker) Scheduled(ctx context.Context, name, from string, limit int) (out []ScheduledRecord, next string, err error) {
	t, err := b.topic(name)
	if err != nil {
		return nil, "", err
	}
	at, err := scheduledOffset(from)
	if from != "" && err != nil {
		return nil, "", fmt.Errorf("%w: %q is no place in the list", ErrInvalidRequest, from)
	}
	if err := b.durable(ctx); err != nil {
		return nil, "", err
	}
	d := t.delayed
	d.items.Lock()
	items := d.items.List(at, limit+1)
	d.items.Unlock()
	cursor := partition.NewCursor(d.part)
	for i, it := range items {
		if i == limit {
			return out, scheduledPlace(it).Scheduled, nil
		}
		r, err := cursor.Find(ctx, it.Offset)
		if errors.Is(err, record.ErrNotFound) || errors.Is(err, store.ErrTrimmed) { // fired meanwhile
			continue
		}
		if err != nil {
			return nil, "", err
		}
		m := messageOf(r)
		r.Headers = m.Headers
		place := scheduledPlace(it)
		out = append(out, ScheduledRecord{ID: place.Scheduled, DeliverAt: place.Timestamp, Record: r, Priority: m.Priority, Partition: m.Partition})
	}
	return out, "", nil
}

func scheduledOffset(id string) (record.Offset, error) {
	digits, ok := strings.CutPrefix(id, scheduledPrefix)
	n, err := strconv.ParseInt(digits, 36, 64)
	if err == nil && (!ok || n < 0 || strconv.FormatInt(n, 36) != digits) {
		err = strconv.ErrSyntax
	}
	return record.Offset(n), err
}

// CancelScheduled takes a delayed record back, by the id its publish was answered with, or else by its own. Errors: ErrTopicNotFound, ErrRecordNotFound (unknown, fired or cancelled), ErrUnknown.
func (b *Broker) CancelScheduled(ctx context.Context, name, id string) error {
	t, err := b.topic(name)
	if err != nil {
		return err
	}
	d := t.delayed
	d.items.Lock()
	item, ok := d.items.ByID(id)
	if at, err := scheduledOffset(id); err == nil {
		if given, is := d.items.Get(at); is {
			item, ok = given, true
		}
	}
	if !ok || d.closed {
		d.items.Unlock()
		return fmt.Errorf("topic %s, scheduled %q: %w", name, id, ErrRecordNotFound)
	}
	b.committer.Enqueue(commit.Unit{d.take([]record.Offset{item.Offset})})
	d.checkpoint()
	d.items.Unlock()
	return b.durable(ctx)
}

package topic

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
	"github.com/holtmq/holt/queue/store"
)

// Delayed records of a topic lie in a log of their own until they are due.
const (
	fireRecords = 200              // records of one firing
	fireBytes   = 1 << 20          // bytes of one firing
	maxSleep    = 10 * time.Second // the wall clock, which due times follow, may jump
	restFiring  = time.Second      // how long nothing is tried that the server or the topic is not there for
	restDelayed = time.Minute      // how long a record that cannot be read is left alone
)

// Delayed holds the delayed records of one topic; it outlives changes of the topic's definition.
type Delayed struct {
	env     *Env
	topicID uint64
	part    *partition.Partition
	items   *schedule.Schedule
	firings *schedule.Firings
	timer   *time.Timer // guarded by the schedule's lock, as is all below
	firing  bool
	closed  bool
	still   bool // somebody rewrites the log: its start stays where it is
}

func newDelayed(env *Env, p *partition.Partition, topicID uint64) *Delayed {
	d := &Delayed{env: env, topicID: topicID, part: p, items: schedule.New(), firings: schedule.NewFirings()}
	d.timer = time.AfterFunc(time.Hour, d.tick)
	d.timer.Stop()
	return d
}

// Replay restores when the records are due. Errors: the log's.
func (d *Delayed) Replay(ctx context.Context) error {
	journals, _, err := journal.Replay(ctx, d.part.Log(), func(name store.Journal) journal.Machine {
		switch name {
		case schedule.JournalName:
			return d.items
		case partition.SizeJournal:
			return d.part.Sizes()
		case partition.GapsJournal:
			return d.part.Gaps()
		case schedule.FiringsJournal:
			return d.firings
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("replay delayed records of %s: %w", d.part.Topic, err)
	}
	d.items.Recover(journals[schedule.JournalName])
	d.firings.Recover(journals[schedule.FiringsJournal])
	d.part.RecoverGaps(journals[partition.GapsJournal])
	return d.part.Recover(ctx, journals[partition.SizeJournal])
}

// scheduledPrefix begins the ids of delayed records; their offset in base 36 follows.
const scheduledPrefix = "s-"

// scheduledPlace is the answer for a record that is not appended yet.
func scheduledPlace(it schedule.Item) partition.Place {
	return partition.Place{Scheduled: scheduledPrefix + strconv.FormatInt(int64(it.Offset), 36), Timestamp: time.UnixMilli(it.Due).UTC()}
}

// Arm begins to append what is due, once everything is replayed.
func (d *Delayed) Arm() {
	d.items.Lock()
	defer d.items.Unlock()
	d.armLocked(0)
}

// armLocked sets the timer to the next due time, after a rest; the schedule is locked.
func (d *Delayed) armLocked(rest time.Duration) {
	next, any := d.items.Next()
	if d.closed || d.firing || !any {
		return
	}
	d.timer.Reset(max(rest, min(max(0, next.Sub(d.env.Now())), maxSleep)))
}

func (d *Delayed) tick() {
	d.items.Lock()
	defer d.items.Unlock()
	if d.closed || d.firing {
		return
	}
	d.firing = true
	d.env.background("delayed records of "+d.part.Topic, d.fire)
}

// Close ends the firing; one under way finishes within Env.Background.
func (d *Delayed) Close() {
	d.items.Lock()
	d.closed = true
	d.timer.Stop()
	d.items.Unlock()
	d.part.Close()
}

// fire appends what is due.
func (d *Delayed) fire() {
	rest, more := time.Duration(0), true
	for more {
		var ok bool
		if more, ok = d.fireSome(); !ok {
			rest = restFiring
		}
	}
	d.items.Lock()
	d.firing = false
	d.armLocked(rest)
	d.items.Unlock()
}

// fireSome appends some of what is due and reports whether there was anything. It is not ok while the server ends, or the topic is being deleted.
func (d *Delayed) fireSome() (more, ok bool) {
	d.items.Lock()
	items := d.items.Due(d.env.Now(), fireRecords)
	closed := d.closed
	d.items.Unlock()
	if closed || len(items) == 0 {
		return false, true
	}
	if err := d.env.Durable(d.env.Ctx); err != nil { // it may be due before it is durable
		return false, false
	}
	t, err := d.env.Topics.Get(d.part.Topic)
	if err != nil || t.Def.ID != d.topicID {
		return false, false
	}
	it := d.read(t, items)
	if len(it.Messages) == 0 {
		return true, true
	}
	pub, err := NewPublication(d.env, it)
	if err == nil {
		err = pub.Begin()
	}
	if err != nil {
		d.env.Logger.Error("delayed records cannot be appended; trying again", "topic", d.part.Topic, "error", err)
		d.postpone(it.fired)
		return true, true
	}
	pub.Commit(d.env.Committer, d.env.Now(), nil)
	err = d.env.Durable(d.env.Ctx)
	return err == nil, err == nil
}

// read reads due records; those that cannot be read rest.
func (d *Delayed) read(t *Topic, items []schedule.Item) *Item {
	it := &Item{Topic: t, fired: []record.Offset{}}
	cursor, size := partition.NewCursor(d.part), 0
	for _, item := range items {
		r, err := cursor.Find(d.env.Ctx, item.Offset)
		if err != nil {
			if d.env.Ctx.Err() == nil {
				d.env.Logger.Error("a delayed record cannot be read", "topic", d.part.Topic, "offset", item.Offset, "error", err)
			}
			d.postpone([]record.Offset{item.Offset})
			continue
		}
		if size += r.Size(); size > fireBytes && len(it.Messages) > 0 {
			break
		}
		it.Messages = append(it.Messages, d.message(t, r))
		it.fired = append(it.fired, item.Offset)
	}
	return it
}

// message is what is appended for a delayed record.
func (d *Delayed) message(t *Topic, r record.Record) Message {
	m := messageOf(r)
	if m.Partition != nil && *m.Partition >= len(t.Partitions) || m.Priority != nil && *m.Priority >= len(t.Lanes) {
		m.Partition, m.Priority = nil, nil // cannot be: topics only grow
	}
	return m
}

func (d *Delayed) postpone(offsets []record.Offset) {
	d.items.Lock()
	defer d.items.Unlock()
	for _, at := range offsets {
		d.items.Postpone(at, d.env.Now().Add(restDelayed))
	}
}

// take takes items off the schedule and lets go of the records before the first that is left; the schedule is locked.
func (d *Delayed) take(offsets []record.Offset) commit.Part {
	part := commit.Part{Log: d.part.ID, Entries: d.items.Take(offsets)}
	if !d.still {
		_, end := d.part.Bounds()
		part.Start = d.part.Trim(d.items.First(end)).Start
	}
	return part
}

// checkpoint writes a checkpoint of the schedule if one is due, a piece at a time; the schedule is locked.
func (d *Delayed) checkpoint() {
	if d.closed { // whoever closes it waits for what runs in the background
		return
	}
	entries := d.items.Checkpoint()
	if len(entries) == 0 {
		return
	}
	d.env.background("checkpoint of "+d.part.Topic, func() {
		for _, e := range entries {
			d.items.Lock()
			closed := d.closed
			var t commit.Ticket
			if !closed {
				t = d.env.Committer.Enqueue(commit.Unit{{Log: d.part.ID, Entries: []store.Entry{e}}})
			}
			d.items.Unlock()
			if closed || d.env.Committer.Wait(d.env.Ctx, t) != nil {
				return
			}
		}
		d.items.Lock()
		d.items.Written()
		d.items.Unlock()
	})
}

// Len returns how many records are scheduled.
func (d *Delayed) Len() int {
	d.items.Lock()
	defer d.items.Unlock()
	return d.items.Len()
}

// ScheduledRecord is a delayed record that is not due yet.
type ScheduledRecord struct {
	ID        string
	DeliverAt time.Time
	Record    record.Record
	Priority  *int
	Partition *int
	Damaged   bool // it cannot be read: Record is empty, and nobody knows the rest
}

// List returns up to limit delayed records from an id on ("" = the first), in the order in which they were published, and the id to go on
// with; "" at the end. Errors: ErrInvalidRequest, a failed commit's.
func (d *Delayed) List(ctx context.Context, from string, limit int) (out []ScheduledRecord, next string, err error) {
	at, err := scheduledOffset(from)
	if from != "" && err != nil {
		return nil, "", fmt.Errorf("%w: %q is no place in the list", ErrInvalidRequest, from)
	}
	if err := d.env.Durable(ctx); err != nil {
		return nil, "", err
	}
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
		place := scheduledPlace(it)
		if errors.Is(err, store.ErrCorrupt) {
			out = append(out, ScheduledRecord{ID: place.Scheduled, DeliverAt: place.Timestamp, Damaged: true})
			continue
		}
		if err != nil {
			return nil, "", err
		}
		m := messageOf(r)
		r.Headers = m.Headers
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

// Cancel takes a delayed record back, by the id its publish was answered with, or else by its own. It is durable with what is enqueued so far. Errors: ErrRecordNotFound (unknown,
// fired or cancelled).
func (d *Delayed) Cancel(id string) error {
	d.items.Lock()
	item, ok := d.find(id)
	if !ok {
		d.items.Unlock()
		return fmt.Errorf("topic %s, scheduled %q: %w", d.part.Topic, id, ErrRecordNotFound)
	}
	d.env.Committer.Enqueue(commit.Unit{d.take([]record.Offset{item.Offset})})
	d.checkpoint()
	d.items.Unlock()
	return nil
}

// Fired returns the time that a recurring schedule of the topic fired for last.
func (d *Delayed) Fired(id uint64) (time.Time, bool) { return d.firings.Of(id) }

// Fire commits a publication that has begun, in one unit with noting that a schedule fired for a time; if it did already, the publication is aborted.
func (d *Delayed) Fire(begun *Publication, id uint64, at time.Time) {
	d.firings.Lock()
	defer d.firings.Unlock()
	if d.firings.Noted(id, at) { // by the same schedule before it was put again
		begun.Abort()
		return
	}
	begun.Commit(d.env.Committer, d.env.Now(), func() []commit.Part {
		return []commit.Part{d.firings.Fired(d.part.ID, id, at)}
	})
}

// Pass notes that a schedule fired for a time, without a record.
func (d *Delayed) Pass(id uint64, at time.Time) {
	d.items.Lock() // a log that is being deleted takes nothing any more
	defer d.items.Unlock()
	if d.closed {
		return
	}
	d.firings.Lock()
	defer d.firings.Unlock()
	d.env.Committer.Enqueue(commit.Unit{d.firings.Fired(d.part.ID, id, at)})
}

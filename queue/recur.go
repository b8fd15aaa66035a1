package queue

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/journal"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/store"
)

// Names of the catalog's types that callers need.
type (
	ScheduleConfig = catalog.ScheduleConfig
	ScheduleRecord = catalog.ScheduleRecord
)

// ScheduleInfo describes a recurring schedule.
type ScheduleInfo struct {
	Name      string
	Config    ScheduleConfig
	CreatedAt time.Time
	Tag       string
	LastAt    time.Time // zero = it has not fired yet
	NextAt    time.Time
}

// firingsJournal is the journal, on the log of a topic's delayed records, of when its schedules fired last.
const firingsJournal store.Journal = "cron"

// restFiring is how long a schedule rests whose record could not be published.
const restFiring = 10 * time.Second

// firings knows when the schedules of one topic fired last; it implements journal.Machine. A delta is a schedule's id (uvarint)
// and the time it fired for (varint, ms); a checkpoint is all of them. Its lock is the last before the committer's.
type firings struct {
	mu      sync.Mutex
	last    map[uint64]int64
	journal *journal.Journal
}

func newFirings() *firings {
	return &firings{last: map[uint64]int64{}, journal: journal.New(firingsJournal)}
}

// Restore implements journal.Machine.
func (f *firings) Restore(checkpoint []byte) error { return f.Replay(checkpoint) }

// Replay implements journal.Machine.
func (f *firings) Replay(delta []byte) error {
	for len(delta) > 0 {
		id, n := binary.Uvarint(delta)
		at, m := binary.Varint(delta[max(n, 0):])
		if n <= 0 || m <= 0 {
			return fmt.Errorf("firings of schedules: %w", store.ErrCorrupt)
		}
		f.last[id] = at
		delta = delta[n+m:]
	}
	return nil
}

func (f *firings) of(id uint64) (time.Time, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	ms, ok := f.last[id]
	return time.UnixMilli(ms).UTC(), ok
}

// noted tells whether a schedule fired for a time, or a later one; the lock is held.
func (f *firings) noted(id uint64, at time.Time) bool { return f.last[id] >= at.UnixMilli() }

// fired notes a firing and returns what goes into its unit. The lock is held until that is enqueued: the journal's order is the log's.
func (f *firings) fired(log store.LogID, id uint64, at time.Time) commit.Part {
	f.last[id] = at.UnixMilli()
	part := commit.Part{Log: log, Entries: []store.Entry{f.journal.Delta(appendFiring(nil, id, at.UnixMilli()))}}
	if f.journal.Due() {
		var b []byte
		for id, ms := range f.last {
			b = appendFiring(b, id, ms)
		}
		part.Entries = append(part.Entries, f.journal.Checkpoint(b)...)
		f.journal.Written() // at most MaxSchedules of 16 bytes: they go into the same unit
	}
	return part
}

func appendFiring(b []byte, id uint64, ms int64) []byte {
	return binary.AppendVarint(binary.AppendUvarint(b, id), ms)
}

// recurring runs one schedule.
type recurring struct {
	b     *Broker
	def   *catalog.Schedule
	times *catalog.Times

	mu     sync.Mutex
	timer  *time.Timer
	closed bool
}

// startSchedule brings a schedule to life; the catalog's turn is held, or the broker is opening.
func (b *Broker) startSchedule(def *catalog.Schedule) error {
	times, err := catalog.ParseCron(def.Config.Cron, def.Config.Zone)
	if err != nil {
		return fmt.Errorf("schedule %s: %w", def.Name, err)
	}
	r := &recurring{b: b, def: def, times: times}
	r.timer = time.AfterFunc(time.Hour, r.tick)
	b.mu.Lock()
	if old := b.schedules[def.Name]; old != nil {
		old.close()
	}
	b.schedules[def.Name] = r
	b.mu.Unlock()
	r.arm(0)
	return nil
}

func (r *recurring) close() {
	r.mu.Lock()
	r.closed = true
	r.timer.Stop()
	r.mu.Unlock()
}

// arm sets the timer to the next firing, at least rest from now.
func (r *recurring) arm(rest time.Duration) {
	next := r.next() // takes the broker's lock, under which schedules are closed
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.timer.Reset(max(rest, min(max(0, time.Until(next)), maxSleep)))
	}
}

// lastFor returns the time that the last firing was for, or when the schedule began.
func (r *recurring) lastFor() time.Time {
	t, err := r.b.topic(r.def.Config.Topic)
	if err == nil {
		if at, ok := t.delayed.firings.of(r.def.ID); ok && at.After(r.def.Since) {
			return at
		}
	}
	return r.def.Since
}

func (r *recurring) next() time.Time { return r.times.Next(r.lastFor()) }

func (r *recurring) tick() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.b.background.Go(r.run)
	}
}

// run fires if it is time.
func (r *recurring) run() {
	now := time.Now()
	due := r.next()
	if due.IsZero() || due.After(now) {
		r.arm(0)
		return
	}
	newest := due // of those that have passed
	for {
		next := r.times.Next(newest)
		if next.IsZero() || next.After(now) {
			break
		}
		newest = next
	}
	// The one that is due now is no missed one: it is at most a timer late.
	missed := now.Sub(newest) > maxSleep+restFiring
	if err := r.fire(newest, missed && r.def.Config.CatchUp == catalog.CatchUpNone); err != nil {
		if r.b.ctx.Err() == nil {
			r.b.log.Error("a schedule cannot fire; trying again", "schedule", r.def.Name, "topic", r.def.Config.Topic, "error", err)
		}
		r.arm(restFiring)
		return
	}
	r.arm(0)
}

// fire publishes the record for a time, in one unit with noting that; skip only notes.
func (r *recurring) fire(at time.Time, skip bool) error {
	t, err := r.b.topic(r.def.Config.Topic)
	if err != nil {
		return err
	}
	if t.def.ID != r.def.TopicID {
		return fmt.Errorf("topic %s was made again: %w", t.def.Name, ErrTopicNotFound)
	}
	f := t.delayed.firings
	if skip {
		return r.pass(t.delayed, at)
	}
	pub, err := r.b.publication([]*publishing{{topic: t, msgs: []Message{messageFor(r.def.Config.Record)}}})
	if err != nil {
		return err
	}
	if err := pub.Begin(); err != nil {
		return err
	}
	f.mu.Lock()
	if f.noted(r.def.ID, at) { // by the same schedule before it was put again
		f.mu.Unlock()
		pub.Abort()
		return nil
	}
	pub.Commit(r.b.committer, time.Now(), func() []commit.Part {
		return []commit.Part{f.fired(t.delayed.part.ID, r.def.ID, at)}
	})
	f.mu.Unlock()
	return r.b.durable(r.b.ctx)
}

// pass notes a firing without one.
func (r *recurring) pass(d *delayed, at time.Time) error {
	d.items.Lock() // a log that is being deleted takes nothing any more
	if !d.closed {
		d.firings.mu.Lock()
		r.b.committer.Enqueue(commit.Unit{d.firings.fired(d.part.ID, r.def.ID, at)})
		d.firings.mu.Unlock()
	}
	d.items.Unlock()
	return r.b.durable(r.b.ctx)
}

func messageFor(r ScheduleRecord) Message {
	return Message{Key: r.Key, Value: r.Value, Headers: r.Headers, TTL: r.TTL, Priority: r.Priority, Partition: r.Partition}
}

// PutSchedule creates a recurring schedule or changes it: edit gets what is, or the defaults, and returns what is to be. A change of its times begins
// them anew. Errors: ErrInvalidName, ErrInvalidConfig, ErrTopicNotFound, ErrPrecondition, those of a publish of its record, edit's.
func (b *Broker) PutSchedule(ctx context.Context, name string, cond Condition, edit func(old ScheduleConfig, exists bool) (ScheduleConfig, error)) (info ScheduleInfo, created bool, err error) {
	if err := b.userName(name); err != nil {
		return info, false, err
	}
	unlock, err := b.catalog.Lock(ctx)
	if err != nil {
		return info, false, err
	}
	defer unlock()
	def := catalog.Schedule{Name: name, Config: ScheduleConfig{CatchUp: catalog.CatchUpOne}}
	if old, err := b.catalog.Schedule(name); err == nil {
		def = *old
	}
	exists := def.ID != 0
	if err := cond.check(tagOf(def.ID, def.Revision), exists); err != nil {
		return info, false, fmt.Errorf("schedule %s: %w", name, err)
	}
	was := def.Config
	if def.Config, err = edit(def.Config, exists); err != nil {
		return info, false, err
	}
	t, err := b.admitSchedule(def.Config)
	if err != nil {
		return info, false, fmt.Errorf("schedule %s: %w", name, err)
	}
	if !exists || was.Cron != def.Config.Cron || was.Zone != def.Config.Zone || def.TopicID != t.def.ID {
		def.Since, def.TopicID = time.Now().UTC(), t.def.ID
	}
	stored, err := b.catalog.PutSchedule(ctx, def)
	if err != nil {
		return info, false, err
	}
	if err := b.startSchedule(stored); err != nil {
		return info, false, err
	}
	info, err = b.Schedule(ctx, name)
	return info, !exists, err
}

// admitSchedule refuses what could not fire.
func (b *Broker) admitSchedule(c ScheduleConfig) (*topic, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	t, err := b.topic(c.Topic)
	if err != nil {
		return nil, err
	}
	m := messageFor(c.Record)
	if err := b.admit([]Message{m}, t.def.Config.MaxRecordBytes); err != nil {
		return nil, err
	}
	var sticky []*partition.Partition
	_, err = t.choose(&m, &sticky)
	return t, err
}

// Schedule describes a recurring schedule. Errors: ErrScheduleNotFound.
func (b *Broker) Schedule(_ context.Context, name string) (ScheduleInfo, error) {
	b.mu.RLock()
	r := b.schedules[name]
	b.mu.RUnlock()
	if r == nil {
		return ScheduleInfo{}, fmt.Errorf("schedule %s: %w", name, ErrScheduleNotFound)
	}
	info := ScheduleInfo{
		Name: name, Config: r.def.Config, CreatedAt: r.def.CreatedAt, Tag: tagOf(r.def.ID, r.def.Revision), NextAt: r.next(),
	}
	if t, err := b.topic(r.def.Config.Topic); err == nil {
		if at, ok := t.delayed.firings.of(r.def.ID); ok {
			info.LastAt = at
		}
	}
	return info, nil
}

// Schedules describes up to limit recurring schedules with names after the given one, by name.
func (b *Broker) Schedules(ctx context.Context, after string, limit int) ([]ScheduleInfo, error) {
	var out []ScheduleInfo
	for _, def := range b.catalog.Schedules(after, limit) {
		if info, err := b.Schedule(ctx, def.Name); err == nil {
			out = append(out, info)
		}
	}
	return out, ctx.Err()
}

// DeleteSchedule ends a recurring schedule. Errors: ErrScheduleNotFound, ErrPrecondition.
func (b *Broker) DeleteSchedule(ctx context.Context, name string, cond Condition) error {
	unlock, err := b.catalog.Lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	def, err := b.catalog.Schedule(name)
	if err != nil {
		return err
	}
	if err := cond.check(tagOf(def.ID, def.Revision), true); err != nil {
		return fmt.Errorf("schedule %s: %w", name, err)
	}
	return b.endSchedule(ctx, def)
}

// endSchedule is DeleteSchedule with the catalog's turn held.
func (b *Broker) endSchedule(ctx context.Context, def *catalog.Schedule) error {
	if err := b.catalog.DeleteSchedule(ctx, def); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if r := b.schedules[def.Name]; r != nil {
		r.close()
		delete(b.schedules, def.Name)
	}
	return nil
}

// endSchedulesOf ends the schedules of a topic that is being deleted; the catalog's turn is held.
func (b *Broker) endSchedulesOf(ctx context.Context, topicID uint64) error {
	for _, def := range b.catalog.Schedules("", everything) {
		if def.TopicID == topicID {
			if err := b.endSchedule(ctx, def); err != nil {
				return err
			}
		}
	}
	return nil
}

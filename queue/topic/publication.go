package topic

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/dedupe"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/schedule"
	"github.com/holtmq/holt/queue/store"
)

// Publication is a call's records on their way into one unit; it implements share.Publication. Its locks, in order: the tables of ids by topic,
// partitions by log id.
type Publication struct {
	items   []*Item
	locked  []*Topic // whose tables of ids are locked
	appends []*partition.AppendTo
	tx      *partition.Tx
	env     *Env
}

// Item is what goes to one topic.
type Item struct {
	Topic    *Topic
	Messages []Message
	Exempt   bool // from the topic's schema: the messages are records that were taken once

	to     []*partition.Partition // by message; that of delayed records for those that are not due
	fired  []record.Offset        // where the messages come from, if they were delayed and are due
	spots  []spot
	places []partition.Place
}

// spot is where one message goes: the nth record of an append, or the place of an earlier record.
type spot struct {
	to    *partition.AppendTo
	nth   int
	known *partition.Place
	like  *partition.Place // where the message of this request with the same id goes, when to and known are nil; known once that is
}

// NewPublication routes messages to their partitions; it changes nothing of them but CheckedBy. Errors: ErrPartitionNotFound, ErrInvalidRequest, ErrRequestTooLarge, *Violation.
func NewPublication(env *Env, items ...*Item) (*Publication, error) {
	if err := stamp(items); err != nil {
		return nil, err
	}
	logs, now := map[store.LogID]struct{}{}, env.Now()
	for _, it := range items {
		var sticky []*partition.Partition // for messages without key, by lane, once for the request
		it.to = make([]*partition.Partition, len(it.Messages))
		if slices.ContainsFunc(it.Messages, func(m Message) bool { return m.Delay > 0 }) {
			it.Messages = slices.Clone(it.Messages) // they are the caller's, who may publish them again
		}
		for i := range it.Messages {
			p, err := it.Topic.choose(&it.Messages[i], &sticky)
			if err != nil {
				return nil, fmt.Errorf("record %d: %w", i, err)
			}
			if it.Messages[i].later(now) {
				p = it.Topic.Delayed.part
			}
			it.to[i] = p
			logs[p.ID] = struct{}{}
		}
	}
	if len(logs) > store.MaxUnitEdits {
		return nil, fmt.Errorf("the records go to %d partitions, at most %d in one request: %w", len(logs), store.MaxUnitEdits, ErrRequestTooLarge)
	}
	return &Publication{items: items, env: env}, nil
}

// Logs implements share.Publication.
func (p *Publication) Logs() int {
	logs := map[store.LogID]struct{}{}
	for _, it := range p.items {
		for _, to := range it.to {
			logs[to.ID] = struct{}{}
		}
	}
	return len(logs)
}

// Begin implements share.Publication: it finds duplicates and takes the locks. Errors: ErrNotFound (just deleted), ErrRateLimited (too many ids).
func (p *Publication) Begin() error {
	p.lockTables()
	now := p.env.Now()
	by, first := map[*partition.Partition]*partition.AppendTo{}, map[newID]*partition.Place{}
	for _, it := range p.items {
		if err := p.place(it, now, by, first); err != nil {
			p.unlockTables()
			return fmt.Errorf("topic %s: %w", it.Topic.Def.Name, err)
		}
	}
	tx, err := partition.Begin(p.appends...)
	if errors.Is(err, partition.ErrDropped) {
		p.unlockTables()
		return fmt.Errorf("a topic was just deleted: %w", ErrNotFound)
	}
	p.tx = tx
	return nil
}

// lockTables locks the tables of ids of the topics whose messages have ids.
func (p *Publication) lockTables() {
	for _, it := range p.items {
		if it.needsTables() && !slices.ContainsFunc(p.locked, func(t *Topic) bool { return t.ids == it.Topic.ids }) {
			p.locked = append(p.locked, it.Topic)
		}
	}
	slices.SortFunc(p.locked, func(a, b *Topic) int { return cmp.Compare(a.Def.ID, b.Def.ID) })
	for _, t := range p.locked {
		t.ids.Lock()
		t.Delayed.items.Lock()
	}
}

// needsTables tells whether a message has an id, is delayed, or was.
func (it *Item) needsTables() bool {
	return it.fired != nil || slices.Contains(it.to, it.Topic.Delayed.part) ||
		slices.ContainsFunc(it.Messages, func(m Message) bool { return m.ID != "" })
}

func (p *Publication) unlockTables() {
	for _, t := range p.locked {
		t.Delayed.items.Unlock()
		t.ids.Unlock()
	}
	p.locked = nil
}

// newID is an id that the request brings to a topic.
type newID struct {
	ids *dedupe.Table
	id  string
}

// place decides for each message of an item whether it is appended. first are the new ids of the items so far.
func (p *Publication) place(it *Item, now time.Time, by map[*partition.Partition]*partition.AppendTo, first map[newID]*partition.Place) error {
	it.spots, it.places = make([]spot, len(it.Messages)), make([]partition.Place, len(it.Messages))
	if it.needsTables() {
		it.Topic.ids.Sweep(now, it.Topic.Def.Config.DedupeWindow)
	}
	before := len(first)
	for i := range it.Messages {
		known, like := it.duplicate(i, now, first)
		switch {
		case known != nil:
			it.spots[i] = spot{known: known}
			continue
		case like != nil:
			it.spots[i] = spot{like: like}
			continue
		case it.fired != nil && !it.stillDue(i): // cancelled meanwhile
			it.spots[i] = spot{known: &partition.Place{}}
			continue
		}
		a := by[it.to[i]]
		if a == nil {
			a = &partition.AppendTo{Partition: it.to[i]}
			by[it.to[i]] = a
			p.appends = append(p.appends, a)
		}
		it.spots[i] = spot{to: a, nth: len(a.Records)}
		a.Records = append(a.Records, it.record(i))
	}
	if len(first) == before {
		return nil
	}
	if err := it.Topic.ids.Room(len(first)); err != nil {
		return fmt.Errorf("%w: %w; wait until their dedupe_window is over, or make it shorter", ErrRateLimited, err)
	}
	return nil
}

// duplicate returns the place of the record that has a message's id already, or where the message of this request goes that comes first with it.
func (it *Item) duplicate(i int, now time.Time, first map[newID]*partition.Place) (known, like *partition.Place) {
	id := it.Messages[i].ID
	if id == "" || it.Topic.Def.Config.DedupeWindow == 0 || it.fired != nil {
		return nil, nil
	}
	if place, ok := it.Topic.ids.Find(id, now, it.Topic.Def.Config.DedupeWindow); ok {
		return &place, nil
	}
	if item, ok := it.Topic.Delayed.items.ByID(id); ok {
		place := scheduledPlace(item)
		place.Duplicate = true
		return &place, nil
	}
	key := newID{it.Topic.ids, id}
	if like, twice := first[key]; twice {
		return nil, like
	}
	first[key] = &it.places[i]
	return nil, nil
}

func (it *Item) stillDue(i int) bool {
	_, ok := it.Topic.Delayed.items.Get(it.fired[i])
	return ok
}

// record returns what is appended for a message.
func (it *Item) record(i int) record.Record {
	if it.to[i] == it.Topic.Delayed.part {
		return it.Messages[i].delayedRecord()
	}
	return it.Messages[i].record()
}

// forget lets the store forget ids that are over. It is called with a partition of the topic locked, so that none of its logs can be dropped before what it
// enqueues: the store takes nothing for a dropped log.
func (p *Publication) forget(it *Item) {
	locked := slices.ContainsFunc(it.spots, func(s spot) bool { return s.to != nil })
	if !locked || !it.needsTables() {
		return
	}
	for _, gone := range it.Topic.ids.Forget() {
		p.env.Committer.Enqueue(commit.Unit{{Log: gone.Log, Entries: []store.Entry{{Journal: gone.Journal, Kind: store.Forget}}}})
	}
}

// Commit implements share.Publication.
func (p *Publication) Commit(c *commit.Committer, now time.Time, extra func() []commit.Part) commit.Ticket {
	t := p.tx.Commit(c, now, func() []commit.Part {
		parts := p.settlePlaces()
		if extra != nil {
			parts = append(parts, extra()...)
		}
		return parts
	})
	p.unlockTables()
	p.count()
	return t
}

// Abort implements share.Publication.
func (p *Publication) Abort() {
	p.tx.Abort()
	p.unlockTables()
}

// settlePlaces notes where everything went, and returns the entries that remember ids and due times.
func (p *Publication) settlePlaces() (parts []commit.Part) {
	for _, it := range p.items {
		for i, s := range it.spots {
			switch {
			case s.to != nil && s.to.Partition == it.Topic.Delayed.part:
				it.places[i] = scheduledPlace(schedule.Item{Offset: s.to.Base + record.Offset(s.nth), Due: it.Messages[i].due()})
			case s.to != nil:
				it.places[i] = partition.Place{Partition: s.to.Partition.Index, Offset: s.to.Base + record.Offset(s.nth), Timestamp: s.to.Time}
			case s.known != nil:
				it.places[i] = *s.known
			default:
				it.places[i] = *s.like
				it.places[i].Duplicate = true
			}
		}
		p.forget(it)
		parts = append(parts, it.rememberIDs()...)
		parts = append(parts, it.rememberDues()...)
	}
	return parts
}

// rememberIDs adds the ids of what is appended now.
func (it *Item) rememberIDs() (parts []commit.Part) {
	window := it.Topic.Def.Config.DedupeWindow
	added := map[*partition.AppendTo][]dedupe.Added{}
	var order []*partition.AppendTo
	for i, s := range it.spots {
		id := it.Messages[i].ID
		if s.to == nil || id == "" || window == 0 || s.to.Partition == it.Topic.Delayed.part {
			continue
		}
		if added[s.to] == nil {
			order = append(order, s.to)
		}
		added[s.to] = append(added[s.to], dedupe.Added{ID: id, Place: it.places[i]})
	}
	for _, to := range order {
		parts = append(parts, commit.Part{Log: to.Partition.ID, Entries: it.Topic.ids.Add(to.Partition.ID, window, added[to])})
	}
	return parts
}

// rememberDues adds what is delayed to the schedule, and takes what was delayed and is appended now off it.
func (it *Item) rememberDues() (parts []commit.Part) {
	d := it.Topic.Delayed
	var added []schedule.Added
	for i, s := range it.spots {
		if s.to != nil && s.to.Partition == d.part {
			added = append(added, schedule.Added{
				Item: schedule.Item{Offset: s.to.Base + record.Offset(s.nth), Due: it.Messages[i].due()}, ID: it.Messages[i].ID,
			})
		}
	}
	if len(added) > 0 {
		parts = append(parts, commit.Part{Log: d.part.ID, Entries: d.items.Add(added)})
	}
	if it.fired != nil {
		parts = append(parts, d.take(it.fired))
	}
	if len(parts) > 0 {
		d.checkpoint()
		d.armLocked(0)
	}
	return parts
}

// Places implements share.Publication.
func (p *Publication) Places() [][]partition.Place {
	out := make([][]partition.Place, len(p.items))
	for i, it := range p.items {
		out[i] = it.places
	}
	return out
}

// count adds what is appended to the topics' counters.
func (p *Publication) count() {
	for _, it := range p.items {
		records, bytes := uint64(0), uint64(0)
		for i := range it.Messages {
			if to := it.spots[i].to; to != nil && to.Partition != it.Topic.Delayed.part {
				records++
				bytes += uint64(len(it.Messages[i].Key) + len(it.Messages[i].Value))
			}
		}
		it.Topic.Published.Records.Add(records)
		it.Topic.Published.Bytes.Add(bytes)
	}
}

package queue

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
	"github.com/holtmq/holt/queue/store"
)

// publication is a call's records on their way into one unit; it implements share.Publication. Its locks, in order: the tables of ids by topic,
// partitions by log id.
type publication struct {
	items   []*publishing
	locked  []*topic // whose tables of ids are locked
	appends []*partition.AppendTo
	tx      *partition.Tx
	commit  *commit.Committer
}

// publishing is what goes to one topic.
type publishing struct {
	topic  *topic
	msgs   []Message
	to     []*partition.Partition // by message
	spots  []spot
	places []Place
}

// spot is where one message goes: the nth record of an append, or the place of an earlier record.
type spot struct {
	to    *partition.AppendTo
	nth   int
	known *Place
	like  int // the message of this request with the same id, when to and known are nil
}

// publication routes messages to their partitions. Errors: ErrPartitionNotFound, ErrInvalidRequest, ErrRequestTooLarge.
func (b *Broker) publication(items []*publishing) (*publication, error) {
	logs := map[store.LogID]struct{}{}
	for _, it := range items {
		var sticky []*partition.Partition // for messages without key, by lane, once for the request
		it.to = make([]*partition.Partition, len(it.msgs))
		for i := range it.msgs {
			p, err := it.topic.choose(&it.msgs[i], &sticky)
			if err != nil {
				return nil, fmt.Errorf("record %d: %w", i, err)
			}
			it.to[i] = p
			logs[p.ID] = struct{}{}
		}
	}
	if len(logs) > store.MaxUnitEdits {
		return nil, fmt.Errorf("the records go to %d partitions, at most %d in one request: %w", len(logs), store.MaxUnitEdits, ErrRequestTooLarge)
	}
	return &publication{items: items, commit: b.committer}, nil
}

// Logs implements share.Publication.
func (p *publication) Logs() int {
	logs := map[store.LogID]struct{}{}
	for _, it := range p.items {
		for _, to := range it.to {
			logs[to.ID] = struct{}{}
		}
	}
	return len(logs)
}

// Begin implements share.Publication: it finds duplicates and takes the locks. Errors: ErrTopicNotFound (just deleted), ErrRateLimited (too many ids).
func (p *publication) Begin() error {
	p.lockTables()
	now := time.Now()
	by := map[*partition.Partition]*partition.AppendTo{}
	for _, it := range p.items {
		if err := p.place(it, now, by); err != nil {
			p.unlockTables()
			return fmt.Errorf("topic %s: %w", it.topic.def.Name, err)
		}
	}
	tx, err := partition.Begin(p.appends...)
	if errors.Is(err, partition.ErrDropped) {
		p.unlockTables()
		return fmt.Errorf("a topic was just deleted: %w", ErrTopicNotFound)
	}
	p.tx = tx
	return nil
}

// lockTables locks the tables of ids of the topics whose messages have ids.
func (p *publication) lockTables() {
	for _, it := range p.items {
		ids := slices.ContainsFunc(it.msgs, func(m Message) bool { return m.ID != "" })
		if ids && it.topic.def.Config.DedupeWindow > 0 && !slices.ContainsFunc(p.locked, func(t *topic) bool { return t.ids == it.topic.ids }) {
			p.locked = append(p.locked, it.topic)
		}
	}
	slices.SortFunc(p.locked, func(a, b *topic) int { return cmp.Compare(a.def.ID, b.def.ID) })
	for _, t := range p.locked {
		t.ids.Lock()
	}
}

func (p *publication) unlockTables() {
	for _, t := range p.locked {
		t.ids.Unlock()
	}
	p.locked = nil
}

// place decides for each message of an item whether it is appended.
func (p *publication) place(it *publishing, now time.Time, by map[*partition.Partition]*partition.AppendTo) error {
	it.spots = make([]spot, len(it.msgs))
	window := it.topic.def.Config.DedupeWindow
	first := map[string]int{} // ids of this request
	for i := range it.msgs {
		m := &it.msgs[i]
		if m.ID != "" && window > 0 {
			if known, ok := it.topic.ids.Find(m.ID, now, window); ok {
				it.spots[i] = spot{known: &known}
				continue
			}
			if like, twice := first[m.ID]; twice {
				it.spots[i] = spot{like: like}
				continue
			}
			first[m.ID] = i
		}
		a := by[it.to[i]]
		if a == nil {
			a = &partition.AppendTo{Partition: it.to[i]}
			by[it.to[i]] = a
			p.appends = append(p.appends, a)
		}
		it.spots[i] = spot{to: a, nth: len(a.Records)}
		a.Records = append(a.Records, m.record())
	}
	for _, gone := range it.sweep(now, window) {
		p.commit.Enqueue(commit.Unit{{Log: gone.Log, Entries: []store.Entry{{Journal: gone.Journal, Kind: store.Forget}}}})
	}
	if len(first) == 0 {
		return nil
	}
	if err := it.topic.ids.Room(len(first)); err != nil {
		return fmt.Errorf("%w: %w; wait until their dedupe_window is over, or make it shorter", ErrRateLimited, err)
	}
	return nil
}

// sweep forgets ids that are over, if the table is locked.
func (it *publishing) sweep(now time.Time, window time.Duration) []dedupe.Forgotten {
	if window == 0 || !slices.ContainsFunc(it.msgs, func(m Message) bool { return m.ID != "" }) {
		return nil
	}
	return it.topic.ids.Sweep(now, window)
}

// Commit implements share.Publication.
func (p *publication) Commit(c *commit.Committer, now time.Time, extra func() []commit.Part) commit.Ticket {
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
func (p *publication) Abort() {
	p.tx.Abort()
	p.unlockTables()
}

// settlePlaces notes where everything went, and returns the entries that remember the ids.
func (p *publication) settlePlaces() (parts []commit.Part) {
	for _, it := range p.items {
		it.places = make([]Place, len(it.spots))
		added := map[*partition.AppendTo][]dedupe.Added{}
		var order []*partition.AppendTo
		for i, s := range it.spots {
			switch {
			case s.to != nil:
				it.places[i] = Place{Partition: s.to.Partition.Index, Offset: s.to.Base + record.Offset(s.nth), Timestamp: s.to.Time}
			case s.known != nil:
				it.places[i] = *s.known
			default:
				it.places[i] = it.places[s.like]
				it.places[i].Duplicate = true
			}
			if id := it.msgs[i].ID; s.to != nil && id != "" && it.topic.def.Config.DedupeWindow > 0 {
				if added[s.to] == nil {
					order = append(order, s.to)
				}
				added[s.to] = append(added[s.to], dedupe.Added{ID: id, Place: it.places[i]})
			}
		}
		for _, to := range order {
			entries := it.topic.ids.Add(to.Partition.ID, it.topic.def.Config.DedupeWindow, added[to])
			parts = append(parts, commit.Part{Log: to.Partition.ID, Entries: entries})
		}
	}
	return parts
}

// Places implements share.Publication.
func (p *publication) Places() [][]Place {
	out := make([][]Place, len(p.items))
	for i, it := range p.items {
		out[i] = it.places
	}
	return out
}

// count adds what is appended to the topics' counters.
func (p *publication) count() {
	for _, it := range p.items {
		records, bytes := uint64(0), uint64(0)
		for i := range it.msgs {
			if it.spots[i].to != nil {
				records++
				bytes += uint64(len(it.msgs[i].Key) + len(it.msgs[i].Value))
			}
		}
		it.topic.published.records.Add(records)
		it.topic.published.bytes.Add(bytes)
	}
}

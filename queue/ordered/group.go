package ordered

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/journal"
	"github.com/holtmq/holt/queue/ordered/roster"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/system"
)

// Env is what all ordered groups of a broker share.
type Env struct {
	Committer  *commit.Committer
	System     *system.Log
	Now        func() int64             // ms on the clock that leases and sessions run on; it never goes back
	Time       func(ms int64) time.Time // turns a time of that clock into what the wall clock shows then, in UTC
	Logger     *slog.Logger
	Waiting    *atomic.Int64 // parked calls of all groups, share groups' too
	MaxWaiting int64
	MaxBytes   int64           // of a poll
	Stop       <-chan struct{} // closed when parked calls must end
}

// RosterPrefix begins the names of the rosters' journals on the server's log; the group's id follows.
const RosterPrefix store.Journal = "ordered/"

// Group is one ordered group.
type Group struct {
	env  *Env
	id   uint64
	name string

	mu        sync.Mutex
	def       *catalog.Group
	roster    *roster.Roster
	journal   *system.Journal          // of the roster
	positions []*position              // in order of attachment
	topics    map[*partition.Ends]bool // that are read
	floors    int64                    // the sum of all positions'
	thin      []*position              // of isThin
	byLog     map[roster.Log]*position
	byPlace   map[Place]*position
	calls     map[string]map[*call]struct{} // of each member: the polls under way
	polls     uint64                        // that have begun
	last      commit.Ticket                 // of all that was journaled
	timer     *time.Timer
	armed     int64 // ms the timer is set to; 0 = not set
	closed    bool
}

// Part is one partition that a group reads, as the catalog and the replay have it.
type Part struct {
	Partition *partition.Partition
	TopicID   uint64
	Epoch     uint32           // of the attachment
	Start     record.Offset    // where the group begins, if it is new here
	Restored  *Offset          // nil: new
	Journal   *journal.Journal // of Restored
}

// NewPart returns what an attachment has of a partition that it has not read yet.
func NewPart(p *partition.Partition, a catalog.Attachment, start record.Offset) Part {
	return Part{Partition: p, TopicID: a.ID, Epoch: a.Epoch, Start: start}
}

// Members is a roster found on the server's log, being restored; it implements system.Machine.
type Members struct {
	roster  *roster.Roster
	journal *system.Journal
}

// NewMembers begins the replay of a roster.
func NewMembers(j *system.Journal) *Members { return &Members{roster.New(), j} }

// Restore implements system.Machine.
func (m *Members) Restore(checkpoint []byte) error { return corrupt(m.roster.Restore(checkpoint)) }

// Replay implements system.Machine.
func (m *Members) Replay(delta []byte) error { return corrupt(m.roster.Replay(delta)) }

// Checkpoint implements system.Machine.
func (m *Members) Checkpoint() []byte { return m.roster.Checkpoint() }

func corrupt(err error) error {
	if err != nil {
		return fmt.Errorf("%w: %w", store.ErrCorrupt, err)
	}
	return nil
}

// NewGroup brings a group to life, with the members that were restored, or none (nil). Sessions run anew.
func NewGroup(env *Env, def *catalog.Group, parts []Part, members *Members) *Group {
	g := &Group{
		env: env, id: def.ID, name: def.Name, def: def,
		topics: map[*partition.Ends]bool{}, byLog: map[roster.Log]*position{}, byPlace: map[Place]*position{}, calls: map[string]map[*call]struct{}{},
	}
	if members == nil {
		members = &Members{roster: roster.New()}
		members.journal = env.System.Begin(store.Journal(fmt.Sprint(RosterPrefix, def.ID)), members)
	}
	g.roster, g.journal = members.roster, members.journal
	g.timer = time.AfterFunc(time.Hour, g.tick)
	g.timer.Stop()
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range parts {
		g.attach(p)
	}
	g.roster.Resume(env.Now())
	g.setTopics()
	return g
}

// attach adds a partition; the lock is held.
func (g *Group) attach(p Part) {
	pos := &position{Offset: Offset{epoch: p.Epoch, start: p.Start, committed: none}, part: p.Partition, topicID: p.TopicID, journal: p.Journal}
	known := p.Restored != nil && p.Restored.epoch == p.Epoch
	if known {
		pos.Offset = *p.Restored
	}
	if pos.journal == nil {
		pos.journal = journal.New(JournalName(g.id))
	}
	g.positions = append(g.positions, pos)
	g.byLog[pos.log()], g.byPlace[pos.place()] = pos, pos
	g.countIn(pos)
	if !known {
		g.last = g.env.Committer.Enqueue(commit.Unit{{Log: p.Partition.ID, Entries: pos.entries(pos.appendStart(nil))}})
	}
}

// setTopics tells the roster what there is to read; the lock is held.
func (g *Group) setTopics() {
	var topics []roster.Topic
	for _, p := range g.positions {
		n := len(topics)
		if n == 0 || topics[n-1].ID != p.topicID {
			topics = append(topics, roster.Topic{ID: p.topicID})
			n++
		}
		topics[n-1].Partitions = append(topics[n-1].Partitions, p.log())
	}
	g.roster.SetTopics(topics)
	g.changed()
}

// Attach adds partitions to a living group; the definition names their topics already. A topic that grew has them after its others.
func (g *Group) Attach(def *catalog.Group, parts []Part) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.def = def
	for _, p := range parts {
		if g.byLog[roster.Log(p.Partition.ID)] == nil {
			g.attach(p)
		}
	}
	g.sort()
	g.setTopics()
}

// Detach ends the group's reading of some logs: progress there is forgotten. The logs may be gone already (dropped), the group too.
func (g *Group) Detach(def *catalog.Group, logs []store.LogID, dropped bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.def = def
	for _, id := range logs {
		p := g.byLog[roster.Log(id)]
		if p == nil {
			continue
		}
		delete(g.byLog, p.log())
		delete(g.byPlace, p.place())
		g.countOut(p)
		if !dropped {
			g.last = g.env.Committer.Enqueue(commit.Unit{Forget(id, g.id)})
		}
	}
	kept := g.positions[:0]
	for _, p := range g.positions {
		if g.byLog[p.log()] != nil {
			kept = append(kept, p)
		}
	}
	clear(g.positions[len(kept):])
	g.positions = kept
	g.setTopics()
}

// Forget returns what a unit does to a log to forget what a group has committed there.
func Forget(id store.LogID, groupID uint64) commit.Part {
	return commit.Part{Log: id, Entries: []store.Entry{{Journal: JournalName(groupID), Kind: store.Forget}}}
}

// Configure takes a changed definition with the same topics.
func (g *Group) Configure(def *catalog.Group) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.def = def
	g.wakeAll()
}

// Definition returns the group's definition.
func (g *Group) Definition() *catalog.Group {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.def
}

// Close ends parked calls. What was journaled is committed all the same.
func (g *Group) Close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.close()
}

func (g *Group) close() {
	g.closed = true
	g.timer.Stop()
	g.wakeAll()
}

// Delete ends a group that is deleted, and forgets its members.
func (g *Group) Delete() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		g.close()
		g.env.Committer.Enqueue(commit.Unit{g.journal.Forget()})
	}
}

// changed journals what the roster did, wakes the calls of those it concerns, and sets the timer; the lock is held.
func (g *Group) changed() {
	if g.closed {
		return
	}
	if deltas := g.roster.TakeDeltas(); len(deltas) > 0 {
		g.last = g.env.Committer.Enqueue(commit.Unit{g.journal.Part(deltas...)})
	}
	for _, name := range g.roster.TakeChanged() {
		for c := range g.calls[name] {
			c.wake()
		}
	}
	if ms, ok := g.roster.NextDeadline(); ok && (g.armed == 0 || ms < g.armed) {
		g.armed = ms
		g.timer.Reset(time.Duration(max(0, ms-g.env.Now())) * time.Millisecond)
	}
}

func (g *Group) wakeAll() {
	for _, calls := range g.calls {
		for c := range calls {
			c.wake()
		}
	}
}

// tick ends the sessions that are over.
func (g *Group) tick() {
	g.env.Committer.Turn(g.name + " sessions")
	g.mu.Lock()
	defer g.mu.Unlock()
	g.armed = 0
	if g.closed {
		return
	}
	for _, name := range g.roster.Expire(g.env.Now()) {
		g.env.Logger.Info("a member's session is over", "group", g.name, "member", name)
	}
	g.changed()
}

// durable waits until what an answer rests on is durable.
func (g *Group) durable(ctx context.Context, t commit.Ticket) error {
	err := g.env.Committer.Wait(ctx, t)
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("group %s: %w: %w", g.name, store.ErrUnknown, err)
}

// closedError is what calls of a closed group get; nil if it is open. The lock is held.
func (g *Group) closedError() error {
	if g.closed {
		return fmt.Errorf("group %s: %w", g.name, ErrClosed)
	}
	return nil
}

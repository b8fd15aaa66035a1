package share

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holtmq/holt/dlq/letter"
	"github.com/holtmq/holt/lease"
	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/journal"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/wait"
)

// Env is what all groups of a broker share.
type Env struct {
	Committer *commit.Committer
	Clock     Clock
	Receipts  *Receipts
	Logger    *slog.Logger
	Waiting   *atomic.Int64   // parked leases of all groups
	Stop      <-chan struct{} // closed when parked calls must end

	// Letters returns the partition that takes a group's dead letters, making topic and partition if they are missing.
	Letters func(ctx context.Context, group *catalog.Group) (*partition.Partition, error)
	// Edited returns the partition of the group's own that keeps records which were edited when they were redriven; nil if there is none and it is not to be made.
	Edited func(ctx context.Context, group string, make bool) (*partition.Partition, error)
	// Spent tells that there is no space left for letters: they wait, so that the last of it is there for settles. nil = never.
	Spent func() bool
}

// maxLate is how late the commit of a hand-out may be before no further one is made.
const maxLate = 100 * time.Millisecond

// Group is one share group. Its lock is taken before those of partitions and of the committer; nothing waits under it.
type Group struct {
	env  *Env
	id   uint64 // of every definition it ever has
	name string // likewise

	mu       sync.Mutex
	def      *catalog.Group
	config   lease.Config // of the windows' machines: what Configure made of def
	windows  []*window    // in order of attachment
	byLog    map[store.LogID]*window
	letters  []*Letters                   // dead letters, by log
	cameBack uint64                       // redriven records of windows that are detached
	ending   bool                         // it is being deleted: nothing is leased, and no letters are written
	barred   map[store.LogID]bool         // logs that take no letters any more: their topic is being deleted
	news     chan struct{}                // closed when something happens to letters; nil = nobody waits
	lanes    lanes                        // windows that may have something to hand out
	readings map[*partition.Ends]*reading // of each topic
	thin     []*window                    // of thinned
	inflight int                          // leases running, records that die among them
	rate     bucket
	waiters  wait.Lines[parcel] // a line for each choice of topics
	parked   map[*wait.Waiter[parcel]]*LeaseRequest
	requests requests        // answers to settles with a request key
	keyed    leaseKeys       // what leases with a request key got
	serving  bool            // a dispatcher runs
	filling  int             // windows that somebody reads ahead for
	filled   chan struct{}   // closed when one of them is done
	waits    uint64          // calls that waited for that
	handouts []lease.Handout // reused by every Lease of a machine
	timer    *time.Timer
	armed    int64 // ms the timer is set to; 0 = not set
	ahead    int64 // ms that the wall clock was ahead when it was looked at last
	members  members
	counters Counters
	measures measures
	closed   bool

	editsHeld bool // the start of the log of edited records stays where it is

	attempts attempts
	expired  []lease.Expired // reused by every Expire of a machine

	burying chan struct{} // a slot for each unit of dead letters that is being made
	texts   letter.Texts  // of the letters written last
	reading chan struct{} // one slot: held while some letters of before the process are read
	work    sync.WaitGroup
	ctx     context.Context // of background work; ends with Close
	cancel  context.CancelFunc
}

// Part is one partition that a group reads, as the catalog and the replay have it.
type Part struct {
	Partition *partition.Partition
	Epoch     uint32
	Start     record.Offset    // where a new window begins
	Restored  *Restored        // nil: a new window
	Journal   *journal.Journal // of Restored
}

// NewPart returns the window-to-be of an attachment on a partition that it has no window on yet.
func NewPart(p *partition.Partition, a catalog.Attachment, start record.Offset) Part {
	return Part{Partition: p, Epoch: a.Epoch, Start: start}
}

// JournalName returns the name of a group's journal on each log it reads.
func JournalName(groupID uint64) store.Journal { return store.Journal(fmt.Sprintf("g/%d", groupID)) }

// NewGroup brings a group to life. Running leases of a restored window go on as the contract says, and what was given up there is buried.
func NewGroup(env *Env, def *catalog.Group, parts []Part, letters []*Letters, answers []*Answers) *Group {
	g := &Group{
		env: env, id: def.ID, name: def.Name, def: def, config: MachineConfig(def), letters: letters,
		byLog: map[store.LogID]*window{}, readings: map[*partition.Ends]*reading{}, parked: map[*wait.Waiter[parcel]]*LeaseRequest{},
		requests: newRequests(), keyed: newLeaseKeys(), attempts: newAttempts(), members: newMembers(), measures: newMeasures(),
		filled: make(chan struct{}), burying: make(chan struct{}, maxBurials), reading: make(chan struct{}, 1), texts: letter.Texts{},
	}
	slices.SortFunc(g.letters, func(a, b *Letters) int { return cmp.Compare(a.part.ID, b.part.ID) })
	g.ctx, g.cancel = context.WithCancel(context.Background())
	g.timer = time.AfterFunc(time.Hour, g.tick)
	g.timer.Stop()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.rate.set(def.Config.RatePerSecond, def.Config.RateBurst, env.Clock.Now())
	g.requests.restore(answers, env.Clock.Wall())
	for _, p := range parts {
		g.attach(p)
		if p.Restored != nil {
			g.rate.tokens = 0 // those of before the restart may be used up
		}
	}
	g.restoreBacks()
	g.arm()
	for _, w := range g.windows {
		g.buryBehind(w)
		g.rereadBehind(w)
	}
	return g
}

// MachineConfig returns a group's configuration in the lease machine's terms.
func MachineConfig(def *catalog.Group) lease.Config {
	c := def.Config
	b := lease.Backoff{
		Initial: c.Backoff.Initial.Milliseconds(), Max: c.Backoff.Max.Milliseconds(),
		Multiplier: c.Backoff.Multiplier, Jitter: c.Backoff.Jitter,
	}
	for _, s := range c.Backoff.Steps {
		b.Steps = append(b.Steps, s.Milliseconds())
	}
	return lease.Config{
		MaxAttempts: c.MaxAttempts, Backoff: b,
		KeyOrder: c.Ordering == catalog.OrderingKey, KeyConcurrency: c.KeyConcurrency,
		HoldDead: c.OnDead == catalog.OnDeadHold && c.Ordering == catalog.OrderingKey,
		Strict:   c.StrictLeases, Drop: !c.DeadLetters, DropTTL: !c.DeadLetters || !c.DeadLetterOnTTL, Seed: def.ID,
	}
}

// attach adds a window; the lock is held.
func (g *Group) attach(p Part) {
	w := &window{part: p.Partition, name: fmt.Sprintf("log %d", p.Partition.ID), journal: p.Journal, burying: make(chan struct{}, 1)}
	if p.Restored == nil {
		w.journal = journal.New(JournalName(g.id))
		w.machine = lease.New(g.config, 0, p.Epoch)
		w.machine.Reset(lease.Offset(p.Start)) // makes the first delta, which holds the start
	} else {
		w.machine = p.Restored.machine
		w.machine.Configure(g.config)
		w.machine.Resume(g.env.Clock.Next())
	}
	w.machine.Wall(g.ahead)
	g.windows = append(g.windows, w)
	g.byLog[p.Partition.ID] = w
	g.countIn(w)
	g.journal(w)
	g.thinned(w)
	g.lanes.add(w)
}

// Attach adds partitions to a living group; the definition names them already.
func (g *Group) Attach(def *catalog.Group, parts []Part) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.def = def
	for _, p := range parts {
		if g.byLog[p.Partition.ID] == nil {
			g.attach(p)
		}
	}
	g.serve()
}

// Detach ends the windows on some logs: their leases are lost and their progress is forgotten. The logs may be gone already (dropped).
func (g *Group) Detach(def *catalog.Group, logs []store.LogID, dropped bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.def = def
	for _, id := range logs {
		w := g.byLog[id]
		if w == nil {
			continue
		}
		w.closed = true
		w.part.Unwatch(g)
		w.part.Backlog.Progressed()
		g.countOut(w)
		waiting, settled := w.machine.Redriven()
		g.cameBack += uint64(waiting) + settled
		g.attempts.forget(id)
		delete(g.byLog, id)
		g.windows = slices.DeleteFunc(g.windows, func(o *window) bool { return o == w })
		g.lanes.remove(w)
		if !dropped {
			g.env.Committer.Enqueue(commit.Unit{Forget(id, w.journal.Name())})
			if g.requests.on[id] != nil {
				g.env.Committer.Enqueue(commit.Unit{Forget(id, AnswersName(g.id))})
			}
		}
		delete(g.requests.on, id)
	}
	g.changed()
	g.serve()
}

// Forget returns what a unit does to a log to forget a journal.
func Forget(id store.LogID, name store.Journal) commit.Part {
	return commit.Part{Log: id, Entries: []store.Entry{{Journal: name, Kind: store.Forget}}}
}

// Configure takes a changed definition with the same topics. Definitions change one at a time.
func (g *Group) Configure(def *catalog.Group) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.def, g.config = def, MachineConfig(def)
	g.rate.set(def.Config.RatePerSecond, def.Config.RateBurst, g.env.Clock.Now())
	for _, w := range slices.Clone(g.windows) {
		if !w.closed {
			w.machine.Configure(g.config)
			g.lanes.add(w)
		}
		g.serve()
		g.letIn()
	}
}

// letIn has those go on who wait for the lock, which is held, in the middle of what may take long.
func (g *Group) letIn() {
	g.mu.Unlock()
	g.mu.Lock()
}

// Definition returns the group's definition.
func (g *Group) Definition() *catalog.Group {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.def
}

// Close ends parked calls and background work and waits for it. What was enqueued is committed all the same.
func (g *Group) Close() {
	g.mu.Lock()
	g.closed = true
	g.timer.Stop()
	for _, w := range g.windows {
		w.closed = true
		w.part.Unwatch(g)
	}
	g.mu.Unlock()
	g.cancel()
	g.work.Wait()
}

// Advanced implements partition.Watcher: there are new records.
func (g *Group) Advanced(p *partition.Partition) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if w := g.byLog[p.ID]; w != nil {
		g.lanes.add(w)
		g.serve()
	}
}

// journal enqueues what a window's machine did since the last call; the lock is held. The ticket is zero if it did nothing.
func (g *Group) journal(w *window, notes ...store.Note) commit.Ticket {
	if w.closed {
		w.cut()
		w.cuts = nil
		return commit.Ticket{}
	}
	edit, any := g.edit(w, notes...)
	if !any {
		return commit.Ticket{}
	}
	t := g.env.Committer.Enqueue(commit.Unit{edit})
	if w.journal.Due() {
		g.checkpoint(w)
	}
	return t
}

// checkpoint writes a window in the background; the lock is held.
func (g *Group) checkpoint(w *window) {
	state := w.machine.Snapshot()
	g.encodeCheckpoint(w.part.ID, w.journal, func() []byte { return state.AppendCheckpoint(nil) }, &w.closed)
}

// writeCheckpoint writes a checkpoint of a journal on a log piece by piece in the background, until gone, which the lock guards; the lock is held.
func (g *Group) writeCheckpoint(log store.LogID, j *journal.Journal, state []byte, gone *bool) {
	g.encodeCheckpoint(log, j, func() []byte { return state }, gone)
}

// encodeCheckpoint is writeCheckpoint of what encode gives in the background: the state as it is now.
func (g *Group) encodeCheckpoint(log store.LogID, j *journal.Journal, encode func() []byte, gone *bool) {
	seq := j.Begin()
	g.background(fmt.Sprintf("checkpoint of %s on log %d", j.Name(), log), func() {
		state := encode()
		g.mu.Lock()
		entries := j.CheckpointAt(seq, state)
		g.mu.Unlock()
		for _, e := range entries {
			g.mu.Lock()
			closed := *gone
			var t commit.Ticket
			if !closed {
				t = g.env.Committer.Enqueue(commit.Unit{{Log: log, Entries: []store.Entry{e}}})
			}
			g.mu.Unlock()
			if closed || g.env.Committer.Wait(g.ctx, t) != nil {
				return
			}
		}
		g.mu.Lock()
		j.Written()
		g.mu.Unlock()
	})
}

// background runs fn, whose name is what, unless the group is closing; the lock is held.
func (g *Group) background(what string, fn func()) {
	if g.closed {
		return
	}
	g.work.Go(func() {
		g.env.Committer.Turn(g.name, what)
		fn()
	})
}

// arm sets the timer to the next deadline or token; the lock is held.
func (g *Group) arm() {
	next, any := int64(0), false
	for _, w := range g.windows {
		if ms, ok := w.machine.NextDeadline(); ok && (!any || ms < next) {
			next, any = ms, true
		}
	}
	if any {
		g.armAt(next)
	}
}

// armAt makes the timer fire at ms or before; the lock is held.
func (g *Group) armAt(ms int64) {
	if g.closed || g.armed != 0 && g.armed <= ms {
		return
	}
	g.armed = ms
	g.timer.Reset(time.Duration(max(0, ms-g.env.Clock.Now())) * time.Millisecond)
}

// tick turns over what is due.
func (g *Group) tick() {
	g.mu.Lock()
	g.armed = 0
	g.background("turnover", g.turnover)
	g.mu.Unlock()
}

// result returns the error of a failed commit in the callers' terms.
func (g *Group) result(err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("group %s: %w: %w", g.name, store.ErrUnknown, err)
}

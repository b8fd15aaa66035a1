package ordered

import (
	"context"
	"fmt"
	"time"

	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/ordered/roster"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
)

// Limits of a poll.
const (
	MaxRecords = 10_000          // max
	MaxBatched = 1_000_000       // max, when whole batches are asked for: they cost what their bytes cost
	MaxBytes   = 16 << 20        // max_bytes; 0 = that
	MaxOwned   = 10_000          // partitions named in a call
	revokeWait = 1 * time.Second // how long a poll of a member waits that has something to give up: the answer that said so may be lost
)

// Owned is a partition that a member works on.
type Owned struct {
	Place
	Offset record.Offset // the next one wanted; None = where the group goes on
}

// None is no offset.
const None = none

// PollRequest asks for records, and says what the member works on: what it does not name it does not hold.
type PollRequest struct {
	Member   string
	Epoch    int64
	Owned    []Owned
	Max      int              // records; 1 to MaxRecords
	MaxBytes int64            // 0 = MaxBytes. One larger record still comes, alone
	Wait     time.Duration    // for the first record, or news
	Room     *partition.Share // what the answer may take of the memory; nil = no limit
	Batches  bool             // whole stored batches instead of records: the limits are kept to a batch
}

// Answer is what polls and heartbeats get.
type Answer struct {
	Epoch      int64
	Assignment []Assigned
	Revoke     []Place
	Moved      []Move     // out of range: the member goes on at To
	Records    []Delivery // of polls, by partition in order
	Batches    []Stretch  // likewise, if batches were asked for
}

// Delivery is one record. Its bytes are shared: nobody changes them.
type Delivery struct {
	Place
	record.Record
}

// Stretch is batches of a partition that follow each other. Records before From are not wanted. The bytes are as those of partition.Whole.
type Stretch struct {
	Place
	From    record.Offset
	Batches [][]byte // each element one or several
}

// call is one poll under way.
type call struct {
	req   *PollRequest
	owned map[roster.Log]record.Offset
	woken chan struct{} // one slot
	until time.Time     // when to stop waiting
	nth   uint64        // of the group's polls
}

func (c *call) wake() {
	select {
	case c.woken <- struct{}{}:
	default:
	}
}

// Advanced implements partition.Watcher: there are new records.
func (c *call) Advanced(*partition.Partition) { c.wake() }

// want is a partition to read from, and where it ended when that was looked at.
type want struct {
	pos       *position
	from, end record.Offset
	size      int64 // of the last batch that was read
}

// Poll returns records of what the member holds from where it says on, waiting as long as the request says for the first one, for a change of what it
// holds, or for the shutdown. Errors: ErrMemberNotFound, ErrFenced, ErrTooManyWaiting, ErrClosed, store.ErrCorrupt, store.ErrUnknown, the context's.
func (g *Group) Poll(ctx context.Context, req PollRequest) (Answer, error) {
	c, err := g.enter(&req)
	if err != nil {
		return Answer{}, err
	}
	defer g.exit(c)
	for {
		wants, news, err := g.plan(c)
		if err != nil {
			return Answer{}, err
		}
		got, err := g.read(ctx, c, wants)
		if err != nil {
			return Answer{}, err
		}
		if news || !got.empty() {
			return g.answer(ctx, c, got)
		}
		if goOn, err := g.await(ctx, c, wants); err != nil || !goOn {
			if err != nil {
				return Answer{}, err
			}
			return g.answer(ctx, c, got)
		}
	}
}

// enter begins a poll: it takes note of what the member gives up.
func (g *Group) enter(req *PollRequest) (*call, error) {
	if req.MaxBytes == 0 || req.MaxBytes > g.env.MaxBytes {
		req.MaxBytes = g.env.MaxBytes
	}
	c := &call{req: req, woken: make(chan struct{}, 1), until: time.Now().Add(req.Wait)}
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.closedError(); err != nil {
		return nil, err
	}
	if err := g.report(req.Member, req.Epoch, req.Owned, c); err != nil {
		return nil, err
	}
	if err := g.roster.Park(req.Member, req.Epoch); err != nil {
		return nil, g.ofMember(err)
	}
	if g.calls[req.Member] == nil {
		g.calls[req.Member] = map[*call]struct{}{}
	}
	g.calls[req.Member][c] = struct{}{}
	g.polls++
	c.nth = g.polls
	return c, nil
}

// report tells the roster what a member works on; the lock is held.
func (g *Group) report(member string, epoch int64, owned []Owned, c *call) error {
	logs := make(map[roster.Log]record.Offset, len(owned))
	for _, o := range owned {
		if p := g.byPlace[o.Place]; p != nil {
			logs[p.log()] = o.Offset
		}
	}
	c.owned = logs
	err := g.roster.Report(g.env.Now(), member, epoch, func(l roster.Log) bool { _, named := logs[l]; return named })
	if err == nil {
		g.changed()
	}
	return g.ofMember(err)
}

func (g *Group) exit(c *call) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.roster.Unpark(g.env.Now(), c.req.Member, c.req.Epoch)
	delete(g.calls[c.req.Member], c)
	if len(g.calls[c.req.Member]) == 0 {
		delete(g.calls, c.req.Member)
	}
}

// plan says what to read. news: the answer cannot wait.
func (g *Group) plan(c *call) (wants []want, news bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.closedError(); err != nil {
		return nil, false, err
	}
	v, err := g.roster.View(c.req.Member, c.req.Epoch)
	if err != nil {
		return nil, false, g.ofMember(err)
	}
	if soon := time.Now().Add(revokeWait); len(v.Revoke) > 0 && soon.Before(c.until) {
		c.until = soon
	}
	if g.def.Config.Paused {
		return nil, v.News, nil
	}
	for _, l := range v.Keep {
		p := g.byLog[l]
		if p == nil {
			continue
		}
		from, named := c.owned[l]
		if !named || from == none {
			from = p.next()
		}
		wants = append(wants, want{pos: p, from: from})
	}
	return wants, v.News, nil
}

// answer makes an answer of what was read: of what the member still holds.
func (g *Group) answer(ctx context.Context, c *call, got *harvest) (Answer, error) {
	g.mu.Lock()
	a, t, err := g.view(c.req.Member, c.req.Epoch)
	g.mu.Unlock()
	if err != nil {
		return Answer{}, err
	}
	got.into(&a)
	return a, g.durable(ctx, t)
}

// view describes what a member holds, and takes note that it is told; the lock is held.
func (g *Group) view(member string, epoch int64) (Answer, commit.Ticket, error) {
	if err := g.closedError(); err != nil {
		return Answer{}, commit.Ticket{}, err
	}
	v, err := g.roster.View(member, epoch)
	if err != nil {
		return Answer{}, commit.Ticket{}, g.ofMember(err)
	}
	g.roster.Told(member, epoch)
	return Answer{Epoch: epoch, Assignment: g.assigned(v.Keep), Revoke: g.places(v.Revoke)}, g.last, nil
}

// await waits for news of any kind; false: there is no time left, or the server stops.
func (g *Group) await(ctx context.Context, c *call, wants []want) (goOn bool, err error) {
	left := time.Until(c.until)
	if left <= 0 {
		return false, nil
	}
	if g.env.Waiting.Add(1) > g.env.MaxWaiting {
		g.env.Waiting.Add(-1)
		return false, fmt.Errorf("group %s: %d calls wait already: %w", g.name, g.env.MaxWaiting, ErrTooManyWaiting)
	}
	defer g.env.Waiting.Add(-1)
	for i, w := range wants {
		if !w.pos.part.Watch(w.end, c) {
			unwatch(wants[:i], c)
			return true, nil
		}
	}
	defer unwatch(wants, c)
	timer := time.NewTimer(left)
	defer timer.Stop()
	defer g.env.Committer.TurnOf(c.nth, g.name, "poll of", c.req.Member)
	select {
	case <-c.woken:
		return true, nil
	case <-timer.C:
		return false, nil
	case <-g.env.Stop:
		return false, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

func unwatch(wants []want, c *call) {
	for _, w := range wants {
		w.pos.part.Unwatch(c)
	}
}

// Beat is a sign of life. owned says what the member works on, as a poll does; nil changes nothing. Errors: ErrMemberNotFound, ErrFenced, ErrClosed,
// store.ErrUnknown, the context's.
func (g *Group) Beat(ctx context.Context, member string, epoch int64, owned []Owned) (Answer, error) {
	g.mu.Lock()
	a, t, err := g.beat(member, epoch, owned)
	g.mu.Unlock()
	if err != nil {
		return Answer{}, err
	}
	return a, g.durable(ctx, t)
}

func (g *Group) beat(member string, epoch int64, owned []Owned) (Answer, commit.Ticket, error) {
	err := g.closedError()
	switch {
	case err != nil:
	case owned != nil:
		err = g.report(member, epoch, owned, new(call))
	default:
		err = g.ofMember(g.roster.Seen(g.env.Now(), member, epoch))
	}
	if err != nil {
		return Answer{}, commit.Ticket{}, err
	}
	return g.view(member, epoch)
}

package lease_test

import (
	"slices"

	"github.com/holtmq/holt/lease"
)

// model is the window as the contract tells it, with maps and loops and no thought of speed.
type model struct {
	cfg     lease.Config
	epoch   uint32
	end     lease.Offset
	shown   lease.Offset
	current uint32                         // incarnation of this life's hand-outs
	open    map[lease.Offset]*item         // unresolved
	settled map[lease.Offset]lease.Outcome // below end
	ahead   map[lease.Offset]lease.Outcome // at or past end; 0 = to be buried
	holds   map[lease.Offset]uint64
	lives   map[lease.Offset]int // deliveries of settled records

	wall int64  // how far the wall clock is ahead
	seen int64  // the latest time of a hand-out that a restart knows of
	most uint32 // the highest delivery since the last crash

	forgetful []lease.Claim // of the copy at a mark: claims whose answers a crash keeps back
}

type item struct {
	at                             lease.Offset
	state                          lease.State
	key                            uint64
	size                           uint32
	dies                           int64
	deliveries, failures, expiries int
	inc                            uint32
	ended                          string // how the last hand-out ended: "", nack, release, expiry, place
	due, deadline, length, since   int64
	member                         string
	reason                         lease.Reason
	redriven                       bool
}

func newModel(cfg lease.Config, start lease.Offset, epoch uint32) *model {
	return &model{cfg: cfg, epoch: epoch, end: start, open: map[lease.Offset]*item{}, settled: map[lease.Offset]lease.Outcome{},
		ahead: map[lease.Offset]lease.Outcome{}, holds: map[lease.Offset]uint64{}, lives: map[lease.Offset]int{}}
}

func (m *model) clone() *model {
	c := newModel(m.cfg, m.end, m.epoch)
	c.shown, c.current, c.seen, c.most = m.shown, m.current, m.seen, m.most
	for k, v := range m.open {
		x := *v
		c.open[k] = &x
	}
	for k, v := range m.settled {
		c.settled[k] = v
	}
	for k, v := range m.ahead {
		c.ahead[k] = v
	}
	for k, v := range m.holds {
		c.holds[k] = v
	}
	for k, v := range m.lives {
		c.lives[k] = v
	}
	return c
}

// sorted lists the unresolved records by offset.
func (m *model) sorted() []*item {
	l := make([]*item, 0, len(m.open))
	for _, i := range m.open {
		l = append(l, i)
	}
	slices.SortFunc(l, func(a, b *item) int { return int(a.at - b.at) })
	return l
}

func (m *model) start() lease.Offset {
	s := m.end
	for at, i := range m.open {
		if !i.redriven {
			s = min(s, at)
		}
	}
	return s
}

func (m *model) keyed() bool { return m.cfg.KeyOrder || m.cfg.KeyConcurrency > 0 }

func (m *model) offer(recs []lease.Offered) {
	for _, o := range recs {
		at := m.end
		m.end++
		outcome, isAhead := m.ahead[at]
		delete(m.ahead, at)
		i := &item{at: at, state: lease.Available, size: o.Size, dies: o.Dies, key: o.Key}
		switch {
		case isAhead && outcome != 0:
			m.settled[at] = outcome
		case isAhead:
			i.state, i.reason = lease.Dying, lease.ReasonRejected
			m.open[at] = i
		case o.Gone:
			m.settled[at] = lease.Skipped
		default:
			m.open[at] = i
		}
	}
	m.absorb()
}

func (m *model) unread(n int, due int64) {
	if n == 0 {
		return
	}
	from := m.end
	m.offer(make([]lease.Offered, n))
	for at := from; at < from+lease.Offset(n); at++ {
		if i := m.open[at]; i != nil && i.state == lease.Available {
			i.state, i.due = lease.Unread, due
		}
	}
}

func (m *model) lost(at lease.Offset, due int64) bool {
	i := m.open[at]
	if i == nil || i.redriven || i.state == lease.Dying || i.state == lease.Unread {
		return false
	}
	if i.state == lease.Leased {
		i.ended = "place"
	}
	i.state, i.due = lease.Unread, due
	return true
}

func (m *model) found(at lease.Offset, o lease.Offered) bool {
	i := m.open[at]
	if i == nil || i.state != lease.Unread {
		return false
	}
	if o.Gone {
		m.settle(i, lease.Skipped)
		return true
	}
	i.state, i.size, i.dies = lease.Available, o.Size, o.Dies
	if i.key == 0 {
		i.key = o.Key
	}
	return true
}

// absorb moves end over what was settled ahead.
func (m *model) absorb() {
	for {
		o, ok := m.ahead[m.end]
		if !ok || o == 0 {
			return
		}
		delete(m.ahead, m.end)
		m.settled[m.end] = o
		m.end++
	}
}

func (m *model) settle(i *item, o lease.Outcome) {
	delete(m.open, i.at)
	m.settled[i.at] = o
	m.lives[i.at] = i.deliveries
}

// busy is how many records of the key are in flight.
func (m *model) busy(key uint64) int {
	n := 0
	for _, i := range m.open {
		if i.key == key && (i.state == lease.Leased || m.cfg.KeyOrder && i.state == lease.Dying) {
			n++
		}
	}
	return n
}

// held says whether the record's key lets it wait, and how long its key would let available ones go.
func (m *model) held(i *item) bool {
	if i.key == 0 || !m.keyed() {
		return false
	}
	if m.cfg.KeyOrder {
		for at, key := range m.holds {
			if m.cfg.HoldDead && key == i.key && at < i.at {
				return true
			}
		}
		for _, j := range m.open {
			if j.key == i.key && j.at < i.at {
				return true
			}
		}
		return m.busy(i.key) > 0
	}
	return m.busy(i.key) >= m.cfg.KeyConcurrency
}

// batch is how many records a call may have with this one in it.
func (m *model) batch(i *item) int {
	if i.deliveries == 0 || m.cfg.MaxAttempts < 2 || i.expiries*2 < m.cfg.MaxAttempts {
		return 1 << 30
	}
	n := 1
	for left := m.cfg.MaxAttempts - i.failures - 1; left > 0 && n < lease.MaxLease; left-- {
		n *= 2
	}
	if n >= lease.MaxLease {
		return 1 << 30
	}
	return n
}

// goesBefore is the order of hand-outs.
func goesBefore(a, b *item) bool {
	againA, againB := a.deliveries > 0 || a.redriven, b.deliveries > 0 || b.redriven
	if againA != againB {
		return againA
	}
	return a.at < b.at
}

// candidates are the records that may go next, of each key with a limit only the first.
func (m *model) candidates() []*item {
	var l []*item
	for _, i := range m.sorted() {
		if i.state == lease.Available && !m.held(i) {
			l = append(l, i)
		}
	}
	slices.SortFunc(l, func(a, b *item) int {
		if goesBefore(a, b) {
			return -1
		}
		return 1
	})
	if m.cfg.KeyOrder || m.cfg.KeyConcurrency == 0 {
		return l
	}
	seen := map[uint64]bool{}
	return slices.DeleteFunc(l, func(i *item) bool {
		again := i.key != 0 && seen[i.key]
		seen[i.key] = true
		return again
	})
}

func (m *model) lease(q lease.Request) (out []lease.Handout, stop lease.Stop) {
	m.current = max(m.current, q.Incarnation)
	got, bytes, limit := q.Have, q.HaveBytes, q.Max
	alone, withheld := false, false
	defer func() {
		if alone {
			stop = lease.StopAlone
		}
	}()
	for got < limit {
		var i *item
		for _, c := range m.candidates() {
			if small := m.batch(c) < 1<<30; small && (withheld || got >= m.batch(c)) {
				withheld = true
				continue
			}
			i = c
			break
		}
		switch {
		case i == nil && withheld:
			return out, lease.StopLimit
		case i == nil:
			return out, lease.StopEmpty
		case i.dies != 0 && i.dies <= q.Now+m.wall:
			m.die(i, lease.ReasonTTL)
			continue
		case got > 0 && q.MaxBytes > 0 && bytes+int64(i.size) > q.MaxBytes:
			return out, lease.StopLimit
		}
		if b := m.batch(i); b < 1<<30 {
			alone, limit = true, min(limit, b)
		}
		got++
		bytes += int64(i.size)
		i.deliveries++
		i.state, i.ended, i.inc, i.member = lease.Leased, "", q.Incarnation, q.Member
		i.since, i.length, i.deadline = q.Now, q.Length, q.Now+q.Ahead+q.Length
		m.seen, m.most = max(m.seen, q.Now), max(m.most, uint32(i.deliveries))
		out = append(out, lease.Handout{Claim: m.claim(i), Attempt: i.failures + 1, Deadline: i.deadline, Size: i.size,
			Redriven: i.redriven, Again: i.deliveries > 1 || i.redriven || i.at < m.shown || m.cfg.KeyOrder && i.key != 0})
	}
	return out, lease.StopLimit
}

func (m *model) claim(i *item) lease.Claim {
	return lease.Claim{Offset: i.at, Delivery: uint32(i.deliveries), Incarnation: i.inc, Epoch: m.epoch}
}

// die ends a record for good.
func (m *model) die(i *item, why lease.Reason) (dying bool) {
	if m.cfg.Drop || why == lease.ReasonTTL && m.cfg.DropTTL {
		m.settle(i, lease.Dropped)
		return false
	}
	i.state, i.reason = lease.Dying, why
	return true
}

// doom is what the record dies of if it fails now; 0 = nothing.
func (m *model) doom(i *item, failures int, now int64) lease.Reason {
	switch {
	case m.cfg.MaxAttempts > 0 && failures >= m.cfg.MaxAttempts:
		return lease.ReasonMaxAttempts
	case i.dies != 0 && i.dies <= now+m.wall:
		return lease.ReasonTTL
	}
	return 0
}

// onSettled answers verbs on what is settled, or as good as.
func onSettled(o lease.Outcome, v lease.Verb) lease.Code {
	switch {
	case o == lease.Acked && v == lease.Ack, o == lease.Dead && (v == lease.Reject || v == lease.Nack):
		return lease.Repeat
	}
	return lease.AlreadySettled
}

// skipTo settles all below to.
func (m *model) skipTo(to lease.Offset) {
	for at, i := range m.open {
		if at < to && !i.redriven {
			m.settle(i, lease.Skipped)
		}
	}
	for ; m.end < to; m.end++ {
		o, ok := m.ahead[m.end]
		if !ok || o == 0 {
			o = lease.Skipped
		}
		m.settled[m.end] = o
		delete(m.ahead, m.end)
	}
	m.absorb()
}

func (m *model) trimTo(to lease.Offset) {
	if to > m.start() {
		m.skipTo(to)
	}
}

func (m *model) reset(to lease.Offset) {
	m.skipTo(to)
	m.shown = max(m.shown, m.end)
	m.epoch++
	m.end = to
	m.ahead = map[lease.Offset]lease.Outcome{}
	for at, i := range m.open {
		if at >= to {
			delete(m.open, at)
		}
		if i.state == lease.Leased {
			i.state, i.ended = lease.Available, "place"
		}
	}
	for at := range m.settled {
		if at >= to {
			delete(m.settled, at)
		}
	}
	for at := range m.holds {
		if at >= to {
			delete(m.holds, at)
		}
	}
}

func (m *model) redrive(b lease.Back) lease.Code {
	i := m.open[b.Offset]
	switch {
	case b.Offset < 0:
		return lease.Invalid
	case b.Offset >= m.end:
		return lease.NotOffered
	case i != nil && i.state == lease.Dying:
		return lease.AlreadySettled
	case i != nil:
		b.Deliveries = max(b.Deliveries, uint32(i.deliveries))
	case m.settled[b.Offset] != lease.Dead:
		b.Deliveries = max(b.Deliveries, m.most)
	}
	delete(m.holds, b.Offset)
	delete(m.settled, b.Offset)
	n := &item{at: b.Offset, state: lease.Available, size: b.Size, deliveries: int(b.Deliveries), inc: b.Incarnation, ended: "place", redriven: true, key: b.Key}
	if b.Due > 0 {
		n.state, n.due = lease.Deferred, b.Due
	}
	m.open[b.Offset] = n
	return lease.OK
}

func (m *model) drop(at lease.Offset) bool {
	i := m.open[at]
	if i == nil || !i.redriven || i.state == lease.Dying {
		return false
	}
	m.settle(i, lease.Dropped)
	return true
}

// view is what a window shows of a record; behind is what it says that this one is behind of.
func (m *model) view(i *item, behind lease.Offset) lease.View {
	v := lease.View{Offset: i.at, State: i.state, Attempt: i.failures + 1, Deliveries: i.deliveries, Member: i.member, Key: i.key, Size: i.size,
		Redriven: i.redriven}
	switch i.state {
	case lease.Leased:
		v.Deadline, v.Length, v.LeasedAt = i.deadline, i.length, i.since
	case lease.Deferred:
		v.Due = i.due
	case lease.Unread:
		v.State, v.Due, v.Unread = lease.Deferred, i.due, true
	case lease.Dying:
		v.Reason, v.Attempt = i.reason, i.failures
	case lease.Available:
		if v.BehindKey = m.held(i); v.BehindKey {
			v.Behind = m.behind(i, behind)
		}
	}
	return v
}

// behind is the record that holds i back: with an order the first of its key, or the first in flight; with a limit any in flight.
func (m *model) behind(i *item, said lease.Offset) lease.Offset {
	if j := m.open[said]; !m.cfg.KeyOrder && j != nil && j.key == i.key && j.state == lease.Leased {
		return said
	}
	first, flying := i.at, lease.Offset(1<<62)
	for _, j := range m.open {
		if j.key == i.key {
			first = min(first, j.at)
			if j.state == lease.Leased || j.state == lease.Dying && m.cfg.KeyOrder {
				flying = min(flying, j.at)
			}
		}
	}
	for at, key := range m.holds {
		if m.cfg.HoldDead && key == i.key {
			first = min(first, at)
		}
	}
	if m.cfg.KeyOrder && first < i.at {
		return first
	}
	return flying
}

func (m *model) counts() lease.Counts {
	c := lease.Counts{}
	room := map[uint64]int{}
	for _, i := range m.open {
		switch i.state {
		case lease.Available:
			c.Available++
			switch {
			case m.held(i):
			case i.key == 0 || !m.keyed() || m.cfg.KeyOrder:
				c.Ready++
			default:
				room[i.key]++
			}
		case lease.Leased:
			c.Leased++
		case lease.Deferred:
			c.Deferred++
		case lease.Unread:
			c.Deferred++
			c.Unread++
		case lease.Dying:
			c.Leased++
			c.Dying++
		}
	}
	for key, n := range room {
		c.Ready += min(n, m.cfg.KeyConcurrency-m.busy(key))
	}
	for _, o := range m.ahead {
		if o == 0 {
			c.Dying++
		}
	}
	return c
}

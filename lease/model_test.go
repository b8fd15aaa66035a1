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
		i := &item{at: at, state: lease.Available, size: o.Size, dies: o.Dies}
		if m.keyed() {
			i.key = o.Key
		}
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
		i.since, i.length, i.deadline = q.Now, q.Length, q.Now+q.Length
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

func (m *model) outcomeAhead(at lease.Offset) (lease.Outcome, bool) {
	o, ok := m.ahead[at]
	if ok && o == 0 {
		o = lease.Dead
	}
	return o, ok
}

// taken says whether key order has another record of i's key in flight.
func (m *model) taken(i *item) bool {
	if !m.cfg.KeyOrder || i.key == 0 {
		return false
	}
	others := m.busy(i.key)
	if i.state == lease.Leased {
		others--
	}
	return others > 0
}

func (m *model) judge(now int64, a lease.Action) lease.Code {
	i := m.open[a.Offset]
	switch {
	case a.Verb < lease.Ack || a.Verb > lease.Extend || a.Offset < 0 || a.Delivery == 0:
		return lease.Invalid
	case a.Epoch != m.epoch:
		o, known := m.outcomeAhead(a.Offset)
		if a.Offset < m.end {
			o, known = m.settled[a.Offset], i == nil
		}
		if !known || o == lease.Skipped {
			return lease.Lost
		}
		return onSettled(o, a.Verb)
	case a.Offset >= m.end:
		if o, ok := m.outcomeAhead(a.Offset); ok {
			return onSettled(o, a.Verb)
		}
		if m.current != 0 && a.Incarnation >= m.current {
			return lease.Invalid
		}
		return lease.NotOffered
	case i == nil:
		return onSettled(m.settled[a.Offset], a.Verb)
	case i.state == lease.Dying:
		return onSettled(lease.Dead, a.Verb)
	case a.Claim != m.claim(i):
		switch {
		case a.Incarnation < i.inc, a.Incarnation == i.inc && int(a.Delivery) < i.deliveries:
			return lease.Lost
		case m.current != 0 && a.Incarnation >= m.current:
			return lease.Invalid
		case int(a.Delivery) <= i.deliveries: // another forgotten one was believed before
			return lease.Lost
		case a.Verb == lease.Extend && m.taken(i):
			return lease.Lost
		}
		return lease.OK // a crash forgot it
	}
	ended := i.ended
	if i.state == lease.Leased && now >= i.deadline {
		if why := m.doom(i, i.failures+1, now); why != 0 {
			if m.cfg.Drop || why == lease.ReasonTTL && m.cfg.DropTTL {
				return onSettled(lease.Dropped, a.Verb)
			}
			return onSettled(lease.Dead, a.Verb)
		}
		ended = "expiry"
	}
	switch {
	case ended == "":
		return lease.OK
	case ended == "expiry" && !m.cfg.Strict && !(a.Verb == lease.Extend && m.taken(i)):
		return lease.OK
	case ended == "expiry", ended == "place":
		return lease.Lost
	case ended == "nack" && a.Verb == lease.Nack, ended == "release" && a.Verb == lease.Release:
		return lease.Repeat
	}
	return lease.AlreadySettled
}

func (m *model) settleClaim(now int64, a lease.Action) lease.Result {
	r := lease.Result{Code: m.judge(now, a)}
	i := m.open[a.Offset]
	if i == nil || i.state == lease.Dying || r.Code != lease.OK && r.Code != lease.Repeat || a.Epoch != m.epoch {
		return r
	}
	if r.Code == lease.Repeat {
		if a.Claim != m.claim(i) || i.state == lease.Leased {
			return r // of a record as good as dead
		}
		r.Attempt, r.Member, r.LeasedAt = i.failures+1, i.member, i.since
		if a.Verb == lease.Nack {
			r.Attempt--
			if i.state == lease.Deferred {
				r.Due = i.due
			}
		}
		return r
	}
	if a.Claim == m.claim(i) {
		r.Late = i.ended == "expiry" || now >= i.deadline
		if i.ended == "expiry" { // it was not counted
			i.failures--
			i.expiries--
		}
	} else {
		i.deliveries, i.inc, i.member, i.since = int(a.Delivery), a.Incarnation, "", 0
	}
	r.Attempt, r.Member, r.LeasedAt = i.failures+1, i.member, i.since
	why := lease.Reason(0)
	switch a.Verb {
	case lease.Ack:
		m.settle(i, lease.Acked)
	case lease.Nack:
		i.failures++
		i.ended = "nack"
		if why = m.doom(i, i.failures, now); why == 0 {
			d := a.Delay
			if d < 0 {
				d = m.backoff(i.failures)
			}
			i.state, i.due = lease.Deferred, now+d
			if d == 0 {
				i.state = lease.Available
			}
			r.Due = i.due
		}
	case lease.Release:
		i.state, i.ended = lease.Available, "release"
	case lease.Reject:
		i.failures++
		why = lease.ReasonRejected
	case lease.Extend:
		i.state, i.ended, i.deadline, i.length = lease.Leased, "", now+a.For, a.For
		r.Deadline = i.deadline
	}
	if why != 0 {
		r.Dying = m.die(i, why)
		r.Dropped = !r.Dying
	}
	return r
}

func (m *model) backoff(failures int) int64 {
	b := m.cfg.Backoff
	if len(b.Steps) > 0 {
		return b.Steps[min(failures, len(b.Steps))-1]
	}
	d := float64(b.Initial)
	for ; failures > 1; failures-- {
		d *= b.Multiplier
	}
	if b.Max > 0 {
		d = min(d, float64(b.Max))
	}
	return int64(d)
}

// timers lists what waits for its time, by it.
func (m *model) timers() []*item {
	l := slices.DeleteFunc(m.sorted(), func(i *item) bool { return i.state != lease.Leased && i.state != lease.Deferred })
	slices.SortStableFunc(l, func(a, b *item) int { return int(a.time() - b.time()) })
	return l
}

func (i *item) time() int64 {
	if i.state == lease.Deferred {
		return i.due
	}
	return i.deadline
}

func (m *model) expire(now int64) (out []lease.Expired, freed int, more bool) {
	l := m.timers()
	for n, i := range l {
		if i.time() > now {
			break
		}
		if n == lease.MaxExpire {
			return out, freed, true
		}
		if i.state == lease.Deferred {
			i.state = lease.Available
			freed++
			continue
		}
		e := lease.Expired{Claim: m.claim(i), Attempt: i.failures + 1, Member: i.member, LeasedAt: i.since, Deadline: i.deadline}
		why := m.doom(i, i.failures+1, now)
		i.failures++
		i.expiries++
		i.ended = "expiry"
		if why != 0 {
			e.Dying = m.die(i, why)
			e.Dropped = !e.Dying
		} else {
			i.state = lease.Available
			freed++
		}
		out = append(out, e)
	}
	return out, freed, false
}

func (m *model) resume(now int64) {
	for _, i := range m.open {
		i.since = min(i.since, now)
		switch i.state {
		case lease.Leased:
			i.deadline = min(max(i.deadline, now+min(i.length, 10_000)), now+i.length)
		case lease.Deferred:
			i.due -= max(0, m.seen-now)
		}
	}
	m.seen = min(m.seen, now)
}

func (m *model) dying() []lease.Death {
	var l []lease.Death
	for _, i := range m.sorted() {
		if i.state == lease.Dying {
			l = append(l, lease.Death{Claim: m.claim(i), Reason: i.reason, Attempts: i.failures, Member: i.member, LeasedAt: i.since,
				Key: i.key, Size: i.size})
		}
	}
	var far []lease.Offset
	for at, o := range m.ahead {
		if o == 0 {
			far = append(far, at)
		}
	}
	slices.Sort(far)
	for _, at := range far {
		l = append(l, lease.Death{Claim: lease.Claim{Offset: at, Epoch: m.epoch}, Reason: lease.ReasonRejected})
	}
	return l
}

func (m *model) bury(at lease.Offset) bool {
	if i := m.open[at]; i != nil && i.state == lease.Dying {
		if m.cfg.HoldDead && m.cfg.KeyOrder && i.key != 0 {
			m.holds[at] = i.key
		}
		m.settle(i, lease.Dead)
		return true
	}
	if o, ok := m.ahead[at]; ok && o == 0 {
		m.ahead[at] = lease.Dead
		m.absorb()
		return true
	}
	return false
}

func (m *model) freeKey(key uint64, at lease.Offset) {
	if m.holds[at] == key {
		delete(m.holds, at)
	}
}

func (m *model) settleAt(now int64, at lease.Offset, v lease.Verb) lease.Result {
	if v != lease.Ack && v != lease.Release && v != lease.Reject || at < 0 {
		return lease.Result{Code: lease.Invalid}
	}
	if at >= m.end {
		return m.settleAhead(at, v)
	}
	i := m.open[at]
	if i == nil {
		return lease.Result{Code: lease.AlreadySettled}
	}
	state := i.state
	if state == lease.Leased && i.deadline <= now {
		state = lease.Available
		switch why := m.doom(i, i.failures+1, now); {
		case why != 0 && (m.cfg.Drop || why == lease.ReasonTTL && m.cfg.DropTTL):
			return lease.Result{Code: lease.AlreadySettled}
		case why != 0:
			state = lease.Dying
		}
	}
	switch {
	case state == lease.Dying && v == lease.Reject, state == lease.Available && v == lease.Release:
		return lease.Result{Code: lease.Repeat, Dying: i.state == lease.Dying}
	case state == lease.Dying:
		return lease.Result{Code: lease.AlreadySettled}
	}
	r := lease.Result{Attempt: i.failures + 1, Member: i.member, LeasedAt: i.since}
	switch v {
	case lease.Ack:
		m.settle(i, lease.Acked)
	case lease.Release:
		if i.state == lease.Leased {
			i.ended = "place"
		}
		i.state = lease.Available
	case lease.Reject:
		if i.state == lease.Leased {
			i.failures++
		}
		r.Dying = m.die(i, lease.ReasonRejected)
		r.Dropped = !r.Dying
	}
	return r
}

func (m *model) settleAhead(at lease.Offset, v lease.Verb) lease.Result {
	o, ok := m.ahead[at]
	switch {
	case ok && o == 0 && v == lease.Reject:
		return lease.Result{Code: lease.Repeat, Dying: true}
	case ok:
		return lease.Result{Code: lease.AlreadySettled}
	case v == lease.Release:
		return lease.Result{Code: lease.Repeat}
	}
	r := lease.Result{}
	switch {
	case v == lease.Ack:
		m.ahead[at] = lease.Acked
	case m.cfg.Drop:
		m.ahead[at], r.Dropped = lease.Dropped, true
	default:
		m.ahead[at], r.Dying = 0, true
	}
	m.absorb()
	return r
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
	n := &item{at: b.Offset, state: lease.Available, size: b.Size, deliveries: int(b.Deliveries), inc: b.Incarnation, ended: "place", redriven: true}
	if m.keyed() {
		n.key = b.Key
	}
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

func (m *model) view(i *item) lease.View {
	v := lease.View{Offset: i.at, State: i.state, Attempt: i.failures + 1, Deliveries: i.deliveries, Member: i.member, Key: i.key, Size: i.size,
		Redriven: i.redriven}
	switch i.state {
	case lease.Leased:
		v.Deadline, v.Length, v.LeasedAt = i.deadline, i.length, i.since
	case lease.Deferred:
		v.Due = i.due
	case lease.Dying:
		v.Reason, v.Attempt = i.reason, i.failures
	case lease.Available:
		if v.BehindKey = m.held(i); v.BehindKey {
			v.Behind = m.behind(i)
		}
	}
	return v
}

// behind is the record that holds i back: the first of its key, or the first in flight.
func (m *model) behind(i *item) lease.Offset {
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

package lease_test

import (
	"slices"

	"github.com/holtmq/holt/lease"
)

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
			i.state, i.due = lease.Deferred, now+a.Ahead+d
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
		i.state, i.ended, i.deadline, i.length = lease.Leased, "", now+a.Ahead+a.For, a.For
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
		if i.since != 0 {
			i.since = min(i.since, now)
		}
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
	case state == lease.Dying && v == lease.Reject, (state == lease.Available || state == lease.Unread) && v == lease.Release:
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

package lease

// histogram is how many attempts Attempts tells apart.
const histogram = 64

// Window is the state of one share group on one partition: what lies between start and end and is not settled. It is not for
// concurrent use: the caller locks.
type Window struct {
	cfg   Config
	gate  gate
	epoch uint32
	end   Offset
	shown Offset // records below may have been handed out in an earlier epoch

	// current is the incarnation of this life's hand-outs, 0 before the first. It is no state: a restart forgets it.
	current uint32

	most uint32 // the highest delivery of this life; no state
	seen int64  // the latest time of a hand-out, as far as it is known after a restart
	wall int64  // how far the wall clock is ahead of the clock of the commands; no state

	slab     slab
	byOffset table
	first    uint32 // the unresolved records in offset order
	last     uint32

	queues  queues
	held    chain  // the dead records that hold their key
	back    chain  // the redriven ones, unresolved as those of the list, but wherever they lie they move neither start nor end
	hint    uint32 // the slot put back last
	came    uint64 // redriven ones that left back again; no state
	ready   [classes]line
	nReady  [classes]int
	timers  line
	dying   deaths
	counts  Counts
	hist    [histogram]int
	members members

	past   past
	ahead  runs // settled at or past end; outcome rejected = to be buried
	nAhead struct{ settled, dying int }

	dropped uint64
	journal journal
}

// rejected is the outcome of a run of ahead whose dead letters are not yet written.
const rejected Outcome = 255

// New makes the window of a group that begins at start.
func New(cfg Config, start Offset, epoch uint32) *Window {
	w := &Window{epoch: epoch, end: start, past: past{floor: start}}
	w.clear()
	w.cfg, w.gate = cfg, gateOf(&cfg)
	return w
}

// clear forgets all unresolved records.
func (w *Window) clear() {
	w.slab = slab{}
	w.byOffset = table{keyOf: func(s uint32) uint64 { return uint64(w.slab.rec(s).offset) }}
	w.first, w.last, w.held, w.back, w.hint = 0, 0, chain{}, chain{}, 0
	w.clearReach()
	w.timers = w.timers.emptied()
	w.dying = deaths{}
	w.counts, w.hist = Counts{}, [histogram]int{}
}

// Wall tells how far the wall clock, by which Dies is meant, is ahead of the clock of the commands from now on; ms, 0 at first. It is not journaled.
func (w *Window) Wall(ahead int64) { w.wall = ahead }

// outlived tells whether a record is over its ttl.
func (w *Window) outlived(s uint32, now int64) bool {
	dies := w.slab.rec(s).dies.ms()
	return dies != 0 && dies <= now+w.wall
}

// Start is the first record not settled, or End. Redriven records do not count.
func (w *Window) Start() Offset {
	if w.first == 0 {
		return w.end
	}
	return w.slab.rec(w.first).offset
}

// End is the first record never offered. Offer moves it, and SettleAt, TrimTo and Reset may.
func (w *Window) End() Offset { return w.end }

// Epoch counts the resets.
func (w *Window) Epoch() uint32 { return w.epoch }

// Counts gives the totals, at no cost.
func (w *Window) Counts() Counts {
	c := w.counts
	c.Leased += c.Dying
	c.Deferred += c.Unread
	c.Dying += w.nAhead.dying
	return c
}

// Ahead is how many records at or past End are settled already: the lag is log end − End − Ahead + unresolved.
func (w *Window) Ahead() int { return w.nAhead.settled }

// Dropped counts the records given up without a dead letter since the window was made or restored; it is not journaled.
func (w *Window) Dropped() uint64 { return w.dropped }

// Full says that MaxUnresolved is reached, records that hold their key included: offer nothing until it is no longer.
func (w *Window) Full() bool { return w.unresolved()+w.held.n >= MaxUnresolved }

func (w *Window) unresolved() int {
	return w.counts.Available + w.counts.Leased + w.counts.Deferred + w.counts.Dying + w.counts.Unread
}

// Offer brings the records from at on into the window: available, unless they are holes or were settled ahead. at must be End and recs
// at most MaxOffer: anything else is the caller's error and panics.
func (w *Window) Offer(at Offset, recs []Offered) {
	switch {
	case at != w.end:
		panic("lease: an offer does not begin at the end of the window")
	case len(recs) > MaxOffer:
		panic("lease: an offer of more than MaxOffer records")
	case len(recs) == 0:
		return
	}
	w.journal.offer(at, recs)
	w.offer(recs)
}

func (w *Window) offer(recs []Offered) {
	for i := range recs {
		o := &recs[i]
		w.arrive(record{offset: w.end, size: o.Size, dies: stampOf(o.Dies), phase: phaseOf(Available, notEnded, 0)}, o.Key, o.Gone)
	}
	w.trimAhead()
}

// arrive takes the record at the window's end in, or a hole there. What was settled ahead is so, what was rejected ahead is dying.
func (w *Window) arrive(r record, key uint64, hole bool) {
	w.end++
	switch outcome, ahead := w.ahead.find(r.offset); {
	case ahead && outcome != rejected:
		w.past.settle(r.offset, outcome)
		w.nAhead.settled--
		return
	case ahead:
		w.nAhead.dying--
		r.at = 0
		r.die(ReasonRejected)
	case hole:
		w.past.settle(r.offset, Skipped)
		return
	}
	w.insert(r, key)
}

// trimAhead drops the runs of ahead that end has passed, and moves end over what is settled from it on.
func (w *Window) trimAhead() {
	for len(w.ahead) > 0 && w.ahead[0].from <= w.end {
		r := w.ahead[0]
		if r.to > w.end {
			if r.outcome == rejected {
				w.ahead[0].from = w.end
				return
			}
			if r.outcome != Acked {
				w.past.skip(w.end, r.to, r.outcome)
			}
			w.nAhead.settled -= int(r.to - w.end)
			w.end = r.to
		}
		w.ahead = w.ahead[1:]
	}
}

// find gives the slot of an unresolved record; 0 = it is settled, or not offered.
func (w *Window) find(at Offset) uint32 {
	s := w.byOffset.get(uint64(at))
	if s != 0 && w.slab.rec(s).state() == Settled {
		return 0
	}
	return s
}

// insert adds an unresolved record behind all others, a dead one that holds its key, or a redriven one.
func (w *Window) insert(r record, key uint64) uint32 {
	s := w.slab.alloc()
	*w.slab.rec(s) = r
	w.byOffset.put(uint64(r.offset), s)
	if key != 0 {
		w.join(s, key)
	}
	rec := w.slab.rec(s)
	switch {
	case rec.state() == Settled:
		w.slab.push(&w.held, s)
		w.regardIn(s, rec)
		return s
	case rec.redriven():
		w.slab.push(&w.back, s)
	default:
		rec.prev, rec.next = w.last, 0
		if w.last != 0 {
			w.slab.rec(w.last).next = s
		} else {
			w.first = s
		}
		w.last = s
	}
	w.members.ref(rec.member)
	w.enter(s, rec)
	return s
}

// unlist takes an unresolved record out of the list in offset order, or off those that were redriven.
func (w *Window) unlist(r *record) {
	if r.redriven() {
		w.slab.remove(&w.back, r)
		w.came++
		return
	}
	if r.prev != 0 {
		w.slab.rec(r.prev).next = r.next
	} else {
		w.first = r.next
	}
	if r.next != 0 {
		w.slab.rec(r.next).prev = r.prev
	} else {
		w.last = r.prev
	}
}

// settle ends an unresolved record.
func (w *Window) settle(s uint32, o Outcome) {
	r := w.slab.rec(s)
	w.leave(s, r)
	w.unlist(r)
	w.past.settle(r.offset, o)
	w.members.unref(r.member)
	w.forget(s, r)
}

// forget frees the slot of a record that is in no list any more.
func (w *Window) forget(s uint32, r *record) {
	w.byOffset.remove(uint64(r.offset), s)
	w.part(s)
	w.slab.release(s)
	if n := w.slab.slots(); n > 1024 && w.slab.used < n/8 {
		w.rebuild()
	}
}

// leave takes an unresolved record out of everything derived from its state, before a change; enter puts it back.
func (w *Window) leave(s uint32, r *record) {
	w.hist[r.bucket()]--
	switch r.state() {
	case Available:
		w.counts.Available--
	case Leased:
		w.counts.Leased--
	case Deferred:
		w.counts.Deferred--
	case Unread:
		w.counts.Unread--
	case Dying:
		w.counts.Dying--
	}
	if q := w.slab.queueOf(s); q != 0 {
		w.leaveKey(s, r, q)
	} else if r.state() == Available {
		w.counts.Ready--
		w.unready(r)
	}
}

// enter is the other half of leave, with r's new state.
func (w *Window) enter(s uint32, r *record) {
	w.hist[r.bucket()]++
	switch r.state() {
	case Available:
		w.counts.Available++
	case Leased:
		w.counts.Leased++
		w.setTimer(r)
	case Deferred:
		w.counts.Deferred++
		w.setTimer(r)
	case Unread:
		w.counts.Unread++
	case Dying:
		w.counts.Dying++
		w.dying.add(r.offset)
	}
	w.reach(s, r)
}

// reach brings a record into reach of Lease, or into the count of its key.
func (w *Window) reach(s uint32, r *record) {
	if q := w.slab.queueOf(s); q != 0 {
		w.enterKey(s, r, q)
	} else if r.state() == Available {
		w.counts.Ready++
		w.makeReady(r)
	}
}

// bucket is the record's place in the histogram of attempts.
func (r *record) bucket() int { return min(max(r.attempt(), 1), histogram) - 1 }

// rebuild lays everything derived out anew when most of the memory is unused.
func (w *Window) rebuild() {
	old, keys := w.slab, w.queues
	all := w.inOrder()
	w.clear()
	w.byOffset.reserve(old.used)
	w.queues.byKey.reserve(keys.byKey.n)
	for next, more := all.next(); more; next, more = all.next() {
		r := *old.rec(next)
		r.flags, r.next, r.prev = r.flags&isBack, 0, 0
		w.insert(r, old.keyOf(next, &keys))
		w.members.unref(r.member) // insert counted it again
	}
}

package lease

// queue is the unresolved records of one key, and the dead ones that hold it: a ring of at least two, in offset order but where keys have a limit. The only record of a key needs none: it goes like
// one without a key. At most one record of a queue is in reach of Lease, its front.
type queue struct {
	key  uint64
	head uint32 // the first one; where keys have a limit see wait; of a free queue: the next free one
	busy uint32 // records of the key in flight
}

const queueBlock = 64 // queues

// queues owns the queues. Number 0 is none.
type queues struct {
	blocks []*[queueBlock]queue
	top    uint32 // numbers ever given, 0 included
	free   uint32
	byKey  table // numbers of queues, and with the bit alone slots
}

func (qs *queues) at(q uint32) *queue { return &qs.blocks[q/queueBlock][q%queueBlock] }

// take gives the number of a queue that nobody finds yet.
func (qs *queues) take(key uint64) uint32 {
	q := qs.free
	if q != 0 {
		qs.free = qs.at(q).head
	} else {
		q = max(qs.top, 1)
		qs.top = q + 1
		if int(q/queueBlock) == len(qs.blocks) {
			qs.blocks = append(qs.blocks, new([queueBlock]queue))
		}
	}
	*qs.at(q) = queue{key: key}
	return q
}

func (qs *queues) release(q uint32) {
	*qs.at(q) = queue{head: qs.free}
	qs.free = q
}

// holding says whether dead records hold their keys.
func (w *Window) holding() bool { return w.cfg.HoldDead && w.gate == gateOrder }

// gates says whether the record counts among those of its key; if not it only remembers the key.
func (w *Window) gates(r *record) bool {
	return w.gate != gateNone && (r.state() != Settled || w.holding())
}

// join adds a record to those of its key. Its queue is then without a front until enterKey.
func (w *Window) join(s uint32, key uint64) {
	r := w.slab.rec(s)
	*w.slab.link(s) = aloneLink(key)
	if !w.gates(r) {
		return
	}
	q := w.queues.byKey.get(key)
	switch {
	case q == 0:
		w.queues.byKey.put(key, alone|s)
		return
	case q&alone != 0:
		q = w.accompany(q&^alone, key)
	default:
		w.ungate(w.queues.at(q))
	}
	w.enqueue(s, r.offset, q)
}

// accompany makes the queue of a key, without a front, for the record that was its only one, and gives its number.
func (w *Window) accompany(s uint32, key uint64) uint32 {
	q := w.queues.take(key)
	w.queues.byKey.replace(key, alone|s, q)
	*w.slab.link(s) = link{q, s, s}
	x := w.queues.at(q)
	x.head = s
	r := w.slab.rec(s)
	if r.state() == Available { // as it was without a queue
		w.counts.Ready--
		w.unready(r)
	}
	w.reckon(s, r, x)
	return q
}

// enqueue puts a record in its place in a queue.
func (w *Window) enqueue(s uint32, at Offset, q uint32) {
	x := w.queues.at(q)
	next := x.head
	if last := w.slab.link(next).prev; w.gate == gateOrder && w.slab.rec(last).offset > at {
		if next = w.following(x, q, at); next == x.head {
			x.head = s
		}
	}
	n := w.slab.link(next)
	prev := n.prev
	n.prev = s
	w.slab.link(prev).next = s
	*w.slab.link(s) = link{q, next, prev}
}

// following gives the first record of a queue that lies behind an offset, if one does. Records are redriven mostly in order: it looks on from the one put back last, if
// that is in the queue.
func (w *Window) following(x *queue, q uint32, at Offset) uint32 {
	next := x.head
	if h := w.hint; h != 0 && w.slab.queueOf(h) == q && w.slab.rec(h).redriven() && w.slab.rec(h).offset < at {
		next = w.slab.link(h).next
	}
	for w.slab.rec(next).offset < at {
		next = w.slab.link(next).next
	}
	return next
}

// part takes a record out of those of its key, and the key from it.
func (w *Window) part(s uint32) {
	switch q := w.slab.queueOf(s); {
	case !w.slab.keyed(s):
		return
	case q != 0:
		w.dequeue(s, q)
	case w.gates(w.slab.rec(s)):
		w.queues.byKey.remove(w.slab.link(s).aloneKey(), alone|s)
	}
	*w.slab.link(s) = link{}
}

// dequeue takes a record out of a queue without a front.
func (w *Window) dequeue(s, q uint32) {
	x, l := w.queues.at(q), *w.slab.link(s)
	w.slab.link(l.prev).next = l.next
	w.slab.link(l.next).prev = l.prev
	if x.head == s {
		x.head = l.next
	}
	if l.next == l.prev {
		w.leaveAlone(l.next, q)
		return
	}
	w.regate(x)
}

// leaveAlone ends the queue of a record that is the only one left of its key.
func (w *Window) leaveAlone(s, q uint32) {
	key := w.queues.at(q).key
	w.queues.byKey.replace(key, q, alone|s)
	*w.slab.link(s) = aloneLink(key)
	w.queues.release(q)
	if r := w.slab.rec(s); r.state() == Available {
		w.counts.Ready++
		w.makeReady(r)
	}
}

// leaveKey is the part of leave for a record with a queue, which is without a front until enterKey or part.
func (w *Window) leaveKey(s uint32, r *record, q uint32) {
	x := w.queues.at(q)
	w.ungate(x)
	switch r.state() {
	case Available:
		if w.gate == gateLimit {
			w.unwait(x, s)
		}
	case Leased:
		x.busy--
	case Dying:
		if w.gate == gateOrder {
			x.busy--
		}
	}
}

func (w *Window) enterKey(s uint32, r *record, q uint32) {
	x := w.queues.at(q)
	w.reckon(s, r, x)
	w.regate(x)
}

// reckon counts a record in a queue, by its state.
func (w *Window) reckon(s uint32, r *record, x *queue) {
	switch r.state() {
	case Available:
		if w.gate == gateLimit {
			w.wait(x, s)
		}
	case Leased:
		x.busy++
		if w.gate == gateLimit {
			w.depart(x, s)
		}
	case Dying:
		if w.gate == gateOrder {
			x.busy++
		}
	}
}

// front gives the record of a queue that may go next: its head and only one (gateOrder), or the best of those that may (gateLimit); and how many may go. 0 = none.
func (w *Window) front(x *queue) (s uint32, share int) {
	if w.gate == gateOrder {
		if x.busy == 0 && w.slab.rec(x.head).state() == Available {
			return x.head, 1
		}
		return 0, 0
	}
	room, waiting := w.cfg.KeyConcurrency-int(x.busy), w.waiting(x)
	if room <= 0 || waiting == 0 {
		return 0, 0
	}
	return x.head, min(room, waiting)
}

// ungate takes the front of a queue out of reach, before a change of the queue; regate brings the new one into it.
func (w *Window) ungate(x *queue) {
	if s, share := w.front(x); s != 0 {
		w.counts.Ready -= share
		w.unready(w.slab.rec(s))
	}
}

func (w *Window) regate(x *queue) {
	if s, share := w.front(x); s != 0 {
		w.counts.Ready += share
		w.makeReady(w.slab.rec(s))
	}
}

// FreeKey lets the key go on that the dead record at holds back (see Config.HoldDead). Nothing happens if it holds none.
func (w *Window) FreeKey(key uint64, at Offset) {
	s := w.byOffset.get(uint64(at))
	if s == 0 || w.slab.rec(s).state() != Settled || w.keyOf(s) != key {
		return
	}
	w.journal.offset(opFree, at)
	w.free(s)
}

func (w *Window) free(s uint32) {
	r := w.slab.rec(s)
	w.slab.remove(&w.held, r)
	if q := w.slab.queueOf(s); q != 0 {
		w.leaveKey(s, r, q)
	}
	w.forget(s, r)
}

func (w *Window) keyOf(s uint32) uint64 { return w.slab.keyOf(s, &w.queues) }

// keyOf gives the key of a record; 0 = it has none.
func (b *slab) keyOf(s uint32, qs *queues) uint64 {
	switch q := b.queueOf(s); {
	case q != 0:
		return qs.at(q).key
	case b.keyed(s):
		return b.link(s).aloneKey()
	}
	return 0
}

package lease

import (
	"cmp"
	"slices"
)

// queue is the unresolved records of one key, and the dead ones that hold it, in offset order. At most one of its records is in reach of
// Lease, the representative: the only one that may go (gateOrder), or the best of those that may (gateLimit).
type queue struct {
	key        uint64
	head, tail uint32
	root       uint32 // of the pairing heap of the available ones (gateLimit)
	rep        uint32 // the representative; 0 = none
	busy       uint32 // records of the key in flight
	waiting    uint32 // available ones
	share      uint32 // of Counts.Ready
	refs       uint32 // records that name the queue
}

type queues struct {
	all   []queue // 0 is none; a free one has its successor in the free list as head
	free  uint32
	byKey table
}

// join appends a record to the queue of its key.
func (w *Window) join(s uint32, key uint64) {
	q := w.queues.byKey.get(key)
	if q == 0 {
		q = w.newQueue(key)
	}
	w.queues.all[q].refs++
	l := w.slab.link(s)
	l.queue = q
	if w.slab.rec(s).state == Settled && !w.holding() {
		return // remembered, but in nobody's way
	}
	x := &w.queues.all[q]
	l.prev, l.next = x.tail, 0
	if x.tail != 0 {
		w.slab.link(x.tail).next = s
	} else {
		x.head = s
	}
	x.tail = s
}

// holding says whether dead records hold their keys.
func (w *Window) holding() bool { return w.cfg.HoldDead && w.gate == gateOrder }

func (w *Window) newQueue(key uint64) uint32 {
	qs := &w.queues
	q := qs.free
	if q != 0 {
		qs.free = qs.all[q].head
	} else {
		if len(qs.all) == 0 {
			qs.all = append(qs.all, queue{})
		}
		qs.all = append(qs.all, queue{})
		q = uint32(len(qs.all) - 1)
	}
	qs.all[q] = queue{key: key}
	qs.byKey.put(key, q)
	return q
}

// part takes a record out of the queue of its key, which goes with its last record.
func (w *Window) part(s uint32) {
	q := w.slab.queueOf(s)
	if q == 0 {
		return
	}
	w.unqueue(s, q)
	*w.slab.link(s) = link{}
	x := &w.queues.all[q]
	w.regate(x)
	if x.refs--; x.refs > 0 {
		return
	}
	w.queues.byKey.remove(x.key)
	*x = queue{head: w.queues.free}
	w.queues.free = q
}

// unqueue takes a record out of its queue, which it goes on naming.
func (w *Window) unqueue(s, q uint32) {
	x := &w.queues.all[q]
	l := w.slab.link(s)
	if l.prev == 0 && l.next == 0 && x.head != s {
		return // it is not in it
	}
	if l.prev != 0 {
		w.slab.link(l.prev).next = l.next
	} else {
		x.head = l.next
	}
	if l.next != 0 {
		w.slab.link(l.next).prev = l.prev
	} else {
		x.tail = l.prev
	}
	l.prev, l.next = 0, 0
}

func (w *Window) leaveKey(s uint32, r *record, q uint32) {
	x := &w.queues.all[q]
	switch r.state {
	case Available:
		x.waiting--
		if x.rep == s {
			w.unready(r)
			x.rep = 0
		}
		if w.gate == gateLimit {
			x.root = w.pairRemove(x.root, s)
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
	x := &w.queues.all[q]
	switch r.state {
	case Available:
		x.waiting++
		if w.gate == gateLimit {
			*w.slab.node(s) = node{}
			x.root = w.pairMeld(x.root, s)
		}
	case Leased:
		x.busy++
	case Dying:
		if w.gate == gateOrder {
			x.busy++
		}
	}
	w.regate(x)
}

// regate finds the representative of a key anew.
func (w *Window) regate(x *queue) {
	rep, share := uint32(0), uint32(0)
	switch w.gate {
	case gateOrder:
		if h := x.head; h != 0 && x.busy == 0 && w.slab.rec(h).state == Available {
			rep, share = h, 1
		}
	case gateLimit:
		if room := w.cfg.KeyConcurrency - int(x.busy); room > 0 {
			rep, share = x.root, uint32(min(room, int(x.waiting)))
		}
	}
	w.counts.Ready += int(share) - int(x.share)
	x.share = share
	if rep == x.rep {
		return
	}
	if x.rep != 0 {
		w.unready(w.slab.rec(x.rep))
	}
	if rep != 0 {
		w.makeReady(w.slab.rec(rep))
	}
	x.rep = rep
}

// FreeKey lets the key go on that the dead record at holds back (see Config.HoldDead). Nothing happens if it holds none.
func (w *Window) FreeKey(key uint64, at Offset) {
	s := w.byOffset.get(uint64(at))
	if s == 0 || w.slab.rec(s).state != Settled || w.keyOf(s) != key {
		return
	}
	w.journal.offset(opFree, at)
	w.free(s)
}

func (w *Window) free(s uint32) {
	r := w.slab.rec(s)
	if r.prev != 0 {
		w.slab.rec(r.prev).next = r.next
	} else {
		w.held = r.next
	}
	if r.next != 0 {
		w.slab.rec(r.next).prev = r.prev
	}
	w.holds--
	w.forget(s, r)
}

func (w *Window) pushHeld(s uint32, r *record) {
	r.prev, r.next = 0, w.held
	if w.held != 0 {
		w.slab.rec(w.held).prev = s
	}
	w.held = s
	w.holds++
}

// heldOf lists the slots of the dead records that hold a key, by offset.
func heldOf(b *slab, first uint32) []uint32 {
	var l []uint32
	for s := first; s != 0; s = b.rec(s).next {
		l = append(l, s)
	}
	slices.SortFunc(l, func(x, y uint32) int { return cmp.Compare(b.rec(x).offset, b.rec(y).offset) })
	return l
}

func (w *Window) keyOf(s uint32) uint64 {
	if q := w.slab.queueOf(s); q != 0 {
		return w.queues.all[q].key
	}
	return 0
}

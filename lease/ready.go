package lease

// class is where a ready record waits for its hand-out.
type class uint8

const (
	again    class = iota // handed out before, or redriven
	isolated              // handed out before, and so often expired that it goes in small batches
	fresh                 // never handed out
	classes
)

// classOf says how an available record waits.
func (w *Window) classOf(r *record) class {
	switch {
	case !r.again():
		return fresh
	case w.batch(r) < MaxLease:
		return isolated
	}
	return again
}

// makeReady puts an available record in reach of the next Lease.
func (w *Window) makeReady(r *record) {
	c := w.classOf(r)
	r.flags = r.flags&^(classBit0|classBit1) | isReady | uint8(c)*classBit0
	w.nReady[c]++
	if r.flags&(inHeap0<<c) != 0 {
		return
	}
	h := &w.ready[c]
	if h.roomy(w.nReady[c]) {
		last := Offset(-1)
		h.sweep(func(m mark) bool { // of a record that left and came back again and again one is enough: they lie together
			if m.offset == last {
				return false
			}
			last = m.offset
			return w.waits(m.offset, c) != 0
		})
	}
	r.flags |= inHeap0 << c
	h.push(mark{offset: r.offset})
}

func (w *Window) unready(r *record) {
	w.nReady[r.class()]--
	r.flags &^= isReady
}

func (r *record) class() class { return class(r.flags / classBit0 & 3) }

// waits gives the slot of a record if it is ready in class c. An entry of that heap that has no such record is stale, and the record,
// if there is one, has no entry from then on.
func (w *Window) waits(at Offset, c class) uint32 {
	s := w.byOffset.get(uint64(at))
	if s == 0 {
		return 0
	}
	r := w.slab.rec(s)
	if r.flags&isReady != 0 && r.class() == c {
		return s
	}
	r.flags &^= inHeap0 << c
	return 0
}

// peek gives the lowest ready record of a class; 0 = none.
func (w *Window) peek(c class) uint32 {
	if w.nReady[c] == 0 { // what the heap holds is stale
		return 0
	}
	h := &w.ready[c]
	for h.len() > 0 {
		if s := w.waits(h.first().offset, c); s != 0 {
			return s
		}
		h.pop()
	}
	return 0
}

// FirstReady gives the lowest record that a Lease could hand out of those offered; false if there is none.
func (w *Window) FirstReady() (Offset, bool) {
	first, ok := Offset(0), false
	for c := again; c < classes; c++ {
		if s := w.peek(c); s != 0 {
			if at := w.slab.rec(s).offset; !ok || at < first {
				first, ok = at, true
			}
		}
	}
	return first, ok
}

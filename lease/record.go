package lease

import "math"

// blockSlots is how many records one block of the slab holds; the first block starts at firstSlots and doubles up to it,
// so that a small window is small.
const (
	blockShift = 12
	blockSlots = 1 << blockShift
	firstSlots = 16
)

// ending is how the last hand-out of a record ended.
type ending uint8

const (
	notEnded ending = iota // never handed out, or the lease runs
	byNack
	byRelease
	byExpiry // provisional: a late settle may take its place
	byPlace  // an operator ended it: lost for its holder
	endings
)

// Bits of record.flags. All but the last are derived and rebuilt.
const (
	isReady  uint8 = 1 << iota // in reach of the next Lease, counted in ready[class]
	isMarked                   // seen by the compaction of the timer heap
	inHeap0                    // has an entry in heap 0 (and so on): entries are removed lazily
	inHeap1
	inHeap2
	classBit0 // the class it is ready in
	classBit1
	isBack // it was redriven: it lies in Window.back, not in the list in offset order
)

// record is one unresolved record: 64 bytes, one cache line. Keys lie beside it and cost nothing where there are none.
type record struct {
	offset      Offset
	at          int64  // deadline of a leased one, due time of a deferred one; of an available one see slab.node
	dies        stamp  // when its ttl is over; 0 = never
	leasedAt    stamp  // of the last hand-out
	expiries    uint16 // those of the failures that were expiries, as far as that goes
	phase              // Settled: a dead record that holds its key
	flags       uint8
	length      uint32
	member      uint32 // number of the last member's name; 0 = none
	next, prev  uint32 // the list in offset order, or a chain; next also links free slots
	deliveries  uint32
	failures    uint32 // counted ones, a provisional expiry included; of a dying one: its attempts
	incarnation uint32 // of the last hand-out
	size        uint32
}

// stamp is a time in milliseconds, in 48 bits: what is more than 4,000 years from 1970 is cut to that.
type stamp [3]uint16

func stampOf(ms int64) stamp {
	ms = min(max(ms, -1<<47), 1<<47-1)
	return stamp{uint16(ms), uint16(ms >> 16), uint16(ms >> 32)}
}

func (t stamp) ms() int64 { return int64(int16(t[2]))<<32 | int64(t[1])<<16 | int64(t[0]) }

// phase is in one byte the state of a record, how its last hand-out ended, and of a dying one why.
type phase uint8

func phaseOf(s State, last ending, why Reason) phase {
	return phase(s) | phase(last)<<3 | phase(why)<<6
}

func (p phase) state() State { return State(p & 7) }

func (p phase) last() ending { return ending(p >> 3 & 7) }

func (p phase) reason() Reason { return Reason(p >> 6) }

func (p *phase) turn(s State) { *p = phaseOf(s, p.last(), 0) }

func (p *phase) end(last ending) { *p = phaseOf(p.state(), last, p.reason()) }

func (p *phase) die(why Reason) { *p = phaseOf(Dying, p.last(), why) }

// attempt is the one running, or the next one.
func (r *record) attempt() int {
	if r.state() == Dying {
		return int(r.failures)
	}
	return int(r.failures) + 1
}

// expired counts a failure that is an expiry.
func (r *record) expired() {
	r.failures++
	if r.expiries < math.MaxUint16 {
		r.expiries++
	}
}

// redriven says whether the record was settled before, and put back.
func (r *record) redriven() bool { return r.flags&isBack != 0 }

// again says whether the record goes out before those never handed out.
func (r *record) again() bool { return r.deliveries > 0 || r.redriven() }

// timed says whether the record waits for its time r.at.
func (r *record) timed() bool { return r.state() == Leased || r.state() == Deferred }

// link places a record in the queue of its key. Of the only record of a key, and of one in nobody's way, for which there is no queue, it holds the key.
type link struct{ queue, next, prev uint32 }

// alone stands for the queue in the link of a record without one, and marks its slot where the number of a queue could stand.
const alone uint32 = 1 << 31

func aloneLink(key uint64) link { return link{alone, uint32(key), uint32(key >> 32)} }

func (l *link) aloneKey() uint64 { return uint64(l.prev)<<32 | uint64(l.next) }

// node places an available record in the pairing heap of its key's, see slab.node.
type node struct{ child, sibling, prev uint32 }

// block is a piece of the slab; links are made when first needed.
type block struct {
	recs  []record
	links []link
}

// slab owns the records. A slot number stays valid until freed; a pointer only until the next alloc. Slot 0 is none.
type slab struct {
	blocks []block
	free   uint32 // head of the list of freed slots
	top    uint32 // slots ever handed out, slot 0 included
	used   int
}

func (b *slab) rec(s uint32) *record { return &b.blocks[s>>blockShift].recs[s&(blockSlots-1)] }

// slots is how many there is room for without growing.
func (b *slab) slots() int {
	if len(b.blocks) == 0 {
		return 0
	}
	return (len(b.blocks)-1)<<blockShift + len(b.blocks[len(b.blocks)-1].recs)
}

func (b *slab) alloc() uint32 {
	b.used++
	if s := b.free; s != 0 {
		b.free = b.rec(s).next
		return s
	}
	if b.top == 0 {
		b.top = 1
	}
	if int(b.top) >= b.slots() {
		b.grow()
	}
	s := b.top
	b.top++
	return s
}

func (b *slab) release(s uint32) {
	if blk := &b.blocks[s>>blockShift]; blk.links != nil {
		blk.links[s&(blockSlots-1)] = link{}
	}
	*b.rec(s) = record{next: b.free}
	b.free = s
	b.used--
}

func (b *slab) grow() {
	if n := len(b.blocks); n != 1 || len(b.blocks[0].recs) == blockSlots {
		size := blockSlots
		if n == 0 {
			size = firstSlots
		}
		b.blocks = append(b.blocks, block{recs: make([]record, size)})
		return
	}
	f := &b.blocks[0]
	f.recs = doubled(f.recs)
	f.links = doubled(f.links)
}

func doubled[T any](s []T) []T {
	if s == nil {
		return nil
	}
	d := make([]T, 2*len(s))
	copy(d, s)
	return d
}

// queueOf gives the number of the record's key queue; 0 = it has no key, or is the only one of it, or only remembers it.
func (b *slab) queueOf(s uint32) uint32 {
	if l := b.blocks[s>>blockShift].links; l != nil {
		return l[s&(blockSlots-1)].queue &^ alone
	}
	return 0
}

// keyed says whether the record has a key.
func (b *slab) keyed(s uint32) bool {
	l := b.blocks[s>>blockShift].links
	return l != nil && l[s&(blockSlots-1)].queue != 0
}

func (b *slab) link(s uint32) *link {
	blk := &b.blocks[s>>blockShift]
	if blk.links == nil {
		blk.links = make([]link, len(blk.recs))
	}
	return &blk.links[s&(blockSlots-1)]
}

// node gives the place of an available record in its key's heap. It lies where leased and deferred ones have their time and length, so it costs nothing.
func (b *slab) node(s uint32) node {
	r := b.rec(s)
	return node{child: r.length, sibling: uint32(r.at), prev: uint32(r.at >> 32)}
}

func (b *slab) setNode(s uint32, n node) {
	r := b.rec(s)
	r.length, r.at = n.child, int64(n.prev)<<32|int64(n.sibling)
}

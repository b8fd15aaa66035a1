package lease

import (
	"encoding/binary"
	"hash/crc32"
	"slices"
)

// The first byte of every checkpoint; the last four are a CRC-32C of all before. One with redriven records is of the second version.
const (
	checkpointVersion  = 1
	checkpointRedriven = 2
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Bits of a record in a checkpoint, beside its state.
const (
	keptKey = 1 << (3 + iota)
	keptDies
	keptFull // more than an available record never handed out
	keptBack // redriven; in the second version only
)

// Snapshot copies what a checkpoint is made of: AppendCheckpoint of it, in whatever goroutine, gives what that of the window would give now, and costs far more
// than the copy. It is good for nothing else.
func (w *Window) Snapshot() *Window {
	c := &Window{
		epoch: w.epoch, end: w.end, shown: w.shown, slab: w.slab.snapshot(), queues: queues{blocks: slices.Clone(w.queues.blocks)},
		first: w.first, held: w.held, back: w.back, counts: w.counts, ahead: slices.Clone(w.ahead), members: members{all: slices.Clone(w.members.all)},
		past: past{floor: w.past.floor, except: slices.Clone(w.past.except), recent: slices.Clone(w.past.recent)},
	}
	for i, b := range c.queues.blocks {
		c.queues.blocks[i] = new(*b)
	}
	return c
}

func (b *slab) snapshot() slab {
	blocks := slices.Clone(b.blocks)
	for i := range blocks {
		x := &blocks[i]
		x.recs, x.links = slices.Clone(x.recs), slices.Clone(x.links)
	}
	return slab{blocks: blocks}
}

// keptLeast is the fewest bytes a record takes in a checkpoint.
const keptLeast = 3

// AppendCheckpoint appends the whole state to dst: what Restore makes an equal window of. Equal histories give equal bytes. What TakeDelta
// has not taken yet is in it too, so take that first.
func (w *Window) AppendCheckpoint(dst []byte) []byte {
	begin := len(dst)
	version := byte(checkpointVersion)
	if w.back.n > 0 {
		version = checkpointRedriven
	}
	dst = append(dst, version)
	dst = binary.AppendUvarint(dst, uint64(w.epoch))
	dst = binary.AppendUvarint(dst, uint64(w.end))
	dst = binary.AppendUvarint(dst, uint64(w.shown))
	dst = binary.AppendUvarint(dst, uint64(w.past.floor))
	dst = w.past.except.append(dst)
	dst = runs(w.past.recent).append(dst)
	dst = w.ahead.append(dst)
	dst = w.appendRecords(dst)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[begin:], castagnoli))
}

func (r runs) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(r)))
	base := Offset(0)
	for _, x := range r {
		dst = binary.AppendVarint(dst, int64(x.from-base))
		dst = binary.AppendUvarint(dst, uint64(x.to-x.from))
		dst = append(dst, byte(x.outcome))
		base = x.to
	}
	return dst
}

// appendRecords writes the unresolved records and those that hold their key, by offset. A member's name is written where it first
// comes, later its number.
func (w *Window) appendRecords(dst []byte) []byte {
	names := make([]uint32, len(w.members.all)+1)
	named := uint32(0)
	base := Offset(0)
	dst = binary.AppendUvarint(dst, uint64(w.unresolved()+w.held.n))
	all := w.inOrder()
	for x, more := all.next(); more; x, more = all.next() {
		r := w.slab.rec(x)
		dst = binary.AppendUvarint(dst, uint64(r.offset-base))
		base = r.offset + 1
		dst = w.appendRecord(dst, x, r)
		if r.state() == Settled || !r.full() {
			continue
		}
		switch {
		case r.member == 0:
			dst = binary.AppendUvarint(dst, 0)
		case names[r.member] == 0:
			named++
			names[r.member] = named
			dst = appendName(binary.AppendUvarint(dst, uint64(named)), w.members.name(r.member))
		default:
			dst = binary.AppendUvarint(dst, uint64(names[r.member]))
		}
	}
	return dst
}

func (r *record) full() bool { return r.state() != Available || r.deliveries > 0 || r.redriven() }

func (w *Window) appendRecord(dst []byte, s uint32, r *record) []byte {
	head, key, dies := byte(r.state()), w.keyOf(s), r.dies.ms()
	if key != 0 {
		head |= keptKey
	}
	if dies != 0 {
		head |= keptDies
	}
	full := r.full() && r.state() != Settled
	if full {
		head |= keptFull
	}
	if r.redriven() {
		head |= keptBack
	}
	dst = binary.AppendUvarint(append(dst, head), uint64(r.size))
	if key != 0 {
		dst = binary.LittleEndian.AppendUint64(dst, key)
	}
	if dies != 0 {
		dst = binary.AppendVarint(dst, dies)
	}
	if !full {
		return dst
	}
	for _, v := range [...]uint32{r.deliveries, r.failures, uint32(r.expiries), r.incarnation} {
		dst = binary.AppendUvarint(dst, uint64(v))
	}
	dst = binary.AppendVarint(append(dst, byte(r.last())), r.leasedAt.ms())
	switch r.state() {
	case Leased:
		dst = binary.AppendVarint(dst, r.at)
		dst = binary.AppendUvarint(dst, uint64(r.length))
	case Deferred, Unread:
		dst = binary.AppendVarint(dst, r.at)
	case Dying:
		dst = append(dst, byte(r.reason()))
	}
	return dst
}

// Restore makes the window a checkpoint describes. Bytes that are none are an error wrapping ErrCorrupt.
func Restore(cfg Config, checkpoint []byte) (*Window, error) {
	d := decoder{b: checkpoint}
	if n := len(checkpoint) - 4; n < 1 || binary.LittleEndian.Uint32(checkpoint[n:]) != crc32.Checksum(checkpoint[:n], castagnoli) {
		d.fail("the checksum does not match")
		return nil, d.err("checkpoint")
	}
	d.b = checkpoint[:len(checkpoint)-4]
	version := d.byte()
	if version != checkpointVersion && version != checkpointRedriven {
		d.fail("unknown version")
	}
	epoch := d.uint32()
	end, shown, floor := Offset(d.uint(maxOffset)), Offset(d.uint(maxOffset)), Offset(d.uint(maxOffset))
	w := New(cfg, end, epoch)
	w.shown, w.past.floor = shown, floor
	w.past.except = d.runs(MaxRuns, floor, end)
	w.past.recent = d.recent(floor)
	w.ahead = d.runs(uint64(len(d.b)), end, maxOffset) // burying splits runs: there may be more than MaxAhead
	if floor > end {
		d.fail("the floor is past the end")
	}
	for _, r := range w.ahead {
		if r.outcome == rejected {
			w.nAhead.dying += int(r.to - r.from)
		} else {
			w.nAhead.settled += int(r.to - r.from)
		}
	}
	w.restoreRecords(&d, version == checkpointRedriven)
	if d.why == "" && version == checkpointRedriven && w.back.n == 0 {
		d.fail("nothing was redriven")
	}
	if d.why == "" && len(d.b) > 0 {
		d.fail("bytes left over")
	}
	if err := d.err("checkpoint"); err != nil {
		return nil, err
	}
	return w, nil
}

func (d *decoder) run(base Offset) run {
	d.base = base
	from := d.offset()
	to := from + Offset(d.uint(maxOffset))
	o := Outcome(d.byte())
	if d.why == "" && (to <= from || to > maxOffset || o != rejected && (o < Acked || o > Skipped)) {
		d.fail("a run is none")
	}
	return run{from, to, o}
}

// runs reads up to most sorted runs between low and high.
func (d *decoder) runs(most uint64, low, high Offset) runs {
	var rs runs
	base := Offset(0)
	for n := d.uint(most); n > 0 && d.why == ""; n-- {
		r := d.run(base)
		if r.from < low || r.to > high {
			d.fail("a run is out of place")
		}
		base, low = r.to, r.to
		rs = append(rs, r)
	}
	return rs
}

func (d *decoder) recent(floor Offset) []run {
	var rs []run
	base := Offset(0)
	for n := d.uint(maxRecent); n > 0 && d.why == ""; n-- {
		r := d.run(base)
		if r.to > floor || r.to != r.from+1 {
			d.fail("a settled record is out of place")
		}
		base = r.to
		rs = append(rs, r)
	}
	return rs
}

func (w *Window) restoreRecords(d *decoder, redriven bool) {
	var names []uint32
	base := Offset(0)
	n := d.uint(maxOffset)
	w.byOffset.reserve(int(min(n, uint64(len(d.b)/keptLeast))))
	for ; n > 0 && d.why == ""; n-- {
		at := base + Offset(d.uint(maxOffset))
		base = at + 1
		if d.why == "" && at >= w.end {
			d.fail("a record is past the end")
		}
		r := record{offset: at}
		key := d.record(&r, redriven)
		if r.state() != Settled && r.full() {
			r.member, names = w.restoreName(d, names)
		}
		if d.why == "" {
			w.insert(r, key)
			w.seen = max(w.seen, r.leasedAt.ms())
		}
	}
	for _, id := range names {
		w.members.unref(id)
	}
}

func (w *Window) restoreName(d *decoder, names []uint32) (uint32, []uint32) {
	switch n := int(d.uint(uint64(len(names) + 1))); {
	case n == 0:
		return 0, names
	case n <= len(names):
		return names[n-1], names
	}
	id := w.members.intern(d.name())
	w.members.ref(id) // so that the name stays until the end of the restore
	return id, append(names, id)
}

func (d *decoder) record(r *record, redriven bool) (key uint64) {
	head := d.byte()
	if redriven && head&keptBack != 0 {
		r.flags |= isBack
	}
	r.turn(State(head & 7))
	r.size = d.uint32()
	if head&keptKey != 0 {
		key = d.uint64()
	}
	if head&keptDies != 0 {
		r.dies = stampOf(d.int())
	}
	if r.state() < Available || r.state() > Unread || r.state() == Settled && (key == 0 || r.redriven()) || r.state() == Unread && r.redriven() {
		d.fail("unknown state")
	}
	if head&keptFull == 0 {
		if r.state() != Available && r.state() != Settled || r.redriven() {
			d.fail("a record lacks its state")
		}
		return key
	}
	r.deliveries, r.failures, r.expiries, r.incarnation = d.uint32(), d.uint32(), d.expiries(), d.uint32()
	last := ending(d.byte())
	r.end(last)
	r.leasedAt = stampOf(d.int())
	switch r.state() {
	case Leased:
		r.at, r.length = d.int(), d.uint32()
	case Deferred, Unread:
		r.at = d.int()
	case Dying:
		r.die(d.reason())
	}
	if last >= endings {
		d.fail("unknown ending")
	}
	return key
}

package lease

import "encoding/binary"

// deltaVersion is the first byte of every delta.
const deltaVersion = 1

// A delta is a version and a sequence of these. They say what became of records, never why: replaying them asks no configuration.
const (
	opOffer     byte = 1 + iota // count, then the records
	opLease                     // now, length, deadline, incarnation, member, count, then runs of offsets
	opAck                       // a run of offsets: acked
	opDrop                      // a run: dropped
	opOutlive                   // a run: available → dying of their ttl
	opExpire                    // a run: leased → available, a failure
	opDue                       // a run: deferred → available
	opPut                       // one record: its whole state
	opBury                      // an offset: dying → dead
	opHold                      // the same, and the dead record holds its key
	opFree                      // an offset: the dead record holds its key no more
	opReset                     // an offset
	opTrim                      // an offset
	opResume                    // a time
	opAhead                     // an offset at or past end, its outcome
	opBuryAhead                 // an offset at or past end: dying → dead
	opRedrive                   // one record: put back, available or deferred
	opSkip                      // an offset past end: what lies before it is gone
	opUnread                    // an offset, count, due: records that cannot be read
	opFound                     // an offset, a record: unread → available, or a hole
)

// journal gathers a command's delta.
type journal struct {
	buf  []byte
	base Offset // of the next offset
	op   byte   // of the run [from, to) not yet written; 0 = none
	from Offset
	to   Offset
}

// TakeDelta appends what happened since the last one to dst: nothing, if nothing did. One Offer, Lease, Expire, or 1,000 of the other
// commands between two calls never make more than 64 KiB.
func (w *Window) TakeDelta(dst []byte) []byte {
	j := &w.journal
	j.flush()
	dst = append(dst, j.buf...)
	j.buf, j.base = j.buf[:0], 0
	return dst
}

func (j *journal) begin(op byte) {
	j.flush()
	if len(j.buf) == 0 {
		j.buf = append(j.buf, deltaVersion)
	}
	j.buf = append(j.buf, op)
}

// run says op of one offset; successive ones become one entry.
func (j *journal) run(op byte, at Offset) {
	if j.op == op && j.to == at {
		j.to++
		return
	}
	j.flush()
	j.op, j.from, j.to = op, at, at+1
}

func (j *journal) flush() {
	if j.op == 0 {
		return
	}
	op := j.op
	j.op = 0
	j.begin(op)
	j.span(j.from, j.to)
}

func (j *journal) at(o Offset) {
	j.buf = binary.AppendVarint(j.buf, int64(o-j.base))
	j.base = o
}

func (j *journal) span(from, to Offset) {
	j.at(from)
	j.uint(uint64(to - from))
	j.base = to
}

func (j *journal) uint(v uint64) { j.buf = binary.AppendUvarint(j.buf, v) }
func (j *journal) int(v int64)   { j.buf = binary.AppendVarint(j.buf, v) }

func (j *journal) offset(op byte, at Offset) {
	j.begin(op)
	j.at(at)
}

func (j *journal) time(op byte, ms int64) {
	j.begin(op)
	j.int(ms)
}

func (j *journal) ahead(at Offset, o Outcome) {
	j.offset(opAhead, at)
	j.buf = append(j.buf, byte(o))
}

// Bits of an offered record, below its size.
const (
	offeredGone = 1 << iota
	offeredKey
	offeredDies
	offeredShift = 3
)

func (j *journal) offer(at Offset, recs []Offered) {
	j.offset(opOffer, at)
	j.uint(uint64(len(recs)))
	dies := int64(0)
	for i := range recs {
		dies = j.offered(&recs[i], dies)
	}
}

// offered writes one record; dies is when the one before does, and is returned for the next.
func (j *journal) offered(o *Offered, dies int64) int64 {
	head := uint64(o.Size) << offeredShift
	if o.Gone {
		head |= offeredGone
	}
	if o.Key != 0 {
		head |= offeredKey
	}
	if o.Dies != 0 {
		head |= offeredDies
	}
	j.uint(head)
	if head&offeredKey != 0 {
		j.buf = binary.LittleEndian.AppendUint64(j.buf, o.Key)
	}
	if head&offeredDies != 0 {
		j.int(o.Dies - dies)
		dies = o.Dies
	}
	return dies
}

func (j *journal) unread(at Offset, n int, due int64) {
	j.offset(opUnread, at)
	j.uint(uint64(n))
	j.int(due)
}

func (j *journal) found(at Offset, o *Offered) {
	j.offset(opFound, at)
	j.offered(o, 0)
}

func (j *journal) lease(c *call, name string, given []Handout) {
	j.begin(opLease)
	j.int(c.Now)
	j.int(c.Length)
	j.int(c.deadline)
	j.uint(uint64(c.Incarnation))
	j.buf = appendName(j.buf, name)
	j.uint(uint64(len(given)))
	for i := 0; i < len(given); {
		n := i + 1
		for n < len(given) && given[n].Offset == given[n-1].Offset+1 {
			n++
		}
		j.span(given[i].Offset, given[n-1].Offset+1)
		i = n
	}
}

// redrive writes a record put back: at most 64 bytes.
func (j *journal) redrive(b *Back) {
	j.offset(opRedrive, b.Offset)
	j.uint(uint64(b.Size))
	j.uint(uint64(b.Deliveries))
	j.uint(uint64(b.Incarnation))
	j.int(b.Due)
	j.uint(b.Key)
}

// put writes the state of one record: at most 64 bytes, so that a thousand fit.
func (j *journal) put(r *record, newcomer bool) {
	j.offset(opPut, r.offset)
	head := byte(r.state()) | byte(r.last())<<3
	if newcomer {
		head |= 1 << 6
	}
	j.buf = append(j.buf, head)
	j.uint(uint64(r.failures))
	j.uint(uint64(r.expiries))
	if newcomer {
		j.uint(uint64(r.deliveries))
		j.uint(uint64(r.incarnation))
	}
	switch r.state() {
	case Leased:
		j.int(r.at)
		j.uint(uint64(r.length))
	case Deferred, Unread:
		j.int(r.at)
	case Dying:
		j.buf = append(j.buf, byte(r.reason()))
	}
}

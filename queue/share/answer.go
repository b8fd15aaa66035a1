package share

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/journal"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
)

// AnswersName returns the name of a group's journal of remembered answers; it may be on each log the group reads.
func AnswersName(groupID uint64) store.Journal { return store.Journal(fmt.Sprintf("r/%d", groupID)) }

// Answer is what a settle with a request key was answered.
type Answer struct {
	request string
	at      int64 // ms, wall clock
	settled int
	failed  []refused
	places  [][]partition.Place
	log     store.LogID // whose journal holds it
}

// bytes is about what the answer takes of the memory.
func (a *Answer) bytes() int {
	n := 256 + len(a.request) + 16*len(a.failed)
	for _, places := range a.places {
		n += 64 * len(places)
		for i := range places {
			n += len(places[i].Scheduled)
		}
	}
	return n
}

// refused is one receipt that was not settled: which of the request, and why.
type refused struct {
	index int
	code  uint8 // of refusals
}

// refusals are the errors of receipts by their stored code.
var refusals = []error{ErrLeaseLost, ErrAlreadySettled, ErrInvalidReceipt}

// result gives the answer to a repeat of the call.
func (a *Answer) result(claims []claimed) SettleResult {
	res := SettleResult{Settled: a.settled, Places: a.places}
	for _, f := range a.failed {
		if f.index < len(claims) {
			res.Failed = append(res.Failed, Failure{Receipt: claims[f.index].Receipt, Err: refusals[f.code]})
		}
	}
	return res
}

// requests are the answers of the last RequestMemory, at most MaxRequests of MaxRequestBytes, the oldest going first. A repeat of one that went is safe: its leases
// are settled, so it is refused.
type requests struct {
	by    map[string]*Answer
	order []*Answer
	bytes int
	on    map[store.LogID]*journal.Journal
}

func newRequests() requests {
	return requests{by: map[string]*Answer{}, on: map[store.LogID]*journal.Journal{}}
}

// find returns the answer to an earlier call with the key, or nil.
func (r *requests) find(request string) *Answer {
	if request == "" {
		return nil
	}
	r.sweep(time.Now().UnixMilli())
	return r.by[request]
}

func (r *requests) add(a *Answer) {
	r.by[a.request] = a
	r.order = append(r.order, a)
	r.bytes += a.bytes()
	r.sweep(a.at)
}

// sweep forgets what is too old or too much.
func (r *requests) sweep(now int64) {
	n := 0
	for n < len(r.order) && (r.order[n].at+RequestMemory.Milliseconds() < now || len(r.order)-n > MaxRequests || r.bytes > MaxRequestBytes) {
		a := r.order[n]
		if r.by[a.request] == a {
			delete(r.by, a.request)
		}
		r.bytes -= a.bytes()
		r.order[n] = nil
		n++
	}
	r.order = r.order[n:]
}

// remember keeps the answer to a call and returns what makes it durable; the lock is held.
func (g *Group) remember(request string, claims []claimed, res *SettleResult) []commit.Part {
	a := &Answer{request: request, at: time.Now().UnixMilli(), settled: res.Settled, places: res.Places}
	for i, f := range res.Failed {
		a.failed = append(a.failed, refused{indexOf(claims, f.Receipt, i), codeOf(f.Err)})
	}
	g.requests.add(a)
	w := g.answersWindow(claims)
	if w == nil { // a group without topics: the answer lives as long as the process
		return nil
	}
	a.log = w.part.ID
	j := g.requests.on[a.log]
	if j == nil {
		j = journal.New(AnswersName(g.id))
		g.requests.on[a.log] = j
	}
	part := commit.Part{Log: a.log}
	for some := range slices.Chunk(a.append(nil), store.MaxEntryBytes) {
		part.Entries = append(part.Entries, j.Delta(some))
	}
	if j.Due() {
		g.writeCheckpoint(a.log, j, g.requests.checkpoint(a.log), &w.closed)
	}
	return []commit.Part{part}
}

// answersWindow returns the window whose log takes the answer: that of the first receipt, else any.
func (g *Group) answersWindow(claims []claimed) *window {
	for i := range claims {
		if w := g.byLog[claims[i].log]; claims[i].valid && w != nil {
			return w
		}
	}
	if len(g.windows) > 0 {
		return g.windows[0]
	}
	return nil
}

func indexOf(claims []claimed, receipt string, from int) int {
	for i := from; i < len(claims); i++ {
		if claims[i].Receipt == receipt {
			return i
		}
	}
	for i := range claims {
		if claims[i].Receipt == receipt {
			return i
		}
	}
	return 0
}

func codeOf(err error) uint8 {
	for i, e := range refusals {
		if err == e {
			return uint8(i)
		}
	}
	return 0
}

// An answer is stored as: version 1 · length of the rest · length and bytes of the request key · at · settled · failures (index, code) · topics
// (places: partition, offset as difference to the place before, timestamp likewise, flags: 1 = duplicate, 2 = scheduled, then length and bytes of its id); numbers are varints. It may be cut
// into several deltas, of one unit.
const answerVersion = 1

// maxAnswer is how many bytes of an answer a reader believes in.
const maxAnswer = store.MaxUnitBytes

func (a *Answer) append(b []byte) []byte {
	body := a.appendBody(nil)
	return append(binary.AppendUvarint(append(b, answerVersion), uint64(len(body))), body...)
}

func (a *Answer) appendBody(b []byte) []byte {
	b = appendString(b, a.request)
	b = binary.AppendVarint(b, a.at)
	b = binary.AppendUvarint(b, uint64(a.settled))
	b = binary.AppendUvarint(b, uint64(len(a.failed)))
	for _, f := range a.failed {
		b = append(binary.AppendUvarint(b, uint64(f.index)), f.code)
	}
	b = binary.AppendUvarint(b, uint64(len(a.places)))
	for _, places := range a.places {
		b = binary.AppendUvarint(b, uint64(len(places)))
		offset, at := int64(0), a.at
		for _, p := range places {
			b = binary.AppendUvarint(b, uint64(p.Partition))
			b = binary.AppendVarint(b, int64(p.Offset)-offset)
			b = binary.AppendVarint(b, p.Timestamp.UnixMilli()-at)
			offset, at = int64(p.Offset), p.Timestamp.UnixMilli()
			b = append(b, flags(p))
			if p.Scheduled != "" {
				b = appendString(b, p.Scheduled)
			}
		}
	}
	return b
}

// Flags of a place.
const (
	isDuplicate = 1
	isScheduled = 2
)

func flags(p partition.Place) (f byte) {
	if p.Duplicate {
		f |= isDuplicate
	}
	if p.Scheduled != "" {
		f |= isScheduled
	}
	return f
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// answerReader reads answers; after damage it is bad and gives zeros.
type answerReader struct {
	b   []byte
	bad bool
}

func (r *answerReader) uint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *answerReader) int() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *answerReader) byte() byte {
	if len(r.b) == 0 {
		r.bad = true
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *answerReader) string() string {
	n := r.uint()
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return ""
	}
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}

// count reads how many things follow; each takes at least a byte.
func (r *answerReader) count() int {
	n := r.uint()
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return 0
	}
	return int(n)
}

// next returns the bytes of the next answer; nil if they are not all here.
func (r *answerReader) next() []byte {
	if len(r.b) == 0 {
		return nil
	}
	n, size := binary.Uvarint(r.b[1:])
	switch {
	case r.b[0] != answerVersion || size < 0 || n > maxAnswer:
		r.bad = true
		return nil
	case size == 0 || n > uint64(len(r.b)-1-size):
		return nil
	}
	body := r.b[1+size:][:n]
	r.b = r.b[1+size+int(n):]
	return body
}

func (r *answerReader) answer() *Answer {
	a := &Answer{request: r.string(), at: r.int()}
	settled := r.uint()
	if settled > math.MaxInt32 {
		r.bad = true
	}
	a.settled = int(settled)
	for range r.count() {
		f := refused{int(r.uint() & math.MaxInt32), r.byte()}
		if int(f.code) >= len(refusals) {
			r.bad, f.code = true, 0
		}
		a.failed = append(a.failed, f)
	}
	for range r.count() {
		a.places = append(a.places, r.places(a.at))
	}
	return a
}

func (r *answerReader) places(at int64) []partition.Place {
	out := make([]partition.Place, 0, min(r.peekCount(), 1024))
	offset := int64(0)
	for range r.count() {
		p := partition.Place{Partition: int(r.uint() & math.MaxInt32)}
		offset += r.int()
		at += r.int()
		p.Offset, p.Timestamp = record.Offset(offset), time.UnixMilli(at).UTC()
		flags := r.byte()
		p.Duplicate = flags&isDuplicate != 0
		if flags&isScheduled != 0 {
			p.Scheduled = r.string()
		}
		out = append(out, p)
	}
	return out
}

func (r *answerReader) peekCount() int {
	n, _ := binary.Uvarint(r.b)
	return int(min(n, uint64(len(r.b))))
}

// Answers are a group's remembered answers on one log being replayed; it implements journal.Machine.
type Answers struct {
	log     store.LogID
	journal *journal.Journal
	all     []*Answer
	rest    []byte // of an answer whose other deltas follow
}

// NewAnswers begins the replay of a log's answers.
func NewAnswers(log store.LogID) *Answers { return &Answers{log: log} }

// Restore implements journal.Machine.
func (a *Answers) Restore(checkpoint []byte) error {
	a.all, a.rest = nil, nil
	return a.Replay(checkpoint)
}

// Replay implements journal.Machine.
func (a *Answers) Replay(delta []byte) error {
	r := answerReader{b: append(a.rest, delta...)}
	for !r.bad {
		body := r.next()
		if body == nil {
			break
		}
		inner := answerReader{b: body}
		one := inner.answer()
		one.log = a.log
		a.all = append(a.all, one)
		r.bad = r.bad || inner.bad || len(inner.b) > 0
	}
	if r.bad {
		return fmt.Errorf("remembered answer: %w", store.ErrCorrupt)
	}
	a.rest = slices.Clone(r.b)
	return nil
}

// Recover ends the replay. Errors: store.ErrCorrupt.
func (a *Answers) Recover(j *journal.Journal) error {
	if len(a.rest) > 0 {
		return fmt.Errorf("journal %s: the last answer is cut short: %w", j.Name(), store.ErrCorrupt)
	}
	a.journal = j
	return nil
}

// checkpoint encodes the answers that a log holds.
func (r *requests) checkpoint(log store.LogID) []byte {
	var b []byte
	for _, a := range r.order {
		if a.log == log {
			b = a.append(b)
		}
	}
	return b
}

// restore takes what was replayed.
func (r *requests) restore(all []*Answers) {
	for _, a := range all {
		r.on[a.log] = a.journal
		r.order = append(r.order, a.all...)
	}
	slices.SortStableFunc(r.order, func(a, b *Answer) int { return cmp.Compare(a.at, b.at) })
	for _, a := range r.order {
		r.by[a.request] = a
		r.bytes += a.bytes()
	}
	r.sweep(time.Now().UnixMilli())
}

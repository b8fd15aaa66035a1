package share

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/holtmq/holt/queue/journal"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/varint"
)

// An answer is stored as: version 1 · length of the rest · length and bytes of the request key · at · settled · failures (index, code) · topics
// (places: partition, offset as difference to the place before, timestamp likewise, flags: 1 = duplicate, 2 = scheduled, then length and bytes of its id); numbers are varints. It may be cut
// into several deltas, of one unit.
const answerVersion = 1

func (a *Answer) append(b []byte) []byte {
	return varint.AppendString(append(b, answerVersion), a.appendBody(nil))
}

func (a *Answer) appendBody(b []byte) []byte {
	b = varint.AppendString(b, a.request)
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
				b = varint.AppendString(b, p.Scheduled)
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

// readAnswer reads what appendBody wrote.
func readAnswer(r *varint.Reader) *Answer {
	a := &Answer{request: r.String(), at: r.Int(), settled: int(r.UintTo(math.MaxInt32))}
	for range r.Count() {
		f := refused{int(r.UintTo(math.MaxInt32)), r.Byte()}
		if int(f.code) >= len(refusals) {
			r.Fail()
			f.code = 0
		}
		a.failed = append(a.failed, f)
	}
	for range r.Count() {
		a.places = append(a.places, readPlaces(r, a.at))
	}
	return a
}

func readPlaces(r *varint.Reader, at int64) []partition.Place {
	n := r.Count()
	out := make([]partition.Place, 0, min(n, 1024))
	offset := int64(0)
	for range n {
		p := partition.Place{Partition: int(r.UintTo(math.MaxInt32))}
		offset += r.Int()
		at += r.Int()
		p.Offset, p.Timestamp = record.Offset(offset), time.UnixMilli(at).UTC()
		flags := r.Byte()
		p.Duplicate = flags&isDuplicate != 0
		if flags&isScheduled != 0 {
			p.Scheduled = r.String()
		}
		out = append(out, p)
	}
	return out
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
	b := slices.Concat(a.rest, delta)
	for {
		body, rest, err := cutAnswer(b)
		if err != nil {
			return err
		}
		if body == nil {
			a.rest = slices.Clone(b)
			return nil
		}
		r := varint.NewReader(body)
		one := readAnswer(r)
		if r.Bad() || r.More() {
			return fmt.Errorf("remembered answer: %w", store.ErrCorrupt)
		}
		one.log = a.log
		a.all, b = append(a.all, one), rest
	}
}

// cutAnswer takes the body of the first answer off b; body is nil if not all of it is here.
func cutAnswer(b []byte) (body, rest []byte, err error) {
	if len(b) == 0 {
		return nil, nil, nil
	}
	n, size := binary.Uvarint(b[1:])
	if b[0] != answerVersion || size < 0 || n > store.MaxUnitBytes {
		return nil, nil, fmt.Errorf("remembered answer: %w", store.ErrCorrupt)
	}
	if size == 0 || n > uint64(len(b)-1-size) {
		return nil, nil, nil
	}
	head := 1 + size
	return b[head:][:n:n], b[head+int(n):], nil
}

// Recover ends the replay. Errors: store.ErrCorrupt.
func (a *Answers) Recover(j *journal.Journal) error {
	if len(a.rest) > 0 {
		return fmt.Errorf("journal %s: the last answer is cut short: %w", j.Name(), store.ErrCorrupt)
	}
	a.journal = j
	return nil
}

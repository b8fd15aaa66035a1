package partition

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sort"

	"github.com/holtmq/holt/queue/journal"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/varint"
)

// SizeJournal is the journal that remembers how many bytes a partition held at some of its offsets.
const SizeJournal store.Journal = "size"

// markEvery is how many bytes lie between two marks, at least. After a restart as many are read again to know the rest.
const markEvery = 256 << 10

// maxMarks is how many marks a partition keeps. At it every other one of the older half goes: what lies there is known less exactly.
const maxMarks = 4096

// mark says how many bytes were ever appended before an offset.
type mark struct {
	at    record.Offset
	bytes int64
}

// sizes knows how many bytes of stored batches lie between offsets, to about markEvery, rewrites aside. The partition's lock guards it; it
// implements journal.Machine.
type sizes struct {
	marks   []mark        // in order of offset
	total   int64         // bytes ever appended, durable ones only
	end     record.Offset // up to which total counts
	journal *journal.Journal
}

// Restore implements journal.Machine.
func (s *sizes) Restore(checkpoint []byte) error {
	s.marks = nil
	for r := varint.NewReader(checkpoint); r.More(); {
		if err := s.read(r); err != nil {
			return err
		}
	}
	return nil
}

// Replay implements journal.Machine.
func (s *sizes) Replay(delta []byte) error {
	r := varint.NewReader(delta)
	err := s.read(r)
	if err == nil && r.More() {
		err = fmt.Errorf("size mark: %d bytes too many: %w", len(r.Rest()), store.ErrCorrupt)
	}
	return err
}

func (s *sizes) read(r *varint.Reader) error {
	m := mark{record.Offset(r.Natural()), r.Natural()}
	if r.Bad() {
		return fmt.Errorf("size mark: %w", store.ErrCorrupt)
	}
	s.add(m)
	s.total = m.bytes
	return nil
}

// add appends a mark, thinning out the older half when there are too many.
func (s *sizes) add(m mark) {
	if len(s.marks) >= maxMarks {
		n := 0
		for i := 1; i < maxMarks/2; i += 2 {
			s.marks[n] = s.marks[i]
			n++
		}
		s.marks = slices.Delete(s.marks, n, maxMarks/2)
	}
	s.marks = append(s.marks, m)
}

func (m mark) append(b []byte) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(b, uint64(m.at)), uint64(m.bytes))
}

// grow counts a batch that became durable.
func (s *sizes) grow(b store.Batch) {
	s.total += int64(len(b.Bytes))
	s.end = b.Last + 1
}

// mark returns the entries to journal with the next append: a mark, if enough became durable since the last one.
func (s *sizes) mark() []store.Entry {
	last := int64(0)
	if n := len(s.marks); n > 0 {
		last = s.marks[n-1].bytes
	}
	if s.total-last < markEvery {
		return nil
	}
	m := mark{s.end, s.total}
	s.add(m)
	return []store.Entry{s.journal.Delta(m.append(nil))}
}

// checkpoint returns the entries that stand for all marks.
func (s *sizes) checkpoint() []store.Entry {
	var b []byte
	for _, m := range s.marks {
		b = m.append(b)
	}
	entries := s.journal.Checkpoint(b)
	s.journal.Written() // they are committed together with the append they came with
	return entries
}

// before returns how many bytes were ever appended before an offset, to about markEvery; below the mark, never above the truth.
func (s *sizes) before(at record.Offset) int64 {
	i := sort.Search(len(s.marks), func(i int) bool { return s.marks[i].at > at })
	if i == 0 {
		return 0
	}
	return s.marks[i-1].bytes
}

// trim forgets marks before a log's start, except the last of them.
func (s *sizes) trim(start record.Offset) {
	i := sort.Search(len(s.marks), func(i int) bool { return s.marks[i].at > start })
	if i > 1 {
		s.marks = slices.Delete(s.marks, 0, i-1)
	}
}

// Sizes returns the machine that the partition's SizeJournal is replayed into.
func (p *Partition) Sizes() journal.Machine { return &p.sizes }

// Recover ends the replay: j is the SizeJournal's journal, or nil if there was none. It reads what was appended after the last mark; what is damaged there counts as no
// bytes.
func (p *Partition) Recover(ctx context.Context, j *journal.Journal) error {
	if j == nil {
		j = journal.New(SizeJournal)
	}
	p.sizes.journal = j
	if p.gaps.journal == nil {
		p.RecoverGaps(nil)
	}
	start, end := p.Bounds()
	from := start
	if n := len(p.sizes.marks); n > 0 {
		from = max(from, p.sizes.marks[n-1].at)
	}
	p.sizes.total += p.gaps.freedFrom(from)
	for at := from; at < end; {
		batches, err := p.Stored(ctx, at, markEvery)
		if d, known := store.DamageAt(err, at); known {
			at = d.Last + 1
			continue
		}
		if err != nil {
			return err
		}
		for i := range batches {
			if batches[i].Base >= from { // a mark is at the edge of batches, unless a rewrite joined them since
				p.sizes.total += int64(len(batches[i].Bytes))
			}
			at = batches[i].Last + 1
		}
	}
	p.sizes.end = end
	return nil
}

// OffsetForBytes returns an offset from which on the partition holds at most so many bytes, to about 256 KiB, the end at most.
func (p *Partition) OffsetForBytes(limit int64) record.Offset {
	p.mu.Lock()
	defer p.mu.Unlock()
	marks := p.sizes.marks
	i := sort.Search(len(marks), func(i int) bool { return p.bytesFrom(marks[i].at) <= limit })
	if i == 0 && p.sizes.total-p.gaps.freed <= limit {
		return 0
	}
	if i == len(marks) {
		if i == 0 {
			return 0
		}
		return marks[i-1].at
	}
	return marks[i].at
}

// Bytes returns how many bytes of stored batches the partition holds, to about 256 KiB.
func (p *Partition) Bytes() int64 { return p.BytesFrom(record.Offset(p.start.Load())) }

// BytesFrom returns how many bytes of stored batches it holds from an offset on, to about 256 KiB.
func (p *Partition) BytesFrom(at record.Offset) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.bytesFrom(at)
}

func (p *Partition) bytesFrom(at record.Offset) int64 {
	return max(0, p.sizes.total-p.sizes.before(at)-p.gaps.freedFrom(at))
}

package partition

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sort"

	"github.com/holtmq/holt/queue/journal"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/varint"
)

// GapsJournal is the journal that remembers where rewrites took records out of a partition.
const GapsJournal store.Journal = "gaps"

// maxGaps is how many gaps a partition keeps apart. At it neighbours are put together: to count within one, its batches are read.
const maxGaps = 16 << 10

// gap is a range of whole batches that a rewrite took records out of.
type gap struct {
	base, last record.Offset
	kept       int64 // records left
	freed      int64 // bytes that went, over all rewrites of the range
}

func (g gap) span() int64    { return int64(g.last-g.base) + 1 }
func (g gap) missing() int64 { return g.span() - g.kept }

// gaps knows how many records and bytes rewrites took, by range. The partition's lock guards it; it implements journal.Machine.
type gaps struct {
	all     []gap // in order of offset, disjoint
	missing int64 // of all
	freed   int64 // of all
	journal *journal.Journal
}

// Restore implements journal.Machine.
func (s *gaps) Restore(checkpoint []byte) error {
	s.all, s.missing, s.freed = nil, 0, 0
	return s.Replay(checkpoint)
}

// Replay implements journal.Machine: a delta is a row of gaps, each of which takes the place of those it covers.
func (s *gaps) Replay(delta []byte) error {
	for r := varint.NewReader(delta); r.More(); {
		base, span := r.Natural(), r.Natural()
		g := gap{base: record.Offset(base), last: record.Offset(base + span), kept: r.Natural(), freed: r.Natural()}
		if r.Bad() || g.last < g.base || g.kept > g.span() {
			return fmt.Errorf("gap at %d: %w", g.base, store.ErrCorrupt)
		}
		s.put(g)
	}
	return nil
}

func (g gap) append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(g.base))
	b = binary.AppendUvarint(b, uint64(g.last-g.base))
	b = binary.AppendUvarint(b, uint64(g.kept))
	return binary.AppendUvarint(b, uint64(g.freed))
}

// within returns the indexes of the gaps that touch [from, to].
func (s *gaps) within(from, to record.Offset) (i, j int) {
	i = sort.Search(len(s.all), func(i int) bool { return s.all[i].last >= from })
	j = i
	for j < len(s.all) && s.all[j].base <= to {
		j++
	}
	return i, j
}

// straddled tells whether a gap reaches out of [base, last]: it was put together with others.
func (s *gaps) straddled(base, last record.Offset) bool {
	i, j := s.within(base, last)
	return i < j && (s.all[i].base < base || s.all[j-1].last > last)
}

// grown returns the gap to put when a rewrite leaves so many records of [base, last] and frees bytes; missing were there before. It covers the gaps that it
// straddles.
func (s *gaps) grown(base, last record.Offset, missing, kept, freed int64) gap {
	took := int64(last-base) + 1 - missing - kept
	g := gap{base: base, last: last, freed: freed}
	i, j := s.within(base, last)
	gone := int64(0)
	for _, old := range s.all[i:j] {
		g.base, g.last = min(g.base, old.base), max(g.last, old.last)
		g.freed += old.freed
		gone += old.missing()
	}
	g.kept = max(0, g.span()-gone-took)
	g.freed = max(0, g.freed)
	return g
}

// put sets what is known of a range. Ranges of nothing that touch become one. The gaps that it touches are equal or inside (see grown), except in a replay, which
// puts together what trims took from the server before: then as many records as there can be are taken to be beside the range.
func (s *gaps) put(g gap) {
	i, j := s.within(g.base, g.last)
	base, last := g.base, g.last
	for _, old := range s.all[i:j] {
		s.missing -= old.missing()
		s.freed -= old.freed
		beside := max(0, int64(base-old.base)) + max(0, int64(old.last-last))
		g.base, g.last = min(g.base, old.base), max(g.last, old.last)
		g.kept += min(beside, old.kept)
	}
	if g.kept == 0 && i > 0 && s.all[i-1].kept == 0 && s.all[i-1].last+1 == g.base {
		i--
		g.base, g.freed = s.all[i].base, g.freed+s.all[i].freed
		s.missing -= s.all[i].missing()
		s.freed -= s.all[i].freed
	}
	if g.kept == 0 && j < len(s.all) && s.all[j].kept == 0 && s.all[j].base == g.last+1 {
		g.last, g.freed = s.all[j].last, g.freed+s.all[j].freed
		s.missing -= s.all[j].missing()
		s.freed -= s.all[j].freed
		j++
	}
	s.all = slices.Replace(s.all, i, j, g)
	s.missing += g.missing()
	s.freed += g.freed
	if len(s.all) >= maxGaps {
		s.thin()
	}
}

// thin puts each two gaps of the older half together, with what lies between them.
func (s *gaps) thin() {
	n := 0
	for i := 0; i+1 < len(s.all)/2; i += 2 {
		a, b := s.all[i], s.all[i+1]
		s.all[n] = gap{base: a.base, last: b.last, kept: a.kept + b.kept + int64(b.base-a.last) - 1, freed: a.freed + b.freed}
		n++
	}
	s.all = slices.Delete(s.all, n, len(s.all)/2/2*2)
}

// trim forgets gaps that end before a log's start.
func (s *gaps) trim(start record.Offset) {
	i := sort.Search(len(s.all), func(i int) bool { return s.all[i].last >= start })
	for _, g := range s.all[:i] {
		s.missing -= g.missing()
		s.freed -= g.freed
	}
	s.all = slices.Delete(s.all, 0, i)
}

// freedFrom returns about how many bytes went from an offset on.
func (s *gaps) freedFrom(at record.Offset) (n int64) {
	if len(s.all) == 0 || at <= s.all[0].base {
		return s.freed
	}
	i, _ := s.within(at, at)
	for _, g := range s.all[i:] {
		if g.base < at { // in its middle
			n += g.freed / g.span() * int64(g.last-at+1)
			continue
		}
		n += g.freed
	}
	return n
}

// entries returns what a unit writes to remember a gap.
func (s *gaps) entries(g gap) []store.Entry {
	s.put(g)
	out := []store.Entry{s.journal.Delta(g.append(nil))}
	if s.journal.Due() {
		var b []byte
		for _, g := range s.all {
			b = g.append(b)
		}
		out = append(out, s.journal.Checkpoint(b)...) // some pieces, in the same unit
		s.journal.Written()
	}
	return out
}

package lease

import (
	"encoding/binary"
	"slices"
)

// stretchBytes is how much of marks a stretch holds.
const stretchBytes = 4096

// stretch is marks in order, each as its difference to the one before it: two to five bytes where there are many.
type stretch struct {
	first mark
	n     int // marks, the first included
	head  int // of rest
	rest  []byte
}

// add appends a mark that does not come before the last one; false if there is no room for it.
func (s *stretch) add(m, last mark) bool {
	at, offset := uint64(m.at-last.at), int64(m.offset-last.offset) // what overflows does so back, too
	switch {
	case s.n == 0:
		s.first = m
	case len(s.rest) > stretchBytes-2*binary.MaxVarintLen64:
		return false
	case at < 0x80 && 0 <= offset && offset < 0x40: // as below, and most often
		s.rest = append(s.rest, byte(at), byte(offset<<1))
	default:
		s.rest = binary.AppendVarint(binary.AppendUvarint(s.rest, at), offset)
	}
	s.n++
	return true
}

// pop takes the first mark off.
func (s *stretch) pop() {
	if s.n--; s.n == 0 {
		return
	}
	b := s.rest[s.head:]
	if (b[0]|b[1]) < 0x80 && b[1]&1 == 0 { // as below, and most often
		s.first.at += int64(b[0])
		s.first.offset += Offset(b[1] >> 1)
		s.head += 2
		return
	}
	at, n := binary.Uvarint(b)
	offset, k := binary.Varint(b[n:])
	s.first.at += int64(at)
	s.first.offset += Offset(offset)
	s.head += n + k
}

// series is marks in order.
type series struct {
	stretches []*stretch // none is empty; the last one is written
	n         int        // marks
	last      mark
}

func (s *series) first() mark { return s.stretches[0].first }

// add appends a mark that does not come before those that are there.
func (s *series) add(m mark, spare *spares) {
	last := s.last
	s.last = m
	s.n++
	if k := len(s.stretches); k > 0 && s.stretches[k-1].add(m, last) {
		return
	}
	x := spare.take(len(s.stretches) == 0)
	x.add(m, m)
	s.stretches = append(s.stretches, x)
}

// pop takes the first mark off.
func (s *series) pop(spare *spares) {
	s.n--
	x := s.stretches[0]
	if x.pop(); x.n > 0 {
		return
	}
	spare.keep(x)
	s.stretches[0] = nil
	if len(s.stretches) == 1 {
		s.stretches = s.stretches[:0]
		return
	}
	s.stretches = s.stretches[1:]
}

// fit gives back the room that a series has for more marks.
func (s *series) fit() {
	for _, x := range s.stretches {
		x.rest, x.head = slices.Clone(x.rest[x.head:]), 0
	}
	s.stretches = slices.Clip(s.stretches)
}

// sweep keeps the marks live says yes to, and says how many they are.
func (s *series) sweep(live func(mark) bool, spare *spares) int {
	for range s.n {
		m := s.first()
		if s.pop(spare); live(m) {
			s.add(m, spare)
		}
	}
	return s.n
}

func (s *series) each(fn func(mark)) {
	for _, x := range s.stretches {
		for c := *x; c.n > 0; c.pop() {
			fn(c.first)
		}
	}
}

// spares are empty stretches, at most two, for what comes next.
type spares []*stretch

// take gives an empty stretch. The first one of a series is as small as it can be.
func (p *spares) take(first bool) *stretch {
	if k := len(*p); k > 0 {
		s := (*p)[k-1]
		*p = (*p)[:k-1]
		return s
	}
	if first {
		return new(stretch)
	}
	return &stretch{rest: make([]byte, 0, stretchBytes)}
}

// keep has a stretch that was read used again.
func (p *spares) keep(s *stretch) {
	s.n, s.head, s.rest = 0, 0, s.rest[:0]
	if len(*p) < 2 {
		*p = append(*p, s)
	}
}

package partition

import (
	"sync"
	"sync/atomic"
)

// leastRoom is how many bytes an answer may have however full the room is; a larger record still comes, alone.
const leastRoom = 256 << 10

// blockSize is how many bytes of memory an answer that may have as many gets at a time, to read batches into.
const blockSize = 1 << 20

type block [blockSize]byte

// Room bounds the bytes of records in all answers under way, which slow readers may keep for long: the fuller it is, the less the next answer may take. Nobody
// waits for it. It has the memory of large answers, which go from one to the next.
type Room struct {
	limit  int64
	taken  atomic.Int64
	blocks sync.Pool // of *block
}

// NewRoom returns a room for about limit bytes.
func NewRoom(limit int64) *Room { return &Room{limit: limit} }

// Taken returns how many bytes answers under way hold.
func (r *Room) Taken() int64 { return r.taken.Load() }

// Share begins one answer's share of the room; End gives it back.
func (r *Room) Share() *Share { return &Share{room: r} }

// Share is what one answer takes of a Room. The nil Share has no limit and no memory. Allow and Take may be called from any goroutine. Who uses its memory does so from
// one at a time, and not after End.
type Share struct {
	room   *Room
	n      atomic.Int64
	blocks []*block
	free   []byte // of the last one
	wasted int64  // of those before
}

// Allow returns how many bytes the answer may take now, of those it wants: at most a quarter of what is free.
func (s *Share) Allow(want int64) int64 {
	if s == nil {
		return want
	}
	return min(want, max(leastRoom, (s.room.limit-s.room.taken.Load())/4))
}

// Take takes bytes, or gives some back.
func (s *Share) Take(n int64) {
	if s != nil {
		s.n.Add(n)
		s.room.taken.Add(n)
	}
}

// Keep gives back all that the answer took but does not hold: it holds records of that many bytes, and what they leave of its memory.
func (s *Share) Keep(bytes int64) {
	if s != nil {
		s.Take(bytes + s.wasted + int64(len(s.free)) - s.n.Load())
	}
}

// space returns n bytes of memory to read into; nil if the answer has not taken as much as it would hold with them. It is to use what it needs of them.
func (s *Share) space(n int) []byte {
	if s == nil || n > blockSize {
		return nil
	}
	if n > len(s.free) {
		if int64(len(s.blocks)+1)*blockSize > s.n.Load() {
			return nil
		}
		b, ok := s.room.blocks.Get().(*block)
		if !ok {
			b = new(block)
		}
		s.wasted += int64(len(s.free))
		s.blocks, s.free = append(s.blocks, b), b[:]
	}
	return s.free[:n:n]
}

// use takes b out of the memory, if it lies where that was free last, and returns it: then what follows is its capacity.
func (s *Share) use(b []byte) []byte {
	if s != nil && len(b) > 0 && len(b) <= len(s.free) && &b[0] == &s.free[0] {
		b, s.free = s.free[:len(b)], s.free[len(b):]
	}
	return b
}

// End gives everything back, the memory too.
func (s *Share) End() {
	s.room.taken.Add(-s.n.Swap(0))
	for _, b := range s.blocks {
		s.room.blocks.Put(b)
	}
	s.blocks, s.free, s.wasted = nil, nil, 0
}

package partition

import "sync/atomic"

// leastRoom is how many bytes an answer may have however full the room is; a larger record still comes, alone.
const leastRoom = 256 << 10

// Room bounds the bytes of records in all answers under way, which slow readers may keep for long: the fuller it is, the less the next answer may take. Nobody
// waits for it.
type Room struct {
	limit int64
	taken atomic.Int64
}

// NewRoom returns a room for about limit bytes.
func NewRoom(limit int64) *Room { return &Room{limit: limit} }

// Taken returns how many bytes answers under way hold.
func (r *Room) Taken() int64 { return r.taken.Load() }

// Share begins one answer's share of the room; End gives it back.
func (r *Room) Share() *Share { return &Share{room: r} }

// Share is what one answer takes of a Room. The nil Share has no limit. Its methods may be called from any goroutine, Take not after End.
type Share struct {
	room *Room
	n    atomic.Int64
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

// End gives everything back.
func (s *Share) End() { s.room.taken.Add(-s.n.Swap(0)) }

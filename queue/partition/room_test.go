package partition

import "testing"

func TestRoomShrinksAnswersAndStopsNobody(t *testing.T) {
	const limit = 16 << 20
	r := NewRoom(limit)
	var all []*Share
	for range 100 {
		s := r.Share()
		n := s.Allow(limit)
		if n < leastRoom {
			t.Fatalf("an answer may have %d bytes", n)
		}
		s.Take(n)
		all = append(all, s)
	}
	if got := r.Taken(); got > limit+100*leastRoom {
		t.Errorf("%d bytes are under way, the room is for %d", got, limit)
	}
	for _, s := range all {
		s.End()
	}
	if got := r.Taken(); got != 0 {
		t.Errorf("%d bytes are left in an empty room", got)
	}
	if got := (*Share)(nil).Allow(7); got != 7 {
		t.Errorf("without a room an answer may have %d of 7 bytes", got)
	}
	(*Share)(nil).Take(7)
}

// TestRoomMemoryGoesFromAnswerToAnswer: an answer gets as much memory as it has taken, is charged for what it leaves of it, and gives it to the next.
func TestRoomMemoryGoesFromAnswerToAnswer(t *testing.T) {
	r := NewRoom(64 << 20)
	s := r.Share()
	if s.space(100) != nil {
		t.Error("an answer has memory without having taken bytes")
	}
	s.Take(s.Allow(2*blockSize + 100))
	first := s.space(700 << 10)
	s.use(first[:600<<10])
	if rest := s.space(400 << 10); len(s.blocks) != 1 || &rest[0] != &s.blocks[0][600<<10] {
		t.Error("what was not used is not given again")
	}
	second := s.space(blockSize)
	if second == nil || len(s.blocks) != 2 {
		t.Fatalf("%d blocks", len(s.blocks))
	}
	s.use(make([]byte, 10)) // it lies elsewhere
	if s.use(second[:10]); len(s.free) != blockSize-10 {
		t.Errorf("%d bytes are left of %d", len(s.free), blockSize)
	}
	if s.space(blockSize) != nil {
		t.Error("an answer has more memory than it took")
	}
	if s.space(blockSize+1) != nil {
		t.Error("there is no piece of memory as large as that")
	}
	if s.Keep(600<<10 + 10); r.Taken() != 2*blockSize {
		t.Errorf("an answer of two blocks is charged with %d bytes", r.Taken())
	}
	s.End()
	if r.Taken() != 0 {
		t.Errorf("%d bytes are left in an empty room", r.Taken())
	}
	if (*Share)(nil).space(1) != nil {
		t.Error("no answer has memory")
	}
	(*Share)(nil).use(first)
	(*Share)(nil).Keep(1)
}

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

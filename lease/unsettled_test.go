package lease

import (
	"fmt"
	"testing"
)

func TestUnsettledNamesWhatIsNotSettled(t *testing.T) {
	w := New(Config{MaxAttempts: 3}, 0, 0)
	w.Offer(0, make([]Offered, 10))
	for _, at := range []Offset{0, 1, 4, 5, 9, 12, 13} { // 12 and 13 lie ahead
		w.SettleAt(0, at, Ack)
	}
	w.SettleAt(0, 14, Reject)
	for _, q := range []struct {
		from, to Offset
		max      int
		want     string
	}{
		{0, 20, 100, "[{2 4} {6 9} {10 12} {14 20}]"},
		{3, 7, 100, "[{3 4} {6 7}]"},
		{4, 6, 100, "[]"},
		{0, 2, 100, "[]"},
		{9, 11, 100, "[{10 11}]"},
		{12, 14, 100, "[]"},
		{13, 16, 100, "[{14 16}]"},
		{0, 20, 2, "[{2 4} {6 20}]"},
		{0, 20, 1, "[{2 20}]"},
	} {
		if got := fmt.Sprint(w.Unsettled(q.from, q.to, q.max, nil)); got != q.want {
			t.Errorf("[%d, %d), at most %d: %s, want %s", q.from, q.to, q.max, got, q.want)
		}
	}
}

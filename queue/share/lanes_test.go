package share

import (
	"testing"

	"github.com/holtmq/holt/queue/partition"
)

// TestALaneNobodyAsksForHidesNoOther has a lane in the middle whose topic no call wants: the lowest lane gets its one record in ten all the same.
func TestALaneNobodyAsksForHidesNoOther(t *testing.T) {
	var l lanes
	for _, w := range []*window{
		{part: &partition.Partition{Topic: "a", Lane: 2}}, {part: &partition.Partition{Topic: "b", Lane: 1}}, {part: &partition.Partition{Topic: "a", Lane: 0}},
	} {
		l.add(w)
	}
	var got [3]int
	for range 1000 {
		w, _ := l.next([]string{"a"})
		got[w.part.Lane]++
		l.served(w, 1)
	}
	if got[1] != 0 || got[0] < 100 || got[2] < 800 {
		t.Errorf("lanes 0 to 2 got %d records", got)
	}
}

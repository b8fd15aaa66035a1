package record_test

import (
	"math"
	"testing"

	"github.com/holtmq/holt/queue/record"
)

// The vectors are those of Kafka's own unit test (UtilsTest.testMurmur2).
func TestMurmur2(t *testing.T) {
	tests := map[string]int32{
		"21":                         -973932308,
		"foobar":                     -790332482,
		"a-little-bit-long-string":   -985981536,
		"a-little-bit-longer-string": -1486304829,
		"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
		"abc": 479470107,
	}
	for in, want := range tests {
		if got := int32(record.Murmur2([]byte(in))); got != want {
			t.Errorf("Murmur2(%q) = %d, want %d", in, got, want)
		}
	}
}

func TestPartitionFor(t *testing.T) {
	tests := []struct {
		key  string
		n    int
		want int
	}{
		{"21", 1, 0},
		{"21", math.MaxInt32, -973932308 & 0x7fffffff},
		{"foobar", 12, (-790332482 & 0x7fffffff) % 12},
		{"abc", 100, 479470107 % 100},
	}
	for _, tt := range tests {
		if got := record.PartitionFor([]byte(tt.key), tt.n); got != tt.want {
			t.Errorf("PartitionFor(%q, %d) = %d, want %d", tt.key, tt.n, got, tt.want)
		}
	}
}

func TestPartitionForNone(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a topic without partitions is taken")
		}
	}()
	record.PartitionFor([]byte("k"), 0)
}

package queue_test

import (
	"testing"

	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/store/memory"
)

// Samples are there after a restart, in order, however many checkpoints lie between.
func TestHistorySurvivesARestart(t *testing.T) {
	st := memory.New(memory.Config{})
	const n = 600
	for start := range 2 {
		b, err := queue.Open(t.Context(), st, queue.Config{})
		if err != nil {
			t.Fatal(err)
		}
		if got := b.History(0); len(got) != start*n {
			t.Errorf("start %d: %d samples", start, len(got))
		}
		for i := range n {
			at := int64(start*n+i) * 10
			b.AddHistory(queue.HistorySample{At: at, Bytes: make([]byte, 2000)})
			b.AddHistory(queue.HistorySample{At: at, Bytes: nil}) // not after the last one
		}
		if got := b.History(int64(start*n) * 10); len(got) != n || got[n-1].At != int64(start*n+n-1)*10 {
			t.Errorf("start %d: %d samples since then", start, len(got))
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

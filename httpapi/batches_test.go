package httpapi

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/queue"
)

// TestBatchesStayWhileTheyAreSent: answers of stored batches are read into memory that goes from one to the next. A slow client gets what is his, whatever others read meanwhile.
func TestBatchesStayWhileTheyAreSent(t *testing.T) {
	inBubbleWith(t, queue.Config{CacheBytes: 1}, Config{}, func(h *house) {
		h.put("/v1/topics/t", `{"partitions":2}`).is(201)
		for i := range 60 {
			p := i % 2
			m := queue.Message{Partition: &p, Value: bytes.Repeat([]byte{byte(i)}, 90<<10)}
			if _, _, err := h.broker.Publish(h.t.Context(), "t", []queue.Message{m}, 0); err != nil {
				t.Fatal(err)
			}
		}
		read := func(partition int, w *stuckWriter) {
			r := httptest.NewRequest("GET", fmt.Sprintf("http://localhost:4658/v1/topics/t/partitions/%d/records?max_bytes=3000000", partition), nil)
			r.Header.Set("Accept", api.MediaBatches)
			h.ServeHTTP(w, r)
		}
		quick := make(chan struct{})
		close(quick)
		var first [2][]byte
		for p := range first {
			w := &stuckWriter{httptest.NewRecorder(), quick}
			read(p, w)
			if first[p] = w.Body.Bytes(); len(first[p]) < 2_000_000 || w.Code != 200 {
				t.Fatalf("%d with %d bytes", w.Code, len(first[p]))
			}
		}
		for round := range 4 {
			let := make(chan struct{})
			var work sync.WaitGroup
			for i := range 4 {
				work.Go(func() {
					w := &stuckWriter{httptest.NewRecorder(), let}
					if read(i%2, w); !bytes.Equal(w.Body.Bytes(), first[i%2]) {
						t.Errorf("round %d: a slow client of partition %d got other bytes", round, i%2)
					}
				})
			}
			synctest.Wait()
			for i := range 4 {
				w := &stuckWriter{httptest.NewRecorder(), quick}
				if read(i%2, w); !bytes.Equal(w.Body.Bytes(), first[i%2]) {
					t.Errorf("round %d: a quick client of partition %d got other bytes", round, i%2)
				}
			}
			close(let)
			work.Wait()
		}
	})
}

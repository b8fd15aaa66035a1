package httpapi

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/holtmq/holt/queue"
)

// stuckWriter is a client that takes nothing until it is let go.
type stuckWriter struct {
	*httptest.ResponseRecorder
	let chan struct{}
}

func (w *stuckWriter) Write(b []byte) (int, error) {
	<-w.let
	return w.ResponseRecorder.Write(b)
}

// TestSlowReadersShareTheRoom: however many clients do not take their answers, the records these hold stay bounded, and nobody is refused.
func TestSlowReadersShareTheRoom(t *testing.T) {
	const room, readers = 2 << 20, 40
	inBubbleWith(t, queue.Config{}, Config{MaxAnswers: room}, func(h *house) {
		h.put("/v1/topics/t", `{"partitions":1}`).is(201)
		h.put("/v1/groups/g", `{"topics":["t"]}`).is(201)
		value := strings.Repeat("x", 100<<10)
		for range 40 {
			h.publish("t", fmt.Sprintf(`{"text":%q}`, value)).is(200)
		}
		let := make(chan struct{})
		var work sync.WaitGroup
		for i := range readers {
			r := httptest.NewRequest("GET", "http://localhost:4658/v1/topics/t/partitions/0/records", nil)
			if i%4 == 0 {
				r = httptest.NewRequest("POST", "http://localhost:4658/v1/groups/g/lease", strings.NewReader(`{"max":40}`))
			}
			w := &stuckWriter{httptest.NewRecorder(), let}
			work.Go(func() {
				h.ServeHTTP(w, r)
				if w.Code != http.StatusOK {
					t.Errorf("%s: %d %s", r.URL, w.Code, w.Body)
				}
			})
		}
		synctest.Wait()
		if got := h.room.Taken(); got > room+readers*(400<<10) || got < room/2 {
			t.Errorf("%d bytes of records are under way; the room is for %d", got, room)
		}
		close(let)
		work.Wait()
		if got := h.room.Taken(); got != 0 {
			t.Errorf("%d bytes are left in an empty room", got)
		}
	})
}

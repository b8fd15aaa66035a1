package share

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/holtmq/holt/lease"
	"github.com/holtmq/holt/queue/store"
)

func TestHistoryKeepsTheNewestTenAndReplacesAProvisionalExpiry(t *testing.T) {
	var h history
	for i := range uint32(12) {
		h = h.add(Attempt{Attempt: int(i + 1), Delivery: i + 1, Outcome: outcomeExpired})
	}
	h = h.add(Attempt{Attempt: 12, Delivery: 12, Outcome: outcomeNacked})
	if len(h) != maxHistory || h[0].Attempt != 3 || h[9].Attempt != 12 || h[9].Outcome != outcomeNacked || h[8].Outcome != outcomeExpired {
		t.Errorf("%+v", h)
	}
}

func TestHistoriesFitTheirNote(t *testing.T) {
	for _, fill := range []string{"x", "<", "\xff", "語"} {
		long := strings.Repeat(fill, 64<<10)
		var h history
		for i := range uint32(maxHistory) {
			h = h.add(Attempt{Delivery: i + 1, Member: long[:lease.MaxMember], Error: trimError(&WorkerError{Type: long, Message: long, Stack: long, Fingerprint: long})})
			if i%4 != 1 {
				continue
			}
			if n := h.note("g/1", 5); len(n.Bytes) > store.MaxNoteBytes {
				t.Fatalf("%q: %d attempts take %d bytes", fill, i+1, len(n.Bytes))
			}
		}
		if h[0].Error == nil || h[0].Error.Stack == "" {
			t.Errorf("%q: encoding changed the history", fill)
		}
	}
}

func FuzzHistories(f *testing.F) {
	f.Add([]byte(`[{"attempt":1,"delivery":1,"at":5,"took":6,"member":"w","outcome":"nacked","error":{"message":"no","stack":"s"}}]`))
	f.Add([]byte("null"))
	f.Add([]byte("["))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := decodeHistory(b)
		if err != nil {
			if !errors.Is(err, store.ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		_ = h.lastError()
		again, err := decodeHistory(h.note("g/1", 0).Bytes)
		if err != nil || len(again) != len(h) {
			t.Fatalf("%d attempts, encoded again %d: %v", len(h), len(again), err)
		}
	})
}

func TestErrorsAreCutAtTheirLimitWithAMark(t *testing.T) {
	for n := MaxStack - 3; n <= MaxStack+3; n++ {
		for _, fill := range []string{"a", "é", "語", "😀"} {
			s := strings.Repeat(fill, n/len(fill)+1)[:n-n%len(fill)]
			got := cut(s, MaxStack)
			if len(got) > MaxStack || !utf8.ValidString(got) || (len(s) <= MaxStack) != (got == s) || len(s) > MaxStack && !strings.HasSuffix(got, cutMark) {
				t.Errorf("%d bytes of %q: %d bytes, …%q", len(s), fill, len(got), got[len(got)-20:])
			}
		}
	}
	if trimError(nil) != nil {
		t.Error("an error out of nothing")
	}
	if got := trimError(&WorkerError{Message: strings.Repeat("m", MaxMessage)}); len(got.Message) != MaxMessage {
		t.Errorf("a message at its limit: %d bytes", len(got.Message))
	}
}

package partition

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/holtmq/holt/queue/record"
)

// TestReadWholeInMemoryOfAnswers: what is read into memory that goes from answer to answer is what is read without, in fewer pieces.
func TestReadWholeInMemoryOfAnswers(t *testing.T) {
	p, c := part(t, 1<<10) // nothing to speak of is in the cache
	for i := range 60 {
		appendTo(t, p, c, time.Now(), fmt.Sprint(i, strings.Repeat("x", 1000+i*i*37)))
	}
	const most = 3 << 20
	room := NewRoom(64 << 20)
	_, end := p.Bounds()
	for turn, at := 0, record.Offset(0); turn < 3; turn, at = turn+1, 0 {
		for at < end {
			s := room.Share()
			s.Take(s.Allow(most))
			want, err := p.ReadWhole(t.Context(), at, end, 1000, most, nil)
			if err != nil {
				t.Fatal(err)
			}
			got, err := p.ReadWhole(t.Context(), at, end, 1000, most, s)
			if err != nil {
				t.Fatal(err)
			}
			s.Keep(got.Bytes)
			if got.Next != want.Next || got.Records != want.Records || got.Bytes != want.Bytes || got.Records == 0 {
				t.Fatalf("from %d: %d records in %d bytes until %d, want %d in %d until %d", at, got.Records, got.Bytes, got.Next, want.Records, want.Bytes, want.Next)
			}
			if !bytes.Equal(bytes.Join(got.Batches, nil), bytes.Join(want.Batches, nil)) {
				t.Fatalf("from %d: other bytes than without memory", at)
			}
			if len(s.blocks) == 0 || len(got.Batches) > len(s.blocks)+1 {
				t.Errorf("from %d: %d pieces in %d blocks", at, len(got.Batches), len(s.blocks))
			}
			at = got.Next
			s.End()
		}
	}
	if room.Taken() != 0 {
		t.Errorf("%d bytes are left in an empty room", room.Taken())
	}
}

func TestPause(t *testing.T) {
	for _, c := range []struct{ took, waited, want time.Duration }{
		{time.Second, 0, 0},
		{time.Second, crowded, 0},
		{100 * time.Microsecond, crowded + 1, 400 * time.Microsecond},
		{time.Second, time.Second, maxPause},
		{0, time.Second, 0},
	} {
		if got := pause(c.took, c.waited); got != c.want {
			t.Errorf("a chunk of %v and a wait of %v: a pause of %v, want %v", c.took, c.waited, got, c.want)
		}
	}
}

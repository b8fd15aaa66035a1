package history

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/holtmq/holt/queue/store"
)

// What is kept is bounded in number, in time and in bytes, and a checkpoint with the deltas behind it is the ring.
func TestRing(t *testing.T) {
	var r, again Ring
	for i := range MaxSamples + 100 {
		r.keep(Sample{int64(i) * 5, fmt.Appendf(nil, "sample %d", i)})
	}
	if n := len(r.Since(0)); n != MaxSamples {
		t.Errorf("%d samples are kept", n)
	}
	if err := again.Restore(r.Checkpoint()); err != nil {
		t.Fatal(err)
	}
	late := Sample{int64(MaxSamples+100) * 5, []byte("late")}
	r.keep(late)
	if err := again.Replay(encode(nil, late)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(r.Checkpoint(), again.Checkpoint()) {
		t.Error("replayed, it is another ring")
	}
	if some := r.Since(late.At - 10); len(some) != 3 || string(some[2].Bytes) != "late" {
		t.Errorf("since: %v", some)
	}
	r.keep(Sample{late.At + 86_400 - 5, nil}) // a day later only what is within a day is left
	if n := len(r.Since(0)); n != 3 {
		t.Errorf("%d samples are left", n)
	}
}

func TestDamagedHistory(t *testing.T) {
	for _, b := range [][]byte{{0x80}, append([]byte{1}, make([]byte, MaxSample+1)...)} {
		if err := new(Ring).Replay(b); !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("%.4x: %v", b, err)
		}
	}
	for _, b := range [][]byte{{5, 1}, {0x80}, {0}} {
		if err := new(Ring).Restore(b); !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("%x: %v", b, err)
		}
	}
}

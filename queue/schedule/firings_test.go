package schedule

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/holtmq/holt/queue/store"
)

// TestCheckpointsOfFiringsAreTheSame has the same firings give the same bytes.
func TestCheckpointsOfFiringsAreTheSame(t *testing.T) {
	written := func() (all []byte) {
		f := NewFirings()
		f.Lock()
		defer f.Unlock()
		for i := range uint64(60_000) {
			for _, e := range f.Fired(7, i%20, time.UnixMilli(1_700_000_000_000+int64(i))).Entries {
				if e.Kind == store.Piece {
					all = append(all, e.Bytes...)
				}
			}
		}
		return all
	}
	if first, again := written(), written(); len(first) == 0 || !bytes.Equal(first, again) {
		t.Errorf("checkpoints of %d bytes, and others of %d", len(first), len(again))
	}
}

func TestFiringsAreThereAfterAReplay(t *testing.T) {
	at := time.UnixMilli(1_700_000_000_000).UTC()
	live, again := NewFirings(), NewFirings()
	live.Lock()
	for id := range uint64(3) {
		for _, e := range live.Fired(7, id, at.Add(time.Duration(id)*time.Hour)).Entries {
			if err := again.Replay(e.Bytes); err != nil {
				t.Fatal(err)
			}
		}
	}
	live.Unlock()
	for id := range uint64(3) {
		want := at.Add(time.Duration(id) * time.Hour)
		if got, ok := again.Of(id); !ok || !got.Equal(want) {
			t.Errorf("schedule %d fired for %s, want %s", id, got, want)
		}
		if !again.Noted(id, want) || again.Noted(id, want.Add(time.Millisecond)) {
			t.Errorf("schedule %d: noted for other times", id)
		}
	}
	if _, ok := again.Of(9); ok {
		t.Error("a schedule fired that is not known")
	}
}

func TestDamagedFiringsAreRefused(t *testing.T) {
	for _, b := range [][]byte{{1}, {0x80}, {1, 0x80}} {
		if err := NewFirings().Replay(b); !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("%x: %v", b, err)
		}
	}
}

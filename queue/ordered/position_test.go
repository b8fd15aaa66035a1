package ordered

import (
	"errors"
	"strings"
	"testing"

	"github.com/holtmq/holt/queue/journal"
	"github.com/holtmq/holt/queue/store"
)

func TestOffsetReplaysWhatWasWritten(t *testing.T) {
	p := &position{Offset: Offset{epoch: 7, start: 40, committed: none}, journal: journal.New("o/1")}
	var log []store.Entry
	write := func(delta []byte) { log = append(log, p.entries(delta)...) }
	write(p.appendStart(nil))
	for i := range 3 {
		p.committed, p.metadata = p.start+5, strings.Repeat("m", i)
		write(p.appendCommit(nil))
	}
	back := NewOffset()
	for _, e := range log {
		if err := back.Replay(e.Bytes); err != nil {
			t.Fatal(err)
		}
	}
	if *back != p.Offset {
		t.Errorf("%+v came back as %+v", p.Offset, *back)
	}
	if err := back.Replay(p.appendStart(nil)); err != nil || back.committed != none || back.metadata != "" {
		t.Errorf("a new start left %+v, %v", *back, err)
	}
}

func TestOffsetIsCheckpointed(t *testing.T) {
	p := &position{Offset: Offset{epoch: 1, committed: none}, journal: journal.New("o/1")}
	checkpoints, last := 0, []byte(nil)
	for i := range 200 {
		p.committed, p.metadata = p.start+1, strings.Repeat("m", MaxMetadata-i)
		for _, e := range p.entries(p.appendCommit(nil)) {
			switch e.Kind {
			case store.Piece:
				last = e.Bytes
			case store.Checkpoint:
				checkpoints++
				back := NewOffset()
				if err := back.Restore(last); err != nil || *back != p.Offset {
					t.Fatalf("%+v came back as %+v, %v", p.Offset, *back, err)
				}
			}
		}
	}
	if checkpoints == 0 {
		t.Error("800 KB of deltas, and no checkpoint")
	}
}

func FuzzOffset(f *testing.F) {
	o := Offset{epoch: 1, start: 300, committed: 400, metadata: "m"}
	f.Add(o.appendCommit(o.appendStart(nil)))
	f.Add([]byte{opStart, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		o := NewOffset()
		if err := o.Replay(b); err != nil {
			if !errors.Is(err, store.ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		state := o.appendStart(nil)
		if o.committed != none {
			state = o.appendCommit(state)
		}
		again := NewOffset()
		if err := again.Restore(state); err != nil || *again != *o {
			t.Fatalf("%+v came back as %+v, %v", *o, *again, err)
		}
	})
}

package redrive

import (
	"slices"
	"testing"

	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/share"
	"github.com/holtmq/holt/queue/store/memory"
	"github.com/holtmq/holt/queue/system"
)

// TestAGlanceCostsWhatIsNew redrives many letters of which few come back, and glances after each step.
func TestAGlanceCostsWhatIsNew(t *testing.T) {
	st := memory.New(memory.Config{})
	c := commit.New(st, nil)
	l := system.New(c)
	jobs := Keep(l, c)
	if _, err := l.Open(t.Context(), st); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- c.Run() }()
	const n, step = 50_000, 500
	ids := make([]share.LetterID, n)
	for i := range ids {
		ids[i].Offset = record.Offset(i)
	}
	j, err := jobs.Make(t.Context(), Definition{Group: "g"}, ids)
	if err != nil {
		t.Fatal(err)
	}
	back := map[record.Offset]share.Fate{}
	glance := func() (asked int) {
		j.Glance(func(ids []share.LetterID, _ []uint32) []share.Fate {
			asked += len(ids)
			out := make([]share.Fate, len(ids))
			for i, id := range ids {
				out[i] = back[id.Offset]
			}
			return out
		})
		return asked
	}
	for range n / step {
		parts, enqueued := j.Step(slices.Repeat([]uint32{1}, step))
		c.Enqueue(commit.Unit(parts))
		enqueued()
		if asked := glance(); asked > 2*maxAsked {
			t.Fatalf("%d letters were asked about, and none was back", asked)
		}
	}
	for i := record.Offset(7); i < 10_007; i++ { // but for the first seven
		back[i] = share.Succeeded
	}
	if asked := glance(); asked > 10_000+4*maxAsked {
		t.Errorf("%d letters were asked about for 10,000", asked)
	}
	if p := j.Progress(); p.Succeeded != 10_000 {
		t.Errorf("%d are back, not 10,000", p.Succeeded)
	}
	back[40_000] = share.DiedAgain
	for i := 0; j.Progress().DiedAgain == 0; i++ {
		if i > n/maxAsked+1 {
			t.Fatalf("a letter that is back is not found by %d glances", i)
		}
		glance()
	}
	for i := range record.Offset(n) {
		back[i] = share.Succeeded
	}
	if glance(); j.Waits() {
		t.Error("all are back, and some are not noted")
	}
	j.End(Done, "")
	l.Close()
	c.Close()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

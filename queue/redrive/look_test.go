package redrive

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/share"
	"github.com/holtmq/holt/queue/store/memory"
	"github.com/holtmq/holt/queue/system"
)

// house is a job of many letters, with what became of them.
type house struct {
	*Job
	c     *commit.Committer
	back  map[record.Offset]share.Fate
	asked int    // of how many letters
	count uint64 // of what came back to the group
}

// redriven returns a job of n letters.
func redriven(t *testing.T, n int) *house {
	st := memory.New(memory.Config{})
	c := commit.New(st, nil)
	l := system.New(c)
	jobs := Keep(l, c)
	if _, err := l.Open(t.Context(), st); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- c.Run() }()
	ids := make([]share.LetterID, n)
	for i := range ids {
		ids[i].Offset = record.Offset(i)
	}
	j, err := jobs.Make(t.Context(), Definition{Group: "g"}, ids)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		j.End(Done, "")
		l.Close()
		c.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return &house{Job: j, c: c, back: map[record.Offset]share.Fate{}}
}

// deliver redrives the next letters.
func (h *house) deliver(n int) {
	parts, enqueued := h.Step(slices.Repeat([]uint32{1}, n))
	h.c.Enqueue(commit.Unit(parts))
	enqueued()
}

func (h *house) ask(ids []share.LetterID, _ []uint32) []share.Fate {
	h.asked += len(ids)
	out := make([]share.Fate, len(ids))
	for i, id := range ids {
		out[i] = h.back[id.Offset]
	}
	return out
}

func (h *house) comeBack(at record.Offset) {
	if h.back[at] == share.Waits {
		h.back[at] = share.Succeeded
		h.count++
	}
}

// look looks, and returns how many letters were asked about.
func (h *house) look() int {
	from := h.asked
	h.Look(h.ask, func() uint64 { return h.count })
	return h.asked - from
}

// TestALookCostsWhatIsNew has many letters that wait.
func TestALookCostsWhatIsNew(t *testing.T) {
	const n = 50_000
	h := redriven(t, n)
	h.deliver(n)
	if asked := h.look(); asked != n {
		t.Errorf("the first look asked about %d of %d letters", asked, n)
	}
	if asked := h.look(); asked > 0 {
		t.Errorf("%d letters were asked about, and none was back", asked)
	}
	for i := record.Offset(7); i < 2007; i++ {
		h.comeBack(i)
	}
	if asked := h.look(); asked > 2000+maxAsked || h.Progress().Succeeded != 2000 {
		t.Errorf("%d letters were asked about for 2,000, of which %d are noted", asked, h.Progress().Succeeded)
	}
	h.comeBack(n - 1) // behind all others
	if h.look(); h.Progress().Succeeded != 2001 {
		t.Errorf("%d letters are back, not 2,001", h.Progress().Succeeded)
	}
}

// TestALookMissesNothing has letters come back at any time, while others are asked about too, and letters of other jobs.
func TestALookMissesNothing(t *testing.T) {
	const n = 3000
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 3))
		h := redriven(t, n)
		h.deliver(n)
		some := func(most int) {
			for range r.IntN(most) {
				h.comeBack(record.Offset(r.IntN(n)))
			}
			h.count += uint64(r.IntN(4) / 3)
		}
		for range 50 {
			some(30)
			due := 0
			for _, f := range h.back {
				if f == share.Succeeded {
					due++
				}
			}
			h.Look(func(ids []share.LetterID, redrives []uint32) []share.Fate {
				defer some(3)
				return h.ask(ids, redrives)
			}, func() uint64 { return h.count })
			if p := h.Progress(); p.Succeeded < due {
				t.Fatalf("seed %d: %d are noted, and %d were back before", seed, p.Succeeded, due)
			}
		}
	}
}

// TestAGlanceCostsWhatIsNew redrives many letters of which few come back, and glances after each step.
func TestAGlanceCostsWhatIsNew(t *testing.T) {
	const n, step = 50_000, 500
	h := redriven(t, n)
	j, back := h.Job, h.back
	glance := func() int {
		from := h.asked
		j.Glance(h.ask)
		return h.asked - from
	}
	for range n / step {
		h.deliver(step)
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
}

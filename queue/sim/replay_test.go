package sim

import (
	"context"
	"fmt"
	"hash/crc32"
	"iter"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/store/memory"
	"github.com/holtmq/holt/queue/system"
)

// replayed are the seeds that a test replays: from the first one on as many as HOLT_SIM_REPLAYS says, or else as its time allows.
func replayed(t *testing.T, full, short int) iter.Seq[uint64] {
	n := full
	if testing.Short() {
		n = short
	}
	if s := os.Getenv("HOLT_SIM_REPLAYS"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil || n < 1 {
			t.Fatalf("HOLT_SIM_REPLAYS: %q", s)
		}
	}
	first, given := firstSeed(t)
	if given {
		n = 1
	}
	return func(yield func(uint64) bool) {
		for seed := first; seed < first+uint64(n) && yield(seed); seed++ {
		}
	}
}

// replays are how many processors the replays of a seed have, after a first run with one.
var replays = []int{2, 4, 1}

// TestReplay runs programs again, on one processor and on several: a seed has one history, to the last byte that a commit held.
func TestReplay(t *testing.T) {
	for seed := range replayed(t, 5, 1) {
		p := newProgram(seed, 500)
		_, first := recorded(t, p, 1)
		for _, procs := range replays {
			_, again := recorded(t, p, procs)
			same(t, p.seed, first, again)
		}
	}
}

// TestReplayConcurrent does the same with the other mode.
func TestReplayConcurrent(t *testing.T) {
	for seed := range replayed(t, 3, 1) {
		again := func(procs int) []string {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
			var r listener
			inBubble(t, func() {
				n, err := live(seed, r.tell)
				r.tell(fmt.Sprint(n, err))
			})
			return r.lines
		}
		first := again(1)
		for _, procs := range replays {
			same(t, seed, first, again(procs))
		}
	}
}

// TestShrunkenProgramsReplay shrinks programs to those in which a letter was redriven after a fault: what is left does that each time, in the same way.
func TestShrunkenProgramsReplay(t *testing.T) {
	found, wanted := 0, 2
	if testing.Short() {
		wanted = 1
	}
	for seed := uint64(1); found < wanted; seed++ {
		shows := func(p program) bool {
			n, _ := recorded(t, p, 2)
			return n.redrives > 0 && n.faults > 0
		}
		p := newProgram(seed, 200)
		if !shows(p) {
			continue
		}
		found++
		runs := 0
		p = shrink(p, shows, func() bool { runs++; return runs < 60 })
		_, first := recorded(t, p, 1)
		_, again := recorded(t, p, 2)
		same(t, seed, first, again)
		if len(p.steps) > 100 || !shows(p) {
			t.Errorf("seed %d: a program of %d steps is left, and does not show what was looked for: %v", seed, len(p.steps), p)
		}
	}
}

// listener writes a history down.
type listener struct {
	mu    sync.Mutex
	lines []string
}

func (r *listener) tell(line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, line)
}

// recorded runs a program with so many processors, and returns its history.
func recorded(t *testing.T, p program, procs int) (n tally, history []string) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
	var r listener
	inBubble(t, func() {
		var err error
		n, _, err = run(p, r.tell)
		r.tell(fmt.Sprint(n, err))
	})
	return n, r.lines
}

// same tells where two histories part, if they do.
func same(t *testing.T, seed uint64, first, again []string) {
	t.Helper()
	at := 0
	for at < len(first) && at < len(again) && first[at] == again[at] {
		at++
	}
	if at < len(first) || at < len(again) {
		tail := func(h []string) string { return strings.Join(h[min(at, len(h)):min(at+2, len(h))], "\n\t\t") }
		t.Errorf("seed %d: the history parts at line %d of %d, after\n\t\t%s\n\tonce it goes on with\n\t\t%.2000s\n\tand once with\n\t\t%.2000s",
			seed, at, len(first), strings.Join(first[max(0, at-5):at], "\n\t\t"), tail(first), tail(again))
	}
}

// digest is what a history says of the model after a step.
func (w *world) digest() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d: %v;", time.Now().UnixNano(), w.tally)
	for _, g := range w.all() {
		for _, r := range g.live {
			fmt.Fprintf(&b, " %s/%s/%d@%d %v %v", g.name, r.win.part.topic.name, r.win.part.index, r.offset, r.states, r.before)
		}
	}
	return b.String()
}

// spokenOf is what a broker is opened on: if anybody listens, each commit is told.
func spokenOf(st *memory.Store, tell func(line string)) store.Store {
	if tell == nil {
		return st
	}
	return told{st, tell}
}

// told is a store whose commits are told, as long as it lives.
type told struct {
	*memory.Store
	tell func(line string)
}

func (s told) Commit(ctx context.Context, units []store.Unit) (int, error) {
	select {
	case <-s.Health().Dead:
	default:
		var lines []string
		for _, u := range units {
			lines = append(lines, spelled(u))
		}
		s.tell("commit:" + strings.Join(lines, ";"))
	}
	return s.Store.Commit(ctx, units)
}

// spelled tells what a unit holds. Of the server's own log not the bytes: the names of jobs are random.
func spelled(u store.Unit) string {
	var b strings.Builder
	for i := range u {
		e := &u[i]
		fmt.Fprintf(&b, " log %d start %d drop %v", e.Log, e.Start, e.Drop)
		for _, a := range e.Append {
			fmt.Fprintf(&b, " %d..%d %08x", a.Base, a.Last, crc32.ChecksumIEEE(a.Bytes))
		}
		if r := e.Rewrite; r != nil {
			fmt.Fprintf(&b, " rewrite %d..%d %08x", r.Base, r.Last, crc32.ChecksumIEEE(r.Bytes))
		}
		for _, n := range e.Entries {
			name, sum := string(n.Journal), crc32.ChecksumIEEE(n.Bytes)
			if e.Log == system.LogID {
				name, _, _ = strings.Cut(name, "/")
				sum = 0
			}
			fmt.Fprintf(&b, " %s %d.%d.%d %08x", name, n.Kind, n.Seq, n.Part, sum)
		}
		for _, n := range e.Notes {
			fmt.Fprintf(&b, " %s@%d %08x", n.Journal, n.At, crc32.ChecksumIEEE(n.Bytes))
		}
	}
	return b.String()
}

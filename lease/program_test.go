package lease_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/holtmq/holt/lease"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "run only the program of this seed")
	stepsFlag = flag.Int("steps", 0, "steps of the model test in all; 0 = as many as fit")
)

// op is one step of a program: what it does is found from its numbers and the state it meets, so that a program stays one when steps
// are taken out.
type op struct {
	kind kind
	n    [4]uint32
}

type kind uint8

const (
	doOffer kind = iota
	doLease
	doSettle
	doForge
	doExpire
	doTick
	doBury
	doFree
	doPlace
	doReset
	doTrim
	doConfigure
	doMark
	doCrash
	doCheckpoint
	doRedrive
	doDrop
	doUnread
	doLost
	doFound
	kinds
)

var kindNames = [kinds]string{"offer", "lease", "settle", "forge", "expire", "tick", "bury", "free", "place", "reset", "trim", "configure",
	"mark", "crash", "checkpoint", "redrive", "drop", "unread", "lost", "found"}

func (o op) String() string { return fmt.Sprintf("{%s %d}", kindNames[o.kind], o.n) }

// weights of the kinds, in their order.
var weights = [kinds]int{12, 22, 40, 2, 8, 14, 6, 2, 4, 1, 1, 1, 3, 2, 2, 6, 2, 2, 3, 4}

func program(seed uint64, steps int) []op {
	r := rand.New(rand.NewPCG(seed, 1))
	total := 0
	for _, w := range weights {
		total += w
	}
	p := make([]op, 0, steps)
	for len(p) < steps {
		x := r.IntN(total)
		k := kind(0)
		for x >= weights[k] {
			x -= weights[k]
			k++
		}
		p = append(p, op{k, [4]uint32{r.Uint32(), r.Uint32(), r.Uint32(), r.Uint32()}})
	}
	return p
}

func config(n uint32) lease.Config {
	c := lease.Config{Seed: uint64(n)}
	c.MaxAttempts = []int{0, 1, 2, 3, 4, 5, 8, 12}[n%8]
	n /= 8
	switch n % 4 {
	case 1:
		c.KeyOrder, c.HoldDead = true, n/64%2 == 0
	case 2:
		c.KeyConcurrency = 1 + int(n/64%3)
	case 3:
		c.KeyOrder = n/64%2 == 0
	}
	n /= 256
	c.Strict, c.Drop, c.DropTTL = n%5 == 0, n%7 == 0, n%2 == 0
	n /= 70
	c.Backoff = lease.Backoff{Initial: int64(n % 40), Multiplier: 2, Max: 100}
	if n%3 == 0 {
		c.Backoff = lease.Backoff{Steps: []int64{0, 20, 50}}
	}
	return c
}

// run gives the first disagreement, and the step it came after; −1 = none.
func run(cfg uint32, frozen bool, prog []op) (step int, why string) {
	step = -1
	defer func() {
		if r := recover(); r != nil {
			why = fmt.Sprintf("panic: %v", r)
		}
	}()
	p := newPair(cfg, frozen)
	for i, o := range prog {
		step = i
		if why := p.step(o, i); why != "" {
			return i, why
		}
	}
	return -1, ""
}

// shrink takes steps out as long as the program still fails.
func shrink(cfg uint32, frozen bool, prog []op) []op {
	for size := len(prog) / 2; size > 0; {
		cut := false
		for i := 0; i+size <= len(prog); {
			less := slices.Concat(prog[:i], prog[i+size:])
			if step, _ := run(cfg, frozen, less); step >= 0 {
				prog, cut = less[:min(step+1, len(less))], true
				continue
			}
			i += size
		}
		if !cut || size > 1 {
			size /= 2
		}
	}
	return prog
}

// TestPrograms runs random programs on the window and on the model, and compares them after every step.
func TestPrograms(t *testing.T) {
	const length = 400
	steps := *stepsFlag
	switch {
	case steps > 0:
	case testing.Short():
		steps = 40_000
	case raceEnabled:
		steps = 100_000
	default:
		steps = 1_040_000
	}
	if *seedFlag != 0 {
		runSeed(t, *seedFlag, length)
		return
	}
	seeds := make(chan uint64)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for s := range seeds {
				if !t.Failed() {
					runSeed(t, s, length)
				}
			}
		})
	}
	for s := 1; s <= (steps+length-1)/length; s++ {
		seeds <- uint64(s)
	}
	close(seeds)
	wg.Wait()
}

func runSeed(t *testing.T, seed uint64, length int) {
	prog := program(seed, length)
	cfg := uint32(rand.New(rand.NewPCG(seed, 2)).Uint64())
	frozen := seed%2 == 0
	step, why := run(cfg, frozen, prog)
	if step < 0 {
		return
	}
	small := shrink(cfg, frozen, prog[:step+1])
	_, why2 := run(cfg, frozen, small)
	var b strings.Builder
	for _, o := range small {
		fmt.Fprintln(&b, "\t", o)
	}
	t.Errorf("seed %d, step %d: %s\nconfiguration %+v\n%d steps are enough:\n%sthey give: %s", seed, step, why, config(cfg), len(small), b.String(), why2)
}

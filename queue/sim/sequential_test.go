package sim

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Lengths of the runs, all tests together.
const (
	fullRun  = 24 * time.Second
	shortRun = 5 * time.Second
)

// budget is how long a mode may take, given its share of the whole.
func budget(t *testing.T, share float64) time.Duration {
	d := fullRun
	if testing.Short() {
		d = shortRun
	}
	if s := os.Getenv("HOLT_SIM_TIME"); s != "" {
		var err error
		if d, err = time.ParseDuration(s); err != nil {
			t.Fatalf("HOLT_SIM_TIME: %v", err)
		}
	}
	return time.Duration(float64(d) * share)
}

// firstSeed returns the seed to begin with; given says that it was asked for, and is to be the only one.
func firstSeed(t *testing.T) (seed uint64, given bool) {
	s := os.Getenv("HOLT_SIM_SEED")
	if s == "" {
		return uint64(time.Now().UnixNano()) & 0xffffffffff, false
	}
	seed, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatalf("HOLT_SIM_SEED: %v", err)
	}
	return seed, true
}

// seeds runs f with seed after seed, on as many goroutines as there are cores, until the time is over or one fails.
func seeds(t *testing.T, d time.Duration, f func(seed uint64) (failed bool)) {
	first, given := firstSeed(t)
	if given {
		f(first)
		return
	}
	fmt.Fprintf(os.Stderr, "%s: seeds from %d\n", t.Name(), first)
	end := time.Now().Add(d)
	var mu sync.Mutex
	next, failed := first, false
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for {
				mu.Lock()
				seed, stop := next, failed || time.Now().After(end)
				next++
				mu.Unlock()
				if stop {
					return
				}
				if testing.Verbose() && os.Getenv("HOLT_SIM_TRACE") != "" {
					fmt.Fprintf(os.Stderr, "%s: seed %d\n", t.Name(), seed)
				}
				if f(seed) {
					mu.Lock()
					failed = true
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
}

// inBubble runs f under fake time.
func inBubble(t *testing.T, f func()) {
	synctest.Test(t, func(*testing.T) { f() })
}

const stepsOfARun = 1200

func TestSequential(t *testing.T) {
	var mu sync.Mutex
	var all tally
	runs := 0
	began := time.Now()
	seeds(t, budget(t, 0.75), func(seed uint64) bool {
		p := newProgram(seed, stepsOfARun)
		if s := os.Getenv("HOLT_SIM_STEPS"); s != "" {
			steps, err := parseSteps(s)
			if err != nil {
				t.Error(err)
				return true
			}
			p.steps = steps
		}
		var n tally
		var story string
		var err error
		inBubble(t, func() { n, story, err = run(p) })
		mu.Lock()
		all.add(n)
		runs++
		mu.Unlock()
		if err != nil {
			report(t, p, err, story)
		}
		return err != nil
	})
	took := time.Since(began)
	t.Logf("%d runs in %v: %v (%.0f operations a second)", runs, took.Round(time.Millisecond), all, float64(all.operations())/took.Seconds())
	if all.handouts == 0 || all.restarts == 0 {
		t.Error("nothing was handed out, or nothing was restarted: the simulation does not do its work")
	}
}

// report prints a failure with the shortest program found that shows it.
func report(t *testing.T, p program, err error, story string) {
	invariant, _, _ := strings.Cut(err.Error(), ":")
	small, shortest := p, err
	end := time.Now().Add(15 * time.Second)
	if os.Getenv("HOLT_SIM_SHRINK") == "0" {
		end = time.Now()
	}
	shrink(p, func(q program) bool {
		var again error
		var how string
		inBubble(t, func() { _, how, again = run(q) })
		if again == nil || !strings.HasPrefix(again.Error(), invariant) {
			return false
		}
		small, shortest, story = q, again, how
		return true
	}, func() bool { return time.Now().Before(end) })
	if len(small.steps) > len(p.steps)/2 {
		story += fmt.Sprintf("it does not fail each time; HOLT_SIM_SEED=%d may have to be run more than once", p.seed)
		small.steps = nil
	}
	t.Errorf("seed %d (HOLT_SIM_SEED=%d): %v\nits calls, as far as the program could be shrunken (%v):\n%s\nthe program: %v", p.seed, p.seed, err, shortest, story, small)
}

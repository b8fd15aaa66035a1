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
		var n tally
		var err error
		inBubble(t, func() { n, _, err = run(p, false) })
		mu.Lock()
		all.add(n)
		runs++
		mu.Unlock()
		if err != nil {
			report(t, p, err)
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
func report(t *testing.T, p program, err error) {
	invariant, _, _ := strings.Cut(err.Error(), ":")
	end := time.Now().Add(15 * time.Second)
	small := shrink(p, func(q program) bool {
		var err error
		inBubble(t, func() { _, _, err = run(q, false) })
		return err != nil && strings.HasPrefix(err.Error(), invariant)
	}, func() bool { return time.Now().Before(end) })
	var trace []string
	var again error
	inBubble(t, func() { _, trace, again = run(small, true) })
	t.Errorf("%v\n%v\nshrunken, it ends in: %v\nits calls:\n\t%s", err, small, again, strings.Join(trace[max(0, len(trace)-120):], "\n\t"))
}

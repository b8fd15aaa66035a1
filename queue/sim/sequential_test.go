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
	fullRun  = 12 * time.Second
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

// firstSeed returns the seed to begin with: always the same, so that what is green stays green, unless HOLT_SIM_FROM says another ("random": any). given says that
// HOLT_SIM_SEED asked for one, which is to be the only one.
func firstSeed(t *testing.T) (seed uint64, given bool) {
	name := "HOLT_SIM_FROM"
	if os.Getenv("HOLT_SIM_SEED") != "" {
		name, given = "HOLT_SIM_SEED", true
	}
	switch s := os.Getenv(name); s {
	case "":
		return 1, false
	case "random":
		return uint64(time.Now().UnixNano()) & 0xffffffffff, false
	default:
		seed, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return seed, given
	}
}

// wanted returns how many operations HOLT_SIM_OPERATIONS asks for, however long they take; 0 = as many as the time allows.
func wanted(t *testing.T) int {
	s := os.Getenv("HOLT_SIM_OPERATIONS")
	if s == "" {
		return 0
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		t.Fatalf("HOLT_SIM_OPERATIONS: %q", s)
	}
	return n
}

// seeds runs f with seed after seed, on as many goroutines as there are cores, until it was enough or one fails.
func seeds(t *testing.T, enough func() bool, f func(seed uint64) (failed bool)) {
	first, given := firstSeed(t)
	if given {
		f(first)
		return
	}
	fmt.Fprintf(os.Stderr, "%s: seeds from %d\n", t.Name(), first)
	var mu sync.Mutex
	next, failed := first, false
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for {
				mu.Lock()
				seed, stop := next, failed || enough()
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

// until is over once a time has passed.
func until(d time.Duration) (enough func() bool) {
	end := time.Now().Add(d)
	return func() bool { return time.Now().After(end) }
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
	enough := until(budget(t, 0.75))
	if n := wanted(t); n > 0 {
		enough = func() bool {
			mu.Lock()
			defer mu.Unlock()
			return all.operations() >= n
		}
	}
	seeds(t, enough, func(seed uint64) bool {
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
		inBubble(t, func() { n, story, err = run(p, nil) })
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
		inBubble(t, func() { _, how, again = run(q, nil) })
		if again == nil || !strings.HasPrefix(again.Error(), invariant) {
			return false
		}
		small, shortest, story = q, again, how
		return true
	}, func() bool { return time.Now().Before(end) })
	t.Errorf("seed %d (HOLT_SIM_SEED=%d): %v\nits calls, as far as the program could be shrunken (%v):\n%s\nthe program (its words are HOLT_SIM_STEPS): %v", p.seed, p.seed, err, shortest, story, small)
}

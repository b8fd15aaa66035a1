package sim

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/store/memory"
)

func (w *world) setFaults(edit func(*memory.Faults)) {
	f := w.faults
	edit(&f)
	w.faults = f
	w.st.SetFaults(f)
}

// failCommit lets one of the next commits end badly: wholly, in part or not applied, with the store dead or not, or by a power cut before
// or after it is durable.
func (w *world) failCommit(rng *rand.Rand) {
	left := 1 + rng.IntN(4)
	fate := memory.Fate{Outcome: []memory.Outcome{memory.Fence, memory.UnknownNone, memory.UnknownAll, memory.UnknownSome, memory.UnknownSome, memory.UnknownSome}[rng.IntN(6)], Done: rng.IntN(4), Kill: rng.IntN(2) == 0}
	cut := rng.IntN(6)
	w.armed = true
	w.note("commit fault: in %d, cut %d, %+v", left, cut, fate)
	w.setFaults(func(f *memory.Faults) {
		strikes := func(call uint64, cutting bool) bool {
			if cutting != (cut < 2) {
				return false
			}
			left--
			return left == 0
		}
		f.Commit = func(call uint64) memory.Fate {
			if strikes(call, false) {
				return fate
			}
			return memory.Fate{}
		}
		powerCut := func(call uint64) {
			if strikes(call, true) {
				w.cut = w.st.Crash()
			}
		}
		if cut == 0 {
			f.BeforeDurable = powerCut
		} else {
			f.AfterDurable = powerCut
		}
	})
	if len(w.jobs) > 0 { // that the next step of one of them is struck
		w.sleep(rng)
	}
}

// failMeta lets one of the next changes of definitions end badly; the store dies of it, as an engine on a disk does.
func (w *world) failMeta(rng *rand.Rand) {
	var left atomic.Int64
	left.Store(1 + rng.Int64N(5))
	outcome := memory.Fence + memory.Outcome(rng.IntN(3))
	w.armed = true
	w.note("meta fault: in %d, outcome %d", left.Load(), outcome)
	w.setFaults(func(f *memory.Faults) {
		f.Meta = func(uint64) memory.Fate {
			if left.Add(-1) == 0 {
				return memory.Fate{Outcome: outcome, Kill: true}
			}
			return memory.Fate{}
		}
	})
}

// failReads lets many reads fail while one call is made.
func (w *world) failReads(rng *rand.Rand) {
	chance := 1 + rng.Uint64N(4)
	w.reading = true
	w.postponed()
	seed := rng.Uint64()
	var mu sync.Mutex // reads come from the groups' background work, too
	reads := map[string]uint64{}
	w.setFaults(func(f *memory.Faults) {
		f.Read = func(op string, id store.LogID, at store.Offset) error {
			mu.Lock()
			defer mu.Unlock()
			what := fmt.Sprint(op, id, at)
			reads[what]++
			if mix(seed, reads[what], what)%chance != 0 {
				return nil
			}
			return fmt.Errorf("%s of log %d at %d: %w: injected", op, id, at, store.ErrCorrupt)
		}
	})
	w.do([]op{opLease, opSettle, opSettle, opPark, opSleep, opConfigure, opPoll, opDefine}[rng.IntN(8)], rng)
}

// restart stops the broker in order and opens it again.
func (w *world) restart(rng *rand.Rand) {
	if w.armed {
		return
	}
	w.reopen(false, down(rng), sets(rng))
}

// crash cuts the power between two steps.
func (w *world) crash(rng *rand.Rand) { w.reopen(true, down(rng), sets(rng)) }

func down(rng *rand.Rand) time.Duration {
	return []time.Duration{0, 0, time.Second, 45 * time.Second}[rng.IntN(4)]
}

// sets says whether the wall clock is set while the broker is down: nil = it is not.
func sets(rng *rand.Rand) *rand.Rand {
	if rng.IntN(4) > 0 {
		return nil
	}
	return rng
}

// reopen replaces the broker by one that is opened on what is durable. While it is down the wall clock may be set.
func (w *world) reopen(crash bool, down time.Duration, set *rand.Rand) {
	w.note("reopen, crash %v, down %v", crash, down)
	w.tally.restarts++
	w.tally.calls++
	old := w.st
	switch {
	case w.cut != nil:
		w.st, w.cut = w.cut, nil
	case crash:
		w.st = old.Crash()
	}
	was := map[*stream]string(nil)
	if !w.broken() {
		was = w.rolls()
	}
	w.died = w.now()
	w.down = crash // nothing more is to be read of it
	w.b.Stop()
	w.turns.rest()
	if !crash { // settles are taken to the end, then all is durable
		w.collect()
	}
	w.dlq.Close()
	err := w.b.Close()
	if !crash && err != nil {
		w.violated("shutdown", "close: %v", err)
	}
	w.turns.rest()
	w.collect()
	for _, name := range groupNames {
		if g := w.groups[name]; g != nil && len(g.parks) > 0 {
			w.violated("I16 progress", "%d parked leases of %s outlive the broker", len(g.parks), name)
		}
	}
	if len(w.polls) > 0 {
		w.violated("I16 progress", "%d polls outlive the broker", len(w.polls))
	}
	if crash {
		w.uncertain()
	} else {
		w.certain()
		w.st = old.Reopen()
	}
	w.armed, w.reading, w.restless = false, false, 0
	w.faults = memory.Faults{}
	w.st.SetFaults(w.faults)
	time.Sleep(down)
	if set != nil {
		w.jump(set)
	}
	opened := w.opened
	w.open()
	w.set = w.opened - opened
	w.down = false
	w.resume()
	w.turns.rest()
	w.happen(append(w.readNew(w.discover), w.readLetters()...))
	w.adopt()
	w.readLogs()
	w.returned(was)
	w.early = nil
	w.cronsFired()
	w.narrow()
	w.check()
	w.noDying()
}

// resume tells the model of a restart.
func (w *world) resume() {
	now := w.now()
	for _, name := range groupNames {
		g := w.groups[name]
		if g == nil {
			continue
		}
		for _, r := range g.live {
			if r.may(func(s *state) bool { return s.phase == leased || s.phase == deferred && w.set != 0 }) {
				w.change(r, each(r.states, func(s state) state { return s.resume(now, w.set) }))
			}
		}
		g.tokens, g.tokensAt = g.burst(), now
	}
}

package sim

import (
	"encoding/binary"
	"hash/fnv"
	"io"
	"sync"
	"testing/synctest"
	"time"
)

// turns has what a broker does happen one by one inside a bubble: commits and background work begin in turn, and what waited for something goes on in turn, each once nothing moves
// any more. So what a commit holds, what a call finds, and where a fault strikes hang on the seed alone, not on how the runtime runs goroutines. Who is next of those that wait is a
// matter of chance, which the seed decides.
type turns struct {
	seed uint64
	tell func(line string) // hears whose turn it is; nil = nobody listens
	bell chan struct{}     // one slot: somebody waits, or it is over

	stuck chan struct{} // closed when it does not come to rest

	mu    sync.Mutex
	wait  []waiting
	still chan struct{} // closed when nothing moves and nobody waits for a turn; nil = nobody asks
	given uint64        // turns
	first uint64        // given before somebody asked for rest, or time passed
	at    time.Time     // of the last one
	over  bool
}

// maxTurns is how many turns are given before it counts as no rest.
const maxTurns = 100_000

// waiting is one that waits for its turn.
type waiting struct {
	who   string
	turns chan struct{} // closed when it is its turn
}

// newTurns gives turns until end. tell hears of each; nil = nobody listens.
func newTurns(seed uint64, tell func(line string)) *turns {
	t := &turns{seed: seed, tell: tell, bell: make(chan struct{}, 1), stuck: make(chan struct{})}
	go t.run()
	return t
}

// end lets all go on that wait, or would.
func (t *turns) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.over = true
	t.ring()
}

// ring wakes run; the lock is held.
func (t *turns) ring() {
	select {
	case t.bell <- struct{}{}:
	default:
	}
}

// await returns when it is the turn of who: it is queue.Config.Turns. No two that wait have one name.
func (t *turns) await(who string) {
	t.mu.Lock()
	if t.over {
		t.mu.Unlock()
		return
	}
	w := waiting{who, make(chan struct{})}
	t.wait = append(t.wait, w)
	t.ring()
	t.mu.Unlock()
	<-w.turns
}

// rest returns when nothing moves any more and all had their turns, or at once when it is stuck. One at a time may ask.
func (t *turns) rest() {
	still := make(chan struct{})
	t.mu.Lock()
	t.still, t.first = still, t.given
	t.ring()
	t.mu.Unlock()
	select {
	case <-still:
	case <-t.stuck:
	}
}

// isStuck says that turns follow turns while no time passes.
func (t *turns) isStuck() bool {
	select {
	case <-t.stuck:
		return true
	default:
		return false
	}
}

func (t *turns) run() {
	for range t.bell {
		for t.next() {
		}
		t.mu.Lock()
		over := t.over && len(t.wait) == 0
		t.mu.Unlock()
		if over {
			return
		}
	}
}

// next lets one go on, once nothing moves; false: nobody waits.
func (t *turns) next() bool {
	synctest.Wait()
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case len(t.wait) > 0:
		i := t.choose()
		if t.tell != nil {
			t.tell("turn of " + t.wait[i].who)
		}
		close(t.wait[i].turns)
		t.wait = append(t.wait[:i], t.wait[i+1:]...)
	case t.still != nil:
		close(t.still)
		t.still = nil
	default:
		return false
	}
	return true
}

// choose says who is next, whatever the order in which they came; the lock is held.
func (t *turns) choose() (best int) {
	if now := time.Now(); now != t.at {
		t.first, t.at = t.given, now
	}
	if t.given++; t.given > t.first+maxTurns && !t.isStuck() {
		close(t.stuck)
	}
	least := uint64(0)
	for i, w := range t.wait {
		if n := mix(t.seed, t.given, w.who); i == 0 || n < least {
			best, least = i, n
		}
	}
	return best
}

// mix draws a number for a name, by a seed and a count: FNV-1a of the three.
func mix(seed, count uint64, name string) uint64 {
	h := fnv.New64a()
	_ = binary.Write(h, binary.LittleEndian, []uint64{seed, count})
	_, _ = io.WriteString(h, name)
	n := h.Sum64()
	return n ^ n>>32 // the low bits of FNV are its weak ones
}

package sim

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/holtmq/holt/dlq"
	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/store/memory"
)

// world is a broker and the model of it, driven by one goroutine inside a bubble.
type world struct {
	ctx    context.Context
	st     *memory.Store
	cut    *memory.Store // what a power cut inside a commit left
	faults memory.Faults
	b      *queue.Broker
	turns  *turns
	dlq    *dlq.Service
	cache  int
	life   uint32

	skew   atomic.Int64 // how far the wall clock is ahead; ms
	jumps  []jump
	opened int64 // skew when the broker was opened
	set    int64 // how much more that was than the time before

	topics  map[string]*topic
	groups  map[string]*group
	streams map[string]*stream    // the ordered groups
	polls   []*poll               // those that wait
	gaps    []gap                 // what polls passed over
	joining map[string]*member    // with an unknown outcome, by the stream's name
	letters map[string]*letterbox // by group name
	msgs    []*msg
	unknown []*request      // publishes whose outcome is unknown
	touched []*rec          // those with a before
	unsure  map[string]bool // definitions with an unknown change
	strays  []stray
	early   []stray  // hand-outs of records that fired just before the broker died
	late    []func() // letters of partitions that a group was being given

	former   []*group // deleted ones whose parked leases have not ended
	jobs     []*job
	afresh   []*afresh
	edits    []*msg // bodies of edited redrives
	receipts map[string]struct{}
	hands    int32

	down     bool // the store was crashed
	armed    bool // a fault may strike
	reading  bool // reads fail
	blurred  bool // reads failed in this step
	restless int64
	begun    int64 // when the step began
	died     int64 // when the broker was closed last
	clock    int64 // up to when deadlines are turned over
	at       int64 // the time of the event that is being noted, if it is not now

	tally tally
	err   error
	trace []noted
	lines int
	tell  func(line string) // hears of everything that happens, as it happens; nil = nobody listens
}

// names of topics and groups.
var (
	topicNames = []string{"t0", "t1", "t2"}
	groupNames = []string{"g0", "g1", "g2"}
)

func (w *world) now() int64 {
	if w.at != 0 {
		return w.at
	}
	return time.Now().UnixMilli()
}

// run executes a program and everything that follows it: heal, drain, and count.
func run(p program, tell func(line string)) (t tally, story string, err error) {
	w := &world{
		tell: tell, turns: newTurns(p.seed, tell),
		jumps: []jump{{}},
		ctx:   context.Background(), topics: map[string]*topic{}, groups: map[string]*group{}, streams: map[string]*stream{}, joining: map[string]*member{}, letters: map[string]*letterbox{}, unsure: map[string]bool{}, receipts: map[string]struct{}{},
	}
	rng := rand.New(rand.NewPCG(p.seed, 2))
	w.st = memory.New(memory.Config{Seed: p.seed})
	w.cache = []int{1, 4 << 10, 0}[rng.IntN(3)]
	w.open()
	for _, name := range topicNames[:1+rng.IntN(len(topicNames))] {
		w.putTopic(name, rng)
	}
	for _, name := range groupNames[:1+rng.IntN(len(groupNames))] {
		w.putGroup(name, rng)
	}
	for _, name := range streamNames[:1+rng.IntN(len(streamNames))] {
		w.putStream(name, rng)
	}
	w.rest()
	for i, s := range p.steps {
		if w.err != nil {
			break
		}
		w.note("step %d %s", i, s)
		w.step(s)
		w.tally.steps++
		if w.tell != nil {
			w.tell(w.digest())
		}
	}
	if w.err == nil {
		w.drain()
	}
	w.stop()
	if w.err != nil {
		story = w.story()
	}
	return w.tally, story, w.err
}

// stop ends the broker of a run, so that the bubble can end.
func (w *world) stop() {
	w.st.SetFaults(memory.Faults{})
	w.b.Stop()
	for _, g := range w.all() {
		for _, p := range g.parks {
			p.cancel()
		}
	}
	for _, p := range w.polls {
		p.cancel()
	}
	w.turns.rest()
	w.dlq.Close()
	if err := w.b.Close(); err != nil && w.err == nil {
		w.violated("I16 progress", "close: %v", err)
	}
	w.turns.end()
}

func (w *world) open() {
	w.life++
	b, err := queue.Open(w.ctx, spokenOf(w.st, w.tell), queue.Config{CacheBytes: w.cache, Wall: w.wallClock, Turns: w.turns.await})
	if err != nil {
		w.violated("recovery", "open: %v", err)
		w.st = memory.New(memory.Config{}) // something for stop to close
		b, _ = queue.Open(w.ctx, w.st, queue.Config{})
	}
	w.b, w.dlq = b, dlq.New(b, nil)
	w.clock, w.opened = w.now(), w.skew.Load()
}

// broker is for a call, once nothing moves.
func (w *world) broker() *queue.Broker {
	w.turns.rest()
	return w.b
}

// desk is the service of its dead letters, likewise.
func (w *world) desk() *dlq.Service {
	w.turns.rest()
	return w.dlq
}

// step executes one step and lets everything come to rest.
func (w *world) step(s step) {
	rng := rand.New(rand.NewPCG(s.seed, 3))
	w.pass(w.now())
	w.begun = w.now()
	w.widen()
	w.do(s.op, rng)
	w.rest()
	if w.err == nil && rng.IntN(3) == 0 {
		w.probe(rng)
		w.rest()
	}
}

func (w *world) do(o op, rng *rand.Rand) {
	switch o {
	case opPublish:
		w.publish(rng)
	case opLease:
		w.lease(rng)
	case opSettle:
		w.settle(rng)
	case opForge:
		w.forge(rng)
	case opPark:
		w.park(rng)
	case opUnpark:
		w.unpark(rng)
	case opSleep:
		w.sleep(rng)
	case opConfigure:
		w.configure(rng)
	case opPause:
		w.pause(rng)
	case opGrow:
		w.grow(rng)
	case opAttach:
		w.attach(rng)
	case opDeleteGroup:
		w.deleteGroup(rng)
	case opDeleteTopic:
		w.deleteTopic(rng)
	case opCommitFault:
		w.failCommit(rng)
	case opMetaFault:
		w.failMeta(rng)
	case opReadFault:
		w.failReads(rng)
	case opRestart:
		w.restart(rng)
	case opCrash:
		w.crash(rng)
	case opCheck:
		w.check()
	case opCancel:
		w.cancel(rng)
	case opWhole:
		w.whole(rng)
	case opRepeat:
		w.repeat(rng)
	case opPlace:
		w.settleAt(rng)
	case opList:
		w.list(rng)
	case opReset:
		w.reset(rng)
	case opSchedule:
		w.schedule(rng)
	case opJump:
		w.jump(rng)
	case opAgain:
		w.again(rng)
	case opJoin:
		w.join(rng)
	case opPoll:
		w.poll(rng)
	case opBeat:
		w.beat(rng)
	case opCommit:
		w.commit(rng)
	case opLeave:
		w.leave(rng)
	case opStale:
		w.stale(rng)
	case opRewind:
		w.rewind(rng)
	case opDefine:
		w.define(rng)
	}
}

// sleep lets time pass, until the broker dies at most.
func (w *world) sleep(rng *rand.Rand) {
	d := time.Duration(1+rng.IntN(500)) * time.Millisecond
	switch rng.IntN(6) {
	case 0, 1:
		d = time.Duration(500+rng.IntN(4500)) * time.Millisecond
	case 2:
		d = time.Duration(5000+rng.IntN(25_000)) * time.Millisecond
	}
	w.wait(d)
}

func (w *world) wait(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-w.b.Dead():
	case <-w.st.Health().Dead:
	case <-w.turns.stuck:
	}
}

// rest waits until nothing moves any more and brings the model there. If the broker died on the way, it is opened again.
func (w *world) rest() {
	w.turns.rest()
	if w.turns.isStuck() {
		w.violated("I16 progress", "the broker does not come to rest")
		return
	}
	w.collect()
	w.pass(w.now())
	if w.broken() {
		w.tally.faults++
		w.reopen(true, 0, nil)
		return
	}
	w.cronsFired()
	w.certain()
	w.heal()
	w.narrow()
	w.blurred = false
	w.waiting()
	w.fill()
	if w.now() >= w.restless {
		w.noDying()
	}
}

// heal ends the time in which reads fail; partitions that could not be read rest a little longer.
func (w *world) heal() {
	if !w.reading || w.broken() {
		return
	}
	w.reading, w.blurred = false, true
	w.restless = w.now() + 1500
	w.postponed()
	w.setFaults(func(f *memory.Faults) { f.Read = nil })
	if len(w.unsure) > 0 {
		w.adopt()
	}
}

func (w *world) broken() bool {
	if w.down {
		return true
	}
	w.turns.rest()
	select {
	case <-w.b.Dead():
		return true
	case <-w.st.Health().Dead:
		return true
	default:
		return false
	}
}

// pass turns over what is due up to now.
func (w *world) pass(now int64) {
	if now <= w.clock {
		return
	}
	w.clock = now
	for _, name := range groupNames {
		if g := w.groups[name]; g != nil {
			for _, r := range g.live {
				if r.may(func(s *state) bool { return s.phase == leased && s.at <= now }) {
					w.change(r, each(r.states, func(s state) state { return s.pass(&g.rules, now, w.over(r.msg)) }))
				}
			}
			g.tidy()
		}
	}
	w.silence(now)
}

// tidy drops what is settled from the lists of a group.
func (g *group) tidy() {
	g.live = slices.DeleteFunc(g.live, func(r *rec) bool {
		if r.is(isSettled) && r.before == nil {
			r.listed = false
		}
		return !r.listed
	})
	g.ttls = slices.DeleteFunc(g.ttls, func(r *rec) bool { return r.is(isSettled) && r.before == nil })
}

// change gives a record new states. While a fault may strike, the old ones are kept beside them.
func (w *world) change(r *rec, states []state) {
	if len(states) > 200 {
		w.violated("simulation", "a record has %d possible states", len(states))
	}
	if w.armed {
		if r.before == nil {
			w.touched = append(w.touched, r)
		}
		r.before = union(r.before, r.states...)
	}
	g := r.win.group
	if !r.listed {
		g.live, r.listed = append(g.live, r), true
	}
	wasHeld := r.is(isLeased)
	r.states = states
	if isHeld := r.is(isLeased); isHeld != wasHeld {
		if isHeld {
			g.held++
		} else {
			g.held--
		}
	}
}

// certain is called when everything that happened is known to be durable.
func (w *world) certain() {
	for _, r := range w.touched {
		r.before = nil
	}
	w.touched = w.touched[:0]
	w.settleMembers(false)
}

// uncertain is called when the broker died: what was not answered for may have happened or not.
func (w *world) uncertain() {
	w.armed = false
	for _, r := range w.touched {
		before := r.before
		r.before = nil
		if !r.win.gone {
			w.change(r, union(r.states, before...))
		}
	}
	w.touched = w.touched[:0]
	w.settleMembers(true)
}

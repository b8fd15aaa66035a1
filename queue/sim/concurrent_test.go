package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/store/memory"
)

// town is a broker that many clients use at once while its disk is slow and fails. What they saw is in its history.
type town struct {
	*history
	seed  uint64
	st    *memory.Store
	turns *turns
	tell  func(line string) // hears of everything that happens; nil = nobody listens

	mu   sync.RWMutex
	b    *queue.Broker
	done atomic.Bool // clients go home
}

// town's groups: one with key order, and one without.
var townGroups = []string{"ordered", "loose"}

const (
	townLease    = 3 * time.Second
	townAttempts = 4
	townTime     = 12 * time.Second // fake
	slowest      = 40 * time.Millisecond
)

func TestConcurrent(t *testing.T) {
	var mu sync.Mutex
	var all tally
	runs := 0
	began := time.Now()
	seeds(t, until(budget(t, 0.25)), func(seed uint64) bool {
		var n tally
		var err error
		inBubble(t, func() { n, err = live(seed, nil) })
		mu.Lock()
		defer mu.Unlock()
		all.add(n)
		runs++
		if err != nil {
			t.Errorf("seed %d (HOLT_SIM_SEED=%d): %v", seed, seed, err)
		}
		return err != nil
	})
	took := time.Since(began)
	t.Logf("%d runs in %v: %v (%.0f operations a second)", runs, took.Round(time.Millisecond), all, float64(all.operations())/took.Seconds())
	if all.handouts == 0 || all.restarts == 0 {
		t.Error("nothing was handed out, or nothing was restarted: the simulation does not do its work")
	}
}

// live runs a town for its time, heals it, drains it, and judges its history.
func live(seed uint64, tell func(line string)) (tally, error) {
	w := &town{history: newHistory(), seed: seed, st: memory.New(memory.Config{Seed: seed}), turns: newTurns(seed, tell), tell: tell}
	defer w.turns.end()
	w.open()
	w.found()
	var clients sync.WaitGroup
	for i := range 3 {
		clients.Go(func() { w.producer("p"+strconv.Itoa(i), rand.New(rand.NewPCG(seed, uint64(100+i)))) })
	}
	for i := range 8 {
		clients.Go(func() {
			w.member(townGroups[i%2], "m"+strconv.Itoa(i), rand.New(rand.NewPCG(seed, uint64(200+i))))
		})
	}
	clients.Go(func() { w.operator(rand.New(rand.NewPCG(seed, 300))) })
	w.chaos(rand.New(rand.NewPCG(seed, 400)))
	w.back("chaos", "is over")
	w.done.Store(true)
	clients.Wait()
	w.reopen(false)
	w.drain()
	w.turns.rest()
	w.judge()
	if err := w.b.Close(); err != nil {
		w.violated("shutdown", "close: %v", err)
	}
	return w.tally, w.err
}

// broker is for one of those that use it, when it is its turn.
func (w *town) broker(who string) *queue.Broker {
	w.turns.await(who)
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.b
}

// back is where one of them goes on after a call or a rest, when it is its turn again.
func (w *town) back(who, format string, args ...any) {
	w.turns.await(who)
	if w.tell != nil {
		w.tell(fmt.Sprintf("%v %s: %s", time.Now().UnixNano(), who, fmt.Sprintf(format, args...)))
	}
}

func (w *town) open() {
	b, err := queue.Open(context.Background(), spokenOf(w.st, w.tell), queue.Config{CacheBytes: 16 << 10, Turns: w.turns.await})
	if err != nil {
		panic(fmt.Sprintf("seed %d: open: %v", w.seed, err))
	}
	w.mu.Lock()
	w.b = b
	w.mu.Unlock()
}

// found makes the topic and the groups.
func (w *town) found() {
	ctx := context.Background()
	_, _, err := w.b.PutTopic(ctx, "t", queue.Condition{}, func(c queue.TopicConfig, _ bool) (queue.TopicConfig, error) {
		c.Partitions = 2
		return c, nil
	})
	for _, name := range townGroups {
		_, _, gerr := w.b.PutGroup(ctx, name, queue.Condition{}, func(c queue.GroupChange, _ bool) (queue.GroupChange, error) {
			c.Topics = []string{"t"}
			c.Config.Lease, c.Config.MaxAttempts, c.Config.Backoff.Initial = townLease, townAttempts, 200*time.Millisecond
			if name == "ordered" {
				c.Config.Ordering = catalog.OrderingKey
			}
			return c, nil
		})
		if err == nil {
			err = gerr
		}
	}
	if err != nil {
		w.violated("definitions", "%v", err)
	}
	w.slow()
}

// slow makes every commit take its time.
func (w *town) slow() {
	w.st.SetFaults(memory.Faults{BeforeDurable: w.delay})
}

func (w *town) delay(call uint64) {
	time.Sleep(time.Duration(rand.New(rand.NewPCG(w.seed, call)).Int64N(int64(slowest))))
	w.turns.await("disk")
}

// chaos lets commits fail and the power go, and opens the broker again, until the time is over.
func (w *town) chaos(rng *rand.Rand) {
	for end := time.Now().Add(townTime); time.Now().Before(end); {
		time.Sleep(time.Duration(rng.IntN(3000)) * time.Millisecond)
		w.back("chaos", "strikes")
		switch rng.IntN(4) {
		case 0:
			w.reopen(false)
			continue
		case 1:
			w.reopen(true)
			continue
		}
		fate := memory.Fate{Outcome: memory.Fence + memory.Outcome(rng.IntN(4)), Kill: rng.IntN(2) == 0}
		w.st.SetFaults(memory.Faults{BeforeDurable: w.delay, Commit: func(uint64) memory.Fate { return fate }})
		select {
		case <-w.b.Dead():
			w.back("chaos", "finds it dead")
			w.reopen(true)
		case <-time.After(30 * time.Second):
			w.violated("I16 progress", "no commit within 30 s")
		}
	}
}

// reopen replaces the broker, in order or as after a crash.
func (w *town) reopen(crash bool) {
	w.tally.restarts++
	old := w.b
	if crash {
		w.tally.faults++
		w.crashed(time.Now())
		w.st = w.st.Crash()
	}
	old.Stop()
	err := old.Close()
	if !crash {
		if err != nil {
			w.violated("shutdown", "close: %v", err)
		}
		w.st = w.st.Reopen()
	}
	w.slow()
	time.Sleep(50 * time.Millisecond)
	w.back("chaos", "opens, after a crash %v", crash)
	w.open()
}

// producer publishes until the clients go home.
func (w *town) producer(name string, rng *rand.Rand) {
	for !w.done.Load() {
		n := 1 + rng.IntN(4)
		b := w.broker(name)
		uids, msgs := w.sent(n, rng.IntN(6))
		places, _, err := b.Publish(context.Background(), "t", msgs, 0)
		w.back(name, "published %v to %v, %v", uids, places, err)
		w.published(uids, places, err, time.Now())
		time.Sleep(time.Duration(rng.IntN(60)) * time.Millisecond)
		w.back(name, "rested")
	}
}

// member leases, works, and settles in every way there is.
func (w *town) member(group, name string, rng *rand.Rand) {
	for polls := 0; !w.done.Load(); polls++ {
		req := queue.LeaseRequest{Max: 1 + rng.IntN(6), Member: name, Wait: time.Duration(rng.IntN(4)) * time.Second}
		ctx, cancel := context.WithCancel(context.Background())
		if rng.IntN(20) == 0 { // it goes away in mid poll
			gone := fmt.Sprint(name, " goes ", polls)
			time.AfterFunc(time.Duration(rng.IntN(800))*time.Millisecond, func() {
				w.turns.await(gone)
				cancel()
			})
		}
		b, called := w.broker(name), time.Now()
		ds, _, err := b.Lease(ctx, group, req)
		w.back(name, "leased from %s: %v, %v", group, summary(ds), err)
		cancel()
		w.leased(group, &req, ds, err, called, time.Now())
		if err != nil || len(ds) == 0 {
			time.Sleep(time.Duration(1+rng.IntN(100)) * time.Millisecond)
			w.back(name, "rested")
			continue
		}
		time.Sleep(time.Duration(rng.IntN(300)) * time.Millisecond)
		w.back(name, "worked")
		switch rng.IntN(14) {
		case 0: // dies with its leases
		case 1: // comes late
			time.Sleep(townLease)
			w.back(name, "comes late")
			w.settle(group, name, ds, rng)
		case 2: // asks twice
			w.settle(group, name, ds, rand.New(rand.NewPCG(1, 1)))
			w.settle(group, name, ds, rand.New(rand.NewPCG(1, 1)))
		default:
			w.settle(group, name, ds, rng)
		}
	}
}

// settle sends a verb for each delivery.
func (w *town) settle(group, name string, ds []queue.Delivery, rng *rand.Rand) {
	actions := make([]queue.Action, len(ds))
	for i, d := range ds {
		actions[i] = queueVerbs[ack]
		switch rng.IntN(12) {
		case 0, 1:
			actions[i] = queueVerbs[nack]
		case 2:
			actions[i] = queueVerbs[release]
		case 3:
			actions[i] = queueVerbs[reject]
		case 4:
			actions[i] = queueVerbs[extend]
		}
		actions[i].Receipt = d.Receipt
	}
	b := w.broker(name)
	calls := w.settling(group, ds, actions, time.Now())
	res, err := b.Settle(context.Background(), group, actions)
	w.back(name, "settled %v: %d and %d not, %v", calls, res.Settled, len(res.Failed), err)
	w.settled(group, calls, actions, res, err, time.Now())
}

// operator describes groups and changes what does not hold records back.
func (w *town) operator(rng *rand.Rand) {
	for !w.done.Load() {
		time.Sleep(time.Duration(rng.IntN(2000)) * time.Millisecond)
		name := townGroups[rng.IntN(2)]
		info, err := w.broker("operator").Group(context.Background(), name)
		if w.back("operator", "described %s: %+v, %v", name, info.Totals, err); err == nil {
			for _, p := range info.Partitions {
				if p.Lag != p.Available+p.Leased+p.Deferred || p.Start > p.End || p.End > p.LogEnd {
					w.violated("I7 conservation", "%s is %+v", name, p)
				}
			}
		}
		_, _, err = w.broker("operator").PutGroup(context.Background(), name, queue.Condition{}, func(c queue.GroupChange, _ bool) (queue.GroupChange, error) {
			c.Config.StrictLeases, c.Config.Backoff.Max = rng.IntN(3) == 0, time.Duration(1+rng.IntN(5))*time.Second
			return c, nil
		})
		w.back("operator", "changed %s: %v", name, err)
	}
}

// drain acks everything that is left.
func (w *town) drain() {
	w.st.SetFaults(memory.Faults{})
	for _, name := range townGroups {
		for end := time.Now().Add(3 * time.Minute); ; {
			info, err := w.broker("drain").Group(context.Background(), name)
			if err != nil || time.Now().After(end) {
				w.violated("I16 progress", "%s is not drained: %+v, %v", name, info.Totals, err)
				return
			}
			if info.Totals.Lag == 0 {
				w.lettersAre(name, info.Totals.DeadLetters)
				break
			}
			req := queue.LeaseRequest{Max: 100, Wait: 5 * time.Second}
			called := time.Now()
			ds, _, err := w.broker("drain").Lease(context.Background(), name, req)
			w.back("drain", "leased from %s: %v, %v", name, summary(ds), err)
			w.leased(name, &req, ds, err, called, time.Now())
			if len(ds) == 0 {
				continue
			}
			actions := make([]queue.Action, len(ds))
			for i, d := range ds {
				actions[i] = queue.Action{Receipt: d.Receipt, Verb: queue.Ack}
			}
			calls := w.settling(name, ds, actions, time.Now())
			res, err := w.broker("drain").Settle(context.Background(), name, actions)
			w.back("drain", "settled %v, %v", calls, err)
			w.settled(name, calls, actions, res, err, time.Now())
		}
	}
}

// judge reads what is stored and counts.
func (w *town) judge() {
	logs := map[place]int{}
	for p := range 2 {
		w.readAll("t", p, func(r *queue.Record) {
			uid, err := strconv.Atoi(string(r.Value))
			if err != nil {
				w.violated("I2 no phantom", "a record %q", r.Value)
				return
			}
			logs[place{p, r.Offset}] = uid
		})
	}
	w.stored(logs)
	for _, name := range townGroups {
		letters := map[int]time.Time{}
		if w.letterCount[name] > 0 {
			w.readAll(name+".dlq", 0, func(r *queue.Record) {
				uid, _ := strconv.Atoi(string(r.Value))
				if _, twice := letters[uid]; twice {
					w.violated("I8 dead letter once", "record %d has two letters in %s", uid, name)
				}
				letters[uid] = r.Timestamp
			})
		}
		w.conserved(name, logs, letters)
	}
}

// readAll reads a partition to its end.
func (w *town) readAll(topic string, p int, f func(*queue.Record)) {
	next := queue.Offset(0)
	for {
		res, err := w.b.Read(context.Background(), queue.ReadRequest{Topic: topic, Partition: p, From: queue.Position{Offset: next}})
		if err != nil {
			w.violated("I12 offsets", "read %s/%d at %d: %v", topic, p, next, err)
			return
		}
		if len(res.Records) == 0 {
			return
		}
		for i := range res.Records {
			if res.Records[i].Offset != next {
				w.violated("I12 offsets", "%s/%d: %d comes instead of %d", topic, p, res.Records[i].Offset, next)
			}
			next = res.Records[i].Offset + 1
			f(&res.Records[i])
		}
	}
}

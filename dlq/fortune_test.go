package dlq_test

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holtmq/holt/dlq"
	"github.com/holtmq/holt/dlq/letter"
	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/store/memory"
)

var (
	fortuneSeed = flag.Uint64("fortune", 0, "run only the fortune of this seed")
	fortunes    = flag.Int("fortunes", 120, "fortunes to run")
)

// fortune is a run of random deaths, redrives, jobs, purges, resets, restarts, crashes and faults, against what must be true of each record.
type fortune struct {
	*house
	r       *rand.Rand
	n       int            // records
	acked   map[int]bool   // for certain, and not to come again
	maybe   map[int]bool   // an ack of it, or a purge, may have been carried out
	settled map[string]int // by receipt: how often it was given
	single  int            // letters redriven one by one, for certain
	unsure  int            // and those that may have been
	resets  int
}

// TestFortunes runs many.
func TestFortunes(t *testing.T) {
	if *fortuneSeed != 0 {
		runFortune(t, *fortuneSeed)
		return
	}
	n := *fortunes
	if testing.Short() {
		n /= 4
	}
	for seed := uint64(1); seed <= uint64(n) && !t.Failed(); seed++ {
		runFortune(t, seed)
	}
}

func runFortune(t *testing.T, seed uint64) {
	synctest.Test(t, func(t *testing.T) {
		h := &house{t: t, st: memory.New(memory.Config{Seed: seed})}
		h.open()
		defer func() {
			h.dlq.Close()
			_ = h.Close()
			if t.Failed() {
				t.Logf("-fortune %d", seed)
			}
		}()
		f := &fortune{house: h, r: rand.New(rand.NewPCG(seed, 1)), acked: map[int]bool{}, maybe: map[int]bool{}, settled: map[string]int{}}
		h.topic("jobs", 2)
		h.group("g", []string{"jobs"}, func(c *queue.GroupConfig) {
			c.MaxAttempts, c.Lease = 1+f.r.IntN(3), 10*time.Second
			c.Backoff = catalog.Backoff{Initial: time.Second, Multiplier: 1, Max: time.Second}
			if f.r.IntN(2) == 0 {
				c.Ordering = catalog.OrderingKey
				if f.r.IntN(2) == 0 {
					c.OnDead = catalog.OnDeadHold
				}
			}
		})
		for range 40 + f.r.IntN(60) {
			f.step()
		}
		f.end()
	})
}

func (f *fortune) step() {
	switch x := f.r.IntN(100); {
	case x < 14:
		f.publishSome()
	case x < 48:
		f.work(f.r.IntN(12) + 1)
	case x < 58:
		f.redriveOne()
	case x < 66:
		f.startJob()
	case x < 70:
		f.purge()
	case x < 72:
		f.reset()
	case x < 76:
		f.again(nil)
	case x < 81:
		f.crash()
	case x < 84:
		f.faultyReads()
	default:
		time.Sleep(time.Duration(f.r.IntN(4000)) * time.Millisecond)
	}
}

func (f *fortune) publishSome() {
	var msgs []queue.Message
	for range 1 + f.r.IntN(5) {
		m := queue.Message{Value: []byte(fmt.Sprint(f.n)), ID: fmt.Sprint(f.n)}
		if f.r.IntN(3) > 0 {
			m.Key = []byte{'a' + byte(f.r.IntN(3))}
		}
		msgs = append(msgs, m)
		f.n++
	}
	_, _, err := f.Publish(f.ctx(), "jobs", msgs, 0)
	f.ok(err)
}

func (f *fortune) number(value []byte) (n int) {
	f.t.Helper()
	if _, err := fmt.Sscan(string(value), &n); err != nil || n >= f.n {
		f.t.Fatalf("nobody published %q", value)
	}
	return n
}

// work leases and settles, each record in its own way; some are left to expire.
func (f *fortune) work(n int) {
	ds, _, err := f.Lease(f.ctx(), "g", queue.LeaseRequest{Max: n, Member: "w"})
	if err != nil {
		return
	}
	for _, d := range ds {
		i := f.number(d.Record.Value)
		if f.acked[i] {
			f.t.Fatalf("record %d is delivered after its ack", i)
		}
		if f.settled[d.Receipt]++; f.settled[d.Receipt] > 1 {
			f.t.Fatalf("a receipt of record %d is given twice", i)
		}
		verb := queue.Action{Verb: [...]queue.Verb{queue.Ack, queue.Ack, queue.Nack, queue.Reject, queue.Release}[f.r.IntN(5)]}
		if f.r.IntN(8) == 0 {
			continue
		}
		if verb.Verb == queue.Nack || verb.Verb == queue.Reject {
			verb.Error = &queue.WorkerError{Message: fmt.Sprintf("no %d", i%4)}
		}
		err := f.trySettle("g", verb, d)
		if verb.Verb == queue.Ack {
			f.acked[i] = err == nil
			f.maybe[i] = f.maybe[i] || err != nil && !errors.Is(err, queue.ErrLeaseLost)
		}
	}
}

func (f *fortune) someLetter() (l dlq.Letter, ok bool) {
	p, err := f.dlq.List(f.ctx(), "g", letter.Filter{State: letter.State(f.r.IntN(3) / 2 * 2)}, dlq.Mark{}, 1000)
	if err != nil || len(p.Items) == 0 {
		return l, false
	}
	return p.Items[f.r.IntN(len(p.Items))], true
}

func (f *fortune) redriveOne() {
	l, ok := f.someLetter()
	if !ok {
		return
	}
	e := dlq.Edit{SetHeaders: f.r.IntN(3) == 0, Delay: time.Duration(f.r.IntN(3)) * time.Second / 2}
	if e.SetHeaders { // the body goes another way, and must be the same
		e.SetValue, e.Value = true, l.Value
	}
	switch _, err := f.dlq.Redrive(f.ctx(), "g", l.ID, e); {
	case err == nil:
		f.single++
	case errors.Is(err, queue.ErrUnknown):
		f.unsure++
	}
}

func (f *fortune) choice() dlq.Choice {
	c := dlq.Choice{All: true, Filter: letter.Filter{State: letter.Open}, Limit: f.r.IntN(6)}
	if f.r.IntN(2) == 0 {
		c.Filter.Error = fmt.Sprint("no ", f.r.IntN(4))
	}
	return c
}

func (f *fortune) startJob() {
	p := dlq.Plan{Rate: float64(f.r.IntN(3)) * 2, Ramp: f.r.IntN(4) == 0}
	if f.r.IntN(3) == 0 {
		p.StopOnRedeath = 0.5
	}
	j, err := f.dlq.Start(f.ctx(), "g", f.choice(), p)
	if err == nil && f.r.IntN(6) == 0 {
		time.Sleep(time.Second)
		_ = f.dlq.Cancel(f.ctx(), j.ID)
	}
}

func (f *fortune) purge() {
	if _, err := f.dlq.Purge(f.ctx(), "g", f.choice()); err != nil && !errors.Is(err, queue.ErrUnknown) && !errors.Is(err, queue.ErrUnavailable) && !errors.Is(err, store.ErrCorrupt) {
		f.t.Fatalf("purge: %v", err)
	}
}

// reset goes back or forth; what comes again is not settled any more, and letters from there on are closed.
func (f *fortune) reset() {
	to := queue.Position{Offset: queue.Offset(f.r.IntN(f.n + 1)), Earliest: f.r.IntN(3) == 0}
	if _, err := f.Reset(f.ctx(), "g", queue.ResetRequest{To: to}); err == nil || errors.Is(err, queue.ErrUnknown) {
		f.resets++
		for i := range f.n { // going forward, what is skipped is settled
			f.maybe[i] = true
		}
		clear(f.acked)
	}
}

// again closes everything and opens it on what is durable.
func (f *fortune) again(faults func()) {
	f.dlq.Close()
	_ = f.Close()
	f.st = f.st.Crash()
	f.st.SetFaults(memory.Faults{})
	if faults != nil {
		faults()
	}
	f.open()
}

// crash does some things on a store that ends after some commits.
func (f *fortune) crash() {
	left := f.r.IntN(8)
	f.st.SetFaults(memory.Faults{Commit: func(uint64) memory.Fate {
		if left--; left >= 0 {
			return memory.Fate{}
		}
		return memory.Fate{Outcome: memory.UnknownSome, Kill: true}
	}})
	for range 4 {
		switch f.r.IntN(5) {
		case 0:
			f.redriveOne()
		case 1:
			f.startJob()
		case 2:
			f.purge()
		default:
			f.work(6)
		}
		time.Sleep(time.Duration(f.r.IntN(700)) * time.Millisecond)
	}
	synctest.Wait()
	f.again(nil)
}

// faultyReads lets some reads fail for a while.
func (f *fortune) faultyReads() {
	r := rand.New(rand.NewPCG(f.r.Uint64(), 2))
	var turn = make(chan struct{}, 1)
	f.st.SetFaults(memory.Faults{Read: func(string, store.LogID, store.Offset) error {
		turn <- struct{}{}
		defer func() { <-turn }()
		if r.IntN(4) == 0 {
			return fmt.Errorf("a fault: %w", store.ErrCorrupt)
		}
		return nil
	}})
	f.work(4)
	f.redriveOne()
	f.startJob()
	time.Sleep(2 * time.Second)
	f.st.SetFaults(memory.Faults{})
}

// end lets everything come to rest, and asks what became of each record.
func (f *fortune) end() {
	f.st.SetFaults(memory.Faults{})
	jobs, err := f.dlq.Jobs(f.ctx(), "", 1000) // also those whose making nobody was told of
	f.ok(err)
	for _, j := range jobs {
		f.ok(f.dlq.Cancel(f.ctx(), j.ID))
	}
	time.Sleep(time.Minute)
	synctest.Wait()
	redrives := f.single
	for _, j := range jobs {
		j, err := f.dlq.Job(f.ctx(), j.ID, 0)
		f.ok(err)
		if j.State == "running" || j.Redriven+j.Skipped > j.Matched || j.Succeeded+j.DiedAgain > j.Redriven {
			f.t.Fatalf("job %+v", j)
		}
		redrives += j.Redriven
	}
	open, purged, counted := map[int]bool{}, map[int]bool{}, 0
	for _, s := range []letter.State{letter.Open, letter.Redriven, letter.Purged} {
		for _, l := range f.list("g", letter.Filter{State: s}).Items {
			i := f.number(l.Value)
			if open[i] || purged[i] {
				f.t.Fatalf("record %d has two letters", i)
			}
			open[i], purged[i] = s == letter.Open, s == letter.Purged
			counted += l.Redrives
		}
	}
	if f.resets == 0 && (counted < redrives || counted > redrives+f.unsure) {
		f.t.Fatalf("letters were redriven %d times, jobs and calls say %d to %d", counted, redrives, redrives+f.unsure)
	}
	if n := f.totals("g").DeadLetters; int(n) != len(f.list("g", letter.Filter{State: letter.Open}).Items) {
		f.t.Fatalf("%d open letters are counted", n)
	}
	f.account(open, purged)
}

// account drains the group, and says that each record is in one place.
func (f *fortune) account(open, purged map[int]bool) {
	before := f.totals("g")
	left := map[int]int{}
	for range 200 {
		ds := f.lease("g", 100, 3*time.Second)
		if len(ds) == 0 && f.totals("g").Deferred == 0 {
			break
		}
		f.settle("g", ack, ds...)
		for _, d := range ds {
			left[f.number(d.Record.Value)]++
		}
	}
	after := f.totals("g")
	for i := range f.n {
		switch {
		case left[i] > 1:
			f.t.Fatalf("record %d came %d times at the end", i, left[i])
		case left[i] == 1 && open[i]:
			f.t.Fatalf("record %d is both to be delivered and an open letter", i)
		case left[i] == 1 && f.acked[i]:
			f.t.Fatalf("record %d came after its ack", i)
		case open[i] && f.acked[i]:
			f.t.Fatalf("record %d is a letter after its ack", i)
		case left[i] == 0 && !open[i] && !purged[i] && !f.acked[i] && !f.maybe[i] && after.Lag == 0:
			f.t.Fatalf("record %d is nowhere; before the drain %+v", i, before)
		}
	}
}

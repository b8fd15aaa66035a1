package commit

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/store/memory"
)

// bench is a committer on a memory store with open logs, inside a bubble.
type bench struct {
	*Committer
	ran chan error
}

func inBubble(t *testing.T, logs int, faults memory.Faults, fn func(t *testing.T, b *bench)) {
	synctest.Test(t, func(t *testing.T) {
		st := memory.New(memory.Config{Faults: faults})
		for id := range logs {
			if _, err := st.Open(t.Context(), store.LogID(id+1)); err != nil {
				t.Fatal(err)
			}
		}
		b := &bench{Committer: New(st, nil), ran: make(chan error, 1)}
		defer b.Close()
		fn(t, b)
	})
}

// run starts the committer: what was enqueued before goes out together.
func (b *bench) run() { go func() { b.ran <- b.Run() }() }

func delta(log store.LogID, seq uint64, bytes int) Part {
	return Part{Log: log, Entries: []store.Entry{{Journal: "j", Kind: store.Delta, Seq: seq, Bytes: make([]byte, bytes)}}}
}

// records appends n values of some bytes at base.
func records(log store.LogID, base record.Offset, n, bytes int) Part {
	p := Part{Log: log, Base: base}
	for i := range n {
		p.Records = append(p.Records, record.Record{Offset: base + record.Offset(i), Value: make([]byte, bytes), Timestamp: time.UnixMilli(1)})
	}
	return p
}

func TestTicketsOfAFailedCommitFail(t *testing.T) {
	fail := memory.Faults{Commit: func(uint64) memory.Fate { return memory.Fate{Outcome: memory.UnknownAll} }}
	inBubble(t, 1, fail, func(t *testing.T, b *bench) {
		first := b.Enqueue(Unit{delta(1, 1, 1)})
		b.run()
		err := <-b.ran
		if !errors.Is(err, store.ErrUnknown) {
			t.Fatalf("run: %v", err)
		}
		for name, ticket := range map[string]Ticket{
			"of the failed unit": first, "of a later unit": b.Enqueue(Unit{delta(1, 2, 1)}), "of all": b.Last(),
		} {
			if err := b.Wait(t.Context(), ticket); !errors.Is(err, store.ErrUnknown) || ticket.Done() {
				t.Errorf("the ticket %s: %v, done %v", name, err, ticket.Done())
			}
		}
		if err := b.Room(t.Context()); !errors.Is(err, store.ErrUnknown) {
			t.Errorf("room: %v", err)
		}
	})
}

func TestCloseCommitsWhatWasEnqueuedAndRefusesTheRest(t *testing.T) {
	inBubble(t, 1, memory.Faults{}, func(t *testing.T, b *bench) {
		before := b.Enqueue(Unit{delta(1, 1, 1)})
		b.Close()
		b.run()
		if err := <-b.ran; err != nil {
			t.Fatal(err)
		}
		if err := b.Wait(t.Context(), before); err != nil || !before.Done() {
			t.Fatalf("enqueued before: %v", err)
		}
		if err := b.Wait(t.Context(), b.Last()); err != nil {
			t.Fatalf("all that was enqueued is durable: %v", err)
		}
		if err := b.Wait(t.Context(), b.Enqueue(Unit{delta(1, 2, 1)})); !errors.Is(err, ErrClosed) {
			t.Fatalf("enqueued after: %v", err)
		}
		if err := b.Wait(t.Context(), b.Last()); !errors.Is(err, ErrClosed) {
			t.Fatalf("what was refused is not durable: %v", err)
		}
	})
}

func TestCommitsWaitForTheirTurn(t *testing.T) {
	inBubble(t, 2, memory.Faults{}, func(t *testing.T, b *bench) {
		begin, who := make(chan struct{}), make(chan string, 9)
		b.Turns(func(name string) { who <- name; <-begin })
		b.run()
		first := b.Enqueue(Unit{delta(1, 1, 1)})
		synctest.Wait()
		second := b.Enqueue(Unit{delta(2, 1, 1)})
		if got := <-who; got != "commit" || first.Done() {
			t.Fatalf("it is the turn of %q; durable before its turn: %v", got, first.Done())
		}
		begin <- struct{}{}
		synctest.Wait()
		if !first.Done() || !second.Done() || b.Stats().Commits != 1 {
			t.Errorf("durable: %v, %v, in %d commits; what came before the turn is one", first.Done(), second.Done(), b.Stats().Commits)
		}
		if b.Close(); len(who) != 0 {
			t.Errorf("%q asks for a turn, and there is nothing to commit", <-who)
		}
	})
}

// TestNoCommitBeginsWithoutATurn enqueues when the committer looks for more, at the moment when it has found nothing too.
func TestNoCommitBeginsWithoutATurn(t *testing.T) {
	inBubble(t, 1, memory.Faults{}, func(t *testing.T, b *bench) {
		var turns uint64
		b.Turns(func(string) { turns++ })
		b.run()
		const units = 40_000
		for i := range uint64(units) {
			for ticket := b.Enqueue(Unit{delta(1, i+1, 1)}); !ticket.Done(); {
				runtime.Gosched()
			}
		}
		b.Close()
		if err := <-b.ran; err != nil || b.Stats().Units != units || b.Stats().Commits != turns {
			t.Errorf("%v; %d units in %d commits, in %d turns", err, b.Stats().Units, b.Stats().Commits, turns)
		}
	})
}

func TestCallsGoOnInTurn(t *testing.T) {
	inBubble(t, 1, memory.Faults{}, func(t *testing.T, b *bench) {
		begin, who, wentOn := make(chan struct{}), make(chan string, 9), make(chan error, 2)
		b.Turns(func(name string) { who <- name; <-begin })
		b.run()
		done := b.Enqueue(Unit{delta(1, 1, 1)})
		ctx, cancel := context.WithCancel(t.Context())
		go func() { wentOn <- b.Wait(t.Context(), done) }()
		synctest.Wait()
		go func() { wentOn <- b.Wait(ctx, done) }()
		synctest.Wait()
		cancel()
		synctest.Wait()
		if first, second := <-who, <-who; first != "commit" || second != "wait for a commit 2" || len(wentOn) != 0 {
			t.Fatalf("it is the turn of %q and %q; %d calls went on before theirs", first, second, len(wentOn))
		}
		begin <- struct{}{}
		begin <- struct{}{}
		if third := <-who; third != "wait for a commit 1" {
			t.Fatalf("it is the turn of %q", third)
		}
		begin <- struct{}{}
		if one, other := <-wentOn, <-wentOn; errors.Is(one, context.Canceled) == errors.Is(other, context.Canceled) {
			t.Errorf("the calls end with %v and %v", one, other)
		}
		if err := b.Wait(ctx, done); err != nil || len(who) != 0 {
			t.Errorf("a call that has not to wait: %v, and %d ask for a turn", err, len(who))
		}
	})
}

func TestMergedUnitsKeepTheStoresLimits(t *testing.T) {
	const mib = 1 << 20
	tests := []struct {
		name  string
		units []Unit
	}{
		{"entries beside the largest publish", []Unit{{delta(1, 1, 60<<10)}, {delta(1, 2, 60<<10)}, {records(1, 0, 16, 1_042_000)}}},
		{"a large publish after a small one", []Unit{{records(1, 0, 3, mib)}, {records(1, 3, 12, mib)}, {delta(1, 1, 64<<10)}}},
		{"thousands of parts", func() (all []Unit) {
			for i := range uint64(5000) {
				all = append(all, Unit{delta(1, i+1, 100)})
			}
			return all
		}()},
		{"a unit over two logs between single ones", []Unit{{delta(1, 1, 1)}, {delta(2, 1, 1), delta(1, 2, 1)}, {delta(1, 3, 1)}, {delta(2, 2, 1)}}},
		{"a drop ends what is merged", []Unit{{delta(1, 1, 1)}, {{Log: 1, Drop: true}}}},
		{"nothing at all", []Unit{{}, nil}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, 2, memory.Faults{}, func(t *testing.T, b *bench) {
				for _, u := range tt.units {
					b.Enqueue(u)
				}
				last := b.Last()
				b.run()
				if err := b.Wait(t.Context(), last); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

func TestAssembleKeepsRequestsTogetherAndMergesSmallOnes(t *testing.T) {
	tests := []struct {
		name  string
		units []Unit
		want  string // batches by number of records, units apart
	}{
		{"small requests share a batch", []Unit{{records(1, 0, 1, 10)}, {records(1, 1, 2, 10)}}, "[3]"},
		{"a request of 1,024 records fills one", []Unit{{records(1, 0, 1024, 1)}, {records(1, 1024, 1, 1)}}, "[1024 1]"},
		{"a large request stays whole", []Unit{{records(1, 0, 1, 10)}, {records(1, 1, 5, 100<<10)}}, "[1 5]"},
		{"over a MiB it is cut", []Unit{{records(1, 0, 3, 600<<10)}}, "[1 1 1]"},
		{"two logs, two units", []Unit{{records(1, 0, 1, 1)}, {records(2, 0, 1, 1)}, {records(1, 1, 1, 1)}}, "[2] [1]"},
		{"a unit over two logs stays itself", []Unit{{records(1, 0, 1, 1)}, {records(1, 1, 1, 1), records(2, 0, 1, 1)}, {records(1, 2, 1, 1)}}, "[1] [1 1] [1]"},
	}
	for _, tt := range tests {
		for _, u := range tt.units {
			cost(u)
		}
		p, err := assemble(tt.units)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		var got string
		for _, u := range p.units {
			var sizes []int
			for _, e := range u {
				for _, b := range e.Append {
					sizes = append(sizes, int(b.Last-b.Base+1))
				}
			}
			if got != "" {
				got += " "
			}
			got += fmt.Sprint(sizes)
		}
		if got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// sink notes what it was told, and whether it was told before the ticket was done.
type sink struct {
	ends  []record.Offset
	early atomic.Pointer[Ticket]
	late  bool
}

func (s *sink) Durable(batches []store.Batch) {
	s.late = s.late || s.early.Load().Done()
	s.ends = append(s.ends, batches[len(batches)-1].Last+1)
}

func TestSinksHearInOrderBeforeTheTicketIsDone(t *testing.T) {
	s := &sink{}
	slow := memory.Faults{BeforeDurable: func(uint64) { time.Sleep(time.Millisecond) }}
	inBubble(t, 1, slow, func(t *testing.T, b *bench) {
		for i := range 3 {
			p := records(1, record.Offset(i), 1, 10)
			p.Sink = s
			ticket := b.Enqueue(Unit{p})
			s.early.Store(&ticket)
			if i == 0 {
				b.run()
			}
			if err := b.Wait(t.Context(), ticket); err != nil {
				t.Fatal(err)
			}
		}
		if got := fmt.Sprint(s.ends); got != "[1 2 3]" || s.late {
			t.Errorf("told %s, late %v", got, s.late)
		}
		if got := b.Stats(); got.Records != 3 || got.Units != 3 || got.Commits != 3 {
			t.Errorf("stats %+v", got)
		}
	})
}

func TestLaterIsTheTicketDoneLast(t *testing.T) {
	first, second := Ticket{&group{n: 1}}, Ticket{&group{n: 2}}
	failed := failedTicket(errors.New("x"))
	for _, tt := range []struct{ a, b, want Ticket }{
		{Ticket{}, Ticket{}, Ticket{}}, {Ticket{}, first, first}, {first, Ticket{}, first},
		{first, second, second}, {second, first, second}, {second, failed, failed}, {failed, second, failed},
	} {
		if got := tt.a.Later(tt.b); got != tt.want {
			t.Errorf("%v later %v: %v", tt.a.g, tt.b.g, got.g)
		}
	}
}

func TestLateIsWhatWaitsLongerThanAge(t *testing.T) {
	release := make(chan struct{})
	slow := memory.Faults{BeforeDurable: func(uint64) { <-release }}
	inBubble(t, 1, slow, func(t *testing.T, b *bench) {
		release = make(chan struct{})
		if !b.Late(0).Done() {
			t.Fatal("late without anything under way")
		}
		b.Enqueue(Unit{delta(1, 1, 1)})
		b.run()
		time.Sleep(100 * time.Millisecond)
		if !b.Late(100 * time.Millisecond).Done() {
			t.Error("late at the limit")
		}
		time.Sleep(time.Millisecond)
		late := b.Late(100 * time.Millisecond)
		if late.Done() {
			t.Error("not late over the limit")
		}
		close(release)
		if err := b.Wait(t.Context(), late); err != nil || !b.Late(0).Done() {
			t.Errorf("after the commit: %v", err)
		}
	})
}

func TestRoomWaitsForTheDisk(t *testing.T) {
	var release chan struct{}
	slow := memory.Faults{BeforeDurable: func(uint64) { <-release }}
	inBubble(t, 1, slow, func(t *testing.T, b *bench) {
		release = make(chan struct{})
		for i := range 5 {
			b.Enqueue(Unit{records(1, record.Offset(i*15), 15, 1<<20)})
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.Room(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("75 MiB enqueued: %v", err)
		}
		b.run()
		close(release)
		if err := b.Room(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

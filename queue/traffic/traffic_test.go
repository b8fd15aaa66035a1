package traffic

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/store/memory"
	"github.com/holtmq/holt/queue/system"
)

// run opens a table over a store, lets fn use it, and ends it as a broker does.
func run(t *testing.T, st *memory.Store, living func(Kind) map[uint64]bool, fn func(*Table)) {
	t.Helper()
	c := commit.New(st, nil)
	log := system.New(c)
	table := Keep(log, c)
	stray, err := log.Open(t.Context(), st)
	if err != nil || len(stray) > 0 {
		t.Fatal(stray, err)
	}
	var work, background sync.WaitGroup
	work.Go(func() {
		if err := c.Run(); err != nil {
			t.Error(err)
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	background.Go(func() { table.Run(ctx, living) })
	fn(table)
	cancel()
	background.Wait()
	log.Close()
	c.Close()
	work.Wait()
}

// size is how many clients are remembered.
func (t *Table) size() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.total
}

func always(Kind) map[uint64]bool { return map[uint64]bool{1: true, 2: true} }

func names(all []Seen) (out []string) {
	for _, s := range all {
		out = append(out, s.Name)
	}
	return out
}

func TestSeenSurvivesRestartsForADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := memory.New(memory.Config{})
		run(t, st, always, func(table *Table) {
			table.Saw(Produces, 1, "shop", 10)
			table.Saw(Produces, 1, "shop", 5)
			table.Saw(Works, 1, "mailer", 1)
			table.Saw(Works, 2, "", 1)
			time.Sleep(61 * time.Second)
			if got := table.Clients(Produces, 1); len(got) != 1 || got[0].Name != "shop" || got[0].PerSecond != 0.25 {
				t.Errorf("%+v", got)
			}
			for range 6 {
				time.Sleep(10 * time.Second)
				table.Saw(Produces, 1, "shop", 20)
			}
			time.Sleep(time.Second)
			if got := table.Clients(Produces, 1)[0].PerSecond; got < 1.5 || got > 2 {
				t.Errorf("%v records a second", got)
			}
		})
		st = st.Crash()
		run(t, st, always, func(table *Table) {
			if got := table.Clients(Produces, 1); len(got) != 1 || time.Since(got[0].At) > 2*time.Minute {
				t.Errorf("after the restart: %+v", got)
			}
			if got := names(table.Clients(Works, 1)); len(got) != 1 {
				t.Errorf("after the restart: %v", got)
			}
			time.Sleep(Window - time.Hour)
			table.Saw(Works, 1, "late", 1)
			time.Sleep(2 * time.Hour)
			if got := names(table.Clients(Works, 1)); len(got) != 1 || got[0] != "late" {
				t.Errorf("a day later: %v", got)
			}
			if n := table.size(); n != 1 {
				t.Errorf("%d are remembered", n)
			}
		})
	})
}

func TestNamesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := memory.New(memory.Config{})
		gone := func(Kind) map[uint64]bool { return map[uint64]bool{1: true} }
		run(t, st, gone, func(table *Table) {
			for i := range 3 * MaxNames {
				table.Saw(Produces, 1, fmt.Sprint("client-", i), 1)
			}
			if got := table.Clients(Produces, 1); len(got) != MaxNames+1 || got[0].Name != Others {
				t.Errorf("%d names, the first is %q", len(got), got[0].Name)
			}
			for id := range uint64(2 * MaxTotal / MaxNames) {
				for i := range MaxNames {
					table.Saw(Works, id+100, fmt.Sprint(i), 1)
				}
			}
			if n := table.size(); n > MaxTotal+2*MaxTotal/MaxNames {
				t.Errorf("%d clients are remembered", n)
			}
			time.Sleep(2 * time.Minute) // groups are gone
			if got, n := len(table.Clients(Works, 100)), table.size(); got != 0 || n != MaxNames+1 {
				t.Errorf("of a group that is gone %d clients, of all %d", got, n)
			}
		})
		run(t, st.Crash(), gone, func(table *Table) {
			if got := len(table.Clients(Produces, 1)); got != MaxNames+1 {
				t.Errorf("after the restart %d names", got)
			}
		})
	})
}

func TestWhoIsSeenWhileOthersAreForgottenIsKept(t *testing.T) {
	c := commit.New(memory.New(memory.Config{}), nil)
	for range 100 {
		table := Keep(system.New(c), c)
		var seeing, forgetting sync.WaitGroup
		ctx, cancel := context.WithCancel(t.Context())
		for range 2 {
			forgetting.Go(func() {
				for ctx.Err() == nil {
					table.forget(time.Now().Add(-Window), always)
					runtime.Gosched()
				}
			})
		}
		for w := range 4 {
			seeing.Go(func() {
				for i := range MaxNames / 4 {
					table.Saw(Produces, 1, fmt.Sprint(w, "-", i), 1)
				}
			})
		}
		seeing.Wait()
		cancel()
		forgetting.Wait()
		if got := table.size(); got != MaxNames {
			t.Fatalf("%d were seen, %d are remembered", MaxNames, got)
		}
	}
}

func BenchmarkSaw(b *testing.B) {
	c := commit.New(memory.New(memory.Config{}), nil)
	table := Keep(system.New(c), c)
	b.ReportAllocs()
	for b.Loop() {
		table.Saw(Produces, 1, "shop/1.2", 1)
	}
}

func FuzzReplay(f *testing.F) {
	f.Add(appendSeen(nil, object{Produces, 300}, "shop", 29_000_000))
	f.Fuzz(func(_ *testing.T, b []byte) {
		t := &Table{objects: map[object]map[string]*client{}}
		_ = t.Replay(b)
	})
}

package memory

import (
	"testing"

	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/store/storetest"
)

// harness lets the suite restart a Store and fail its commits.
type harness struct{ s *Store }

func (h *harness) Store() store.Store { return h.s }

func (h *harness) Reopen(*testing.T) store.Store {
	h.s = h.s.Reopen()
	return h.s
}

func (h *harness) Crash(*testing.T) store.Store {
	h.s = h.s.Crash()
	return h.s
}

func TestConformance(t *testing.T) {
	storetest.Run(t, func(*testing.T) storetest.Harness { return &harness{New(Config{Seed: 1})} })
}

// FailCommit implements storetest.Injector: every outcome, with and without units that succeed, on a store that lives on and one that dies.
func (h *harness) FailCommit(_ *testing.T, variant int) {
	fate := Fate{
		Outcome: Fence + Outcome(variant%4),
		Done:    variant / 4 % 3,
		Kill:    variant/12%2 == 1,
	}
	old := *h.s.faults.Load()
	f := old
	f.Commit = func(uint64) Fate {
		h.s.SetFaults(old)
		return fate
	}
	h.s.SetFaults(f)
}

// Variants implements storetest.Injector.
func (h *harness) Variants() int { return 24 }

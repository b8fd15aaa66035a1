package memory

import (
	"testing"

	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/store/storetest"
)

// harness lets the suite restart a Store, fail its commits and hold them.
type harness struct{ s *Store }

func TestConformance(t *testing.T) {
	storetest.Run(t, func(*testing.T) storetest.Harness { return &harness{New(Config{Seed: 1})} })
}

// Store implements storetest.Harness.
func (h *harness) Store() store.Store { return h.s }

// Reopen implements storetest.Harness.
func (h *harness) Reopen(*testing.T) store.Store {
	h.s = h.s.Reopen()
	return h.s
}

// Crash implements storetest.Harness.
func (h *harness) Crash(*testing.T) store.Store {
	h.s = h.s.Crash()
	return h.s
}

// FailCommit implements storetest.Injector: every outcome, with and without units that succeed, on a store that lives on and one that dies.
func (h *harness) FailCommit(_ *testing.T, variant int) {
	fate := Fate{
		Outcome: Fence + Outcome(variant%4),
		Done:    variant / 4 % 3,
		Kill:    variant/12%2 == 1,
	}
	h.s.SetFaults(Faults{Commit: func(uint64) Fate {
		h.s.SetFaults(Faults{})
		return fate
	}})
}

// Variants implements storetest.Injector.
func (h *harness) Variants() int { return 24 }

// HoldCommit implements storetest.Holder.
func (h *harness) HoldCommit(*testing.T) (release func()) {
	held := make(chan struct{})
	h.s.SetFaults(Faults{BeforeDurable: func(uint64) {
		h.s.SetFaults(Faults{})
		<-held
	}})
	return func() { close(held) }
}

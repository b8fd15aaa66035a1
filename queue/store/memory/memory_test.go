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

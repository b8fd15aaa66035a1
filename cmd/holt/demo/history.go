package demo

import (
	"io"
	"slices"
	"sync"
)

// history is what the workers told, while the demo runs.
type history struct {
	mu        sync.Mutex
	started   int                        // workers so far, replacements too
	published map[string]int64           // when the publish of a path was begun, by machineClock
	leases    []leaseSeen                // in the order of their lines
	paths     map[string]string          // of receipts
	asked     map[string]bool            // receipts whose ack was sent, or about to be
	acks      map[string]span            // receipts whose ack was answered 200, and the first such call
	done      map[string]bool            // paths with such an ack
	held      map[string]map[string]bool // receipts a worker was given and has not settled
	troubles  []string                   // the last ones
	trouble   int                        // how many there were
	err       error                      // a line that was not understood
}

const keptTroubles = 20

// leaseSeen is a record that a worker was given.
type leaseSeen struct {
	handOut
	call span
}

// span is a time from before a call was sent to after its answer was read, by machineClock.
type span struct{ sent, at int64 }

func newHistory() *history {
	return &history{
		published: map[string]int64{}, paths: map[string]string{}, asked: map[string]bool{}, acks: map[string]span{},
		done: map[string]bool{}, held: map[string]map[string]bool{},
	}
}

// listen takes a worker's lines until it ends.
func (h *history) listen(worker string, stdout io.Reader) {
	err := readEvents(stdout, func(e event) { h.add(worker, e) })
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil && h.err == nil {
		h.err = err
	}
}

func (h *history) add(worker string, e event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	call := span{e.Sent, e.At}
	switch e.Kind {
	case kindLeased:
		h.lease(worker, e.Leases, call)
	case kindAsks:
		for _, r := range e.Acks {
			h.asked[r] = true
		}
	case kindSettled:
		for _, r := range e.Acks {
			if _, again := h.acks[r]; !again {
				h.acks[r] = call
				h.done[h.paths[r]] = true
			}
			delete(h.held[worker], r)
		}
		for _, r := range e.Others {
			delete(h.held[worker], r)
		}
	case kindTrouble:
		h.trouble++
		h.troubles = append(h.troubles[max(0, len(h.troubles)-keptTroubles+1):], worker+": "+e.Text)
	}
}

func (h *history) lease(worker string, handOuts []handOut, call span) {
	held := h.held[worker]
	if held == nil {
		held = map[string]bool{}
		h.held[worker] = held
	}
	for _, o := range handOuts {
		h.leases = append(h.leases, leaseSeen{o, call})
		h.paths[o.Receipt] = o.Path
		held[o.Receipt] = true
	}
}

func (h *history) publishing(jobs []job, now int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, j := range jobs {
		h.published[j.Path] = now
	}
}

func (h *history) nextWorker() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.started++
	return h.started
}

// progress is how many jobs have been acked and handed out again, and whether the workers' lines make sense.
func (h *history) progress() (done, handOuts int, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.done), len(h.leases), h.err
}

// holds is how many leases a worker is known to hold.
func (h *history) holds(worker string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.held[worker])
}

// evidence moves what was seen into e. Every worker has ended.
func (h *history) evidence(e *evidence) {
	h.mu.Lock()
	defer h.mu.Unlock()
	e.published, e.leases, e.paths, e.asked, e.acks = h.published, slices.Clip(h.leases), h.paths, h.asked, h.acks
	e.trouble, e.troubles = h.trouble, h.troubles
}

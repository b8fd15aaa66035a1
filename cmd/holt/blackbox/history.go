package blackbox

import (
	"bufio"
	"encoding/json"
	"io"
	"sync"
	"time"
)

// Op names a client call or a fault.
type Op string

// The client calls, the faults, and the readings at the end of a run.
const (
	Publish Op = "publish"
	Lease   Op = "lease"
	Ack     Op = "ack"
	Nack    Op = "nack"
	Release Op = "release"
	Reject  Op = "reject"
	Extend  Op = "extend"

	// Kill is a kill -9: Call before the signal, Ret when the process is gone.
	Kill Op = "kill"
	// Start is a start: Call before the process is made, Ret when it is ready.
	Start Op = "start"

	// Read is the whole of a topic at the end of the run.
	Read Op = "read"
	// Letters is the whole of a group's dead-letter topic at the end.
	Letters Op = "letters"
	// Final is what a group says of itself at the end.
	Final Op = "final"
)

// Outcome is what a caller knows of a call.
type Outcome string

const (
	// OK: 2xx.
	OK Outcome = "ok"
	// Fail: 4xx, certainly not applied.
	Fail Outcome = "fail"
	// Unknown: a timeout, a broken connection or 5xx.
	Unknown Outcome = "unknown"
)

// Event is one line of a history. Times are since the start of the run.
type Event struct {
	Client string        `json:"client"`
	Op     Op            `json:"op"`
	Group  string        `json:"group,omitempty"`
	Topic  string        `json:"topic,omitempty"`
	Call   time.Duration `json:"t_call"`
	Ret    time.Duration `json:"t_ret"`
	Out    Outcome       `json:"out"`
	Items  []Item        `json:"items,omitempty"`
	Totals *Totals       `json:"totals,omitempty"`
	// MaxAttempts is the limit of a group, in its final event; 0 is none.
	MaxAttempts int `json:"max_attempts,omitempty"`
	// Topics are what a group reads, in its final event.
	Topics []string `json:"topics,omitempty"`
	// Ordered: the group keeps key order, in its final event.
	Ordered bool `json:"ordered,omitempty"`
	// Acks are what the same call acked, of a publish within a settle.
	Acks []Item `json:"acks,omitempty"`
}

// Item is one record of a call: published, delivered, settled or read.
type Item struct {
	Topic     string `json:"topic,omitempty"`
	Partition int    `json:"partition"`
	Offset    int64  `json:"offset"`
	Key       string `json:"key,omitempty"`
	// Record names the record: the uuid of its payload.
	Record string `json:"record,omitempty"`
	CRC    uint32 `json:"crc,omitempty"`
	// Header is the record's header "producer".
	Header string `json:"header,omitempty"`
	// Timestamp is the append time in nanoseconds, where a reading has it.
	Timestamp int64 `json:"timestamp,omitempty"`

	// ID is the record's id, under which it was published until the outcome was known; Delay how long it was to wait.
	ID    string        `json:"id,omitempty"`
	Delay time.Duration `json:"delay,omitempty"`

	Receipt    string        `json:"receipt,omitempty"`
	Attempt    int           `json:"attempt,omitempty"`
	Deliveries int           `json:"deliveries,omitempty"`
	Lease      time.Duration `json:"lease,omitempty"`
	// For is an extend's new length, or a nack's delay.
	For time.Duration `json:"for,omitempty"`
	// Out and Code are one receipt's outcome within a settle that returned.
	Out  Outcome `json:"out,omitempty"`
	Code string  `json:"code,omitempty"`
	// Reason is why a dead letter died.
	Reason string `json:"reason,omitempty"`
}

// Totals are a group's own counts.
type Totals struct {
	Lag         int64 `json:"lag"`
	Available   int64 `json:"available"`
	Leased      int64 `json:"leased"`
	Deferred    int64 `json:"deferred"`
	DeadLetters int64 `json:"dead_letters"`
}

// History collects events of many clients. Its methods may be called at once.
type History struct {
	start time.Time

	mu     sync.Mutex
	events []Event
	out    *json.Encoder
	err    error
}

// Start is when the clock of the run started.
func (h *History) Start() time.Time { return h.start }

// NewHistory starts the clock of a run; every event is also a line of w.
func NewHistory(w io.Writer) *History {
	return &History{start: time.Now(), out: json.NewEncoder(w)}
}

// Cut returns what a witness at a moment of the run would know, on the same clock: what began later is not there, and what was under way has an unknown outcome.
// Everything that was under way must have been recorded by now.
func (h *History) Cut(w io.Writer, at time.Duration) *History {
	h.mu.Lock()
	defer h.mu.Unlock()
	cut := &History{start: h.start, out: json.NewEncoder(w)}
	for _, e := range h.events {
		if e.Call >= at {
			continue
		}
		if e.Ret > at {
			e.Out = Unknown
			e.Items = append([]Item(nil), e.Items...)
			if e.Op == Lease { // what came may be what was settled after the cut
				e.Items = nil
			}
			for i := range e.Items {
				e.Items[i].Out, e.Items[i].Code = Unknown, ""
			}
		}
		cut.events = append(cut.events, e)
	}
	return cut
}

// Now is the time since the start of the run.
func (h *History) Now() time.Duration { return time.Since(h.start) }

// Add records one event.
func (h *History) Add(e Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, e)
	if err := h.out.Encode(e); err != nil && h.err == nil {
		h.err = err
	}
}

// Events returns what was recorded, and the first error of writing it.
func (h *History) Events() ([]Event, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.events, h.err
}

// ReadHistory reads events back from their lines.
func ReadHistory(r io.Reader) ([]Event, error) {
	dec := json.NewDecoder(bufio.NewReader(r))
	var events []Event
	for {
		var e Event
		switch err := dec.Decode(&e); err {
		case nil:
			events = append(events, e)
		case io.EOF:
			return events, nil
		default:
			return events, err
		}
	}
}

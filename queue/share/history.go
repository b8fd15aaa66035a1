package share

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/holtmq/holt/lease"
	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
)

// maxHistory is how many attempts of a record are remembered, the newest ones.
const maxHistory = 10

// Attempt is one failed attempt of a record.
type Attempt struct {
	Attempt  int          `json:"attempt"`
	Delivery uint32       `json:"delivery"`
	At       int64        `json:"at"`   // ms: when it was handed out
	Took     int64        `json:"took"` // ms
	Member   string       `json:"member,omitempty"`
	Outcome  string       `json:"outcome"` // nacked, rejected, expired
	Error    *WorkerError `json:"error,omitempty"`
}

// What the failed attempts ended with.
const (
	outcomeNacked   = "nacked"
	outcomeRejected = "rejected"
	outcomeExpired  = "expired"

	expiredError = "the lease expired" // of an attempt nobody said anything about
)

// history is what a note keeps: the last attempts of a record, oldest first.
type history []Attempt

// place names a record of any of the group's windows.
type place struct {
	log store.LogID
	at  lease.Offset
}

// add appends an attempt; one of the same delivery (a provisional expiry) gives way to it.
func (h history) add(a Attempt) history {
	out := append(history(nil), h...)
	if n := len(out); n > 0 && out[n-1].Delivery == a.Delivery {
		out = out[:n-1]
	}
	if len(out) >= maxHistory {
		out = out[len(out)-maxHistory+1:]
	}
	return append(out, a)
}

// note encodes the history. If it is too large, stacks are left out, then all that workers said but of the newest attempt, the oldest first: what
// is cut to its limits grows at most six times over in JSON.
func (h history) note(j store.Journal, at lease.Offset) store.Note {
	return store.Note{Journal: j, At: record.Offset(at), Bytes: h.encode(store.MaxNoteBytes)}
}

// encode is note for so many bytes.
func (h history) encode(limit int) []byte {
	h = slices.Clone(h)
	for i := 0; ; i++ {
		b, err := json.Marshal(h)
		if err != nil {
			panic("a history has only strings and numbers: " + err.Error())
		}
		switch n := len(h); {
		case len(b) <= limit:
			return b
		case i < n:
			h[i].Error = h[i].Error.withoutStack()
		case i < 2*n-1:
			h[i-n].Error = nil
		default:
			panic("one attempt without its stack does not fit a note")
		}
	}
}

func (e *WorkerError) withoutStack() *WorkerError {
	if e == nil {
		return nil
	}
	short := *e
	short.Stack = ""
	return &short
}

// failure describes the attempt that a nack or reject ended.
func (g *Group) failure(now int64, c *claimed, r lease.Result, v lease.View) Attempt {
	a := Attempt{Attempt: r.Attempt, Delivery: c.claim.Delivery, At: v.LeasedAt, Took: now - v.LeasedAt, Member: v.Member, Outcome: outcomeNacked, Error: trimError(c.Error)}
	if c.Verb == lease.Reject {
		a.Outcome = outcomeRejected
	}
	if v.LeasedAt == 0 { // a hand-out that a crash forgot
		a.At, a.Took = now, 0
	}
	return a
}

// trimError cuts what a worker said to what is kept, with a mark where something was cut.
func trimError(e *WorkerError) *WorkerError {
	if e == nil {
		return nil
	}
	return &WorkerError{
		Type: cut(e.Type, MaxMessage), Message: cut(e.Message, MaxMessage),
		Stack: cut(e.Stack, MaxStack), Fingerprint: cut(e.Fingerprint, MaxMessage),
	}
}

const cutMark = "… (cut)"

func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	s = s[:limit-len(cutMark)]
	for range utf8.UTFMax - 1 { // not in the middle of a character
		if r, size := utf8.DecodeLastRuneInString(s); r != utf8.RuneError || size != 1 {
			break
		}
		s = s[:len(s)-1]
	}
	return s + cutMark
}

// pastFailures reads the notes of the records that actions are about to fail again. Until release is called what is written of them meanwhile is kept.
func (g *Group) pastFailures(ctx context.Context, claims []claimed) (past map[place]history, release func(), err error) {
	var failing []expiry
	var unread []bool
	g.mu.Lock()
	for i := range claims {
		c := &claims[i]
		if !c.valid || c.Verb != lease.Nack && c.Verb != lease.Reject || c.claim.Delivery == 1 { // nothing came before
			continue
		}
		if w := g.byLog[c.log]; w != nil {
			failing = append(failing, expiry{w, c.claim.Offset})
			unread = append(unread, g.attempts.begin(w.place(c.claim.Offset)))
		}
	}
	g.mu.Unlock()
	if len(failing) == 0 {
		return nil, func() {}, nil
	}
	release = func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		for _, e := range failing {
			g.attempts.end(e.window.place(e.at))
		}
	}
	past = map[place]history{}
	for i, e := range failing {
		if !unread[i] {
			continue
		}
		h, err := e.window.noted(ctx, e.at)
		if err != nil {
			release()
			return nil, nil, err
		}
		past[e.window.place(e.at)] = h
	}
	return past, release, nil
}

// noted reads a record's note.
func (w *window) noted(ctx context.Context, at lease.Offset) (history, error) {
	b, err := w.part.Log().Note(ctx, w.journal.Name(), record.Offset(at))
	if err != nil {
		return nil, fmt.Errorf("history of %s/%d at %d: %w", w.part.Topic, w.part.Index, at, err)
	}
	h, err := decodeHistory(b)
	if err != nil {
		return nil, fmt.Errorf("history of %s/%d at %d: %w", w.part.Topic, w.part.Index, at, err)
	}
	return h, nil
}

// decodeHistory reads a note; no bytes are no history.
func decodeHistory(b []byte) (h history, err error) {
	if len(b) == 0 {
		return nil, nil
	}
	if err := json.Unmarshal(b, &h); err != nil {
		return nil, fmt.Errorf("%w: %w", store.ErrCorrupt, err)
	}
	return h, nil
}

// maxUnitNotes is about how many bytes of notes go into one unit; more are enqueued in units of their own before the delta.
const maxUnitNotes = 128 << 10

// journalNotes enqueues notes and then what the window's machine did; the lock is held.
func (g *Group) journalNotes(w *window, notes []store.Note) commit.Ticket {
	return g.journal(w, g.enqueueNotes(w, notes)...)
}

// enqueueNotes enqueues notes in units of their own and returns the last of them, which are few; the lock is held.
func (g *Group) enqueueNotes(w *window, notes []store.Note) (rest []store.Note) {
	size, from := 0, 0
	for i, n := range notes {
		size += len(n.Bytes)
		if size > maxUnitNotes && !w.closed {
			g.env.Committer.Enqueue(commit.Unit{{Log: w.part.ID, Notes: notes[from : i+1]}})
			size, from = 0, i+1
		}
	}
	return notes[from:]
}

// History decodes the attempts that a letter carries, oldest first. Errors: store.ErrCorrupt.
func History(b []byte) ([]Attempt, error) { return decodeHistory(b) }

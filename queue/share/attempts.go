package share

import (
	"context"

	"github.com/holtmq/holt/lease"
	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/store"
)

// maxOwed is how many expiries of a group may wait for their notes; those beyond are missing in the histories.
const maxOwed = 10_000

// attempts is what a group knows of its records' attempts beyond the notes that are on stable storage. So nobody has to wait for a note to be read or to become
// durable: expiries are owed until the attempts before them were read, and what was written is kept until it can be read. The group's lock guards it.
type attempts struct {
	owed    map[place][]Attempt
	due     []expiry // whose notes are owed
	written map[place]written
	order   []place       // of written, oldest first
	reading map[place]int // whose notes are being read: what is written of them stays
	noting  bool          // somebody writes what is owed
}

// written is a history on its way to stable storage.
type written struct {
	history history
	ticket  commit.Ticket
	pending bool // not enqueued yet
}

// expiry is an attempt that ran out.
type expiry struct {
	window *window
	at     lease.Offset
}

func newAttempts() attempts {
	return attempts{owed: map[place][]Attempt{}, written: map[place]written{}, reading: map[place]int{}}
}

func (w *window) place(at lease.Offset) place { return place{w.part.ID, at} }

// owe takes note of an expiry.
func (a *attempts) owe(w *window, at lease.Offset, one Attempt) {
	if len(a.due) >= maxOwed {
		return
	}
	p := w.place(at)
	if len(a.owed[p]) == 0 {
		a.due = append(a.due, expiry{w, at})
	}
	a.owed[p] = append(a.owed[p], one)
}

// history returns all attempts of a record, given what its note says.
func (a *attempts) history(p place, noted history) history {
	if w, ok := a.written[p]; ok {
		noted = w.history
	}
	for _, one := range a.owed[p] {
		noted = noted.add(one)
	}
	return noted
}

// write takes a history that is about to be enqueued: nothing is owed any more.
func (a *attempts) write(p place, h history) {
	delete(a.owed, p)
	if _, again := a.written[p]; !again {
		a.order = append(a.order, p)
	}
	a.written[p] = written{history: h, pending: true}
	a.sweep()
}

// enqueued says which commit makes notes durable.
func (a *attempts) enqueued(log store.LogID, notes []store.Note, t commit.Ticket) {
	for i := range notes {
		p := place{log, lease.Offset(notes[i].At)}
		if w, ok := a.written[p]; ok {
			w.ticket, w.pending = t, false
			a.written[p] = w
		}
	}
}

// sweep forgets what can be read by now; a little at a time, so that it keeps up.
func (a *attempts) sweep() {
	for range min(4, len(a.order)) {
		p := a.order[0]
		w, ok := a.written[p]
		switch {
		case ok && (w.pending || !w.ticket.Done()):
			return
		case ok && a.reading[p] > 0:
			a.order = append(a.order, p)
		default:
			delete(a.written, p)
		}
		a.order = a.order[1:]
	}
}

// forget drops everything about a log's records.
func (a *attempts) forget(log store.LogID) {
	for p := range a.owed {
		if p.log == log {
			delete(a.owed, p)
		}
	}
	for p := range a.written {
		if p.log == log {
			delete(a.written, p)
		}
	}
}

// begin is called before a record's attempts are looked up: what is written of them stays until end. It says whether the note must be read.
func (a *attempts) begin(p place) (read bool) {
	a.reading[p]++
	_, known := a.written[p]
	return !known
}

func (a *attempts) end(p place) {
	if a.reading[p]--; a.reading[p] == 0 {
		delete(a.reading, p)
	}
}

// noteOwed starts to write the notes that are owed; the lock is held.
func (g *Group) noteOwed() {
	if g.attempts.noting || len(g.attempts.due) == 0 || g.closed {
		return
	}
	g.attempts.noting = true
	g.background("history", func() {
		for g.noteNext() {
		}
	})
}

// noteNext writes the first note that is owed; false if there is none, or the group closes.
func (g *Group) noteNext() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	a := &g.attempts
	if len(a.due) == 0 || g.ctx.Err() != nil {
		a.noting = false
		return false
	}
	e := a.due[0]
	a.due = a.due[1:]
	p := e.window.place(e.at)
	owed := a.owed[p]
	if len(owed) == 0 { // written with a later attempt
		return true
	}
	var noted history
	if _, known := a.written[p]; !known && owed[0].Delivery > 1 {
		a.begin(p)
		g.mu.Unlock()
		h, err := e.window.noted(g.ctx, e.at)
		g.mu.Lock()
		a.end(p)
		if err != nil {
			if g.ctx.Err() == nil {
				g.env.Logger.Error("a history cannot be read", "group", g.name, "error", err)
			}
			delete(a.owed, p)
			return true
		}
		noted = h
	}
	w := e.window
	if w.closed || len(a.owed[p]) == 0 || w.machine.View(e.at).State == lease.Settled {
		delete(a.owed, p)
		return true
	}
	h := a.history(p, noted)
	note := h.note(w.journal.Name(), e.at)
	a.write(p, h)
	a.enqueued(w.part.ID, []store.Note{note}, g.journalNotes(w, []store.Note{note}))
	return true
}

// history reads what the last attempts of a record were.
func (g *Group) history(ctx context.Context, w *window, at lease.Offset) (history, error) {
	p := w.place(at)
	g.mu.Lock()
	defer g.mu.Unlock()
	defer g.attempts.end(p)
	if !g.attempts.begin(p) {
		return g.attempts.history(p, nil), nil
	}
	g.mu.Unlock()
	h, err := w.noted(ctx, at)
	g.mu.Lock()
	return g.attempts.history(p, h), err
}

package share

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holtmq/holt/dlq/letter"
	"github.com/holtmq/holt/lease"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
)

// source is where the body of a redriven record is: in its letter, or where an edited redrive put it.
type source struct {
	part *partition.Partition // of the letter
	at   record.Offset
	edit record.Offset // in the group's own topic; −1 = not edited
	born int64         // ms
}

// source returns where a redriven record's body is; false if the group has it from the topic, as any other. The lock is held.
func (g *Group) source(at place) (source, bool) {
	e, l := g.letterAt(at)
	if e == nil || !g.live(e) {
		return source{}, false
	}
	s := source{part: l.part, at: e.letter, edit: -1, born: e.born}
	if edit, any := l.edits[at]; any {
		s.edit = edit
	}
	return s, true
}

// body reads the record that the group has at a place. Errors: record.ErrNotFound, store.ErrTrimmed, the store's.
func (g *Group) body(ctx context.Context, w *window, at lease.Offset) (record.Record, error) {
	return g.bodyBeside(ctx, w, at, new(*store.Damage))
}

// bodyBeside is body beside others, of which some damage of the partition may be known: what it takes is not read again. What is found of it is noted.
func (g *Group) bodyBeside(ctx context.Context, w *window, at lease.Offset, known **store.Damage) (record.Record, error) {
	g.mu.Lock()
	s, redriven := g.source(place{w.part.ID, at})
	g.mu.Unlock()
	if !redriven {
		if *known != nil && (*known).Takes(record.Offset(at)) {
			return record.Record{}, *known
		}
		rec, err := w.part.Find(ctx, record.Offset(at))
		errors.As(err, known)
		return rec, err
	}
	return g.redrivenBody(ctx, w, s, at)
}

// bodyOf is body for a record handed out, with the cursor of its partition.
func (g *Group) bodyOf(ctx context.Context, gr *grant, c *partition.Cursor) (record.Record, error) {
	if !gr.Redriven {
		return c.Find(ctx, record.Offset(gr.Offset))
	}
	return g.body(ctx, gr.window, gr.Offset)
}

func (g *Group) redrivenBody(ctx context.Context, w *window, s source, at lease.Offset) (record.Record, error) {
	part, from := s.part, s.at
	if s.edit >= 0 {
		own, err := g.env.Edited(ctx, g.name, false)
		if err != nil {
			return record.Record{}, err
		}
		if own == nil {
			return record.Record{}, fmt.Errorf("group %s: the topic of edited records is gone: %w", g.name, record.ErrNotFound)
		}
		part, from = own, s.edit
	}
	rec, err := part.Find(ctx, from)
	if s.edit < 0 && (errors.Is(err, record.ErrNotFound) || errors.Is(err, store.ErrTrimmed)) { // its topic is being deleted
		return w.part.Find(ctx, record.Offset(at))
	}
	if lost := letter.Lost(rec); s.edit < 0 && (errors.Is(err, store.ErrCorrupt) || err == nil && lost != "") {
		return w.lost(ctx, at, lost, err)
	}
	if err != nil {
		return rec, err
	}
	if s.edit < 0 {
		rec = letter.Body(rec)
	}
	rec.Offset = record.Offset(at)
	if s.born != 0 {
		rec.Timestamp = time.UnixMilli(s.born).UTC()
	}
	return rec, nil
}

// lost reads a redriven record that its letter does not hold, or that is damaged there (of): it may be read at its own place.
func (w *window) lost(ctx context.Context, at lease.Offset, why string, of error) (record.Record, error) {
	rec, err := w.part.Find(ctx, record.Offset(at))
	switch {
	case err == nil || why == letter.Gone:
		return rec, err
	case of != nil:
		return rec, of
	}
	return rec, fmt.Errorf("%s/%d at %d, which its letter does not hold: %w", w.part.Topic, w.part.Index, at, store.ErrCorrupt)
}

package memory

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/holtmq/holt/queue/store"
)

// handle is a log as one Open returned it. It implements store.Log and store.Filler.
//
// After the log died (store.ErrUnknown, store.ErrFenced) its methods return store.ErrFenced. After Drop all is trimmed.
type handle struct {
	store *Store
	id    store.LogID
	log   *log
	life  uint64
}

var (
	_ store.Log    = (*handle)(nil)
	_ store.Filler = (*handle)(nil)
)

// Bounds implements store.Log.
func (h *handle) Bounds() (start, end store.Offset, newest time.Time) {
	h.store.disk.mu.RLock()
	defer h.store.disk.mu.RUnlock()
	if h.log.end > 0 {
		newest = time.UnixMilli(h.log.newest).UTC()
	}
	return h.log.start, h.log.end, newest
}

// Read implements store.Log.
func (h *handle) Read(ctx context.Context, from store.Offset, maxBytes int) ([]store.Batch, error) {
	var out []store.Batch
	err := h.look(ctx, "read", from, func(l *log) (err error) {
		out, err = l.read(from, maxBytes)
		return err
	})
	if err == nil {
		out, err = h.whole(out, from)
	}
	if err != nil {
		return nil, fmt.Errorf("read log %d at %d: %w", h.id, from, err)
	}
	for i := range out {
		out[i].Bytes = bytes.Clone(out[i].Bytes)
	}
	return out, nil
}

// whole returns the batches before the first that is damaged.
func (h *handle) whole(batches []store.Batch, from store.Offset) ([]store.Batch, error) {
	damaged := h.store.faults.Load().Damaged
	if damaged == nil {
		return batches, nil
	}
	switch i := slices.IndexFunc(batches, func(b store.Batch) bool { return damaged(h.id, b.Base) }); {
	case i < 0:
		return batches, nil
	case i > 0:
		return batches[:i], nil
	}
	return nil, &store.Damage{From: from, Last: batches[0].Last, Err: store.ErrCorrupt}
}

// Fill implements store.Filler.
func (h *handle) Fill(ctx context.Context, from store.Offset, into []byte) ([]store.Batch, error) {
	out, err := h.Read(ctx, from, len(into))
	for i := range out {
		out[i].Bytes = append(into[:0:len(into)], out[i].Bytes...)
		into = into[min(len(out[i].Bytes), len(into)):]
	}
	return out, err
}

// OffsetForTime implements store.Log.
func (h *handle) OffsetForTime(ctx context.Context, t time.Time) (store.Offset, error) {
	var at store.Offset
	err := h.look(ctx, "time", 0, func(l *log) error {
		at = l.offsetForTime(t)
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("look up time in log %d: %w", h.id, err)
	}
	return at, nil
}

// Replay implements store.Log. Journals come in the order of their names.
func (h *handle) Replay(ctx context.Context, fn func(store.Entry) error) error {
	var live []store.Entry
	err := h.look(ctx, "replay", 0, func(l *log) error {
		for _, name := range slices.Sorted(maps.Keys(l.journals)) {
			live = l.journals[name].live(live, name)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("replay log %d: %w", h.id, err)
	}
	for _, e := range live {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("replay log %d: %w", h.id, err)
		}
		e.Bytes = bytes.Clone(e.Bytes)
		if err := fn(e); err != nil {
			return err
		}
	}
	return nil
}

// live appends the journal's live entries to dst.
func (j *journal) live(dst []store.Entry, name store.Journal) []store.Entry {
	for i, b := range j.pieces {
		dst = append(dst, store.Entry{Journal: name, Kind: store.Piece, Seq: j.at, Part: uint32(i), Bytes: b})
	}
	first := j.last - uint64(len(j.deltas)) + 1
	for i, b := range j.deltas {
		dst = append(dst, store.Entry{Journal: name, Kind: store.Delta, Seq: first + uint64(i), Bytes: b})
	}
	return dst
}

// Note implements store.Log. A note below the log's start is gone.
func (h *handle) Note(ctx context.Context, name store.Journal, at store.Offset) ([]byte, error) {
	var b []byte
	err := h.look(ctx, "note", at, func(l *log) error {
		if j := l.journals[name]; j != nil && at >= l.start {
			b = j.notes[at]
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("note %q of log %d at %d: %w", name, h.id, at, err)
	}
	return bytes.Clone(b), nil
}

// look runs fn on the log, beside other readers, after everything that may forbid it was asked.
func (h *handle) look(ctx context.Context, op string, at store.Offset, fn func(*log) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if read := h.store.faults.Load().Read; read != nil {
		if err := read(op, h.id, at); err != nil {
			return err
		}
	}
	h.store.disk.mu.RLock()
	defer h.store.disk.mu.RUnlock()
	if err := h.store.usable(); err != nil {
		return err
	}
	if h.life != h.log.life {
		return fmt.Errorf("%w: a commit failed, open the log again", store.ErrFenced)
	}
	return fn(h.log)
}

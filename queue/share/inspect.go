package share

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/holtmq/holt/dlq/letter"
	"github.com/holtmq/holt/lease"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
)

// Place names one record of the topics that a group reads.
type Place struct {
	Topic     string
	Partition int
	Offset    record.Offset
}

// Entry is one unsettled record as operators see it.
type Entry struct {
	Place
	Key        []byte // nil = none
	State      lease.State
	Attempt    int // the one running, or the next one
	Deliveries int
	Member     string    // of a leased one
	LeasedAt   time.Time // of a leased one: when it was handed out; zero = not known, as a crash forgot it
	ExpiresAt  time.Time // of a leased one
	DueAt      time.Time // of a deferred one
	Error      string    // of its last failed attempt
	Why        Why
}

// Why says what a record waits for; Code is one of the constants.
type Why struct {
	Code   WhyCode
	Detail string
	Behind record.Offset // of WaitsKey; −1 = not known
}

// WhyCode is what a record waits for.
type WhyCode string

// What a record can wait for.
const (
	WaitsNothing  WhyCode = "nothing" // somebody has only to lease it
	WaitsLease    WhyCode = "lease"
	WaitsBackoff  WhyCode = "backoff"
	WaitsKey      WhyCode = "key"
	WaitsRate     WhyCode = "rate"
	WaitsPaused   WhyCode = "paused"
	WaitsInflight WhyCode = "inflight"
	IsSettled     WhyCode = "settled"
)

// Detail is one record with its last attempts.
type Detail struct {
	Entry
	Outcome lease.Outcome // of a settled one; 0 = not known any more
	History []Attempt
}

// Records returns up to limit unsettled records in a state from a place on, by topic, partition and offset, and where to go on; nil at the end. With
// lease.Available also records that the group never considered yet. Errors: the store's.
func (g *Group) Records(ctx context.Context, state lease.State, from Place, limit int) (out []Entry, next *Place, err error) {
	for _, w := range g.windowsFrom(from) {
		at := record.Offset(0)
		if w.part.Topic == from.Topic && w.part.Index == from.Partition {
			at = from.Offset
		}
		if out, next, err = g.recordsIn(ctx, w, state, at, limit, out); next != nil || err != nil {
			return out, next, err
		}
	}
	return out, nil, nil
}

// recordsIn is Records for one window; it adds to out.
func (g *Group) recordsIn(ctx context.Context, w *window, state lease.State, at record.Offset, limit int, out []Entry) ([]Entry, *Place, error) {
	var known *store.Damage // a list may be of one damaged batch
	for {
		most := limit + 1 - len(out)
		views := g.views(w, state, at, most)
		for _, v := range views {
			place := Place{w.part.Topic, w.part.Index, record.Offset(v.Offset)}
			switch {
			case place.Offset < at: // in a hole
				continue
			case len(out) == limit:
				return out, &place, nil
			}
			e, err := g.entry(ctx, w, v, &known)
			at = place.Offset + 1
			if errors.Is(err, record.ErrNotFound) || errors.Is(err, store.ErrTrimmed) {
				at, err = afterHole(ctx, w.part, place.Offset)
			} else if err == nil {
				e.Why = g.whyNow(w, v)
				out = append(out, e)
			}
			if err != nil {
				return nil, nil, err
			}
		}
		if len(views) < most {
			return out, nil, nil
		}
	}
}

// afterHole returns the offset of the first record from at on, or the partition's end.
func afterHole(ctx context.Context, p *partition.Partition, at record.Offset) (record.Offset, error) {
	start, next := p.Bounds()
	err := p.Scan(ctx, max(at, start), holeChunk, func(r *record.Reader) error {
		next = r.Offset()
		return partition.Stop()
	})
	return next, err
}

// holeChunk is about how many bytes are read at a time behind a hole.
const holeChunk = 4 << 10

// windowsFrom returns the windows from a place on, by topic and partition.
func (g *Group) windowsFrom(from Place) []*window {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := slices.DeleteFunc(slices.Clone(g.windows), func(w *window) bool {
		return w.part.Topic < from.Topic || w.part.Topic == from.Topic && w.part.Index < from.Partition
	})
	slices.SortFunc(out, func(a, b *window) int {
		if a.part.Topic != b.part.Topic {
			if a.part.Topic < b.part.Topic {
				return -1
			}
			return 1
		}
		return a.part.Index - b.part.Index
	})
	return out
}

// views returns up to most records of a window in a state.
func (g *Group) views(w *window, state lease.State, from record.Offset, most int) (out []lease.View) {
	for at, more := lease.Offset(from), true; more && len(out) < most; {
		out, at, more = g.someViews(w, state, at, most, out)
	}
	return out
}

// someViews is views for about maxWalk records; it adds to out, and returns where to go on and whether there may be more.
func (g *Group) someViews(w *window, state lease.State, from lease.Offset, most int, out []lease.View) (_ []lease.View, next lease.Offset, more bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	out, at, more := w.machine.Views(from, state, most-len(out), maxWalk, out)
	if more || state != lease.Available {
		return out, at, more
	}
	end := lease.Offset(w.durableEnd())
	for at = max(at, from); at < end && len(out) < most; at++ { // what was never offered
		if v := w.machine.View(at); v.State == lease.Available {
			out = append(out, v)
		}
	}
	return out, at, false
}

// entry adds what the machine does not know: key, last error. A damaged record has no key, and says so where it has no error. known is as bodyBeside has it.
func (g *Group) entry(ctx context.Context, w *window, v lease.View, known **store.Damage) (Entry, error) {
	e := Entry{
		Place: Place{w.part.Topic, w.part.Index, record.Offset(v.Offset)},
		State: v.State, Attempt: v.Attempt, Deliveries: v.Deliveries,
	}
	if v.State == lease.Leased {
		e.Member, e.ExpiresAt = v.Member, g.env.Clock.Time(v.Deadline)
		if v.LeasedAt > 0 {
			e.LeasedAt = g.env.Clock.Time(v.LeasedAt)
		}
	}
	if v.State == lease.Deferred {
		e.DueAt = g.env.Clock.Time(v.Due)
	}
	r, err := g.bodyBeside(ctx, w, v.Offset, known)
	damaged := errors.Is(err, store.ErrCorrupt)
	if err != nil && !damaged {
		return e, err
	}
	e.Key = r.Key
	if v.Attempt > 1 {
		h, err := g.shownHistory(ctx, w, v.Offset)
		if err != nil {
			return e, err
		}
		e.Error = h.lastError()
	}
	if damaged && e.Error == "" {
		e.Error = letter.Damaged
	}
	return e, nil
}

// shownHistory is history for operators: a damaged one is as good as none.
func (g *Group) shownHistory(ctx context.Context, w *window, at lease.Offset) (history, error) {
	h, err := g.history(ctx, w, at)
	if errors.Is(err, store.ErrCorrupt) {
		err = nil
	}
	return h, err
}

// lastError returns what the last failed attempt ended with.
func (h history) lastError() string {
	if len(h) == 0 {
		return ""
	}
	last := h[len(h)-1]
	switch {
	case last.Error != nil:
		return last.Error.Message
	case last.Outcome == outcomeExpired:
		return expiredError
	}
	return ""
}

// Record returns one record with what it waits for. Errors: ErrNotAttached, record.ErrNotFound, store.ErrTrimmed, store.ErrOutOfRange.
func (g *Group) Record(ctx context.Context, at Place) (Detail, error) {
	g.mu.Lock()
	w := g.windowAt(at)
	if w == nil {
		g.mu.Unlock()
		return Detail{}, fmt.Errorf("group %s, %s/%d: %w", g.name, at.Topic, at.Partition, ErrNotAttached)
	}
	v := w.machine.View(lease.Offset(at.Offset))
	why := g.why(w, v)
	g.mu.Unlock()
	e, err := g.entry(ctx, w, v, new(*store.Damage))
	if err != nil {
		return Detail{}, err
	}
	e.Why = why
	h, err := g.shownHistory(ctx, w, v.Offset)
	return Detail{Entry: e, Outcome: v.Outcome, History: h}, err
}

// whyNow is why without the lock.
func (g *Group) whyNow(w *window, v lease.View) Why {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.why(w, v)
}

// why says what a record waits for; the lock is held.
func (g *Group) why(w *window, v lease.View) Why {
	now := g.env.Clock.Now()
	switch {
	case v.State == lease.Settled:
		return Why{Code: IsSettled, Detail: "it is settled in this group"}
	case v.State == lease.Leased:
		until := g.env.Clock.Time(v.Deadline).Format(time.RFC3339)
		if v.Member == "" {
			return Why{Code: WaitsLease, Detail: "it is leased until " + until}
		}
		return Why{Code: WaitsLease, Detail: fmt.Sprintf("member %q holds it until %s", v.Member, until)}
	case v.State == lease.Dying:
		return Why{Code: WaitsLease, Detail: "it was given up, and its dead letter is being written"}
	case v.Unread:
		return Why{Code: WaitsBackoff, Detail: fmt.Sprintf("it could not be read; it is read again at %s, and given up if it still cannot", g.env.Clock.Time(v.Due).Format(time.RFC3339))}
	case v.State == lease.Deferred:
		return Why{Code: WaitsBackoff, Detail: fmt.Sprintf("its next attempt is due at %s", g.env.Clock.Time(v.Due).Format(time.RFC3339))}
	case v.BehindKey:
		return Why{Code: WaitsKey, Detail: g.behind(w, v.Behind), Behind: record.Offset(v.Behind)}
	case g.def.Config.Paused:
		return Why{Code: WaitsPaused, Detail: "the group is paused"}
	case g.inflight >= g.def.Config.MaxInflight:
		return Why{Code: WaitsInflight, Detail: fmt.Sprintf("%d leases run, as many as max_inflight allows", g.inflight)}
	case g.rate.available(now, 1) == 0:
		return Why{Code: WaitsRate, Detail: "the group's rate is used up for the moment"}
	case w.machine.Full() && v.Offset >= w.machine.End():
		return Why{Code: WaitsInflight, Detail: fmt.Sprintf("%d records of the partition are unsettled, as many as a group keeps track of", lease.MaxUnresolved)}
	}
	return Why{Code: WaitsNothing, Detail: "the next lease can have it"}
}

// behind says what is with the record that holds another one's key back; < 0 = it is not known which. The lock is held.
func (g *Group) behind(w *window, at lease.Offset) string {
	if at < 0 {
		return "another record of the same key is in flight"
	}
	if e, _ := g.letterAt(w.place(at)); e != nil && e.state == letter.Open && w.machine.View(at).State == lease.Settled {
		return fmt.Sprintf("the record at offset %d of the same key is dead letter %s and holds the key: redrive or purge it", at, e.id())
	}
	return fmt.Sprintf("the record at offset %d of the same key is not finished", at)
}

// windowAt returns the window of a place, or nil; the lock is held.
func (g *Group) windowAt(at Place) *window {
	i := slices.IndexFunc(g.windows, func(w *window) bool { return w.part.Topic == at.Topic && w.part.Index == at.Partition })
	if i < 0 {
		return nil
	}
	return g.windows[i]
}

package share

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/holtmq/holt/dlq/letter"
	"github.com/holtmq/holt/lease"
	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
)

// Limits of one unit of dead letters.
const (
	maxBuryRecords = 200
	maxBuryBytes   = 4 << 20

	maxLetterHistory = 32 << 10 // bytes of the history that goes into a letter
)

// bury reads dying records outside the lock and enqueues one unit: letters appended, records settled. rest is what does not go into it. unread is told of what
// cannot be read, and says whether its letter is to be written without it; else it stays.
func (g *Group) bury(ctx context.Context, w *window, deaths []lease.Death, unread func(lease.Offset, error) bool) (rest []lease.Death, err error) {
	if g.env.Spent != nil && g.env.Spent() {
		return nil, ErrNoSpace
	}
	to, err := g.env.Letters(ctx, g.Definition())
	if err != nil {
		return nil, err
	}
	var letters []record.Record
	var dead []*entry
	var known *store.Damage // to be read once for all that it takes
	size, readable := 0, make([]lease.Death, 0, len(deaths))
	for i, d := range deaths {
		l, e, err := g.letter(ctx, w, d, &known, false)
		if err != nil && unread(d.Offset, err) {
			l, e, err = g.letter(ctx, w, d, &known, true)
		}
		if err != nil {
			continue
		}
		if size += l.Size(); size > maxBuryBytes && len(letters) > 0 {
			rest = deaths[i:]
			break
		}
		letters, dead, readable = append(letters, l), append(dead, e), append(readable, d)
	}
	if len(letters) == 0 {
		return rest, nil
	}
	return rest, g.buryRead(w, to, readable, letters, dead)
}

// historyDamaged is what a letter says when the record went into it, but not what its workers said.
const historyDamaged = "the record's history is damaged: what its workers said could not be read"

// letter reads a dying record and its history, and makes its letter and what is kept of that: with without, what is damaged is left out. The damage of the partition
// that is known is not read again, and what is found is noted.
func (g *Group) letter(ctx context.Context, w *window, d lease.Death, known **store.Damage, without bool) (record.Record, *entry, error) {
	leftOut := func(err error) bool { return without && errors.Is(err, store.ErrCorrupt) }
	lost := ""
	rec, err := g.bodyBeside(ctx, w, d.Offset, known)
	switch {
	case err == nil:
	case errors.Is(err, record.ErrNotFound) || errors.Is(err, store.ErrTrimmed):
		rec, lost = record.Record{}, letter.Gone
	case leftOut(err):
		rec, lost = record.Record{}, letter.Damaged
	default:
		return rec, nil, err
	}
	h, err := g.deathHistory(ctx, w, d)
	if leftOut(err) {
		lost, err = cmp.Or(lost, historyDamaged), nil
	}
	if err != nil {
		return rec, nil, err
	}
	o := g.origin(w, d, h)
	if lost != "" {
		o.Error, o.ErrorType, o.Fingerprint = lost, "", letter.Fingerprint("", "", lost)
	}
	info := letter.InfoOf(rec.Key, o)
	wrapped := letter.Wrap(rec, o)
	e := &entry{
		place: place{w.part.ID, d.Offset}, key: keyHash(rec.Key), size: uint32(letter.Body(wrapped).Size()), deliveries: d.Delivery,
		born: milliOf(rec.Timestamp), info: &info,
	}
	if letter.Lost(wrapped) != "" { // as the group knew it
		e.key, e.size = d.Key, d.Size
	}
	return wrapped, e, nil
}

// milliOf gives the milliseconds of a time; 0 = none.
func milliOf(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// buryRead enqueues the letters of records that are still dying.
func (g *Group) buryRead(w *window, to *partition.Partition, deaths []lease.Death, letters []record.Record, dead []*entry) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if w.closed || g.ending {
		return nil
	}
	if g.barred[to.ID] {
		return partition.ErrDropped
	}
	dest := partition.AppendTo{Partition: to}
	tx, err := partition.Begin(&dest)
	if err != nil {
		return err
	}
	kept, buried := letters[:0], dead[:0]
	for i, d := range deaths {
		if d.Epoch != w.machine.Epoch() || !w.machine.Bury(d.Offset) {
			continue // a reset came between
		}
		kept, buried = append(kept, letters[i]), append(buried, dead[i])
		info := dead[i].info
		info.Error, info.Fingerprint = g.texts.Of([]byte(info.Error)), g.texts.Of([]byte(info.Fingerprint))
	}
	if len(kept) == 0 {
		tx.Abort()
		return nil
	}
	edit, _ := g.edit(w)
	dest.Records = kept
	t := tx.Commit(g.env.Committer, g.env.Clock.Wall(), func() []commit.Part {
		return append(g.openLetters(to, buried, dest.Base), edit)
	})
	g.counters.DeadLettered += uint64(len(kept))
	g.free(w, t)
	g.serve()
	return nil
}

// deathHistory returns the attempts of a dying record, the last one too, which may be missing where its note could not be read.
func (g *Group) deathHistory(ctx context.Context, w *window, d lease.Death) (history, error) {
	h, err := g.history(ctx, w, d.Offset)
	if err != nil {
		return nil, err
	}
	if d.Reason == lease.ReasonMaxAttempts && (len(h) == 0 || h[len(h)-1].Delivery != d.Delivery) {
		h = h.add(Attempt{Attempt: d.Attempts, Delivery: d.Delivery, At: d.LeasedAt, Member: d.Member, Outcome: outcomeExpired})
	}
	return h, nil
}

// origin describes a death for its letter.
func (g *Group) origin(w *window, d lease.Death, h history) letter.Origin {
	o := letter.Origin{
		Group: g.name, Topic: w.part.Topic, Partition: w.part.Index, Offset: record.Offset(d.Offset),
		Attempts: d.Attempts, At: g.env.Clock.Time(g.env.Clock.Now()),
	}
	switch d.Reason {
	case lease.ReasonMaxAttempts:
		o.Reason = letter.MaxAttempts
	case lease.ReasonRejected:
		o.Reason = letter.Rejected
	case lease.ReasonTTL:
		o.Reason = letter.TTL
	}
	if len(h) > 0 {
		o.FirstAt = g.env.Clock.Time(h[0].At)
		last := h[len(h)-1]
		o.Member, o.Error = last.Member, h.lastError()
		if last.Error != nil {
			o.ErrorType, o.Fingerprint = last.Error.Type, last.Error.Fingerprint
		}
		o.History = h.encode(maxLetterHistory)
	}
	o.Fingerprint = letter.Fingerprint(o.Fingerprint, o.ErrorType, o.Error)
	return o
}

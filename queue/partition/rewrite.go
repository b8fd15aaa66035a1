package partition

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/journal"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
)

// Rewriting is one range of batches that is to have fewer records.
type Rewriting struct {
	Batch store.Batch   // covers exactly the batches it takes the place of; no Bytes: nothing is left
	Edge  record.Offset // the last of the first batch that goes
	Kept  int64         // records in it
	Was   int64         // bytes of the batches that go

	Entries []store.Entry // written in the same unit
	Notes   []store.Note
}

// Rewrite lets records go from the middle of the partition and returns when that is durable; false if the partition is dropped or begins behind the
// first of the batches. One call at a time, and none beside Retain: the caller's duty. Errors: the commit's.
func (p *Partition) Rewrite(ctx context.Context, c *commit.Committer, r Rewriting) (bool, error) {
	missing, err := p.missingFor(ctx, r.Batch.Base, r.Batch.Last)
	if err != nil {
		return false, err
	}
	p.mu.Lock()
	if start, end := p.Bounds(); p.dropped || r.Edge < start || r.Batch.Last >= end {
		p.mu.Unlock()
		return false, nil
	}
	g := p.gaps.grown(r.Batch.Base, r.Batch.Last, missing, r.Kept, r.Was-int64(len(r.Batch.Bytes)))
	entries := append(p.gaps.entries(g), r.Entries...)
	t := c.Enqueue(commit.Unit{{Log: p.ID, Rewrite: &r.Batch, Entries: entries, Notes: r.Notes}})
	p.mu.Unlock()
	// Not the caller's context: what is enqueued happens, and the cache has to hear of it.
	if err := c.Wait(context.WithoutCancel(ctx), t); err != nil {
		return false, err
	}
	p.cache.cut(p.ID, r.Batch.Last)
	return true, nil
}

// missingFor returns how many records of [base, last] are missing already. Only where gaps were put together does it read.
func (p *Partition) missingFor(ctx context.Context, base, last record.Offset) (n int64, err error) {
	p.mu.Lock()
	straddled := p.gaps.straddled(base, last)
	if !straddled {
		i, j := p.gaps.within(base, last)
		for _, g := range p.gaps.all[i:j] {
			n += g.missing()
		}
	}
	p.mu.Unlock()
	if straddled {
		return p.Missing(ctx, base, last+1)
	}
	return n, nil
}

// Write enqueues entries and notes of a journal on the partition's log; false, and nothing is written, if it is dropped.
func (p *Partition) Write(c *commit.Committer, entries []store.Entry, notes []store.Note) (commit.Ticket, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dropped {
		return commit.Ticket{}, false
	}
	return c.Enqueue(commit.Unit{{Log: p.ID, Entries: entries, Notes: notes}}), true
}

// Stored returns the batch that covers from and its successors as the store has them, up to about maxBytes, past the cache; none at the durable end. Errors: as Scan.
func (p *Partition) Stored(ctx context.Context, from record.Offset, maxBytes int) ([]store.Batch, error) {
	start, end := p.Bounds()
	if from < start {
		return nil, fmt.Errorf("read %s/%d at %d: %w", p.Topic, p.Index, from, store.ErrTrimmed)
	}
	if from >= end {
		return nil, nil
	}
	batches, err := p.log.Read(ctx, from, maxBytes)
	if err != nil {
		return nil, p.failed(from, err)
	}
	return batches, nil
}

// Gaps returns the machine that the partition's GapsJournal is replayed into.
func (p *Partition) Gaps() journal.Machine { return &p.gaps }

// RecoverGaps ends their replay: j is their journal, or nil if there was none. It comes before Recover.
func (p *Partition) RecoverGaps(j *journal.Journal) {
	if j == nil {
		j = journal.New(GapsJournal)
	}
	p.gaps.journal = j
	start, _ := p.Bounds()
	p.gaps.trim(start)
}

// PastGap returns the first offset from at on that is not known to hold no record.
func (p *Partition) PastGap(at record.Offset) record.Offset {
	p.mu.Lock()
	defer p.mu.Unlock()
	i, j := p.gaps.within(at, at)
	if i < j && p.gaps.all[i].kept == 0 {
		return p.gaps.all[i].last + 1
	}
	return at
}

// Missing returns how many of the offsets [from, to) hold no record. Where one of them lies inside a rewritten batch, that is read. Errors: as Scan.
func (p *Partition) Missing(ctx context.Context, from, to record.Offset) (n int64, err error) {
	if start, _ := p.Bounds(); from < start {
		n, from = int64(min(start, to)-from), min(start, to)
	}
	p.mu.Lock()
	i, j := p.gaps.within(from, to-1)
	touched := append([]gap(nil), p.gaps.all[i:j]...)
	p.mu.Unlock()
	for _, g := range touched {
		lo, hi := max(g.base, from), min(g.last+1, to)
		switch {
		case lo >= hi:
		case g.kept == 0:
			n += int64(hi - lo)
		case lo == g.base && hi == g.last+1:
			n += g.missing()
		default:
			n += int64(hi - lo)
			err = p.scanTo(ctx, lo, hi, func(*record.Reader) error { n--; return nil })
			if err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// scanTo is Scan up to an offset.
func (p *Partition) scanTo(ctx context.Context, from, to record.Offset, fn func(*record.Reader) error) error {
	return p.Scan(ctx, from, 0, func(r *record.Reader) error {
		if r.Offset() >= to {
			return Stop()
		}
		return fn(r)
	})
}

// First returns the first record at or after an offset; record.ErrNotFound if there is none.
func (p *Partition) First(ctx context.Context, from record.Offset) (first record.Record, err error) {
	start, _ := p.Bounds()
	found := false
	err = p.Scan(ctx, max(from, start), 0, func(r *record.Reader) error {
		first, found = r.Record(), true
		return Stop()
	})
	if err == nil && !found {
		err = fmt.Errorf("%s/%d from %d on: %w", p.Topic, p.Index, from, record.ErrNotFound)
	}
	return first, err
}

// maxDamage is how much damage in a row Appended passes over.
const maxDamage = 100

// Appended returns when the first record at or after an offset that can be read was appended; zero if there is none.
func (p *Partition) Appended(ctx context.Context, from record.Offset) (time.Time, error) {
	first, err := p.First(ctx, from)
	for n := 0; n < maxDamage; n++ {
		var d *store.Damage
		if !errors.As(err, &d) {
			break
		}
		first, err = p.First(ctx, d.Last+1)
	}
	if errors.Is(err, record.ErrNotFound) || errors.Is(err, store.ErrTrimmed) {
		return time.Time{}, nil
	}
	return first.Timestamp, err
}

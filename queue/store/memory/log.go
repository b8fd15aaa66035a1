package memory

import (
	"fmt"
	"sort"
	"time"

	"github.com/holtmq/holt/queue/store"
)

// log is one log: its batches in order, and its journals. Everything in it is under disk.mu; bytes, once stored, never change.
type log struct {
	opened bool
	busy   uint64 // the Commit in flight on it; 0: none
	life   uint64 // grows when the log dies: handles of an older life are dead

	start, end store.Offset
	batches    []batch // those that reach start or beyond
	newest     int64   // time of the newest batch ever
	journals   map[store.Journal]*journal
}

// batch is a store.Batch with its time in milliseconds.
type batch struct {
	base, last store.Offset
	time       int64
	bytes      []byte
}

// shut takes the log from its owner: whatever commit is in flight on it is fenced, incomplete checkpoints are void.
func (l *log) shut() {
	l.opened, l.busy = false, 0
	for _, j := range l.journals {
		j.abandon()
	}
}

// drop empties the log, so that handles find all of it trimmed, and returns the bytes it held.
func (l *log) drop() int64 {
	held := l.trim(l.end)
	for _, j := range l.journals {
		held += j.size()
	}
	l.journals = map[store.Journal]*journal{}
	l.opened, l.busy = false, 0
	return held
}

// check says whether the edit would break a rule; it changes nothing.
func (l *log) check(e *store.Edit) error {
	end, newest := l.end, l.newest
	for i := range e.Append {
		b := &e.Append[i]
		if b.Base != end {
			return fmt.Errorf("append at %d, end is %d", b.Base, end)
		}
		if end > 0 && b.MaxTime.UnixMilli() < newest {
			return fmt.Errorf("append at %d: time goes back", b.Base)
		}
		end, newest = b.Last+1, b.MaxTime.UnixMilli()
	}
	if e.Start > end {
		return fmt.Errorf("start %d is past the end %d", e.Start, end)
	}
	if e.Rewrite != nil {
		if err := l.checkRewrite(e.Rewrite, max(l.start, e.Start)); err != nil {
			return err
		}
	}
	return l.checkEntries(e.Entries)
}

// checkRewrite checks that b replaces whole batches that are there and reach start, and keeps times in order.
func (l *log) checkRewrite(b *store.Batch, start store.Offset) error {
	from, to, ok := l.edges(b.Base, b.Last)
	if !ok || l.batches[from].last < start {
		return fmt.Errorf("rewrite of %d–%d, which are not edges of batches there", b.Base, b.Last)
	}
	t := b.MaxTime.UnixMilli()
	if from > 0 && l.batches[from-1].last >= start && t < l.batches[from-1].time {
		return fmt.Errorf("rewrite of %d–%d: time before its predecessor's", b.Base, b.Last)
	}
	if to+1 < len(l.batches) && t > l.batches[to+1].time || t > l.newest {
		return fmt.Errorf("rewrite of %d–%d: time after its successor's", b.Base, b.Last)
	}
	return nil
}

// edges returns the indexes of the batches that begin at base and end at last.
func (l *log) edges(base, last store.Offset) (from, to int, ok bool) {
	from, to = l.find(base), l.find(last)
	ok = to < len(l.batches) && from <= to && l.batches[from].base == base && l.batches[to].last == last
	return from, to, ok
}

func (l *log) checkEntries(es []store.Entry) error {
	if len(es) == 0 {
		return nil
	}
	after := make(map[store.Journal]sequence, 1)
	for i := range es {
		e := &es[i]
		q, ok := after[e.Journal]
		if !ok && l.journals[e.Journal] != nil {
			q = l.journals[e.Journal].sequence
		}
		if err := q.step(e); err != nil {
			return fmt.Errorf("journal %q: %w", e.Journal, err)
		}
		after[e.Journal] = q
	}
	return nil
}

// apply applies a checked edit, whose bytes it keeps, and returns by how much the log grew.
func (l *log) apply(e *store.Edit) int64 {
	var grown int64
	for i := range e.Append {
		b := &e.Append[i]
		l.batches = append(l.batches, batch{b.Base, b.Last, b.MaxTime.UnixMilli(), b.Bytes})
		l.end, l.newest = b.Last+1, b.MaxTime.UnixMilli()
		grown += int64(len(b.Bytes))
	}
	if e.Start > l.start {
		grown -= l.trim(e.Start)
	}
	if e.Rewrite != nil {
		grown += l.rewrite(e.Rewrite)
	}
	for i := range e.Entries {
		grown += l.enter(&e.Entries[i])
	}
	for i := range e.Notes {
		n := &e.Notes[i]
		grown += l.journal(n.Journal).note(n.At, n.Bytes, l.start)
	}
	return grown
}

func (l *log) trim(start store.Offset) (freed int64) {
	l.start = start
	n := l.find(start)
	for i := range n {
		freed += int64(len(l.batches[i].bytes))
		l.batches[i].bytes = nil
	}
	l.batches = l.batches[n:]
	return freed
}

func (l *log) rewrite(b *store.Batch) (grown int64) {
	from, to, _ := l.edges(b.Base, b.Last)
	for i := from; i <= to; i++ {
		grown -= int64(len(l.batches[i].bytes))
	}
	l.batches[from] = batch{b.Base, b.Last, b.MaxTime.UnixMilli(), b.Bytes}
	rest := l.batches[to+1:]
	n := copy(l.batches[from+1:], rest)
	clear(l.batches[from+1+n:])
	l.batches = l.batches[:from+1+n]
	return grown + int64(len(b.Bytes))
}

func (l *log) enter(e *store.Entry) (grown int64) {
	if e.Kind == store.Forget {
		if j := l.journals[e.Journal]; j != nil {
			grown = -j.size()
			delete(l.journals, e.Journal)
		}
		return grown
	}
	return l.journal(e.Journal).enter(e)
}

func (l *log) journal(name store.Journal) *journal {
	j := l.journals[name]
	if j == nil {
		j = &journal{}
		l.journals[name] = j
	}
	return j
}

// find returns the index of the first batch that reaches at or beyond.
func (l *log) find(at store.Offset) int {
	return sort.Search(len(l.batches), func(i int) bool { return l.batches[i].last >= at })
}

// read returns the batches from the one that covers from on; their bytes are still the log's.
func (l *log) read(from store.Offset, maxBytes int) ([]store.Batch, error) {
	if from < l.start {
		return nil, fmt.Errorf("%w: %d", store.ErrTrimmed, l.start)
	}
	if from > l.end {
		return nil, fmt.Errorf("%w: %d", store.ErrOutOfRange, l.end)
	}
	var out []store.Batch
	size := 0
	for i := l.find(from); i < len(l.batches); i++ {
		b := &l.batches[i]
		if size += len(b.bytes); len(out) > 0 && size > maxBytes {
			break
		}
		out = append(out, store.Batch{Base: b.base, Last: b.last, MaxTime: time.UnixMilli(b.time).UTC(), Bytes: b.bytes})
	}
	return out, nil
}

func (l *log) offsetForTime(t time.Time) store.Offset {
	ms := t.UnixMilli()
	if t.After(time.UnixMilli(ms)) {
		ms++ // times are whole: not before t means not before the next whole one
	}
	i := sort.Search(len(l.batches), func(i int) bool { return l.batches[i].time >= ms })
	if i == len(l.batches) {
		return l.end
	}
	return max(l.start, l.batches[i].base)
}

package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holtmq/holt/queue/store"
)

// kit drives one store and, beside it, the model of what it should hold.
type kit struct {
	*testing.T
	h    Harness
	s    store.Store
	m    *model
	logs map[store.LogID]store.Log
	revs map[string]uint64

	clock int64 // milliseconds after epoch of the newest batch made
}

func newKit(t *testing.T, open Open) *kit {
	h := open(t)
	return &kit{T: t, h: h, s: h.Store(), m: newModel(), logs: map[store.LogID]store.Log{}, revs: map[string]uint64{}}
}

// must ends the test on an error.
func (k *kit) must(err error) {
	k.Helper()
	if err != nil {
		k.Fatal(err)
	}
}

// open opens logs in the store and in the model.
func (k *kit) open(ids ...store.LogID) {
	k.Helper()
	for _, id := range ids {
		l, err := k.s.Open(k.Context(), id)
		if err != nil {
			k.Fatalf("open log %d: %v", id, err)
		}
		k.logs[id] = l
		k.m.openLog(id)
	}
}

// commit makes the units durable in both.
func (k *kit) commit(units ...store.Unit) {
	k.Helper()
	if n, err := k.s.Commit(k.Context(), units); n != len(units) || err != nil {
		k.Fatalf("commit: n = %d of %d, error %v", n, len(units), err)
	}
	for i, u := range units {
		if err := k.m.apply(u); err != nil {
			k.Fatalf("the store took unit %d, the model does not: %v", i, err)
		}
	}
}

// edit commits one unit.
func (k *kit) edit(edits ...store.Edit) {
	k.Helper()
	k.commit(store.Unit(edits))
}

// refused commits units of which the one at bad breaks a rule that the logs tell: ErrInvalid, a prefix of those before it there, nothing more,
// and no log dead.
func (k *kit) refused(bad int, units ...store.Unit) {
	k.Helper()
	n, err := k.s.Commit(k.Context(), units)
	if !errors.Is(err, store.ErrInvalid) || n < 0 || n > bad {
		k.Fatalf("commit whose unit %d breaks a rule: n = %d, error %v, want ErrInvalid", bad, n, err)
	}
	for _, u := range units {
		k.m.remember(u)
	}
	wanted := k.m.clone()
	for i, u := range units[:bad+1] {
		if err := wanted.apply(u); (err == nil) == (i == bad) {
			k.Fatalf("the model says of unit %d: %v; the test is wrong", i, err)
		}
	}
	for _, u := range units[:n] {
		k.must(k.m.apply(u))
	}
	k.checkLogs()
}

// refuse commits one unit that breaks a rule.
func (k *kit) refuse(edits ...store.Edit) {
	k.Helper()
	k.refused(0, edits)
}

// overLimit commits a good unit and one that Validate refuses: nothing of either is applied.
func (k *kit) overLimit(bad store.Unit) {
	k.Helper()
	k.tooMuch(bad)
	k.checkLogs()
}

// tooMuch is overLimit for units so large that looking at everything after each takes long: the test does that once, at its end.
func (k *kit) tooMuch(bad store.Unit) {
	k.Helper()
	units := []store.Unit{{k.grow(1, 1)}, bad}
	if store.Validate(units[1:]) == nil {
		k.Fatal("the unit is valid: the test is wrong")
	}
	if n, err := k.s.Commit(k.Context(), units); n != 0 || !errors.Is(err, store.ErrInvalid) {
		k.Fatalf("commit over a limit: n = %d, error %v, want 0, ErrInvalid", n, err)
	}
}

// batch makes the batch of n records that comes next on a log, with a value that names it.
func (k *kit) batch(id store.LogID, n int) store.Batch {
	k.clock++
	base := k.m.logs[id].end
	return batchOf(base, base+store.Offset(n)-1, k.clock, fmt.Appendf(nil, "log %d, offset %d", id, base))
}

// grow makes the edit that appends n records to a log.
func (k *kit) grow(id store.LogID, n int) store.Edit {
	return store.Edit{Log: id, Append: []store.Batch{k.batch(id, n)}}
}

// restart opens the store again, cleanly or after a crash, with every log it had.
func (k *kit) restart(crash bool) {
	k.Helper()
	k.must(k.restarted(crash))
}

func (k *kit) restarted(crash bool) error {
	opens := k.s.Health().Opens
	if crash {
		k.s = k.h.Crash(k.T)
	} else {
		k.s = k.h.Reopen(k.T)
	}
	if now := k.s.Health().Opens; now <= opens {
		return fmt.Errorf("opens = %d after %d", now, opens)
	}
	k.m.restart()
	return k.reopenLogs()
}

// reopenLogs opens every log that the model knows.
func (k *kit) reopenLogs() error {
	clear(k.logs)
	for id := range k.m.logs {
		l, err := k.s.Open(k.Context(), id)
		if err != nil {
			return fmt.Errorf("open log %d: %w", id, err)
		}
		k.logs[id] = l
		k.m.openLog(id)
	}
	return nil
}

// everywhere runs check as things stand, after a clean restart and after a crash.
func (k *kit) everywhere(check func()) {
	k.Helper()
	check()
	k.restart(false)
	check()
	k.restart(true)
	check()
}

// check compares everything with the model, opening the logs again to replay them; then once more after each kind of restart.
func (k *kit) check() {
	k.Helper()
	k.must(k.reopenLogs())
	k.everywhere(func() { k.Helper(); k.must(k.same(true)) })
}

// checkLogs compares what can be read beside commits.
func (k *kit) checkLogs() {
	k.Helper()
	k.must(k.same(false))
}

// same compares the store with the model; replay only before the first commit on the open logs.
func (k *kit) same(replay bool) error {
	for id, l := range k.m.logs {
		if !l.open {
			continue
		}
		if err := sameLog(k.Context(), k.logs[id], l, k.m.places[id], replay); err != nil {
			return fmt.Errorf("log %d: %w", id, err)
		}
	}
	return k.sameMeta()
}

func (k *kit) sameMeta() error {
	defs, err := k.s.Meta().List(k.Context(), "")
	if err != nil {
		return fmt.Errorf("list definitions: %w", err)
	}
	got := []string{}
	for _, d := range defs {
		got = append(got, fmt.Sprintf("%s@%d = %s", d.Name, d.Revision, digest(d.Value)))
	}
	want := []string{}
	for _, name := range k.m.list("") {
		want = append(want, fmt.Sprintf("%s@%d = %s", name, k.revs[name], digest(k.m.defs[name])))
	}
	if d := cmp.Diff(want, got); d != "" {
		return fmt.Errorf("definitions (− want, + got):\n%s", d)
	}
	return nil
}

// sameLog compares one log with its model, by every way of reading it.
func sameLog(ctx context.Context, l store.Log, m *logModel, places map[place]struct{}, replay bool) error {
	want := m.view()
	got, err := observe(ctx, l, places, replay)
	if err != nil {
		return err
	}
	if !replay {
		want.Journals, got.Journals = nil, nil
	}
	if !reflect.DeepEqual(want, got) { // cmp.Diff is slow where nothing differs
		return fmt.Errorf("log differs from the model (− want, + got):\n%s", cmp.Diff(want, got))
	}
	if err := sameReads(ctx, l, m); err != nil {
		return err
	}
	return sameTimes(ctx, l, m)
}

// observe reads all of a log: its batches one at a time, its journals, and the notes at places.
func observe(ctx context.Context, l store.Log, places map[place]struct{}, replay bool) (view, error) {
	v := view{Journals: map[store.Journal][]entryView{}, Notes: map[place]string{}}
	start, end, newest := l.Bounds()
	v.Start, v.End, v.Newest = start, end, newest.UTC().String()
	for at := v.Start; at < v.End; {
		bs, err := l.Read(ctx, at, 1)
		if err != nil {
			return v, fmt.Errorf("read %d: %w", at, err)
		}
		if len(bs) == 0 {
			return v, fmt.Errorf("read %d: nothing, bounds %d–%d", at, v.Start, v.End)
		}
		for _, b := range bs {
			if at < b.Base && len(v.Batches) > 0 || at > b.Last || b.Base > at {
				return v, fmt.Errorf("read %d: batch %d–%d does not cover it", at, b.Base, b.Last)
			}
			v.Batches = append(v.Batches, viewBatch(b))
			at = b.Last + 1
		}
	}
	if replay {
		if err := observeJournals(ctx, l, v.Journals); err != nil {
			return v, err
		}
	}
	for p := range places {
		b, err := l.Note(ctx, p.Journal, p.At)
		if err != nil {
			return v, fmt.Errorf("note %q at %d: %w", p.Journal, p.At, err)
		}
		if b != nil && p.At >= v.Start {
			v.Notes[p] = digest(b)
		}
	}
	return v, nil
}

func observeJournals(ctx context.Context, l store.Log, into map[store.Journal][]entryView) error {
	var last store.Journal
	return l.Replay(ctx, func(e store.Entry) error {
		if _, seen := into[e.Journal]; seen && e.Journal != last {
			return fmt.Errorf("replay came back to journal %q", e.Journal)
		}
		last = e.Journal
		into[e.Journal] = append(into[e.Journal], viewEntry(e))
		return nil
	})
}

// sameReads reads from the first, a middle and the last offset of batches, with small and large limits, and past both ends.
func sameReads(ctx context.Context, l store.Log, m *logModel) error {
	stride := 1 + len(m.batches)/16 // long logs are sampled
	for i := 0; i < len(m.batches); i += stride {
		b := m.batches[i]
		for n, from := range []store.Offset{b.Base, b.Base + (b.Last-b.Base)/2, b.Last} {
			if from < m.start {
				continue
			}
			limit := []int{4096, 0, len(b.Bytes) + 1}[n]
			if len(b.Bytes) > 1<<20 && from != b.Last {
				continue
			}
			if i+stride >= len(m.batches) || i == 0 {
				limit = 1 << 30
			}
			got, err := l.Read(ctx, from, limit)
			if err != nil {
				return fmt.Errorf("read %d, %d bytes: %w", from, limit, err)
			}
			if err := sameRun(got, m.batches[i:], limit); err != nil {
				return fmt.Errorf("read %d, %d bytes: %w", from, limit, err)
			}
			if err := sameFill(ctx, l, m.batches[i:], from, min(limit, 1<<20)); err != nil {
				return fmt.Errorf("fill from %d, %d bytes: %w", from, limit, err)
			}
		}
	}
	return sameEdges(ctx, l, m)
}

func sameEdges(ctx context.Context, l store.Log, m *logModel) error {
	if got, err := l.Read(ctx, m.end, 1<<20); len(got) > 0 || err != nil {
		return fmt.Errorf("read at the end: %d batches, error %w", len(got), err)
	}
	if _, err := l.Read(ctx, m.end+1, 1<<20); !errors.Is(err, store.ErrOutOfRange) {
		return fmt.Errorf("read past the end: error %w, want ErrOutOfRange", err)
	}
	if _, err := l.Read(ctx, m.start-1, 1<<20); !errors.Is(err, store.ErrTrimmed) {
		return fmt.Errorf("read before the start: error %w, want ErrTrimmed", err)
	}
	return nil
}

// sameRun checks that got is a prefix of want, at least one batch, and that all but its last batch fit the limit.
func sameRun(got, want []store.Batch, limit int) error {
	if len(got) == 0 || len(got) > len(want) {
		return fmt.Errorf("%d batches, want 1 to %d", len(got), len(want))
	}
	size := 0
	for i, b := range got {
		w := want[i]
		if b.Base != w.Base || b.Last != w.Last || !b.MaxTime.Equal(w.MaxTime) || !bytes.Equal(b.Bytes, w.Bytes) {
			return fmt.Errorf("batch %d is %+v, want %+v", i, viewBatch(b), viewBatch(w))
		}
		if i > 0 && size > limit {
			return fmt.Errorf("%d batches, although the first %d have %d bytes", len(got), i, size)
		}
		size += len(b.Bytes)
	}
	return nil
}

// sameFill reads into memory, if the log can, and looks whether the batches are where they should be.
func sameFill(ctx context.Context, l store.Log, want []store.Batch, from store.Offset, limit int) error {
	f, ok := l.(store.Filler)
	if !ok {
		return nil
	}
	all := 1 // and so no more memory than can be filled
	for _, b := range want {
		all += len(b.Bytes)
	}
	limit = min(limit, all)
	into := bytes.Repeat([]byte{0xa5}, limit)
	got, err := f.Fill(ctx, from, into)
	if err != nil {
		return err
	}
	if err := sameRun(got, want, limit); err != nil {
		return err
	}
	if len(got) == 1 && len(got[0].Bytes) > limit {
		return nil
	}
	for i, b := range got {
		if len(b.Bytes) > len(into) || len(b.Bytes) > 0 && &b.Bytes[0] != &into[0] {
			return fmt.Errorf("batch %d of %d bytes is not in the %d bytes that are left for it", i, len(b.Bytes), len(into))
		}
		into = into[len(b.Bytes):]
	}
	return nil
}

// sameTimes looks up every batch's time and the instants around it.
func sameTimes(ctx context.Context, l store.Log, m *logModel) error {
	times := []time.Time{{}, epoch.AddDate(100, 0, 0)}
	for i := 0; i < len(m.batches); i += 1 + len(m.batches)/32 {
		b := m.batches[i]
		times = append(times, b.MaxTime.Add(-time.Millisecond), b.MaxTime.Add(-time.Nanosecond), b.MaxTime, b.MaxTime.Add(time.Nanosecond))
	}
	for _, t := range times {
		got, err := l.OffsetForTime(ctx, t)
		if err != nil {
			return fmt.Errorf("offset for %v: %w", t, err)
		}
		if want := m.offsetForTime(t); got != want {
			return fmt.Errorf("offset for %v is %d, want %d", t, got, want)
		}
	}
	return nil
}

package storetest

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/holtmq/holt/queue/store"
)

// model is the seam in its most naive form: slices and maps, copied whole wherever something may fail.
type model struct {
	logs map[store.LogID]*logModel
	defs map[string][]byte

	// places is where anybody ever wanted to put a note: there is one or, after a removal or a refusal, none. All clones share it.
	places map[store.LogID]map[place]struct{}
}

type logModel struct {
	open       bool
	start, end store.Offset
	batches    []store.Batch // all that reach start or beyond
	time       time.Time     // MaxTime of the newest batch ever
	journals   map[store.Journal]*journalModel
	notes      map[place][]byte
}

type journalModel struct {
	last    uint64
	deltas  []store.Entry
	at      uint64        // sequence of the complete checkpoint, 0 if none
	pieces  []store.Entry // its pieces
	pending []store.Entry // pieces of the incomplete one
}

// place is where a note lies.
type place struct {
	Journal store.Journal
	At      store.Offset
}

func newModel() *model {
	return &model{logs: map[store.LogID]*logModel{}, defs: map[string][]byte{}, places: map[store.LogID]map[place]struct{}{}}
}

func (m *model) clone() *model {
	c := &model{logs: make(map[store.LogID]*logModel, len(m.logs)), defs: maps.Clone(m.defs), places: m.places}
	for id, l := range m.logs {
		c.logs[id] = l.clone()
	}
	return c
}

func (l *logModel) clone() *logModel {
	c := *l
	c.batches = slices.Clone(l.batches)
	c.notes = maps.Clone(l.notes)
	c.journals = make(map[store.Journal]*journalModel, len(l.journals))
	for name, j := range l.journals {
		n := *j
		n.deltas, n.pieces, n.pending = slices.Clone(j.deltas), slices.Clone(j.pieces), slices.Clone(j.pending)
		c.journals[name] = &n
	}
	return &c
}

// restart forgets what a process knows: which logs are open, and checkpoints that were not completed.
func (m *model) restart() {
	for _, l := range m.logs {
		l.shut()
	}
}

func (l *logModel) shut() {
	l.open = false
	for _, j := range l.journals {
		j.pending = nil
	}
}

// openLog is Open.
func (m *model) openLog(id store.LogID) *logModel {
	l := m.logs[id]
	if l == nil {
		l = &logModel{journals: map[store.Journal]*journalModel{}, notes: map[place][]byte{}}
		m.logs[id] = l
	}
	l.shut()
	l.open = true
	return l
}

// remember notes the places of a unit's notes, whatever becomes of it.
func (m *model) remember(u store.Unit) {
	for _, e := range u {
		if m.places[e.Log] == nil {
			m.places[e.Log] = map[place]struct{}{}
		}
		for _, n := range e.Notes {
			m.places[e.Log][place{n.Journal, n.At}] = struct{}{}
		}
	}
}

// apply is one unit of Commit; after an error the model is as before.
func (m *model) apply(u store.Unit) error {
	m.remember(u)
	if err := store.Validate([]store.Unit{u}); err != nil {
		return err
	}
	changed := make(map[store.LogID]*logModel, len(u))
	for _, e := range u {
		l := m.logs[e.Log]
		if l == nil || !l.open {
			return fmt.Errorf("log %d is not open", e.Log)
		}
		if e.Drop {
			changed[e.Log] = nil
			continue
		}
		l = l.clone()
		if err := l.apply(e); err != nil {
			return fmt.Errorf("log %d: %w", e.Log, err)
		}
		changed[e.Log] = l
	}
	for id, l := range changed {
		if l == nil {
			delete(m.logs, id)
		} else {
			m.logs[id] = l
		}
	}
	return nil
}

func (l *logModel) apply(e store.Edit) error {
	before := l.end
	for _, b := range e.Append {
		if b.Base != l.end || b.MaxTime.Before(l.time) {
			return fmt.Errorf("append at %d, end %d", b.Base, l.end)
		}
		b.Bytes = bytes.Clone(b.Bytes)
		l.batches = append(l.batches, b)
		l.end, l.time = b.Last+1, b.MaxTime
	}
	if e.Start > l.end {
		return fmt.Errorf("start %d past end %d", e.Start, l.end)
	}
	l.trim(e.Start)
	if e.Rewrite != nil {
		if e.Rewrite.Last >= before {
			return fmt.Errorf("rewrite up to %d, end %d", e.Rewrite.Last, before)
		}
		if err := l.rewrite(*e.Rewrite); err != nil {
			return err
		}
	}
	for _, x := range e.Entries {
		if err := l.enter(x); err != nil {
			return fmt.Errorf("journal %q: %w", x.Journal, err)
		}
	}
	for _, n := range e.Notes {
		p := place{n.Journal, n.At}
		if len(n.Bytes) == 0 {
			delete(l.notes, p)
		} else {
			l.notes[p] = bytes.Clone(n.Bytes)
		}
	}
	return nil
}

func (l *logModel) trim(start store.Offset) {
	l.start = max(l.start, start)
	for len(l.batches) > 0 && l.batches[0].Last < l.start {
		l.batches = l.batches[1:]
	}
}

func (l *logModel) rewrite(b store.Batch) error {
	from := slices.IndexFunc(l.batches, func(o store.Batch) bool { return o.Base == b.Base })
	to := slices.IndexFunc(l.batches, func(o store.Batch) bool { return o.Last == b.Last })
	if from < 0 || to < from {
		return fmt.Errorf("rewrite %d–%d is not at edges", b.Base, b.Last)
	}
	if from > 0 && b.MaxTime.Before(l.batches[from-1].MaxTime) {
		return fmt.Errorf("rewrite %d–%d: time before its predecessor's", b.Base, b.Last)
	}
	if to+1 < len(l.batches) && b.MaxTime.After(l.batches[to+1].MaxTime) || b.MaxTime.After(l.time) {
		return fmt.Errorf("rewrite %d–%d: time after its successor's", b.Base, b.Last)
	}
	b.Bytes = bytes.Clone(b.Bytes)
	l.batches = slices.Replace(l.batches, from, to+1, b)
	return nil
}

func (l *logModel) enter(x store.Entry) error {
	x.Bytes = bytes.Clone(x.Bytes)
	if x.Kind == store.Forget {
		delete(l.journals, x.Journal)
		maps.DeleteFunc(l.notes, func(p place, _ []byte) bool { return p.Journal == x.Journal })
		return nil
	}
	j := l.journals[x.Journal]
	if j == nil {
		j = &journalModel{}
		l.journals[x.Journal] = j
	}
	return j.enter(x)
}

func (j *journalModel) enter(x store.Entry) error {
	switch x.Kind {
	case store.Delta:
		if x.Seq != j.last+1 {
			return fmt.Errorf("delta %d after %d", x.Seq, j.last)
		}
		j.last = x.Seq
		j.deltas = append(j.deltas, x)
	case store.Piece:
		if x.Seq <= j.at || x.Seq > j.last {
			return fmt.Errorf("piece at %d, not in (%d, %d]", x.Seq, j.at, j.last)
		}
		if x.Part == 0 {
			j.pending = nil
		}
		if int(x.Part) != len(j.pending) || x.Part > 0 && j.pending[0].Seq != x.Seq {
			return fmt.Errorf("piece %d/%d out of turn", x.Seq, x.Part)
		}
		j.pending = append(j.pending, x)
	case store.Checkpoint:
		if len(j.pending) == 0 || j.pending[0].Seq != x.Seq || int(x.Part) != len(j.pending) {
			return fmt.Errorf("checkpoint %d of %d pieces without them", x.Seq, x.Part)
		}
		j.at, j.pieces, j.pending = x.Seq, j.pending, nil
		j.deltas = slices.DeleteFunc(j.deltas, func(d store.Entry) bool { return d.Seq <= x.Seq })
	}
	return nil
}

// view is what can be seen of a log, in a form to compare and print.
type view struct {
	Start, End store.Offset
	Newest     string // time
	Batches    []batchView
	Journals   map[store.Journal][]entryView
	Notes      map[place]string
}

type batchView struct {
	Base, Last store.Offset
	Time       int64 // milliseconds
	Bytes      string
}

type entryView struct {
	Kind  store.EntryKind
	Seq   uint64
	Part  uint32
	Bytes string
}

func viewBatch(b store.Batch) batchView {
	return batchView{b.Base, b.Last, b.MaxTime.UnixMilli(), digest(b.Bytes)}
}

func viewEntry(e store.Entry) entryView {
	return entryView{e.Kind, e.Seq, e.Part, digest(e.Bytes)}
}

func (l *logModel) view() view {
	v := view{Start: l.start, End: l.end, Newest: l.time.UTC().String(), Journals: map[store.Journal][]entryView{}, Notes: map[place]string{}}
	for _, b := range l.batches {
		v.Batches = append(v.Batches, viewBatch(b))
	}
	for name, j := range l.journals {
		for _, e := range slices.Concat(j.pieces, j.deltas) {
			v.Journals[name] = append(v.Journals[name], viewEntry(e))
		}
	}
	for p, b := range l.notes {
		if p.At >= l.start {
			v.Notes[p] = digest(b)
		}
	}
	return v
}

// offsetForTime is OffsetForTime, by looking at every batch.
func (l *logModel) offsetForTime(t time.Time) store.Offset {
	for _, b := range l.batches {
		if !b.MaxTime.Before(t) {
			return max(b.Base, l.start)
		}
	}
	return l.end
}

// list is Meta's List without revisions.
func (m *model) list(prefix string) []string {
	var names []string
	for name := range m.defs {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	return names
}

package badger

import "github.com/holtmq/holt/queue/store"

// draft is a log's state as units that are not durable yet will leave it.
type draft struct {
	st       *state
	head     head
	journals []draftJournal // changed ones; a nil state is one that is forgotten
	nextID   journalID
	moved    bool // head has changed
	dropped  bool
}

type draftJournal struct {
	name  store.Journal
	state *journal
	dirty bool // its record has changed, not only what Open finds by itself
}

func newDraft(st *state) *draft {
	return &draft{st: st, head: st.head, nextID: st.nextID, dropped: st.dropped}
}

func (d *draft) clone() *draft {
	c := *d
	c.journals = append([]draftJournal(nil), d.journals...)
	return &c
}

// journal returns a journal's state, nil if it does not exist.
func (d *draft) journal(name store.Journal) *journal {
	for i := range d.journals {
		if d.journals[i].name == name {
			return d.journals[i].state
		}
	}
	return d.st.journals[name]
}

func (d *draft) setJournal(name store.Journal, j *journal, dirty bool) {
	for i := range d.journals {
		if x := &d.journals[i]; x.name == name {
			x.state, x.dirty = j, x.dirty || dirty
			return
		}
	}
	d.journals = append(d.journals, draftJournal{name, j, dirty})
}

// changeJournal returns a copy of a journal's state to change, made if it does not exist. dirty says that its record changes.
func (d *draft) changeJournal(name store.Journal, dirty bool) *journal {
	j := new(journal)
	if old := d.journal(name); old != nil {
		*j = *old
	} else {
		j.id, j.lowDelta, dirty = d.nextID, 1, true
		d.nextID++
	}
	d.setJournal(name, j, dirty)
	return j
}

// count bounds the number of the log's own records.
func (d *draft) count() int { return 2 + len(d.journals) }

// cost bounds what they take of a transaction.
func (d *draft) cost() int {
	n := 128
	for i := range d.journals {
		n += 96 + len(d.journals[i].name)
	}
	return n
}

// ops appends the log's own records. Those of batches, deltas, pieces and notes are written as they are planned.
func (d *draft) ops(ops []op) []op {
	id := d.st.id
	if d.dropped {
		return d.dropOps(ops)
	}
	if d.moved {
		key := logKey(kindHead, id)
		ops = append(ops, op{key, d.head.encode(key)})
	}
	for i := range d.journals {
		x := &d.journals[i]
		if !x.dirty {
			continue
		}
		key := journalKey(id, x.name)
		if x.state == nil {
			ops = append(ops, op{key, nil})
		} else {
			ops = append(ops, op{key, x.state.encode(key)})
		}
	}
	return ops
}

// dropOps deletes the log's records and leaves a note for the janitor, who deletes the rest.
func (d *draft) dropOps(ops []op) []op {
	id := d.st.id
	ops = append(ops, op{logKey(kindHead, id), nil}, op{logKey(kindTrim, id), nil})
	for name := range d.st.journals {
		ops = append(ops, op{journalKey(id, name), nil})
	}
	for i := range d.journals {
		ops = append(ops, op{journalKey(id, d.journals[i].name), nil})
	}
	key := garbageKey(id, 0)
	return append(ops, op{key, numbers(key)})
}

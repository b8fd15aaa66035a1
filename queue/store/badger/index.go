package badger

import (
	"slices"
	"sort"

	"github.com/holtmq/holt/queue/store"
)

// index finds what readers look for in the commits behind, however many these are. Store.mu guards it.
type index struct {
	tails map[store.LogID]tail
	notes map[string]noted // by key
}

// tail is the batches of one log that are behind: a chain, in order. What a reader has of one is not changed any more; what is added comes after its end.
type tail []appended

// appended is a batch as a commit behind stores it. Nobody changes its bytes.
type appended struct {
	base, last store.Offset
	key, value []byte
}

// noted is the newest note behind at a key, and the commit that made it. Without a value it is removed.
type noted struct {
	seq   uint64
	value []byte
}

func newIndex() index { return index{map[store.LogID]tail{}, map[string]noted{}} }

// add takes in a commit, which comes after all others.
func (x *index) add(c *commit) {
	for i := range c.ops {
		switch o := &c.ops[i]; {
		case o.key[0] == kindNote:
			x.notes[string(o.key)] = noted{c.seq, o.value}
		case o.isBatch():
			id := logOf(o.key)
			x.tails[id] = append(x.tails[id], appended{store.Offset(lastNumber(o.key)), lastOf(o.value), o.key, o.value})
		}
	}
}

// drop forgets the oldest commits.
func (x *index) drop(some []*commit) {
	gone := map[store.LogID]int{} // batches
	for _, c := range some {
		for i := range c.ops {
			switch o := &c.ops[i]; {
			case o.key[0] == kindNote && x.notes[string(o.key)].seq == c.seq:
				delete(x.notes, string(o.key))
			case o.isBatch():
				gone[logOf(o.key)]++
			}
		}
	}
	for id, n := range gone {
		if x.tails[id] = slices.Clone(x.tails[id][n:]); len(x.tails[id]) == 0 { // only readers shall keep the old array
			delete(x.tails, id)
		}
	}
}

// edge returns from where on a log's batches are in its tail; end if none is.
func (t tail) edge(end store.Offset) store.Offset {
	if len(t) == 0 {
		return end
	}
	return t[0].base
}

// covering returns the batch that covers an offset; nil if there is none.
func (t tail) covering(at store.Offset) *appended {
	i := sort.Search(len(t), func(i int) bool { return at <= t[i].last })
	if i == len(t) || at < t[i].base {
		return nil
	}
	return &t[i]
}

package badger

import (
	"encoding/binary"

	"github.com/holtmq/holt/queue/store"
)

// group is what one transaction makes durable: units in order, none of them split.
type group struct {
	drafts  map[store.LogID]*draft
	ops     []op
	packs   map[packID]*pack
	order   []*pack
	garbage []garbage
	units   int
	direct  bool // it goes to Badger at once
	cost    int  // as Badger will count it
	count   int  // of operations
	bytes   int  // of values
	freed   int64
}

type packID struct {
	log store.LogID
	id  journalID
}

// pack is a row of consecutive deltas of one journal that will be one value.
type pack struct {
	packID
	first uint64
	bytes []byte
}

// maxPack is the length in bytes at which a pack is closed.
const maxPack = 64 << 10

func (p *pack) cost() int {
	o := op{value: p.bytes}
	return 25 + sumLen + o.cost()
}

func newGroup() *group {
	return &group{drafts: map[store.LogID]*draft{}, packs: map[packID]*pack{}}
}

// add takes a plan into the group.
func (g *group) add(p *plan) {
	g.units++
	g.bytes += p.bytes
	g.freed += p.freed
	g.garbage = append(g.garbage, p.garbage...)
	for i := range p.ops {
		g.cost += p.ops[i].cost()
	}
	g.ops = append(g.ops, p.ops...)
	g.count += len(p.ops)
	for i := range p.deltas {
		g.addDelta(&p.deltas[i])
	}
	for _, d := range p.drafts {
		if old := g.drafts[d.st.id]; old != nil {
			g.cost -= old.cost()
			g.count -= old.count()
		}
		g.drafts[d.st.id] = d
		g.cost += d.cost()
		g.count += d.count()
	}
}

func (g *group) addDelta(x *delta) {
	id := packID{x.log, x.id}
	k := g.packs[id]
	if k != nil && len(k.bytes)+len(x.bytes) < maxPack {
		g.cost -= k.cost()
	} else {
		k = &pack{packID: id, first: x.seq, bytes: make([]byte, 0, len(x.bytes)+binary.MaxVarintLen32+sumLen)}
		g.packs[id] = k
		g.order = append(g.order, k)
		g.count++
	}
	k.bytes = appendFrame(k.bytes, x.bytes)
	g.cost += k.cost()
}

// close returns the group's operations, all but the sequence.
func (g *group) close() []op {
	ops := g.ops
	for _, k := range g.order {
		key := deltasKey(k.log, k.id, k.first)
		ops = append(ops, op{key, seal(key, k.bytes)})
	}
	for _, d := range g.drafts {
		ops = d.ops(ops)
	}
	return ops
}

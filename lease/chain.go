package lease

import (
	"cmp"
	"slices"
)

// chain is a list of records through next and prev, in no order.
type chain struct {
	first uint32
	n     int
}

func (b *slab) push(c *chain, s uint32) {
	r := b.rec(s)
	r.prev, r.next = 0, c.first
	if c.first != 0 {
		b.rec(c.first).prev = s
	}
	c.first = s
	c.n++
}

func (b *slab) remove(c *chain, r *record) {
	if r.prev != 0 {
		b.rec(r.prev).next = r.next
	} else {
		c.first = r.next
	}
	if r.next != 0 {
		b.rec(r.next).prev = r.prev
	}
	c.n--
}

// sorted lists the slots of a chain by offset.
func (b *slab) sorted(c chain) []uint32 {
	if c.n == 0 {
		return nil
	}
	l := make([]uint32, 0, c.n)
	for s := c.first; s != 0; s = b.rec(s).next {
		l = append(l, s)
	}
	b.sort(l)
	return l
}

// sortedIn is sorted for the first max records (≥ 0) at or past from that are in a state; 0 = in any.
func (b *slab) sortedIn(c chain, from Offset, state State, max int) (l []uint32) {
	for s := c.first; s != 0; s = b.rec(s).next {
		if r := b.rec(s); r.offset < from || state != 0 && r.state() != state {
			continue
		}
		if l = append(l, s); len(l) > 2*max {
			b.sort(l)
			l = l[:max]
		}
	}
	b.sort(l)
	return l[:min(max, len(l))]
}

func (b *slab) sort(l []uint32) {
	slices.SortFunc(l, func(x, y uint32) int { return cmp.Compare(b.rec(x).offset, b.rec(y).offset) })
}

// merge goes through records of several lists in offset order.
type merge struct {
	slab   *slab
	list   uint32 // the next one of the list in offset order; 0 = none is left
	others [2][]uint32
}

// inOrder goes through all records there are.
func (w *Window) inOrder() merge {
	b := w.slab
	return merge{slab: &b, list: w.first, others: [2][]uint32{w.slab.sorted(w.held), w.slab.sorted(w.back)}}
}

func (m *merge) next() (s uint32, ok bool) {
	from, least := -1, m.list
	for i, l := range m.others {
		if len(l) > 0 && (least == 0 || m.slab.rec(l[0]).offset < m.slab.rec(least).offset) {
			from, least = i, l[0]
		}
	}
	switch {
	case from >= 0:
		m.others[from] = m.others[from][1:]
	case least != 0:
		m.list = m.slab.rec(least).next
	}
	return least, least != 0
}

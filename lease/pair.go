package lease

// The available records of a key with a limit form a pairing heap through their nodes: the best at the root, melding in constant time,
// removing in logarithmic time on average.

// better is the order in which records of one key go out: those handed out before or redriven, then by offset.
func (w *Window) better(a, b uint32) bool {
	x, y := w.slab.rec(a), w.slab.rec(b)
	if x.again() != y.again() {
		return x.again()
	}
	return x.offset < y.offset
}

// pairMeld joins two heaps, each without siblings.
func (w *Window) pairMeld(a, b uint32) uint32 {
	if a == 0 || b == 0 {
		return a | b
	}
	if w.better(b, a) {
		a, b = b, a
	}
	x, y := w.slab.node(a), w.slab.node(b)
	y.prev, y.sibling = a, x.child
	w.slab.setPrev(x.child, b)
	x.child = b
	w.slab.setNode(a, x)
	w.slab.setNode(b, y)
	return a
}

// setPrev sets what a node has in front of it, if there is one.
func (b *slab) setPrev(s, prev uint32) {
	if s != 0 {
		n := b.node(s)
		n.prev = prev
		b.setNode(s, n)
	}
}

// pairRemove takes s out of the heap of root.
func (w *Window) pairRemove(root, s uint32) uint32 {
	n := w.slab.node(s)
	w.slab.setNode(s, node{})
	rest := w.pairChildren(n.child)
	if s == root {
		return rest
	}
	p := w.slab.node(n.prev)
	if p.child == s {
		p.child = n.sibling
	} else {
		p.sibling = n.sibling
	}
	w.slab.setNode(n.prev, p)
	w.slab.setPrev(n.sibling, n.prev)
	return w.pairMeld(root, rest)
}

// pairChildren melds a list of siblings in two passes: in pairs from the left, then all from the right.
func (w *Window) pairChildren(first uint32) uint32 {
	var pairs uint32 // melded ones, the last in front
	for first != 0 {
		a, b := first, w.slab.node(first).sibling
		first = w.loosen(a)
		if b != 0 {
			first = w.loosen(b)
		}
		m := w.pairMeld(a, b)
		n := w.slab.node(m)
		n.sibling = pairs
		w.slab.setNode(m, n)
		pairs = m
	}
	var root uint32
	for pairs != 0 {
		next := w.loosen(pairs)
		root = w.pairMeld(root, pairs)
		pairs = next
	}
	return root
}

// loosen makes a node with its children a heap of its own, and gives its sibling.
func (w *Window) loosen(s uint32) (sibling uint32) {
	n := w.slab.node(s)
	w.slab.setNode(s, node{child: n.child})
	return n.sibling
}

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
	if x.child != 0 {
		w.slab.node(x.child).prev = b
	}
	x.child = b
	return a
}

// pairRemove takes s out of the heap of root.
func (w *Window) pairRemove(root, s uint32) uint32 {
	n := *w.slab.node(s)
	*w.slab.node(s) = node{}
	rest := w.pairChildren(n.child)
	if s == root {
		return rest
	}
	if p := w.slab.node(n.prev); p.child == s {
		p.child = n.sibling
	} else {
		p.sibling = n.sibling
	}
	if n.sibling != 0 {
		w.slab.node(n.sibling).prev = n.prev
	}
	return w.pairMeld(root, rest)
}

// pairChildren melds a list of siblings in two passes: in pairs from the left, then all from the right.
func (w *Window) pairChildren(first uint32) uint32 {
	var pairs uint32 // melded ones, the last in front
	for first != 0 {
		a := first
		b := w.slab.node(a).sibling
		first = 0
		*w.slab.node(a) = node{child: w.slab.node(a).child}
		if b != 0 {
			first = w.slab.node(b).sibling
			*w.slab.node(b) = node{child: w.slab.node(b).child}
		}
		m := w.pairMeld(a, b)
		w.slab.node(m).sibling = pairs
		pairs = m
	}
	var root uint32
	for pairs != 0 {
		next := w.slab.node(pairs).sibling
		w.slab.node(pairs).sibling = 0
		root = w.pairMeld(root, pairs)
		pairs = next
	}
	return root
}

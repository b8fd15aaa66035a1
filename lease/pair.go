package lease

// Where keys have a limit, the available records of a key form a pairing heap through their nodes: the best at the root, melding in constant time, removing in logarithmic time on
// average. The root is the head of the queue, so a queue has records waiting if its head is available. Its own place among siblings, which a root does not need, tells
// how many there are, and which one of the key was handed out last.

// waiting is how many records of a queue are available.
func (w *Window) waiting(x *queue) int {
	if w.slab.rec(x.head).state() != Available {
		return 0
	}
	return int(w.slab.node(x.head).prev)
}

// wait adds a record that has become available to the heap of its queue.
func (w *Window) wait(x *queue, s uint32) {
	var n, out, root uint32
	if x.head != s && w.slab.rec(x.head).state() == Available {
		root = x.head
		n, out = w.uncrown(root)
	}
	w.slab.setNode(s, node{})
	w.crown(x, w.pairMeld(root, s), n+1, out)
}

// unwait takes one out again. Of a queue in which then none waits it is the head.
func (w *Window) unwait(x *queue, s uint32) {
	n, out := w.uncrown(x.head)
	root := w.pairRemove(x.head, s)
	if root == 0 {
		x.head = s
		return
	}
	w.crown(x, root, n-1, out)
}

// depart notes that a record of the queue was handed out, if others wait.
func (w *Window) depart(x *queue, s uint32) {
	if w.waiting(x) > 0 {
		n := w.slab.node(x.head)
		n.sibling = s
		w.slab.setNode(x.head, n)
	}
}

// crown makes a root the head of its queue, in which n records wait and out was handed out last.
func (w *Window) crown(x *queue, root, n, out uint32) {
	x.head = root
	w.slab.setNode(root, node{child: w.slab.node(root).child, sibling: out, prev: n})
}

// uncrown takes back what crown noted.
func (w *Window) uncrown(root uint32) (n, out uint32) {
	r := w.slab.node(root)
	w.slab.setNode(root, node{child: r.child})
	return r.prev, r.sibling
}

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

package lease

// gate is how the records of a key hold each other back.
type gate uint8

const (
	gateNone  gate = iota
	gateOrder      // only the first unresolved record of a key
	gateLimit      // at most KeyConcurrency leases of a key
)

func gateOf(cfg *Config) gate {
	switch {
	case cfg.KeyOrder:
		return gateOrder
	case cfg.KeyConcurrency > 0:
		return gateLimit
	}
	return gateNone
}

// Configure changes the configuration. What has happened stays: failures are judged by it from the next one on, deadlines and due times
// stand. Key order or a key limit turned on later holds for what is available then (of a key already in flight several times nothing
// more goes out until the order allows it). While HoldDead is off dead records hold nothing back; turned on again, those not freed by
// FreeKey do.
//
// It costs time in proportion to what the change is about: all unresolved records if it turns key order or a key limit on or off, those
// that were handed out before and wait for the next time if it moves MaxAttempts, the keys if it moves KeyConcurrency, the dead records
// that hold their key if it turns HoldDead on or off; nothing otherwise.
func (w *Window) Configure(cfg Config) {
	if gateOf(&cfg) != w.gate {
		w.cfg, w.gate = cfg, gateOf(&cfg)
		w.arrange()
		return
	}
	limit, attempts := cfg.KeyConcurrency != w.cfg.KeyConcurrency && w.gate == gateLimit, cfg.MaxAttempts != w.cfg.MaxAttempts
	if limit {
		w.eachQueue(w.ungate)
	}
	held := w.holding()
	if held && !cfg.HoldDead {
		w.each(w.held, w.disregard)
	}
	w.cfg = cfg
	if !held && w.holding() {
		w.each(w.held, w.regard)
	}
	if limit {
		w.eachQueue(w.regate)
	}
	if attempts && w.nReady[again]+w.nReady[isolated] > 0 {
		w.classify()
	}
}

// arrange lays anew what is in reach and which keys wait, after a change of the gate.
func (w *Window) arrange() {
	keys := w.queues
	w.clearReach()
	w.queues.byKey.reserve(keys.byKey.n)
	all := w.inOrder()
	for s, more := all.next(); more; s, more = all.next() {
		r, key := w.slab.rec(s), w.slab.keyOf(s, &keys)
		r.flags &= isBack
		if key != 0 {
			w.join(s, key)
		}
		if r.state() == Settled {
			w.regardIn(s, r)
		} else {
			w.reach(s, r)
		}
	}
}

// clearReach forgets which keys wait and what is in reach.
func (w *Window) clearReach() {
	w.queues = queues{}
	w.queues.byKey.keyOf = func(q uint32) uint64 {
		if q&alone != 0 {
			return w.slab.link(q &^ alone).aloneKey()
		}
		return w.queues.at(q).key
	}
	for c := range w.ready {
		w.ready[c], w.nReady[c] = w.ready[c].emptied(), 0
	}
	w.counts.Ready = 0
}

// classify has what waits to be handed out again do so as the configuration says.
func (w *Window) classify() {
	for _, first := range [...]uint32{w.first, w.back.first} {
		for s := first; s != 0; s = w.slab.rec(s).next {
			if r := w.slab.rec(s); r.flags&isReady != 0 && r.class() != w.classOf(r) {
				w.unready(r)
				w.makeReady(r)
			}
		}
	}
}

// eachQueue calls fn with every queue.
func (w *Window) eachQueue(fn func(*queue)) {
	for q := uint32(1); q < w.queues.top; q++ {
		if x := w.queues.at(q); x.key != 0 { // else it is free
			fn(x)
		}
	}
}

// each calls fn with every record of a chain.
func (w *Window) each(c chain, fn func(s uint32, r *record)) {
	for s := c.first; s != 0; s = w.slab.rec(s).next {
		fn(s, w.slab.rec(s))
	}
}

// disregard has a dead record that holds its key hold nothing back.
func (w *Window) disregard(s uint32, r *record) {
	key := w.keyOf(s)
	if q := w.slab.queueOf(s); q != 0 {
		w.leaveKey(s, r, q)
	}
	w.part(s)
	*w.slab.link(s) = aloneLink(key)
}

// regard takes disregard back.
func (w *Window) regard(s uint32, r *record) {
	w.join(s, w.keyOf(s))
	w.regardIn(s, r)
}

// regardIn ends the joining of a dead record that holds its key.
func (w *Window) regardIn(s uint32, r *record) {
	if q := w.slab.queueOf(s); q != 0 {
		w.enterKey(s, r, q)
	}
}

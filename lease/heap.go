package lease

// mark is a record by its offset, and a time. Order is by time, then by offset, never by slot, so that it is the same after a restart.
type mark struct {
	at     int64
	offset Offset
}

func (a mark) before(b mark) bool {
	if a.at != b.at {
		return a.at < b.at
	}
	return a.offset < b.offset
}

// entry is a mark, or the series that begins with it.
type entry struct {
	mark
	series *series
}

// heap is a 4-ary min-heap by the marks.
type heap []entry

func (h *heap) push(e entry) {
	*h = append(*h, e)
	s := *h
	i := len(s) - 1
	for i > 0 {
		p := (i - 1) / 4
		if !e.before(s[p].mark) {
			break
		}
		s[i] = s[p]
		i = p
	}
	s[i] = e
}

func (h *heap) pop() {
	s := *h
	last := s[len(s)-1]
	s[len(s)-1] = entry{}
	s = s[:len(s)-1]
	*h = s
	if len(s) > 0 {
		s.sink(0, last)
	}
}

// sink puts e at i or below.
func (h heap) sink(i int, e entry) {
	for {
		c := 4*i + 1
		if c >= len(h) {
			break
		}
		least := c
		for j := c + 1; j < min(c+4, len(h)); j++ {
			if h[j].before(h[least].mark) {
				least = j
			}
		}
		if !h[least].before(e.mark) {
			break
		}
		h[i] = h[least]
		i = least
	}
	h[i] = e
}

// order makes a heap of entries in any order.
func (h heap) order() {
	for i := (len(h) - 2) / 4; i >= 0 && len(h) > 1; i-- {
		h.sink(i, h[i])
	}
}

package lease

// mark is an entry of a heap: a record by its offset, and a time. Order is by time, then by offset, never by slot, so that it is the
// same after a restart.
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

// heap is a 4-ary min-heap. Entries are not removed when their record moves on; whoever looks at the top throws the stale ones away,
// and whoever pushes has them swept when they are more than half.
type heap []mark

func (h *heap) push(m mark) {
	*h = append(*h, m)
	s := *h
	i := len(s) - 1
	for i > 0 {
		p := (i - 1) / 4
		if !m.before(s[p]) {
			break
		}
		s[i] = s[p]
		i = p
	}
	s[i] = m
}

func (h *heap) pop() {
	s := *h
	last := s[len(s)-1]
	s = s[:len(s)-1]
	*h = s
	if len(s) > 0 {
		s.sink(0, last)
	}
}

// sink puts m at i or below.
func (h heap) sink(i int, m mark) {
	for {
		c := 4*i + 1
		if c >= len(h) {
			break
		}
		least := c
		for j := c + 1; j < min(c+4, len(h)); j++ {
			if h[j].before(h[least]) {
				least = j
			}
		}
		if !h[least].before(m) {
			break
		}
		h[i] = h[least]
		i = least
	}
	h[i] = m
}

// sweep keeps the entries live says yes to.
func (h *heap) sweep(live func(mark) bool) {
	s := (*h)[:0]
	for _, m := range *h {
		if live(m) {
			s = append(s, m)
		}
	}
	for i := (len(s) - 2) / 4; i >= 0 && len(s) > 1; i-- {
		s.sink(i, s[i])
	}
	*h = s
}

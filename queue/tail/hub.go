package tail

import "sync"

// Hub tells streams that their topic changed: it grew or was deleted. The zero value is ready.
type Hub struct {
	mu sync.Mutex
	by map[string]map[*Stream]struct{}
}

// Changed tells the streams of a topic. It never blocks.
func (h *Hub) Changed(topic string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.by[topic] {
		s.nudge()
	}
}

func (h *Hub) add(topic string, s *Stream) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.by == nil {
		h.by = map[string]map[*Stream]struct{}{}
	}
	if h.by[topic] == nil {
		h.by[topic] = map[*Stream]struct{}{}
	}
	h.by[topic][s] = struct{}{}
}

func (h *Hub) remove(topic string, s *Stream) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.by[topic], s)
	if len(h.by[topic]) == 0 {
		delete(h.by, topic)
	}
}

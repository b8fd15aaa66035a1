package console

import (
	"sync"
	"time"

	"github.com/holtmq/holt/queue"
)

// Limits of the heat maps, which are kept in memory only.
const (
	heatStep       = time.Minute
	heatColumns    = 60
	heatTopics     = 200
	heatPartitions = 64
)

// heat remembers where the partitions of topics ended, minute by minute.
type heat struct {
	mu     sync.Mutex
	last   int64 // the minute noted last
	topics map[string]*heatRows
}

// heatRows are the ends of a topic's partitions at the last minutes, the newest last.
type heatRows struct {
	ends []heatEnds
}

type heatEnds struct {
	minute int64
	ends   []int64
}

// note takes the ends of all topics, once a minute.
func (h *heat) note(s *snapshot) {
	minute := s.at.Unix() / int64(heatStep.Seconds())
	h.mu.Lock()
	defer h.mu.Unlock()
	if minute == h.last {
		return
	}
	h.last = minute
	if h.topics == nil {
		h.topics = map[string]*heatRows{}
	}
	there := map[string]bool{}
	for i := range s.topics[:min(len(s.topics), heatTopics)] {
		t := &s.topics[i]
		there[t.Name] = true
		rows := h.topics[t.Name]
		if rows == nil {
			rows = &heatRows{}
			h.topics[t.Name] = rows
		}
		rows.add(minute, t.Partitions)
	}
	for name := range h.topics {
		if !there[name] {
			delete(h.topics, name)
		}
	}
}

func (r *heatRows) add(minute int64, ps []queue.PartitionInfo) {
	one := heatEnds{minute: minute}
	for _, p := range ps[:min(len(ps), heatPartitions)] {
		one.ends = append(one.ends, int64(p.End))
	}
	r.ends = append(r.ends, one)
	if len(r.ends) > heatColumns+1 {
		r.ends = r.ends[1:]
	}
}

// heatMap is drawn as SVG.
type heatMap struct {
	Width, Height int
	Rows          []heatLabel
	Ticks         []heatLabel
	Cells         []heatCell
	Most          int64
	Step          string
}

type (
	heatLabel struct {
		X, Y, Top int
		Name      string
	}
	heatCell struct {
		X, Y, W, H  int
		Fill, Title string
	}
)

// of draws the last hour of a topic; nil when there is nothing to compare yet.
func (h *heat) of(topic string) *heatMap {
	h.mu.Lock()
	defer h.mu.Unlock()
	rows := h.topics[topic]
	if rows == nil || len(rows.ends) < 2 {
		return nil
	}
	const left, wide, high = 34, 14, 16
	m := &heatMap{Step: "a minute"}
	ends := rows.ends
	parts := len(ends[len(ends)-1].ends)
	added := func(i, p int) int64 {
		if p >= len(ends[i-1].ends) {
			return 0
		}
		return max(ends[i].ends[p]-ends[i-1].ends[p], 0)
	}
	for i := 1; i < len(ends); i++ {
		for p := range ends[i].ends {
			m.Most = max(m.Most, added(i, p))
		}
	}
	now := ends[len(ends)-1].minute
	for p := range parts {
		m.Rows = append(m.Rows, heatLabel{0, p*(high+2) + 12, p * (high + 2), itoa(p)})
	}
	for i := 1; i < len(ends); i++ {
		column := heatColumns - 1 - int(now-ends[i].minute)
		if column < 0 {
			continue
		}
		for p := range ends[i].ends {
			n := added(i, p)
			fill := 0.04
			if m.Most > 0 && n > 0 {
				fill = 0.15 + 0.85*float64(n)/float64(m.Most)
			}
			at := time.Unix(ends[i].minute*60, 0).UTC().Format("15:04")
			m.Cells = append(m.Cells, heatCell{left + column*wide, p * (high + 2), wide - 1, high, trimFloat(fill, 2), "partition " + itoa(p) + ", " + at + ": " + plural(n, "record", "records")})
		}
	}
	m.Width, m.Height = left+heatColumns*wide, parts*(high+2)+18
	for back := 0; back < heatColumns; back += 15 {
		m.Ticks = append(m.Ticks, heatLabel{left + (heatColumns-back)*wide - 1, m.Height - 3, 0, time.Unix((now-int64(back))*60, 0).UTC().Format("15:04")})
	}
	return m
}

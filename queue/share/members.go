package share

// maxMembers is how many workers a group remembers; the one seen longest ago goes first.
const maxMembers = 1000

// members are the workers seen lately: when, on the lease clock.
type members struct{ last map[string]int64 }

func newMembers() members { return members{last: map[string]int64{}} }

func (m *members) seen(name string, now int64) {
	if name == "" {
		return
	}
	if _, known := m.last[name]; !known && len(m.last) >= maxMembers {
		m.forgetOldest()
	}
	m.last[name] = now
}

func (m *members) forgetOldest() {
	oldest := ""
	for name, at := range m.last {
		if oldest == "" || at < m.last[oldest] || at == m.last[oldest] && name < oldest {
			oldest = name
		}
	}
	delete(m.last, oldest)
}

package share

import (
	"slices"
	"strings"
	"time"
)

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

// Member is a worker seen lately, with the leases it holds.
type Member struct {
	Name     string
	Leases   int
	LastSeen time.Time
}

// Members returns the workers seen lately, by name.
func (g *Group) Members() []Member {
	g.mu.Lock()
	defer g.mu.Unlock()
	held := map[string]int{}
	for _, w := range g.windows {
		leases := w.machine.Counts().Leased // behind the last of them nothing is looked at
		w.machine.Holders(min(leases, maxListed), func(member string) {
			if member != "" {
				held[member]++
			}
		})
	}
	out := make([]Member, 0, len(g.members.last)+len(held))
	for name, at := range g.members.last {
		out = append(out, Member{Name: name, Leases: held[name], LastSeen: g.env.Clock.Time(at)})
		delete(held, name)
	}
	for name, n := range held { // held since before a restart
		out = append(out, Member{Name: name, Leases: n})
	}
	slices.SortFunc(out, func(a, b Member) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// maxListed is how many leases of a partition are looked at to count those of each member.
const maxListed = 10_000

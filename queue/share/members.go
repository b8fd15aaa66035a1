package share

import (
	"slices"
	"strings"
	"time"
)

// maxMembers is how many workers a group remembers; the one seen longest ago goes first.
const maxMembers = 1000

// members are the workers seen last: when, on the lease clock.
type members struct {
	last map[string]int64

	held  map[string]int // leases of each in all windows, as they were counted last
	stale []*window      // those whose leases may have changed since
}

func newMembers() members { return members{last: map[string]int64{}, held: map[string]int{}} }

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

// Member is a worker, with the leases it holds.
type Member struct {
	Name     string
	Leases   int
	LastSeen time.Time // now while it waits for records
}

// Members returns the workers seen last, by name.
func (g *Group) Members() []Member {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.members.recount()
	waiting := map[string]bool{}
	for _, req := range g.parked {
		waiting[req.Member] = true
	}
	out, now := make([]Member, 0, len(g.members.last)+len(g.members.held)), g.now()
	for name, at := range g.members.last {
		if waiting[name] {
			at = now
		}
		out = append(out, Member{Name: name, Leases: g.members.held[name], LastSeen: g.env.Clock.Time(at)})
	}
	for name, n := range g.members.held {
		if _, seen := g.members.last[name]; !seen { // held since before a restart
			out = append(out, Member{Name: name, Leases: n})
		}
	}
	slices.SortFunc(out, func(a, b Member) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// changed notes that leases of a window may have changed.
func (m *members) changed(w *window) {
	if !w.uncounted {
		w.uncounted = true
		m.stale = append(m.stale, w)
	}
}

// recount brings held up to date.
func (m *members) recount() {
	for _, w := range m.stale {
		w.uncounted = false
		m.forget(w)
		leases := w.machine.Counts().Leased // behind the last of them nothing is looked at
		w.machine.Holders(min(leases, maxListed), func(member string) {
			if member == "" {
				return
			}
			if w.held == nil {
				w.held = map[string]int{}
			}
			w.held[member]++
			m.held[member]++
		})
	}
	clear(m.stale)
	m.stale = m.stale[:0]
}

// forget takes out what was counted in a window.
func (m *members) forget(w *window) {
	for name, n := range w.held {
		if m.held[name] -= n; m.held[name] == 0 {
			delete(m.held, name)
		}
	}
	clear(w.held)
}

// remove takes out a window that is detached.
func (m *members) remove(w *window) {
	m.forget(w)
	m.stale = slices.DeleteFunc(m.stale, func(o *window) bool { return o == w })
}

// maxListed is how many leases of a partition are looked at to count those of each member.
const maxListed = 10_000

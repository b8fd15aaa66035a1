package console

import (
	"context"
	"sort"
	"time"

	"github.com/holtmq/holt/queue"
)

// cells is how finely a ribbon is drawn.
const cells = 160

// ribbonView is a group's window on one partition, as the page draws it.
type ribbonView struct {
	Topic                            string
	Partition                        int
	From, To, Start, End             int64
	Lag, Available, Leased, Deferred int64
	Width                            int64
	Bars                             []bar
	Whole                            bool
	Oldest                           time.Time
	Done                             int64 // settled ones in the part that is drawn
}

// bar is a stretch of cells that look alike: x and w in cells, y and h in hundredths, for SVG.
type bar struct {
	State      string
	X, W, Y, H int
}

// groupPage is a share group.
type groupPage struct {
	G        *groupView
	Ribbons  []ribbonView
	Attempts []attemptBar
	Members  []memberRow
}

type attemptBar struct {
	Name string
	N    int64
	Pct  int
}

type memberRow struct {
	Name     string
	Leases   int
	LastSeen time.Time
}

func (v *visit) groupPage(name, title, on string, data any) *page {
	p := v.page(on, title, data)
	p.Nav = "groups"
	p.Crumbs = []crumb{{"Groups", "groups"}, {name, "groups/" + name}}
	return p
}

// groupTabs are the pages of a group.
func (v *visit) groupTabs(g *groupView, on string) []tab {
	base := "groups/" + g.Name
	if string(g.Kind) == "ordered" {
		return nil
	}
	return []tab{
		{"Window", base, -1, on == "group"}, {"Leases", base + "/leases", g.Totals.Leased, on == "leases"},
		{"Records", base + "/records", g.Totals.Lag, on == "records"}, {"Dead letters", base + "/letters", g.Totals.DeadLetters, on == "letters"},
	}
}

// Page is the link of one of a group's pages; an ordered group has but one.
func (g groupView) Page(page string) string {
	if string(g.Kind) == "ordered" {
		return "groups/" + g.Name
	}
	return "groups/" + g.Name + "/" + page
}

// groupView finds a group in the snapshot; one made since is looked up.
func (v *visit) groupView(name string) (*groupView, error) {
	s, err := v.c.sampler.get(v.r.Context())
	if err != nil {
		return nil, err
	}
	if g := s.group(name); g != nil {
		return g, nil
	}
	if _, err := v.do(summary(name)); err != nil {
		return nil, err
	}
	v.c.sampler.changed()
	if s, err = v.c.sampler.get(v.r.Context()); err != nil {
		return nil, err
	}
	if g := s.group(name); g != nil {
		return g, nil
	}
	return nil, badf("there are more groups than the console shows (%d), and %s is not among the first", maxShown, clip(name, 40))
}

func showGroup(v *visit) error {
	name := v.r.PathValue("group")
	g, err := v.groupView(name)
	if err != nil {
		return err
	}
	d := groupPage{G: g}
	if string(g.Kind) == "ordered" {
		return v.showOrdered(g)
	}
	ribbons, err := v.c.cfg.Source.Ribbon(v.r.Context(), name, cells)
	if err != nil {
		return err
	}
	var attempts []int64
	for i := range ribbons {
		d.Ribbons = append(d.Ribbons, drawRibbon(v.r.Context(), &ribbons[i]))
		for n, count := range ribbons[i].Attempts {
			if n >= len(attempts) {
				attempts = append(attempts, 0)
			}
			attempts[n] += int64(count)
		}
	}
	d.Attempts = attemptBars(attempts, g.Totals.Available)
	for _, m := range g.GroupInfo.Members {
		d.Members = append(d.Members, memberRow{m.Member, m.Leases, m.LastSeen})
	}
	sort.SliceStable(d.Members, func(i, j int) bool { return d.Members[i].Leases > d.Members[j].Leases })
	p := v.groupPage(name, name, "group", d)
	p.Crumbs = p.Crumbs[:1]
	p.Tabs = v.groupTabs(g, "group")
	return v.render(p)
}

// attemptBars makes the histogram of attempts; what was never looked at is at its first one and not in it.
func attemptBars(n []int64, _ int64) (out []attemptBar) {
	last, most := -1, int64(1)
	for i, c := range n {
		if c > 0 {
			last, most = i, max(most, c)
		}
	}
	for i := 0; i <= last; i++ {
		name := num(i + 1)
		if i == len(n)-1 {
			name += "+"
		}
		out = append(out, attemptBar{name, n[i], int(100 * n[i] / most)})
	}
	return out
}

// drawRibbon turns counts of cells into bars: in each cell the states share its height, but what is there at all is seen.
func drawRibbon(ctx context.Context, r *queue.GroupRibbon) ribbonView {
	v := ribbonView{
		Topic: r.Progress.Partition.Topic, Partition: r.Progress.Partition.Index, From: int64(r.From), To: int64(r.To), Width: int64(r.Width), Whole: r.Whole,
		Start: int64(r.Progress.Start), End: int64(r.Progress.End), Lag: r.Progress.Lag, Available: r.Progress.Available, Leased: r.Progress.Leased, Deferred: r.Progress.Deferred,
	}
	v.Done = v.To - v.From - (v.Lag - r.Before)
	v.Oldest, _ = r.Progress.OldestUnsettled(ctx) // the group's overview tells the log what cannot be read
	for i, c := range r.Cells {
		low := v.From + int64(i)*v.Width
		n := min(v.Width, v.To-low)
		if n <= 0 {
			break
		}
		y := 0
		for _, part := range []struct {
			state string
			n     int
		}{{"dying", c.Dying}, {"leased", c.Leased}, {"deferred", c.Deferred}, {"available", c.Available}} {
			if part.n == 0 {
				continue
			}
			h := max(int(100*int64(part.n)/n), 34)
			h = min(h, 100-y)
			v.Bars = appendBar(v.Bars, bar{part.state, i, 1, y, h})
			y += h
		}
	}
	return v
}

// appendBar adds a bar, or makes the one to its left that looks the same longer.
func appendBar(bars []bar, b bar) []bar {
	for i := len(bars) - 1; i >= 0 && bars[i].X+bars[i].W >= b.X; i-- {
		if o := &bars[i]; o.X+o.W == b.X && o.State == b.State && o.Y == b.Y && o.H == b.H {
			o.W++
			return bars
		}
	}
	return append(bars, b)
}

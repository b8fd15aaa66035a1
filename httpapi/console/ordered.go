package console

import (
	"strings"
	"time"

	"github.com/holtmq/holt/client/api"
)

// orderedRow is an ordered group's progress on one partition.
type orderedRow struct {
	Topic                  string
	Partition              int
	Committed, LogEnd, Lag int64
	Never                  bool // nothing was committed yet: it goes on at start
	Member, Metadata       string
	Pct                    int // of the log that is behind it
	Oldest                 *api.Time
}

// orderedMember is a member with what it reads.
type orderedMember struct {
	Name, Assignment string
	Partitions       int
	Epoch            int64
	Session          api.Duration
	LastSeen         time.Time
}

// orderedPage is an ordered group.
type orderedPage struct {
	G       *groupView
	Group   api.Group
	Rows    []orderedRow
	Members []orderedMember
	Lag     int64
	Idle    int // members without a partition
}

// showOrdered shows members, assignment, committed offsets and lag of an ordered group.
func (v *visit) showOrdered(g *groupView) error {
	group, err := read[api.Group](v, get(nil, "groups", g.Name))
	if err != nil {
		return err
	}
	offsets, err := read[api.OffsetsResponse](v, get(nil, "groups", g.Name, "offsets"))
	if err != nil {
		return err
	}
	committed := map[api.Place]api.CommittedOffset{}
	for _, o := range offsets.Offsets {
		committed[o.Place] = o
	}
	d := orderedPage{G: g, Group: group}
	for _, p := range group.Partitions {
		row := orderedRow{Topic: p.Topic, Partition: p.Partition, Committed: p.StartOffset, LogEnd: p.LogEndOffset, Lag: p.Lag, Member: p.Member, Oldest: p.OldestUnsettledAt}
		c, ok := committed[api.Place{Topic: p.Topic, Partition: p.Partition}]
		row.Never = !ok
		if ok {
			row.Committed, row.Metadata = c.Offset, c.Metadata
		}
		row.Pct = 100
		if row.LogEnd > 0 {
			row.Pct = int(100 * (row.LogEnd - row.Lag) / row.LogEnd)
		}
		d.Lag += row.Lag
		d.Rows = append(d.Rows, row)
	}
	for _, m := range group.Members {
		one := orderedMember{Name: m.Member, Partitions: len(m.Assignment), Epoch: m.Epoch, Session: m.Session, LastSeen: timeOf(m.LastSeenAt)}
		var places []string
		for _, a := range m.Assignment {
			places = append(places, a.Topic+"/"+itoa(a.Partition))
		}
		one.Assignment = strings.Join(places, ", ")
		if len(places) == 0 {
			d.Idle++
		}
		d.Members = append(d.Members, one)
	}
	p := v.groupPage(g.Name, g.Name, "ordered", d)
	p.Crumbs = p.Crumbs[:1]
	p.Tabs = v.groupTabs(g, "group")
	return v.render(p)
}

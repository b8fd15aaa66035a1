package console

import (
	"math"
	"net/url"
	"sort"
	"strings"

	"github.com/holtmq/holt/client/api"
)

// Limits and measures of the graph, in its own units.
const (
	graphNodes = 40 // of one column; what has the most to do is shown
	nodeHigh   = 40
	nodeGap    = 12
	nodeWide   = 224
	graphWide  = 1080
)

// graph is the topology as SVG draws it.
type graph struct {
	Width, Height int
	Nodes         []graphNode
	Edges         []graphEdge
	Heads         []graphHead
	Hidden        int // topics and groups that are left out
	Query         url.Values
	Q             string
}

type graphNode struct {
	X, Y             int
	Kind             string // producer, topic, group, worker, dead
	Name, Text, Link string
}

type graphEdge struct {
	Path, Width string
	Failing     bool
	Title       string
}

type graphHead struct {
	X    int
	Text string
}

// showTopology draws producers → topics → groups → workers, and dead letters: ?q= part of a topic's or group's name.
func showTopology(v *visit) error {
	s, err := v.c.sampler.get(v.r.Context())
	if err != nil {
		return err
	}
	q := v.r.URL.Query()
	d := drawGraph(s, v.producers(), strings.TrimSpace(q.Get("q")))
	d.Query = q
	return v.render(v.page("topology", "Topology", d))
}

// producer is who publishes to a topic.
type producer struct {
	Name, Topic string
	Rate        float64
}

// drawGraph lays the graph out in columns: who has the most to do stands highest.
func drawGraph(s *snapshot, producers []producer, q string) *graph {
	g := &graph{Q: q}
	groups, topics := g.choose(s, q)
	b := &graphBuilder{g: g, at: map[string][2]int{}, columns: 3}
	var names []string
	for _, p := range producers {
		if topics[p.Topic] && !contains(names, p.Name) && len(names) < graphNodes {
			names = append(names, p.Name)
		}
	}
	column := 0
	if len(names) > 0 {
		b.columns = 4
		b.head(column, "Producers")
		for _, n := range names {
			b.node(column, "producer", n, "", "")
		}
		column++
	}
	b.head(column, "Topics")
	for _, t := range sortedTopics(s, topics) {
		b.node(column, "topic", t.Name, rate(t.In)+"/s in", "topics/"+t.Name)
	}
	b.head(column+1, "Groups")
	b.head(column+2, "Workers, dead letters")
	for _, one := range groups {
		b.node(column+1, "group", one.Name, compact(one.Totals.Lag)+" behind, "+rate(one.Acking)+"/s out", "groups/"+one.Name)
		b.after(column, column+1, column+2, one)
	}
	for _, p := range producers {
		b.edge("producer/"+p.Name, "topic/"+p.Topic, p.Rate, false, p.Name+" → "+p.Topic+": "+rate(p.Rate)+"/s")
	}
	for _, one := range groups {
		for _, t := range one.Topics {
			b.edge("topic/"+t, "group/"+one.Name, known(one.Leasing)/float64(max(len(one.Topics), 1)), known(one.Failing) > 0.05*math.Max(known(one.Leasing), 0.1), t+" → "+one.Name+": "+rate(one.Leasing)+"/s handed out, "+rate(one.Failing)+"/s failing")
		}
		b.edge("group/"+one.Name, "worker/"+one.Name, known(one.Acking), known(one.Failing) > 0.05*math.Max(known(one.Leasing), 0.1), rate(one.Acking)+"/s acked, "+rate(one.Failing)+"/s failing")
		b.edge("group/"+one.Name, "dead/"+one.Name, known(one.Dying), true, one.Name+": "+rate(one.Dying)+"/s dying, "+plural(one.Totals.DeadLetters, "open letter", "open letters"))
	}
	return g
}

// choose picks the groups and topics to draw.
func (g *graph) choose(s *snapshot, q string) (groups []groupView, topics map[string]bool) {
	topics = map[string]bool{}
	low := strings.ToLower(q)
	for _, one := range s.byTrouble() {
		fits := q == "" || strings.Contains(strings.ToLower(one.Name), low)
		for _, t := range one.Topics {
			fits = fits || strings.Contains(strings.ToLower(t), low)
		}
		switch {
		case !fits:
		case len(groups) == graphNodes:
			g.Hidden++
		default:
			groups = append(groups, one)
			for _, t := range one.Topics {
				topics[t] = true
			}
		}
	}
	for i := range s.topics {
		t := &s.topics[i]
		if !t.LettersOf && len(t.Groups) == 0 && (q == "" || strings.Contains(strings.ToLower(t.Name), low)) && len(topics) < graphNodes {
			topics[t.Name] = true
		}
	}
	return groups, topics
}

func sortedTopics(s *snapshot, topics map[string]bool) (out []topicView) {
	for _, t := range s.topics {
		if topics[t.Name] {
			out = append(out, t)
		}
	}
	sort.SliceStable(out, func(i, j int) bool { return known(out[i].In) > known(out[j].In) })
	return out
}

func contains(all []string, one string) bool {
	for _, s := range all {
		if s == one {
			return true
		}
	}
	return false
}

// graphBuilder puts nodes into columns.
type graphBuilder struct {
	g       *graph
	columns int
	next    []int             // the next free y of each column
	at      map[string][2]int // kind/name → place
}

const graphTop = 30

// x is where a column begins.
func (b *graphBuilder) x(column int) int {
	return column * (graphWide - nodeWide) / max(b.columns-1, 1)
}

func (b *graphBuilder) head(column int, text string) {
	b.g.Heads = append(b.g.Heads, graphHead{b.x(column), text})
	b.grow(column)
}

func (b *graphBuilder) grow(column int) {
	for len(b.next) <= column {
		b.next = append(b.next, graphTop)
	}
	b.g.Width = graphWide
}

func (b *graphBuilder) node(column int, kind, name, text, link string) {
	b.grow(column)
	x, y := b.x(column), b.next[column]
	b.next[column] += nodeHigh + nodeGap
	b.g.Height = max(b.g.Height, b.next[column])
	b.at[kind+"/"+name] = [2]int{x, y}
	label := name
	switch kind {
	case "worker":
		label = text
		text = ""
	case "dead":
		label, text = text, ""
	}
	b.g.Nodes = append(b.g.Nodes, graphNode{x, y, kind, clip(label, 25), text, link})
}

// after draws what follows a group: its workers, and its dead letters.
func (b *graphBuilder) after(_, _, column int, g groupView) {
	if n := len(g.Members); n > 0 || g.Waiters > 0 {
		b.node(column, "worker", g.Name, plural(max(n, 1), "worker", "workers")+", "+plural(g.Totals.Leased, "lease", "leases"), g.Page("leases"))
	}
	if g.Totals.DeadLetters > 0 || known(g.Dying) > 0 {
		b.node(column, "dead", g.Name, plural(g.Totals.DeadLetters, "dead letter", "dead letters"), g.Page("letters"))
	}
}

// edge draws a curve between two nodes that are there, the wider the more goes along it.
func (b *graphBuilder) edge(from, to string, perSecond float64, failing bool, title string) {
	f, ok1 := b.at[from]
	t, ok2 := b.at[to]
	if !ok1 || !ok2 {
		return
	}
	x1, y1, x2, y2 := f[0]+nodeWide, f[1]+nodeHigh/2, t[0], t[1]+nodeHigh/2
	mid := (x1 + x2) / 2
	path := "M" + itoa(x1) + " " + itoa(y1) + "C" + itoa(mid) + " " + itoa(y1) + " " + itoa(mid) + " " + itoa(y2) + " " + itoa(x2) + " " + itoa(y2)
	width := 1 + math.Min(2*math.Log10(1+known(perSecond)), 9)
	b.g.Edges = append(b.g.Edges, graphEdge{path, trimFloat(width, 3), failing, title})
}

func itoa(n int) string { return strings.ReplaceAll(strings.ReplaceAll(num(n), ",", ""), "−", "-") }

// producers asks who publishes; without an answer the graph begins with the topics.
func (v *visit) producers() (out []producer) {
	t, err := read[api.Topology](v, get(nil, "topology"))
	if err != nil {
		return nil
	}
	for _, e := range t.Edges {
		if e.Kind == "publishes" {
			out = append(out, producer{strings.TrimPrefix(e.From, "client:"), strings.TrimPrefix(e.To, "topic:"), e.PerSecond})
		}
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].Rate > out[j].Rate })
	return out
}

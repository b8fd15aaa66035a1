package httpapi

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/traffic"
)

// client is the name of the program that calls: Holt-Client, else the first word of the user agent. Names are cut, and have printable characters only.
func (x *exchange) client() string {
	name := x.r.Header.Get(clientHeader)
	if name == "" {
		name, _, _ = strings.Cut(x.r.Header.Get("User-Agent"), " ")
	}
	if len(name) > traffic.MaxName {
		name = name[:traffic.MaxName]
	}
	for i := range len(name) {
		if c := name[i]; c < ' ' || c > '~' {
			return strings.Map(func(r rune) rune {
				if r < ' ' || r == utf8.RuneError || r == 0x7f {
					return -1
				}
				return r
			}, strings.ToValidUTF8(name, ""))
		}
	}
	return name
}

// worked notes what a call did for its group: records that it handed out, and those that it published on the way.
func (x *exchange) worked(records int, publish []queue.TopicMessages) {
	client := x.client()
	x.api.broker.Worked(client, x.group, records)
	for _, p := range publish {
		x.api.broker.Published(client, p.Topic, len(p.Messages))
	}
}

func (a *API) topology(x *exchange) error {
	t, err := a.broker.Topology(x.ctx())
	if err != nil {
		return err
	}
	return x.json(http.StatusOK, wireTopology(t, time.Now()))
}

// graph puts a topology together.
type graph struct {
	out     api.Topology
	clients map[string]*api.TopologyNode
}

func wireTopology(t queue.Topology, now time.Time) api.Topology {
	g := graph{out: api.Topology{At: api.Time(now), Nodes: []api.TopologyNode{}, Edges: []api.TopologyEdge{}, Cut: t.Cut}, clients: map[string]*api.TopologyNode{}}
	topics := map[string]bool{}
	for i := range t.Topics {
		topics[t.Topics[i].Name] = true
		g.topic(&t.Topics[i])
	}
	for i := range t.Groups {
		g.group(&t.Groups[i], topics)
	}
	for _, name := range slices.Sorted(maps.Keys(g.clients)) {
		g.out.Nodes = append(g.out.Nodes, *g.clients[name])
	}
	return g.out
}

// client returns a client's node, with what it was seen doing added.
func (g *graph) client(c queue.ClientSeen) string {
	n := g.clients[c.Name]
	if n == nil {
		n = &api.TopologyNode{ID: "client:" + c.Name, Kind: "client", Name: c.Name}
		g.clients[c.Name] = n
	}
	n.PerSecond += c.PerSecond
	if n.SeenAt == nil || c.At.After(time.Time(*n.SeenAt)) {
		n.SeenAt = new(api.Time(c.At))
	}
	return n.ID
}

func (g *graph) topic(t *queue.TopologyTopic) {
	id := "topic:" + t.Name
	g.out.Nodes = append(g.out.Nodes, api.TopologyNode{
		ID: id, Kind: "topic", Name: t.Name, PerSecond: t.PerSecond, Partitions: t.Partitions, Records: &t.Records, Bytes: &t.Bytes, SchemaVersion: t.Schema,
	})
	for _, c := range t.Producers {
		g.out.Edges = append(g.out.Edges, api.TopologyEdge{From: g.client(c), To: id, Kind: "publishes", PerSecond: c.PerSecond, SeenAt: new(api.Time(c.At))})
	}
}

func (g *graph) group(t *queue.TopologyGroup, topics map[string]bool) {
	id := "group:" + t.Name
	n := api.TopologyNode{
		ID: id, Kind: "group", Name: t.Name, PerSecond: t.PerSecond, GroupKind: string(t.Kind), Lag: &t.Totals.Lag, Paused: t.Config.Paused,
	}
	if t.DeadLetters != "" {
		n.Available, n.Leased, n.Deferred, n.DeadLetters = &t.Totals.Available, &t.Totals.Leased, &t.Totals.Deferred, &t.Totals.DeadLetters
	}
	for _, m := range t.Members {
		n.Members = append(n.Members, m.Member)
	}
	g.out.Nodes = append(g.out.Nodes, n)
	lag := map[string]int64{}
	for _, p := range t.Partitions {
		lag[p.Topic] += p.Lag
	}
	for _, topic := range t.Topics {
		g.out.Edges = append(g.out.Edges, api.TopologyEdge{From: "topic:" + topic, To: id, Kind: "reads", Lag: new(lag[topic])})
	}
	for _, c := range t.Clients {
		g.out.Edges = append(g.out.Edges, api.TopologyEdge{From: id, To: g.client(c), Kind: "delivers", PerSecond: c.PerSecond, SeenAt: new(api.Time(c.At))})
	}
	if topics[cmp.Or(t.DeadLetters, "/")] {
		g.out.Edges = append(g.out.Edges, api.TopologyEdge{From: id, To: "topic:" + t.DeadLetters, Kind: "dead_letters", Open: &t.Totals.DeadLetters})
	}
}

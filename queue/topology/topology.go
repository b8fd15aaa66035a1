package topology

import (
	"context"
	"errors"
	"time"

	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/group"
	"github.com/holtmq/holt/queue/topic"
	"github.com/holtmq/holt/queue/traffic"
)

// MaxItems is how many topics, and how many groups, a graph shows.
const MaxItems = 5_000

// Graph is who talks to whom.
type Graph struct {
	Topics []Topic
	Groups []Group
	Cut    bool // there are more than MaxItems
}

// Topic is a topic and who published to it.
type Topic struct {
	Name          string
	Partitions    int
	Records       int64 // at most: holes count
	Bytes         int64
	Schema        int    // version; 0 = none
	SchemaText    []byte // nil = none
	LettersOf     string // the group whose dead letters it was made for; "" = none
	PerSecond     float64
	Producers     []traffic.Seen
	CreatedAt     time.Time
	Compatibility string
}

// Group is a group and who worked for it.
type Group struct {
	group.Info
	DeadLetters string // the topic of its dead letters; "" = none
	PerSecond   float64
	Clients     []traffic.Seen
}

// Watcher notes who talks to whom, and draws it.
type Watcher struct {
	catalog *catalog.Catalog
	topics  *topic.Set
	groups  *group.Set
	traffic *traffic.Table
}

// New returns a watcher that keeps what it notes in a table.
func New(c *catalog.Catalog, topics *topic.Set, groups *group.Set, t *traffic.Table) *Watcher {
	return &Watcher{catalog: c, topics: topics, groups: groups, traffic: t}
}

// Published notes that a client published so many records to a topic. It costs next to nothing.
func (w *Watcher) Published(client, name string, records int) {
	if t, err := w.topics.Get(name); err == nil {
		w.traffic.Saw(traffic.Produces, t.Def.ID, client, records)
	}
}

// Worked notes that a client took, settled or read so many records for a group.
func (w *Watcher) Worked(client, group string, records int) {
	if def, err := w.catalog.Group(group); err == nil {
		w.traffic.Saw(traffic.Works, def.ID, client, records)
	}
}

// Run keeps the table of clients until ctx ends.
func (w *Watcher) Run(ctx context.Context) {
	w.traffic.Run(ctx, func(kind traffic.Kind) map[uint64]bool {
		ids := map[uint64]bool{}
		if kind == traffic.Produces {
			for _, def := range w.catalog.Topics("", catalog.Everything) {
				ids[def.ID] = true
			}
			return ids
		}
		for _, def := range w.catalog.Groups("", catalog.Everything) {
			ids[def.ID] = true
		}
		return ids
	})
}

// Graph tells who talks to whom, as memory has it. Errors: those of group.Set.Info.
func (w *Watcher) Graph(ctx context.Context) (Graph, error) {
	var out Graph
	topics := w.catalog.Topics("", MaxItems+1)
	groups := w.catalog.Groups("", MaxItems+1)
	out.Cut = len(topics) > MaxItems || len(groups) > MaxItems
	for _, def := range topics[:min(len(topics), MaxItems)] {
		if t, err := w.topics.Get(def.Name); err == nil {
			out.Topics = append(out.Topics, w.topic(def, t))
		}
	}
	for _, def := range groups[:min(len(groups), MaxItems)] {
		info, err := w.groups.Info(ctx, def.Name)
		if errors.Is(err, catalog.ErrGroupNotFound) {
			continue
		} else if err != nil {
			return Graph{}, err
		}
		item := Group{Info: info, Clients: w.traffic.Clients(traffic.Works, def.ID)}
		if def.Kind == catalog.KindShare && def.Config.DeadLetters {
			item.DeadLetters = def.Config.DeadLetterTopic
		}
		for _, c := range item.Clients {
			item.PerSecond += c.PerSecond
		}
		out.Groups = append(out.Groups, item)
	}
	return out, nil
}

// topic draws a topic.
func (w *Watcher) topic(def *catalog.Topic, t *topic.Topic) Topic {
	item := Topic{
		Name: def.Name, Partitions: len(t.Partitions), Schema: def.SchemaVersion, LettersOf: def.LettersOf, CreatedAt: def.CreatedAt,
		Compatibility: string(def.Config.SchemaCompatibility), Producers: w.traffic.Clients(traffic.Produces, def.ID),
	}
	if def.Compiled != nil {
		item.SchemaText = def.Compiled.Text()
	}
	for _, p := range t.Partitions {
		start, end := p.Bounds()
		item.Records += int64(end - start)
		item.Bytes += p.Bytes()
	}
	for _, c := range item.Producers {
		item.PerSecond += c.PerSecond
	}
	return item
}

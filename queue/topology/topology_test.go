package topology

import (
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/group"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/share"
	"github.com/holtmq/holt/queue/store/memory"
	"github.com/holtmq/holt/queue/system"
	"github.com/holtmq/holt/queue/topic"
	"github.com/holtmq/holt/queue/traffic"
)

// town is definitions in a bubble, some of which are at work.
type town struct {
	*Watcher
	t *testing.T
}

func inBubble(t *testing.T, fn func(town)) {
	synctest.Test(t, func(t *testing.T) {
		c := commit.New(memory.New(memory.Config{}), nil)
		definitions, err := catalog.Open(t.Context(), memory.New(memory.Config{}).Meta())
		if err != nil {
			t.Fatal(err)
		}
		topics := topic.NewSet()
		log := slog.New(slog.DiscardHandler)
		groups := group.NewSet(definitions, topics, &share.Env{Committer: c, Clock: share.NewClock(nil), Logger: log}, nil, log)
		defer groups.Close()
		fn(town{New(definitions, topics, groups, traffic.Keep(system.New(c), c)), t})
	})
}

func (v town) define(name string) *catalog.Topic {
	v.t.Helper()
	def, err := v.catalog.PutTopic(v.t.Context(), catalog.Topic{Name: name, Config: catalog.DefaultTopic()})
	if err != nil {
		v.t.Fatal(err)
	}
	return def
}

// topic puts a topic to work.
func (v town) topic(name string) {
	v.t.Helper()
	v.topics.Put(&topic.Topic{Def: v.define(name), Partitions: []*partition.Partition{}})
}

func (v town) group(name string, set func(*catalog.GroupConfig)) {
	v.t.Helper()
	def := catalog.Group{Name: name, Kind: catalog.KindShare, Config: catalog.DefaultGroup(name)}
	if set != nil {
		set(&def.Config)
	}
	if err := v.groups.Apply(v.t.Context(), def, nil); err != nil {
		v.t.Fatal(err)
	}
}

func (v town) graph() Graph {
	v.t.Helper()
	g, err := v.Graph(v.t.Context())
	if err != nil {
		v.t.Fatal(err)
	}
	return g
}

// The picture shows what is at work with who talked to it, and nobody who talked to what is not there.
func TestGraphShowsWhoTalksToWhom(t *testing.T) {
	inBubble(t, func(v town) {
		v.topic("orders")
		v.define("opening") // its partitions are not open yet
		v.group("mailer", nil)
		v.group("dropper", func(c *catalog.GroupConfig) { c.DeadLetters = false })
		v.Published("web", "orders", 3)
		v.Published("web", "orders", 2)
		v.Published("", "orders", 1)
		v.Published("web", "nowhere", 9)
		v.Worked("worker", "mailer", 4)
		v.Worked("worker", "nobody", 4)
		g := v.graph()
		if len(g.Topics) != 1 || g.Topics[0].Name != "orders" || len(g.Topics[0].Producers) != 1 || g.Topics[0].Producers[0].Name != "web" {
			t.Errorf("topics: %+v", g.Topics)
		}
		got := ""
		for _, one := range g.Groups {
			got += fmt.Sprintf("%s>%s:%d ", one.Name, one.DeadLetters, len(one.Clients))
		}
		if got != "dropper>:0 mailer>mailer.dlq:1 " || g.Cut {
			t.Errorf("groups: %s, cut %v", got, g.Cut)
		}
		time.Sleep(traffic.Window + time.Minute)
		if g := v.graph(); len(g.Topics[0].Producers) != 0 {
			t.Errorf("a day later: %+v", g.Topics[0].Producers)
		}
	})
}

// A group whose definition is there, and which is not at work yet or any more, is passed over; a picture has its limit, and says so.
func TestGraphHasALimit(t *testing.T) {
	inBubble(t, func(v town) {
		for i := range MaxItems {
			if _, err := v.catalog.PutGroup(v.t.Context(), catalog.Group{Name: fmt.Sprint("g", i), Kind: catalog.KindShare, Config: catalog.DefaultGroup("g")}); err != nil {
				t.Fatal(err)
			}
		}
		if g := v.graph(); g.Cut || len(g.Groups) != 0 {
			t.Errorf("%d groups, cut %v", len(g.Groups), g.Cut)
		}
		v.group("one-more", nil)
		if g := v.graph(); !g.Cut {
			t.Error("with one more it is not said that some are missing")
		}
	})
}

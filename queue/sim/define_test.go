package sim

import (
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/catalog"
)

// incarnation is the part of a tag that stays while a definition changes.
func incarnation(tag string) string {
	id, _, _ := strings.Cut(tag, "-")
	return id
}

func (w *world) putTopic(name string, rng *rand.Rand) {
	partitions, lanes := 1+rng.IntN(3), 1+rng.IntN(2)
	w.tally.calls++
	info, created, err := w.broker().PutTopic(w.ctx, name, queue.Condition{Absent: true}, func(c queue.TopicConfig, _ bool) (queue.TopicConfig, error) {
		c.Partitions, c.Priorities = partitions, lanes
		c.DedupeWindow = []time.Duration{10 * time.Minute, 15 * time.Second, time.Second, 0}[rng.IntN(4)]
		c.MaxBacklogRecords = []int64{0, 0, 60}[rng.IntN(3)]
		if rng.IntN(3) == 0 && !w.awaited(name) {
			c.Retention.Age = time.Duration(1+rng.IntN(40)) * time.Second
		}
		return c, nil
	})
	if err != nil || !created {
		w.failed("put topic "+name, err)
		w.unsure[name] = true
		return
	}
	w.topicIs(info)
}

// topicIs notes what a topic is.
func (w *world) topicIs(info queue.TopicInfo) {
	t := w.topics[info.Name]
	if t == nil || t.id != incarnation(info.Tag) {
		w.topicGone(info.Name)
		t = &topic{name: info.Name, id: incarnation(info.Tag), ids: map[string]*msg{}}
		w.topics[info.Name] = t
		t.window, t.limit = info.Config.DedupeWindow.Milliseconds(), info.Config.MaxBacklogRecords
		if info.Config.Retention.Age < time.Hour {
			t.age = info.Config.Retention.Age.Milliseconds()
		}
	}
	t.lanes = info.Config.Priorities
	if len(info.Partitions) < len(t.parts) {
		w.violated("I12 offsets", "%s has %d partitions, it had %d", t.name, len(info.Partitions), len(t.parts))
	}
	for i := len(t.parts); i < len(info.Partitions); i++ {
		p := &part{topic: t, index: i}
		t.parts = append(t.parts, p)
		w.grown(p)
		for _, g := range w.all() {
			if slices.Contains(g.topics, t) {
				win := newWin(g, p, 0)
				g.wins = append(g.wins, win)
				w.haunted(win)
			}
		}
	}
}

// topicGone notes a deletion.
func (w *world) topicGone(name string) {
	t := w.topics[name]
	if t == nil {
		return
	}
	delete(w.topics, name)
	for _, g := range w.all() {
		w.detach(g, t)
	}
	for _, s := range w.allStreams() {
		s.detach(t)
	}
}

func newWin(g *group, p *part, start int) *win {
	win := &win{group: g, part: p, start: start, keys: map[string][]*rec{}}
	win.sync()
	return win
}

// detach forgets a group's progress on a topic.
func (w *world) detach(g *group, t *topic) {
	g.events++
	g.topics = slices.DeleteFunc(g.topics, func(o *topic) bool { return o == t })
	for _, win := range g.wins {
		if win.part.topic == t {
			win.gone = true
			for _, r := range win.recs {
				if r.is(isLeased) {
					g.held--
				}
			}
		}
	}
	g.wins = slices.DeleteFunc(g.wins, func(win *win) bool { return win.gone })
	g.live = slices.DeleteFunc(g.live, func(r *rec) bool { return r.win.gone })
	g.ttls = slices.DeleteFunc(g.ttls, func(r *rec) bool { return r.win.gone })
}

// randomConfig changes a group's configuration in everything that may change while it lives.
func randomConfig(c *queue.GroupConfig, rng *rand.Rand) {
	c.Lease = time.Duration(1000+rng.IntN(15_000)) * time.Millisecond
	c.MaxAttempts = []int{0, 1, 2, 3, 5, 8}[rng.IntN(6)]
	c.Backoff = catalog.Backoff{Initial: time.Duration(rng.IntN(3000)) * time.Millisecond, Multiplier: 1 + float64(rng.IntN(3)), Max: 20 * time.Second, Jitter: float64(rng.IntN(3)) / 4}
	if rng.IntN(4) == 0 {
		c.Backoff.Steps = []time.Duration{0, time.Second, 5 * time.Second}
	}
	c.MaxInflight = []int{10_000, 10_000, 3, 20, 1}[rng.IntN(5)]
	c.RatePerSecond, c.RateBurst = 0, 0
	if rng.IntN(5) == 0 {
		c.RatePerSecond, c.RateBurst = float64(1+rng.IntN(20)), rng.IntN(30)
	}
	c.StrictLeases = rng.IntN(4) == 0
	c.DeadLetters = c.OnDead == catalog.OnDeadHold || rng.IntN(4) > 0
	c.DeadLetterOnTTL = rng.IntN(2) == 0
	c.KeyConcurrency = 0
	if rng.IntN(3) == 0 {
		c.KeyConcurrency = 1 + rng.IntN(3)
	}
}

// someTopics are what a group is to read.
func (w *world) someTopics(rng *rand.Rand) (out []string) {
	for _, t := range topicNames {
		if w.topics[t] != nil && rng.IntN(4) > 0 {
			out = append(out, t)
		}
	}
	return out
}

func (w *world) putGroup(name string, rng *rand.Rand) {
	topics := w.someTopics(rng)
	w.tally.calls++
	info, created, err := w.broker().PutGroup(w.ctx, name, queue.Condition{Absent: true}, func(c queue.GroupChange, _ bool) (queue.GroupChange, error) {
		c.Topics = topics
		if rng.IntN(3) == 0 {
			c.Config.Ordering = catalog.OrderingKey
			if rng.IntN(4) == 0 {
				c.Config.OnDead = catalog.OnDeadHold
			}
		}
		randomConfig(&c.Config, rng)
		if rng.IntN(6) == 0 {
			c.Config.Start = "latest"
		}
		return c, nil
	})
	if err != nil || !created {
		w.failed("put group "+name, err)
		w.unsure[name] = true
		return
	}
	w.groupIs(info)
}

// groupIs notes what a group is.
func (w *world) groupIs(info queue.GroupInfo) {
	g := w.groups[info.Name]
	if g == nil || g.id != incarnation(info.Tag) {
		w.groupGone(info.Name)
		g = &group{
			name: info.Name, id: incarnation(info.Tag), ordered: true, holding: true, limited: true, tokensAt: w.now(), letters: map[origin]*deadLetter{},
		}
		w.groups[info.Name] = g
		g.config.RatePerSecond = -1 // the bucket begins full
	}
	c := info.Config
	if g.config.RatePerSecond <= 0 {
		g.config = c
		g.tokens, g.tokensAt = g.burst(), w.now()
	} else {
		w.spend(g, 0)
		g.config = c
		g.tokens = min(g.tokens, g.burst())
	}
	g.rules = rulesOf(&c)
	g.ordered = g.ordered && c.Ordering == catalog.OrderingKey
	g.holding = g.holding && g.ordered && c.OnDead == catalog.OnDeadHold
	g.limited = g.limited && !g.ordered && c.KeyConcurrency > 0
	for _, t := range slices.Clone(g.topics) {
		if !slices.Contains(info.Topics, t.name) {
			w.detach(g, t)
		}
	}
	for _, name := range info.Topics {
		t := w.topics[name]
		if t == nil {
			w.violated("definitions", "group %s reads topic %s, which is not there", g.name, name)
		} else if !slices.Contains(g.topics, t) {
			w.attached(g, t, info)
		}
	}
}

// attached gives a group windows on a topic.
func (w *world) attached(g *group, t *topic, info queue.GroupInfo) {
	g.topics = append(g.topics, t)
	g.events++
	w.trimmed(t)
	for _, p := range t.parts {
		start := p.first
		for _, at := range info.Partitions {
			if at.Topic == t.name && at.Partition == p.index && g.config.Start == "latest" {
				start = max(start, int(at.Start))
			}
		}
		win := newWin(g, p, start)
		g.wins = append(g.wins, win)
		w.haunted(win)
	}
}

// groupGone notes a deletion.
func (w *world) groupGone(name string) {
	g := w.groups[name]
	if g == nil {
		return
	}
	delete(w.groups, name)
	for _, win := range g.wins {
		win.gone = true
	}
	w.former = append(w.former, g)
}

// changeGroup puts a share group's definition.
func (w *world) changeGroup(g *group, edit func(*queue.GroupChange)) {
	w.redefine(g.name, edit, w.groupIs)
}

// redefine puts a group's definition; is takes note of it.
func (w *world) redefine(name string, edit func(*queue.GroupChange), is func(queue.GroupInfo)) {
	w.tally.calls++
	info, _, err := w.broker().PutGroup(w.ctx, name, queue.Condition{Exists: true}, func(c queue.GroupChange, _ bool) (queue.GroupChange, error) {
		edit(&c)
		return c, nil
	})
	if err != nil {
		w.failed("put group "+name, err)
		if !refused(err) {
			w.unsure[name] = true
			w.turns.rest()
			w.heal()
		}
		return
	}
	w.note("group %s is %v %+v", name, info.Topics, info.Config)
	is(info)
	w.certain()
}

func (w *world) configure(rng *rand.Rand) {
	if g := w.anyGroup(rng); g != nil {
		w.changeGroup(g, func(c *queue.GroupChange) {
			randomConfig(&c.Config, rng)
			if rng.IntN(10) == 0 && c.Config.OnDead != catalog.OnDeadHold {
				c.Config.Ordering = []catalog.Ordering{catalog.OrderingNone, catalog.OrderingKey}[rng.IntN(2)]
			}
		})
	}
}

func (w *world) pause(rng *rand.Rand) {
	if g := w.anyGroup(rng); g != nil {
		w.changeGroup(g, func(c *queue.GroupChange) { c.Config.Paused = !c.Config.Paused })
	}
}

// attach takes a topic off a group, or gives it one.
func (w *world) attach(rng *rand.Rand) {
	g, t := w.anyGroup(rng), w.anyTopic(rng)
	if g == nil || t == nil {
		return
	}
	w.changeGroup(g, func(c *queue.GroupChange) {
		if i := slices.Index(c.Topics, t.name); i >= 0 && rng.IntN(2) == 0 {
			c.Topics = slices.Delete(c.Topics, i, i+1)
		} else if i < 0 {
			c.Topics = append(c.Topics, t.name)
		}
	})
}

// grow gives a topic more partitions or priorities.
func (w *world) grow(rng *rand.Rand) {
	t := w.anyTopic(rng)
	if t == nil || len(t.parts) > 8 {
		return
	}
	w.tally.calls++
	info, _, err := w.broker().PutTopic(w.ctx, t.name, queue.Condition{Exists: true, Force: rng.IntN(2) == 0}, func(c queue.TopicConfig, _ bool) (queue.TopicConfig, error) {
		c.Partitions += rng.IntN(2)
		c.Priorities = min(3, c.Priorities+rng.IntN(2))
		return c, nil
	})
	if err != nil {
		w.failed("grow "+t.name, err)
		if !refused(err) {
			w.unsure[t.name] = true
		}
		return
	}
	w.topicIs(info)
	w.certain()
}

// deleteGroup deletes a group, or makes the one that is missing.
func (w *world) deleteGroup(rng *rand.Rand) {
	name := groupNames[rng.IntN(len(groupNames))]
	if w.groups[name] == nil {
		w.putGroup(name, rng)
		return
	}
	w.tally.calls++
	if err := w.broker().DeleteGroup(w.ctx, name, rng.IntN(3) > 0, queue.Condition{}); err != nil {
		w.failed("delete group "+name, err)
		w.unsure[name] = w.unsure[name] || !refused(err)
		return
	}
	w.groupGone(name)
	if rng.IntN(2) == 0 {
		w.putGroup(name, rng)
	}
}

// deleteTopic deletes a topic, or makes the one that is missing; now and then it is one of dead letters.
func (w *world) deleteTopic(rng *rand.Rand) {
	name := topicNames[rng.IntN(len(topicNames))]
	if rng.IntN(3) == 0 {
		w.deleteLetters(groupNames[rng.IntN(len(groupNames))], rng)
		return
	}
	if w.topics[name] == nil {
		w.putTopic(name, rng)
		return
	}
	w.tally.calls++
	if err := w.broker().DeleteTopic(w.ctx, name, rng.IntN(3) > 0, queue.Condition{}); err != nil {
		w.failed("delete topic "+name, err)
		if !refused(err) { // its groups may have lost it already
			w.unsure[name] = true
			for _, g := range slices.Concat(groupNames, streamNames) {
				w.unsure[g] = true
			}
		}
		return
	}
	w.topicGone(name)
	if rng.IntN(2) == 0 {
		w.putTopic(name, rng)
	}
}

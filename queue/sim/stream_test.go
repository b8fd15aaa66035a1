package sim

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/catalog"
)

// streamNames are those of ordered groups.
var streamNames = []string{"o0", "o1"}

// stream is one incarnation of an ordered group.
type stream struct {
	name    string
	id      string
	config  queue.GroupConfig
	topics  []*topic
	cursors []*cursor
	members []*member  // in order of joining; some of those that are gone stay, since they speak up again
	epoch   int64      // the last one that is known to have been given
	chances []progress // what may be committed; one, when it is known
}

// cursor is a stream's place on one partition.
type cursor struct {
	part  *part
	start int // where the group begins
}

func (c *cursor) place() queue.TopicPartition {
	return queue.TopicPartition{Topic: c.part.topic.name, Partition: c.part.index}
}

// String returns topic/partition.
func (c *cursor) String() string { return c.place().String() }

// holds says whether the log holds a record from an offset on.
func (c *cursor) holds(from int) bool {
	return slices.ContainsFunc(c.part.log[min(max(from, c.part.first), len(c.part.log)):], func(m *msg) bool { return !m.gone })
}

func (s *stream) cursor(at queue.TopicPartition) *cursor {
	for _, c := range s.cursors {
		if c.place() == at {
			return c
		}
	}
	return nil
}

// next is where the group goes on, if that is known.
func (s *stream) next(c *cursor) int {
	if at, is := s.chances[0][c]; is {
		return at.offset
	}
	return max(c.start, c.part.first)
}

func (w *world) anyStream(rng *rand.Rand) *stream {
	first := rng.IntN(len(streamNames))
	for i := range streamNames {
		if s := w.streams[streamNames[(first+i)%len(streamNames)]]; s != nil {
			return s
		}
	}
	return nil
}

func (w *world) allStreams() []*stream {
	var out []*stream
	for _, name := range streamNames {
		if s := w.streams[name]; s != nil {
			out = append(out, s)
		}
	}
	return out
}

// anyStart is where a stream is to begin what it is given to read.
func (w *world) anyStart(rng *rand.Rand) string {
	switch rng.IntN(5) {
	case 0:
		return "latest"
	case 1:
		return time.UnixMilli(w.wall() - int64(rng.IntN(60_000))).UTC().Format(time.RFC3339Nano)
	}
	return "earliest"
}

func (w *world) putStream(name string, rng *rand.Rand) {
	topics := w.someTopics(rng)
	w.tally.calls++
	info, created, err := w.broker().PutGroup(w.ctx, name, queue.Condition{Absent: true}, func(c queue.GroupChange, _ bool) (queue.GroupChange, error) {
		c.Kind, c.Topics, c.Config.Start = catalog.KindOrdered, topics, w.anyStart(rng)
		return c, nil
	})
	if err != nil || !created {
		w.failed("put group "+name, err)
		w.unsure[name] = true
		return
	}
	w.streamIs(info)
}

// streamIs notes what an ordered group is.
func (w *world) streamIs(info queue.GroupInfo) {
	s := w.streams[info.Name]
	if s == nil || s.id != incarnation(info.Tag) {
		s = &stream{name: info.Name, id: incarnation(info.Tag), chances: []progress{{}}}
		w.streams[info.Name] = s
	}
	s.config = info.Config
	for _, t := range slices.Clone(s.topics) {
		if !slices.Contains(info.Topics, t.name) {
			s.detach(t)
		}
	}
	for _, name := range info.Topics {
		t := w.topics[name]
		if t == nil {
			w.violated("definitions", "group %s reads topic %s, which is not there", s.name, name)
		} else if !slices.Contains(s.topics, t) {
			w.attachStream(s, t, info)
		}
	}
}

// attachStream gives a stream a topic that it begins to read.
func (w *world) attachStream(s *stream, t *topic, info queue.GroupInfo) {
	w.trimmed(t)
	s.topics = append(s.topics, t)
	for _, p := range t.parts {
		c := &cursor{part: p}
		s.cursors = append(s.cursors, c)
		i := slices.IndexFunc(info.Partitions, func(q queue.GroupPartition) bool { return q.Topic == t.name && q.Partition == p.index })
		if i < 0 {
			w.violated("definitions", "group %s reads %s, and not its partition %d", s.name, t.name, p.index)
			return
		}
		c.start = int(info.Partitions[i].Start)
		if lo, hi := startsAt(p, s.config.Start); !w.unsure[s.name] && !w.armed && (c.start < lo || c.start > hi) {
			w.violated("start", "group %s begins %v at %d; its start is %s, which is at %d..%d", s.name, c, c.start, s.config.Start, lo, hi)
		}
	}
}

// startsAt returns the offsets that a start may stand for on a partition: in the hole before a record one is as good as another.
func startsAt(p *part, start string) (lo, hi int) {
	at, err := catalog.ParseStart(start)
	switch {
	case err != nil:
		panic(err)
	case at.Latest:
		return len(p.log), len(p.log)
	case at.At.IsZero():
		return p.first, p.first
	}
	hi = p.since(at.At.UnixMilli())
	for lo = hi; lo > p.first && p.log[lo-1].gone; {
		lo--
	}
	return lo, hi
}

// since returns the offset of the first record that was appended at a time or later.
func (p *part) since(at int64) int {
	if i := slices.IndexFunc(p.log, func(m *msg) bool { return m.at >= at && !m.gone }); i >= 0 {
		return i
	}
	return len(p.log)
}

// grown gives streams a partition that a topic they read has gained: from its beginning.
func (w *world) grown(p *part) {
	for _, s := range w.allStreams() {
		if slices.Contains(s.topics, p.topic) {
			s.cursors = append(s.cursors, &cursor{part: p})
		}
	}
}

// detach forgets a stream's progress on a topic.
func (s *stream) detach(t *topic) {
	s.topics = slices.DeleteFunc(s.topics, func(o *topic) bool { return o == t })
	for _, c := range s.cursors {
		if c.part.topic != t {
			continue
		}
		for _, at := range s.chances {
			delete(at, c)
		}
		for _, m := range s.members {
			delete(m.owned, c)
		}
	}
	s.cursors = slices.DeleteFunc(s.cursors, func(c *cursor) bool { return c.part.topic == t })
}

// define changes the definition of an ordered group, deletes it, or makes one that is missing.
func (w *world) define(rng *rand.Rand) {
	name := streamNames[rng.IntN(len(streamNames))]
	s := w.streams[name]
	if s == nil {
		w.putStream(name, rng)
		return
	}
	switch t := w.anyTopic(rng); rng.IntN(6) {
	case 0:
		w.deleteStream(s, rng)
	case 1:
		w.redefine(name, func(c *queue.GroupChange) { c.Config.Paused = !c.Config.Paused }, w.streamIs)
	case 2:
		w.redefine(name, func(c *queue.GroupChange) { c.Config.Start = w.anyStart(rng) }, w.streamIs)
	default:
		if t != nil {
			w.redefine(name, func(c *queue.GroupChange) { toggle(c, t, rng.IntN(3) == 0) }, w.streamIs)
		}
	}
}

// toggle takes a topic off a group, if it may, or gives it one.
func toggle(c *queue.GroupChange, t *topic, off bool) {
	if i := slices.Index(c.Topics, t.name); i >= 0 && off {
		c.Topics = slices.Delete(c.Topics, i, i+1)
	} else if i < 0 {
		c.Topics = append(c.Topics, t.name)
	}
}

func (w *world) deleteStream(s *stream, rng *rand.Rand) {
	force := rng.IntN(2) == 0
	there := slices.ContainsFunc(s.members, func(m *member) bool { return m.standing != absent })
	w.tally.calls++
	err := w.broker().DeleteGroup(w.ctx, s.name, force, queue.Condition{})
	w.note("delete group %s, force %v: %v", s.name, force, err)
	if inUse := errors.Is(err, queue.ErrGroupInUse); inUse != (there && !force) && (inUse || err == nil) {
		w.violated("definitions", "delete %s, which has members: %v, force %v: %v", s.name, there, force, err)
	}
	if err != nil {
		w.failed("delete group "+s.name, err)
		w.unsure[s.name] = w.unsure[s.name] || !refused(err)
		return
	}
	delete(w.streams, s.name)
	w.certain()
	if rng.IntN(2) == 0 {
		w.putStream(s.name, rng)
	}
}

// roll is who holds which partition, and who is there, as the broker tells it.
type roll struct {
	queue.GroupInfo
	holder map[*cursor]string
}

// roll asks for it; nil = the group cannot be described now.
func (w *world) roll(s *stream) *roll {
	info, err := w.broker().Group(w.ctx, s.name)
	if err != nil {
		w.note("describe %s: %v", s.name, err)
		return nil
	}
	r := &roll{info, map[*cursor]string{}}
	for _, p := range info.Partitions {
		if c := s.cursor(queue.TopicPartition{Topic: p.Topic, Partition: p.Partition}); c != nil {
			r.holder[c] = p.Member
		}
	}
	return r
}

// held is what a restart must leave as it is.
func (r *roll) held() string {
	var out []string
	for c, name := range r.holder {
		out = append(out, fmt.Sprintf("%v %s", c, name))
	}
	slices.Sort(out)
	return fmt.Sprint(out)
}

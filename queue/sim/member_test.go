package sim

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/holtmq/holt/queue"
)

// standing says whether a member is in its group.
type standing uint8

const (
	present standing = iota
	doubted          // a crash may have undone its end, or an unknown call have ended it
	absent
)

// member is one that joined, with its epoch: what its client knows, and what the group must know of it.
type member struct {
	stream   *stream
	name     string
	epoch    int64
	topics   []*topic // of these incarnations, as they were when it joined; nil = all that the group reads
	session  int64    // ms
	seen     int64    // its last sign of life
	poll     *poll    // one that waits, which keeps the session
	standing standing
	ended    int64           // when it became absent
	lapsed   bool            // its session ended since everything was last known to be durable
	thrown   uint32          // the broker's life in which a reset threw it out
	silent   bool            // its client died, or never heard that it joined
	owned    map[*cursor]int // what its client works on, and the next offset it wants: nobody else may
}

func (m *member) String() string {
	return fmt.Sprintf("%s of %s, epoch %d", m.name, m.stream.name, m.epoch)
}

// reads says whether a member wants a topic.
func (m *member) reads(t *topic) bool { return m.topics == nil || slices.Contains(m.topics, t) }

// ends takes a member out.
func (m *member) ends(at int64) { m.standing, m.ended = absent, at }

// present returns the member of a name, or nil.
func (s *stream) present(name string) *member {
	for _, m := range s.members {
		if m.name == name && m.standing == present {
			return m
		}
	}
	return nil
}

// anyMember returns a member whose client lives, as far as that knows.
func (w *world) anyMember(rng *rand.Rand) *member {
	s := w.anyStream(rng)
	if s == nil {
		return nil
	}
	live := slices.DeleteFunc(slices.Clone(s.members), func(m *member) bool { return m.silent || m.standing == absent })
	if len(live) == 0 {
		return nil
	}
	return live[rng.IntN(len(live))]
}

// join takes a member in: a new one, one that was there, or one that is.
func (w *world) join(rng *rand.Rand) {
	name := streamNames[rng.IntN(len(streamNames))]
	req := queue.JoinRequest{Member: fmt.Sprint("m", rng.IntN(5)), Session: time.Duration(1000+rng.IntN([]int{20_000, 90_000}[rng.IntN(2)])) * time.Millisecond}
	s := w.streams[name]
	if s == nil || rng.IntN(3) == 0 {
		req.Topics = w.someTopics(rng)
	}
	if s == nil && len(req.Topics) == 0 {
		return
	}
	changes := s == nil || slices.ContainsFunc(req.Topics, func(t string) bool { return !slices.Contains(s.topics, w.topics[t]) })
	var kept []queue.AssignedPartition
	if !changes {
		kept = w.keeps(s, &req)
	}
	w.tally.calls++
	j, _, err := w.broker().Join(w.ctx, name, req)
	w.note("join %s as %s, topics %v, session %v: %+v, %v", name, req.Member, req.Topics, req.Session, j, err)
	if err != nil {
		w.failed("join "+name, err)
		if !refused(err) {
			w.unsure[name] = w.unsure[name] || changes
			w.mayJoin(name, &req)
		}
		return
	}
	if changes {
		if info, err := w.broker().Group(w.ctx, name); err == nil {
			w.streamIs(info)
		}
		s = w.streams[name]
	}
	w.joined(s, &req, j, kept)
	if m := s.present(j.Member); m != nil && rng.IntN(12) == 0 { // its client never hears of it
		m.silent, m.owned = true, map[*cursor]int{}
	}
	w.certain()
}

// keeps returns what a member that comes back wanting the same is to keep: what it was to go on with. nil = nobody comes back.
func (w *world) keeps(s *stream, req *queue.JoinRequest) []queue.AssignedPartition {
	if w.armed || w.reading || w.unsure[s.name] {
		return nil
	}
	old := s.present(req.Member)
	if old == nil || !slices.Equal(old.topics, w.named(req.Topics)) {
		return nil
	}
	a, err := w.broker().Heartbeat(w.ctx, s.name, old.name, old.epoch, nil)
	w.beaten(old, nil, a, err)
	return a.Assignment
}

// mayJoin notes a join of which nobody knows whether it happened.
func (w *world) mayJoin(name string, req *queue.JoinRequest) {
	s := w.streams[name]
	if s != nil {
		if old := s.present(req.Member); old != nil {
			old.standing = doubted
		}
	}
	w.joining[name] = w.newMember(s, req)
}

// named returns the topics of a list, as they are now; nil for none.
func (w *world) named(names []string) (out []*topic) {
	for _, name := range names {
		out = append(out, w.topics[name])
	}
	return out
}

func (w *world) newMember(s *stream, req *queue.JoinRequest) *member {
	return &member{stream: s, name: req.Member, topics: w.named(req.Topics), session: req.Session.Milliseconds(), owned: map[*cursor]int{}}
}

// joined checks what a member is told when it joins, and notes it.
func (w *world) joined(s *stream, req *queue.JoinRequest, j queue.Joined, kept []queue.AssignedPartition) {
	if j.Member != req.Member || j.Heartbeat != req.Session/10 {
		w.violated("session", "%s joins %s for %v, and gets %+v", req.Member, s.name, req.Session, j)
	}
	if j.Epoch <= s.epoch {
		w.violated("epoch", "%s joins %s and gets epoch %d; %d was given before", req.Member, s.name, j.Epoch, s.epoch)
	}
	if kept != nil && !slices.Equal(kept, j.Assignment) {
		w.violated("session", "%s comes back to %s and gets %v; it was to keep %v", req.Member, s.name, j.Assignment, kept)
	}
	for _, old := range s.members {
		if old.name == req.Member {
			old.thrown = 0
			if old.standing != absent {
				old.ends(w.now())
				old.lapsed = false
			}
		}
	}
	m := w.newMember(s, req)
	m.epoch, m.seen, s.epoch = j.Epoch, w.now(), j.Epoch
	s.members = append(s.members, m)
	s.forget()
	a := queue.PollAnswer{Epoch: j.Epoch, Assignment: j.Assignment}
	if w.told(m, nil, nil, &a) {
		m.take(&a, false)
	}
	w.tally.joins++
}

// forget drops the oldest of those that are gone.
func (s *stream) forget() {
	for i := 0; len(s.members) > 30 && i < len(s.members); {
		if m := s.members[i]; m.standing == absent && m.poll == nil {
			s.members = slices.Delete(s.members, i, i+1)
		} else {
			i++
		}
	}
}

// told checks what an answer says that a member holds: named are the partitions that its call named, from where it was to read them; moved are those that go elsewhere. False: it tells of
// what the model does not know (yet).
func (w *world) told(m *member, named map[*cursor]int, moved map[*cursor]int, a *queue.PollAnswer) bool {
	s := m.stream
	mine := map[*cursor]bool{}
	for i, at := range slices.Concat(places(a.Assignment), a.Revoke) {
		c := s.cursor(at)
		if c == nil || mine[c] {
			if !w.unsure[s.name] {
				w.violated("one owner", "%v is told of %v, twice or not one of its group's: %+v", m, at, *a)
			}
			return false
		}
		mine[c] = true
		if other := s.owner(c); other != nil && other != m {
			w.violated("one owner", "%v is given %v, which %v works on, from %d", m, c, other, other.owned[c])
		}
		if i < len(a.Assignment) && !m.reads(c.part.topic) && !w.unsure[s.name] {
			w.violated("one owner", "%v is given %v, and wants %v", m, c, m.topics)
		}
	}
	if a.Epoch != m.epoch {
		w.violated("epoch", "%v is told that it is %d", m, a.Epoch)
	}
	for _, c := range s.cursors {
		_, is := named[c]
		if _, still := m.owned[c]; is && still && !mine[c] && !w.unsure[s.name] {
			w.violated("one owner", "%v works on %v, and is told of %+v", m, c, *a)
		}
	}
	for _, p := range a.Assignment {
		c := s.cursor(p.Place)
		w.lookAt(c.part.topic)
		want, is := moved[c]
		if !is {
			want = s.next(c)
		}
		_, is = s.chances[0][c]
		if at := int(p.Offset); at != want && len(s.chances) == 1 && (is || at < want || !w.skipped(c.part, want, at)) {
			w.violated("committed offsets", "%v is told to go on with %v at %d; that is at %d", m, c, at, want)
		}
	}
	return true
}

func places(as []queue.AssignedPartition) []queue.TopicPartition {
	out := make([]queue.TopicPartition, len(as))
	for i, a := range as {
		out[i] = a.Place
	}
	return out
}

// owner returns the member that works on a partition as far as it knows, and is in the group.
func (s *stream) owner(c *cursor) *member {
	for _, m := range s.members {
		if _, owns := m.owned[c]; owns && m.standing == present {
			return m
		}
	}
	return nil
}

// take has a client follow an answer: what it is to give up it gives up at once, or later (slow).
func (m *member) take(a *queue.PollAnswer, slow bool) {
	had := m.owned
	m.owned = map[*cursor]int{}
	for _, p := range a.Assignment {
		c := m.stream.cursor(p.Place)
		m.owned[c] = int(p.Offset)
		if at, is := had[c]; is {
			m.owned[c] = at
		}
	}
	for _, p := range a.Revoke {
		c := m.stream.cursor(p)
		if at, is := had[c]; is && slow {
			m.owned[c] = at
		}
	}
}

// owns lists what a client works on, in order, and the same for the model.
func (m *member) owns() ([]queue.OwnedPartition, map[*cursor]int) {
	list, named := []queue.OwnedPartition{}, map[*cursor]int{}
	for _, c := range m.stream.cursors {
		if at, is := m.owned[c]; is {
			list = append(list, queue.OwnedPartition{Place: c.place(), Offset: queue.Offset(at)})
			named[c] = at
		}
	}
	return list, named
}

// beat sends a sign of life, with what the member works on or without.
func (w *world) beat(rng *rand.Rand) {
	m := w.anyMember(rng)
	if m == nil {
		return
	}
	list, named := m.owns()
	if rng.IntN(2) == 0 {
		list, named = nil, nil
	}
	w.beatNow(m, list, named)
}

func (w *world) beatNow(m *member, list []queue.OwnedPartition, named map[*cursor]int) {
	w.tally.calls++
	a, err := w.broker().Heartbeat(w.ctx, m.stream.name, m.name, m.epoch, list)
	w.note("heartbeat of %v, owned %v: %+v, %v", m, list, a, err)
	w.beaten(m, named, a, err)
}

func (w *world) beaten(m *member, named map[*cursor]int, a queue.PollAnswer, err error) {
	if !w.stands(m, "a heartbeat", err) {
		return
	}
	m.seen = w.now()
	if w.told(m, named, nil, &a) {
		m.take(&a, true)
	}
}

// stands checks whether a call was answered as one of a member that is in its group, or is not; true: it is, and the call succeeded.
func (w *world) stands(m *member, call string, err error) bool {
	var want error
	switch {
	case m.standing == doubted: // nobody asks before the next start has told
		return false
	case m.standing == absent && (m.stream.present(m.name) != nil || m.thrown == w.life):
		want = queue.ErrFenced
	case m.standing == absent:
		want = queue.ErrMemberNotFound
	}
	told := err == nil || errors.Is(err, queue.ErrMemberNotFound) || errors.Is(err, queue.ErrFenced)
	if told && !errors.Is(err, want) {
		w.violated("I5 fencing", "%s of %v, last heard of at %d, ends with %v, want %v", call, m, m.seen, err, want)
	}
	if !told {
		w.failed(fmt.Sprintf("%s of %v", call, m), err)
	}
	return err == nil
}

// leave takes a member out, or its client dies.
func (w *world) leave(rng *rand.Rand) {
	m := w.anyMember(rng)
	if m == nil {
		return
	}
	if rng.IntN(2) == 0 {
		w.note("%v dies", m)
		m.silent = true
		if m.poll != nil {
			m.poll.cancel()
		}
		return
	}
	epoch := m.epoch
	if rng.IntN(4) == 0 {
		epoch = 0
	}
	w.leaveNow(m, epoch)
}

func (w *world) leaveNow(m *member, epoch int64) {
	w.tally.calls++
	err := w.broker().Leave(w.ctx, m.stream.name, m.name, epoch)
	w.note("%v leaves with epoch %d: %v", m, epoch, err)
	if w.stands(m, "a leave", err) {
		m.ends(w.now())
		w.certain()
	} else if err != nil && !refused(err) && m.standing == present {
		m.standing = doubted
	}
}

// stale lets one speak up that need not be in the group any more.
func (w *world) stale(rng *rand.Rand) {
	s := w.anyStream(rng)
	if s == nil || len(s.members) == 0 {
		return
	}
	m := s.members[rng.IntN(len(s.members))]
	if m.standing == doubted {
		return
	}
	switch rng.IntN(5) {
	case 0:
		list, named := m.owns()
		w.beatNow(m, list, named)
	case 1:
		w.leaveNow(m, m.epoch)
	case 2:
		w.pollNow(m, rng)
	default:
		w.commitNow(m, w.anyOffsets(m, rng))
	}
}

// silence ends the sessions of members that were not heard of.
func (w *world) silence(now int64) {
	for _, s := range w.allStreams() {
		for _, m := range s.members {
			if m.standing == present && m.poll == nil && m.seen+m.session <= now {
				m.ends(m.seen + m.session)
				m.lapsed = true
				w.note("the session of %v is over since %d", m, m.seen+m.session)
			}
		}
	}
}

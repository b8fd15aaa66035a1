package sim

import (
	"maps"
	"slices"

	"github.com/holtmq/holt/queue"
)

// checkStream compares an ordered group's description with the model.
func (w *world) checkStream(s *stream) {
	if w.unsure[s.name] {
		return
	}
	w.tally.calls++
	r := w.roll(s)
	if r == nil || len(r.Partitions) != len(s.cursors) || len(r.holder) != len(s.cursors) {
		w.violated("definitions", "%s is described as %+v, it reads %v", s.name, r, s.cursors)
		return
	}
	for _, p := range r.Partitions {
		c := s.cursor(queue.TopicPartition{Topic: p.Topic, Partition: p.Partition})
		lag := int64(0)
		for _, m := range c.part.log[min(max(s.next(c), c.part.first), len(c.part.log)):] {
			if !m.gone {
				lag++
			}
		}
		if int(p.Start) != s.next(c) || p.Lag != lag || p.Available != lag || int(p.LogEnd) != len(c.part.log) {
			w.violated("committed offsets", "%s on %v is %+v; it goes on at %d, %d records lie ahead, and the log ends at %d", s.name, c, p, s.next(c), lag, len(c.part.log))
		}
		if p.Member == "" && slices.ContainsFunc(s.members, func(m *member) bool { return m.standing == present && m.reads(c.part.topic) }) {
			w.violated("I16 progress", "%s has nobody for %v, and members that want it: %+v", s.name, c, r.Members)
		}
		if owner := s.owner(c); owner != nil && p.Member != owner.name {
			w.violated("one owner", "%v works on %v, and %q holds it", owner, c, p.Member)
		}
	}
	w.checkMembers(s, r)
	w.committed(s)
}

// checkMembers compares who is there.
func (w *world) checkMembers(s *stream, r *roll) {
	holds := map[*cursor]string{}
	for _, e := range r.Members {
		i := slices.IndexFunc(s.members, func(m *member) bool { return m.standing == present && m.name == e.Member && m.epoch == e.Epoch })
		if i < 0 {
			w.violated("session", "%s has a member %+v; it must be gone", s.name, e)
			return
		}
		m, seen := s.members[i], s.members[i].seen
		if m.poll != nil {
			seen = w.now()
		}
		if e.Session.Milliseconds() != m.session || (e.Topics == nil) != (m.topics == nil) || !slices.Equal(slices.Sorted(slices.Values(e.Topics)), m.attached()) {
			w.violated("session", "%v is %+v; its session is %d ms, it wants %v", m, e, m.session, m.topics)
		}
		if at := e.LastSeen.UnixMilli() - w.skew.Load(); at < seen-1 || at > seen+1 {
			w.violated("session", "%v was heard of at %d, not at %d", m, seen, at)
		}
		for _, at := range e.Assignment {
			holds[s.cursor(at)] = m.name
		}
	}
	for _, m := range s.members {
		if m.standing == present && !slices.ContainsFunc(r.Members, func(e queue.GroupMember) bool { return e.Member == m.name }) {
			w.violated("session", "%v is gone; it was heard of at %d, its session is %d ms", m, m.seen, m.session)
		}
	}
	maps.DeleteFunc(r.holder, func(_ *cursor, name string) bool { return name == "" })
	if !maps.Equal(holds, r.holder) {
		w.violated("one owner", "%s: by its partitions %v hold, by its members %v", s.name, r.holder, holds)
	}
}

// attached are the topics that a member wants and its group reads, by name; nil = it wants all.
func (m *member) attached() []string {
	if m.topics == nil {
		return nil
	}
	var out []string
	for _, t := range m.stream.topics {
		if slices.Contains(m.topics, t) {
			out = append(out, t.name)
		}
	}
	slices.Sort(out)
	return out
}

// rolls are who holds what in all streams that are known for sure.
func (w *world) rolls() map[*stream]string {
	out := map[*stream]string{}
	for _, s := range w.allStreams() {
		unsure := w.unsure[s.name] || slices.ContainsFunc(s.topics, func(t *topic) bool { return w.unsure[t.name] })
		if r := w.roll(s); r != nil && !unsure {
			out[s] = r.held()
		}
	}
	return out
}

// returned tells the model of a restart: each session runs anew, and nothing has moved. What a crash left open is learnt. was says who held what, if that is known for sure.
func (w *world) returned(was map[*stream]string) {
	for _, s := range w.allStreams() {
		r := w.roll(s)
		if r == nil {
			w.violated("recovery", "%s cannot be described", s.name)
			return
		}
		for _, e := range r.Members {
			w.cameBack(s, &e)
		}
		for _, m := range s.members {
			there := slices.ContainsFunc(r.Members, func(e queue.GroupMember) bool { return e.Member == m.name && e.Epoch == m.epoch })
			switch {
			case m.standing == present && !there:
				w.violated("session", "%v did not survive a restart", m)
			case there:
				m.standing, m.seen = present, w.now()
			case m.standing == doubted:
				m.ends(w.now())
			}
		}
		if held, sure := was[s]; sure && held != r.held() {
			w.violated("session", "a restart of %s moves partitions from %s to %s", s.name, held, r.held())
		}
		w.committed(s)
	}
	clear(w.joining)
}

// cameBack finds the member that a restart found, or the join of which nobody knew whether it happened.
func (w *world) cameBack(s *stream, e *queue.GroupMember) {
	if slices.ContainsFunc(s.members, func(m *member) bool { return m.name == e.Member && m.epoch == e.Epoch && m.standing != absent }) {
		return
	}
	m := w.joining[s.name]
	if m == nil || m.name != e.Member || e.Epoch <= s.epoch {
		w.violated("session", "%s has a member %+v after a restart, which was gone or never there", s.name, *e)
		return
	}
	m.stream, m.epoch, m.silent, s.epoch = s, e.Epoch, true, e.Epoch
	s.members = append(s.members, m)
}

// settleMembers says of all members that a fault may have undone the end of their sessions, or that it did not.
func (w *world) settleMembers(undone bool) {
	for _, s := range w.allStreams() {
		for _, m := range s.members {
			if m.lapsed && undone {
				m.standing = doubted
			}
			m.lapsed = false
		}
	}
}

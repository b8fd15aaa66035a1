package sim

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"

	"github.com/holtmq/holt/queue"
)

// progress is what a stream has committed, all partitions together: a commit takes effect on all that it names, or on none.
type progress map[*cursor]committed

// committed is one committed offset.
type committed struct {
	offset   int
	metadata string
}

// with returns what a commit or a reset makes of a progress.
func (p progress) with(more progress) progress {
	out := maps.Clone(p)
	maps.Copy(out, more)
	return out
}

// commit has a member commit some of what it works on.
func (w *world) commit(rng *rand.Rand) {
	if m := w.anyMember(rng); m != nil {
		w.commitNow(m, w.anyOffsets(m, rng))
	}
}

// anyOffsets are what a client commits: mostly where it is, sometimes behind, beyond the end, or of a partition that may be another's.
func (w *world) anyOffsets(m *member, rng *rand.Rand) (out []queue.Committed) {
	other := -1
	if n := len(m.stream.cursors); n > 0 && rng.IntN(10) == 0 {
		other = rng.IntN(n)
	}
	for i, c := range m.stream.cursors {
		at, owns := m.owned[c]
		if !owns && i != other || rng.IntN(4) == 0 {
			continue
		}
		o := queue.Committed{Place: c.place(), Offset: queue.Offset(max(0, at))}
		switch rng.IntN(20) {
		case 0:
			o.Offset = queue.Offset(rng.IntN(len(c.part.log) + 1))
		case 1:
			o.Offset = queue.Offset(len(c.part.log) + rng.IntN(3))
		case 2:
			o.Metadata = fmt.Sprint("note ", w.tally.calls)
		}
		out = append(out, o)
	}
	if rng.IntN(40) == 0 {
		out = append(out, queue.Committed{Place: queue.TopicPartition{Topic: topicNames[0], Partition: 90}})
	}
	return out
}

// commitNow commits, and checks the answer: who holds what is asked for first.
func (w *world) commitNow(m *member, offsets []queue.Committed) {
	s := m.stream
	roll := w.roll(s)
	w.tally.calls++
	err := w.broker().CommitOffsets(w.ctx, s.name, m.name, m.epoch, offsets)
	w.note("%v commits %v: %v", m, spelt(offsets), err)
	more, beyond := progress{}, false
	var foreign []queue.TopicPartition
	for _, o := range offsets {
		c := s.cursor(o.Place)
		if c == nil || roll != nil && roll.holder[c] != m.name {
			foreign = append(foreign, o.Place)
			continue
		}
		beyond = beyond || int(o.Offset) > len(c.part.log)
		more[c] = committed{int(o.Offset), o.Metadata}
		if other := s.owner(c); err == nil && other != nil && other != m {
			w.violated("I5 fencing", "%v commits %v, which %v works on", m, c, other)
		}
	}
	var fenced *queue.FencedError
	var out *queue.RangeError
	switch {
	case m.standing == present && errors.As(err, &fenced):
		if !slices.Equal(fenced.Failed, foreign) || len(foreign) == 0 {
			w.violated("I5 fencing", "%v is refused %v, want %v", m, fenced.Failed, foreign)
		}
	case m.standing == present && errors.As(err, &out):
		if !beyond || len(foreign) > 0 {
			w.violated("committed offsets", "%v may not commit %v: %v", m, offsets, err)
		}
	case !w.stands(m, "a commit", err):
		if err != nil && !refused(err) {
			s.may(more)
			return
		}
	case beyond || len(foreign) > 0:
		w.violated("I5 fencing", "%v commits %v, of which %v are not its own, or one is past the end", m, offsets, foreign)
	default:
		s.become(more)
		w.tally.commits += len(offsets)
		w.certain()
	}
	if m.standing == present {
		m.seen = w.now()
	}
	w.committed(s)
}

// spelt is what a trace shows of offsets.
func spelt(offsets []queue.Committed) (out []string) {
	for _, o := range offsets {
		out = append(out, fmt.Sprintf("%v@%d%s", o.Place, o.Offset, o.Metadata))
	}
	return out
}

// become notes that something was committed.
func (s *stream) become(more progress) {
	for i := range s.chances {
		s.chances[i] = s.chances[i].with(more)
	}
}

// may notes that something may have been committed.
func (s *stream) may(more progress) {
	for _, p := range s.chances {
		s.chances = append(s.chances, p.with(more))
	}
}

// committed compares the offsets that a stream tells with those that it may have, and learns from them.
func (w *world) committed(s *stream) {
	if w.armed || w.broken() || w.unsure[s.name] {
		return
	}
	w.tally.calls++
	list, err := w.broker().Offsets(w.ctx, s.name)
	if err != nil {
		w.failed("offsets of "+s.name, err)
		return
	}
	got := progress{}
	for _, o := range list {
		c := s.cursor(o.Place)
		if _, twice := got[c]; c == nil || twice {
			w.violated("committed offsets", "%s tells of %v, twice or not its own: %v", s.name, o.Place, list)
			return
		}
		got[c] = committed{int(o.Offset), o.Metadata}
	}
	if !slices.ContainsFunc(s.chances, func(p progress) bool { return maps.Equal(p, got) }) {
		w.violated("committed offsets", "%s has %v; it may have %v", s.name, got, s.chances)
		return
	}
	s.chances = []progress{got}
}

// String lists offsets in order.
func (p progress) String() string {
	var out []string
	for c, at := range p {
		out = append(out, fmt.Sprintf("%v@%d%s", c, at.offset, at.metadata))
	}
	slices.Sort(out)
	return fmt.Sprint(out)
}

// rewind resets a stream, or says what that would do. Its members must be gone, or are thrown out.
func (w *world) rewind(rng *rand.Rand) {
	s := w.anyStream(rng)
	if s == nil || w.reading || w.now() < w.restless || w.unsure[s.name] || len(s.cursors) == 0 {
		return
	}
	req, want := w.anyTarget(rng)
	req.Force = rng.IntN(2) == 0
	if rng.IntN(3) == 0 {
		req.Topics = []string{s.topics[rng.IntN(len(s.topics))].name}
	}
	for _, t := range s.topics {
		w.trimmed(t)
	}
	there := slices.ContainsFunc(s.members, func(m *member) bool { return m.standing == present })
	w.tally.calls++
	moves, err := w.broker().Reset(w.ctx, s.name, req)
	w.note("reset %s to %+v: %v, %v", s.name, req, moves, err)
	if refuses := there && !req.Force && !req.DryRun; errors.Is(err, queue.ErrRebalancing) != refuses {
		w.violated("reset", "%s, with members %v, is reset with %+v: %v", s.name, there, req, err)
	}
	if err != nil {
		if !errors.Is(err, queue.ErrRebalancing) {
			w.failed("reset "+s.name, err)
		}
		if !refused(err) && !req.DryRun {
			w.mayRewind(s, &req, want)
		}
		w.committed(s)
		return
	}
	more := w.judgeMoves(s, &req, want, moves)
	if !req.DryRun {
		s.become(more)
		for _, m := range s.members {
			if m.standing == present {
				m.ends(w.now())
				m.thrown = w.life
			}
		}
		w.certain()
	}
	w.committed(s)
}

// judgeMoves checks what a reset says that it does, and returns it.
func (w *world) judgeMoves(s *stream, req *queue.ResetRequest, want func(*part) int, moves []queue.ResetMove) progress {
	more := progress{}
	for _, c := range s.cursors {
		if len(req.Topics) > 0 && req.Topics[0] != c.part.topic.name {
			continue
		}
		i := slices.IndexFunc(moves, func(v queue.ResetMove) bool { return v.Topic == c.part.topic.name && v.Partition == c.part.index })
		if i < 0 {
			w.violated("reset", "%s stays where it is on %v: %v", s.name, c, moves)
			return more
		}
		w.target(s.name, c.part, req, want, moves[i])
		if from := s.next(c); int(moves[i].From) != from {
			w.violated("reset", "%s on %v comes from %d, it was at %d", s.name, c, moves[i].From, from)
		}
		more[c] = committed{offset: int(moves[i].To)}
	}
	if len(moves) != len(more) {
		w.violated("reset", "%s: %d moves of %d partitions", s.name, len(moves), len(more))
	}
	return more
}

// mayRewind notes a reset of which nobody knows whether it happened: on all its partitions, or on none.
func (w *world) mayRewind(s *stream, req *queue.ResetRequest, want func(*part) int) {
	more := progress{}
	for _, c := range s.cursors {
		if len(req.Topics) == 0 || req.Topics[0] == c.part.topic.name {
			more[c] = committed{offset: min(max(want(c.part), c.part.first), len(c.part.log))}
		}
	}
	s.may(more)
	for _, m := range s.members {
		if m.standing == present {
			m.standing = doubted
		}
	}
}

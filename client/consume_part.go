package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/holtmq/holt/client/api"
)

// part is one partition that the member holds.
type part struct {
	want      int64 // the next offset to poll for
	done      int64 // the next one to handle
	committed int64
	revoked   bool // to be given up
}

func (p *part) isCommitted() bool { return p.done == p.committed }

// owned says what the member works on.
func (s *consumer) owned() []api.OwnedPartition {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]api.OwnedPartition, 0, len(s.parts))
	for place, p := range s.parts {
		want := p.want
		out = append(out, api.OwnedPartition{Place: place, Offset: &want})
	}
	return out
}

// take takes partitions that are new.
func (s *consumer) take(assignment []api.AssignedPartition) {
	var fresh []api.AssignedPartition
	s.mu.Lock()
	for _, a := range assignment {
		if s.parts[a.Place] == nil {
			s.parts[a.Place] = &part{want: a.Offset, done: a.Offset, committed: a.Offset}
			fresh = append(fresh, a)
		}
	}
	s.mu.Unlock()
	if len(fresh) > 0 {
		defer s.keepAlive()()
		s.assigned(s.life, fresh)
	}
}

// tell calls OnRevoked.
func (s *consumer) tell(ctx context.Context, places []api.Place) {
	defer s.keepAlive()()
	s.revoked(ctx, places)
}

// tellGone tells of what was lost since it was called last. The commits of heartbeats may find more out meanwhile.
func (s *consumer) tellGone() {
	ended, end := context.WithCancelCause(s.life)
	end(ErrFenced)
	for {
		s.mu.Lock()
		gone := s.gone
		s.gone = nil
		s.mu.Unlock()
		if len(gone) == 0 {
			return
		}
		s.tell(ended, gone)
	}
}

// adopt takes over what an answer says of partitions: new ones, moved ones, those to be given up, and those that are gone without a word (their topics).
func (s *consumer) adopt(p Polled) {
	s.take(p.Assignment)
	s.revoke(p.Revoke)
	s.mu.Lock()
	for _, m := range p.Moved {
		if held := s.parts[m.Place]; held != nil {
			held.want, held.done = m.To, m.To
		}
	}
	s.mu.Unlock()
	named := map[api.Place]bool{}
	for _, a := range p.Assignment {
		named[a.Place] = true
	}
	for _, r := range p.Revoke {
		named[r] = true
	}
	s.abandon(func(at api.Place, _ *part) bool { return !named[at] })
	s.tellGone()
}

// revoke notes what is to be given up.
func (s *consumer) revoke(places []api.Place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, place := range places {
		if p := s.parts[place]; p != nil {
			p.revoked = true
		}
	}
}

// remove forgets the partitions that something holds of, and returns them.
func (s *consumer) remove(of func(api.Place, *part) bool) (out []api.Place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for at, p := range s.parts {
		if of(at, p) {
			out = append(out, at)
			delete(s.parts, at)
		}
	}
	slices.SortFunc(out, comparePlaces)
	return out
}

// giveUp gives partitions up: the next poll does not name them.
func (s *consumer) giveUp(which func(*part) bool) {
	if places := s.remove(func(_ api.Place, p *part) bool { return which(p) }); len(places) > 0 {
		s.tell(s.life, places)
	}
}

// abandon notes that partitions are lost, for tellGone. It returns how many.
func (s *consumer) abandon(which func(api.Place, *part) bool) int {
	places := s.remove(which)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone = append(s.gone, places...)
	return len(places)
}

func (s *consumer) isRevoked(place api.Place) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.parts[place]
	return p == nil || p.revoked
}

// advance sets where to poll on: past the holes at the end of what was handled wholly, else at the first record that was not.
func (s *consumer) advance(next map[api.Place]int64, runs map[api.Place][]*Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for place, at := range next {
		p := s.parts[place]
		if p == nil {
			continue
		}
		if run := runs[place]; len(run) == 0 || p.done == run[len(run)-1].Offset+1 {
			p.done = at
		}
		p.want = p.done
	}
}

// commit commits what is done. Partitions that turn out to be somebody else's are dropped.
func (s *consumer) commit(ctx context.Context) error {
	for {
		offsets := s.uncommitted()
		if len(offsets) == 0 {
			return nil
		}
		err := s.client.CommitOffsets(ctx, s.group, s.join.Member, s.epoch, offsets)
		var e *Error
		if errors.As(err, &e) && e.Code == api.Fenced && s.drop(e.Failed) > 0 {
			continue
		}
		if err != nil {
			return err
		}
		s.mu.Lock()
		for _, o := range offsets {
			if p := s.parts[o.Place]; p != nil {
				p.committed = o.Offset
			}
		}
		s.mu.Unlock()
		return nil
	}
}

func (s *consumer) uncommitted() (offsets []api.CommittedOffset) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for place, p := range s.parts {
		if p.done != p.committed {
			offsets = append(offsets, api.CommittedOffset{Place: place, Offset: p.done})
		}
	}
	slices.SortFunc(offsets, func(a, b api.CommittedOffset) int { return comparePlaces(a.Place, b.Place) })
	return offsets
}

func comparePlaces(a, b api.Place) int {
	return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
}

// drop forgets partitions that a commit was refused for. It returns how many.
func (s *consumer) drop(failed []api.SettleFailure) int {
	refused := map[api.Place]bool{}
	for _, f := range failed {
		if f.Partition != nil {
			refused[api.Place{Topic: f.Topic, Partition: *f.Partition}] = true
		}
	}
	return s.abandon(func(at api.Place, _ *part) bool { return refused[at] })
}

// commitAll commits what is done, again and again until it is, or is refused, or commitGrace is over.
func (s *consumer) commitAll() error {
	ctx, cancel := context.WithTimeout(s.life, commitGrace)
	defer cancel()
	for pause := newPause(); ; {
		err := s.commit(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil || !Temporary(err) {
			s.onError(fmt.Errorf("commit %s: %w", s.group, err))
			return err
		}
		pause.wait(ctx, err)
	}
}

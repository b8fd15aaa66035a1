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

func (s *consumer) tellRevoked(places []api.Place) {
	defer s.keepAlive()()
	s.revoked(s.life, places)
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
	gone := map[api.Place]bool{}
	for place := range s.parts {
		gone[place] = true
	}
	for _, a := range p.Assignment {
		delete(gone, a.Place)
	}
	for _, r := range p.Revoke {
		delete(gone, r)
	}
	for place := range gone {
		delete(s.parts, place)
	}
	s.mu.Unlock()
	if len(gone) > 0 {
		list := make([]api.Place, 0, len(gone))
		for place := range gone {
			list = append(list, place)
		}
		s.tellRevoked(list)
	}
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

// places returns the partitions that something holds of.
func (s *consumer) places(of func(*part) bool) (out []api.Place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for place, p := range s.parts {
		if of(p) {
			out = append(out, place)
		}
	}
	return out
}

// giveUp drops what is to be given up: the next poll does not name it.
func (s *consumer) giveUp() {
	gone := s.places(func(p *part) bool { return p.revoked })
	if len(gone) == 0 {
		return
	}
	s.tellRevoked(gone)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, place := range gone {
		delete(s.parts, place)
	}
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
		if errors.As(err, &e) && e.Code == api.Fenced && len(e.Failed) > 0 {
			s.drop(e.Failed)
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
	slices.SortFunc(offsets, func(a, b api.CommittedOffset) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return offsets
}

// drop forgets partitions that a commit was refused for.
func (s *consumer) drop(failed []api.SettleFailure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range failed {
		if f.Partition != nil {
			delete(s.parts, api.Place{Topic: f.Topic, Partition: *f.Partition})
		}
	}
}

// commitAll commits what is done, again and again until it is or ctx ends.
func (s *consumer) commitAll(ctx context.Context) {
	for pause := newPause(); ; {
		err := s.commit(ctx)
		if err == nil || ctx.Err() != nil || !Temporary(err) {
			if err != nil {
				s.onError(fmt.Errorf("commit %s: %w", s.group, err))
			}
			return
		}
		pause.wait(ctx, err)
	}
}

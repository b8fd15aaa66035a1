package badger

import (
	"context"
	"errors"
	"fmt"

	badgerdb "github.com/dgraph-io/badger/v4"

	"github.com/holtmq/holt/queue/store"
)

// maxGroupBytes bounds the values of one transaction beyond what a single unit needs.
const maxGroupBytes = 32 << 20

// Commit implements store.Store. All units that fit into one transaction share one sync.
func (s *Store) Commit(ctx context.Context, units []store.Unit) (int, error) {
	if err := store.Validate(units); err != nil {
		return 0, fmt.Errorf("commit: %w", err)
	}
	if err := s.enter(ctx); err != nil {
		return 0, fmt.Errorf("commit: %w", err)
	}
	defer s.leave()
	n, err := s.commit(units)
	if err != nil {
		err = fmt.Errorf("commit: %w", err)
	}
	return n, err
}

func (s *Store) commit(units []store.Unit) (done int, err error) {
	g := newGroup()
	flush := func() error {
		if g.units == 0 {
			return nil
		}
		err := s.flush(g)
		if err == nil {
			done += g.units
		}
		g = newGroup()
		return err
	}
	for i, u := range units {
		if rewrites(u) { // it looks at what Badger has
			if err := flush(); err != nil {
				return done, err
			}
			if err := s.catchUp(); err != nil {
				return done, err
			}
			g.direct = true
		}
		p, err := s.plan(g, u)
		if err != nil {
			if ferr := flush(); ferr != nil {
				return done, ferr
			}
			return done, fmt.Errorf("unit %d: %w", i, err)
		}
		if !s.fits(g.cost+p.bound, g.count+p.count()) || g.bytes+p.bytes > maxGroupBytes {
			if err := flush(); err != nil {
				return done, err
			}
		}
		g.add(p)
	}
	err = flush()
	return done, err
}

func rewrites(u store.Unit) bool {
	for i := range u {
		if u[i].Rewrite != nil {
			return true
		}
	}
	return false
}

// plan checks a unit against what is durable and what the group will make of it.
func (s *Store) plan(g *group, u store.Unit) (*plan, error) {
	p, err := s.planOnce(g, u)
	if errors.Is(err, errDamaged) { // it may have been moved to another file meanwhile
		p, err = s.planOnce(g, u)
	}
	return p, corruptIf(err)
}

func (s *Store) planOnce(g *group, u store.Unit) (*plan, error) {
	p := &plan{drafts: make([]*draft, 0, len(u))}
	var txn *badgerdb.Txn
	if rewrites(u) {
		txn = s.db.NewTransactionAt(s.seq, false)
		defer txn.Discard()
	}
	for i := range u {
		d := g.drafts[u[i].Log]
		if d != nil {
			d = d.clone()
		} else if st := s.opened(u[i].Log); st != nil {
			d = newDraft(st)
		} else {
			return nil, invalid("log %d is not open", u[i].Log)
		}
		if err := p.edit(d, &u[i], txn); err != nil {
			return nil, fmt.Errorf("log %d: %w", u[i].Log, err)
		}
		p.drafts = append(p.drafts, d)
		p.bound += d.cost()
	}
	return p, nil
}

// fits says whether that much goes into one transaction.
func (s *Store) fits(cost, count int) bool {
	return cost < s.maxCost && count < s.maxCount
}

// flush makes a group durable and then visible.
func (s *Store) flush(g *group) error {
	ops := g.close()
	cost := 0
	for i := range ops {
		cost += ops[i].cost()
	}
	switch fits := s.fits(cost, len(ops)); {
	case fits && !g.direct && g.bytes <= maxAhead:
		return s.writeAhead(g, ops)
	case fits:
		if err := s.write(ops); err != nil {
			return err
		}
	default:
		if err := s.redo(ops); err != nil {
			return err
		}
	}
	s.publish(g, nil)
	return nil
}

// writeAhead makes a group durable in the files in front of Badger, and visible.
func (s *Store) writeAhead(g *group, ops []op) error {
	if err := s.room(ops); err != nil {
		return s.unknown(err)
	}
	c := newCommit(s.next(), ops)
	if err := s.ahead.append(c.seq, s.seq, ops, s.await); err != nil {
		return s.unknown(err)
	}
	if err := s.cause(); err != nil {
		return s.unknown(err)
	}
	s.seq = c.seq
	s.publish(g, c)
	return nil
}

// await returns once Badger has got all commits up to a sequence.
func (s *Store) await(seq uint64) error {
	s.mu.Lock()
	has := s.inBadger
	s.mu.Unlock()
	if has >= seq {
		return nil
	}
	return s.catchUp()
}

// write makes one transaction of Badger's durable, under the next sequence, after all commits behind. publish must follow. The caller holds the token.
func (s *Store) write(ops []op) error {
	if err := s.room(ops); err != nil {
		return s.unknown(err)
	}
	if err := s.catchUp(); err != nil {
		return err
	}
	s.applying <- struct{}{}
	defer func() { <-s.applying }()
	seq := s.next()
	if err := s.apply([]*commit{{seq: seq, ops: ops}}); err != nil {
		return s.unknown(err)
	}
	s.seq = seq
	return nil
}

// next returns the sequence of the next commit. One that was acknowledged is never used again, not even if it is lost.
func (s *Store) next() uint64 { return max(s.seq, s.side.rec.seq) + 1 }

func set(txn *badgerdb.Txn, o *op) error {
	if o.value == nil {
		return txn.Delete(o.key)
	}
	return txn.Set(o.key, o.value)
}

// unknown stops the store: nobody can tell what of the last write will be found.
func (s *Store) unknown(err error) error {
	s.fail(err)
	return fmt.Errorf("%w: %w", store.ErrUnknown, err)
}

// publish lets readers see what has become durable, all logs at once: in c or, if that is nil, in Badger.
func (s *Store) publish(g *group, c *commit) {
	s.mu.Lock()
	first := len(s.behind) == 0
	if c == nil {
		s.inBadger = s.seq
	} else {
		s.behind, s.behindBytes = append(s.behind, c), s.behindBytes+c.bytes
		s.index.add(c)
	}
	bytes := s.behindBytes
	if g != nil {
		for _, d := range g.drafts {
			d.publish()
			if d.dropped {
				delete(s.logs, d.st.id)
			}
		}
		s.work.freed += g.freed
		for _, x := range g.garbage {
			s.work.add(x)
		}
	}
	discard := s.readers.oldest(s.inBadger)
	s.mu.Unlock()
	switch {
	case c == nil:
		s.db.SetDiscardTs(discard)
	case bytes >= maxBehind:
		_ = s.catchUp() // an error has stopped the store; the commit stands
	case bytes >= applyBytes:
		signal(s.full)
	case first:
		signal(s.begins)
	}
	if err := s.side.advance(s.seq); err != nil {
		s.fail(err) // what was committed stands, but nothing would tell of the next loss
	}
}

// signal fills a channel's one slot.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// publish moves the log's state on. The caller holds Store.mu.
func (d *draft) publish() {
	st := d.st
	st.head, st.nextID, st.dropped = d.head, d.nextID, d.dropped
	if d.dropped {
		st.head.start = st.head.end
		st.journals = map[store.Journal]*journal{}
		return
	}
	for i := range d.journals {
		if x := &d.journals[i]; x.state == nil {
			delete(st.journals, x.name)
		} else {
			st.journals[x.name] = x.state
		}
	}
}

package badger

import (
	"errors"
	"fmt"
	"time"
)

const (
	applyAfter = 10 * time.Millisecond // how long a commit waits for others before Badger gets it
	applyBytes = 1 << 20               // bytes of keys and values that do not wait for more
	maxBehind  = 4 << 20               // bytes of keys and values beyond which the next commit waits for Badger
)

// commit is one that is durable, and of which Badger knows nothing yet. Nothing in it is changed any more.
type commit struct {
	seq   uint64
	ops   []op
	cost  int // as Badger will count it
	bytes int // of keys and values
}

func newCommit(seq uint64, ops []op) *commit {
	c := &commit{seq: seq, ops: ops}
	for i := range ops {
		o := &ops[i]
		c.cost += o.cost()
		c.bytes += len(o.key) + len(o.value)
	}
	return c
}

// applier gives Badger the commits behind, some time after the first of them or when they have become many, until the store closes or dies.
func (s *Store) applier() {
	linger := time.NewTimer(time.Hour)
	linger.Stop()
	defer linger.Stop()
	for {
		select {
		case <-s.closing: // Close applies what is left
			return
		case <-s.dead:
			return
		case <-s.begins:
			linger.Reset(s.cfg.applyAfter)
			continue
		case <-s.full:
		case <-linger.C:
		}
		if err := s.catchUp(); err != nil {
			return // the store is dead
		}
		if s.countBehind() > 0 { // they came meanwhile, and wait for others, too
			linger.Reset(s.cfg.applyAfter)
		}
	}
}

func (s *Store) countBehind() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.behind)
}

// catchUp gives Badger every commit that is behind when it begins; later ones only come where the caller does not hold the token. An error has stopped the store:
// ErrDead.
func (s *Store) catchUp() error {
	s.applying <- struct{}{}
	defer func() { <-s.applying }()
	return s.giveBadger(s.countBehind())
}

// giveBadger gives Badger the n oldest commits behind. The caller holds applying.
func (s *Store) giveBadger(n int) error {
	for n > 0 {
		some := s.oldest(n)
		if err := s.apply(some); err != nil {
			s.fail(err)
			return died(s.cause())
		}
		n -= len(some)
		s.mu.Lock()
		s.inBadger = some[len(some)-1].seq
		for _, c := range some {
			s.behindBytes -= c.bytes
		}
		s.behind = append([]*commit(nil), s.behind[len(some):]...)
		s.index.drop(some)
		discard := s.readers.oldest(s.inBadger)
		s.mu.Unlock()
		s.db.SetDiscardTs(discard)
	}
	return nil
}

// oldest returns as many of the n oldest commits behind as fit into one transaction, at least one. Their values are at most half a file of the value
// log: Badger maps a file twice as long as it lets it become, and where one transaction exceeds even that, it maps the file anew beneath its readers.
func (s *Store) oldest(n int) []*commit {
	s.mu.Lock()
	defer s.mu.Unlock()
	most := int(min(maxGroupBytes, s.cfg.valueFile/2))
	cost, count, size := 0, 0, 0
	for i, c := range s.behind[:n] {
		cost, count, size = cost+c.cost, count+len(c.ops), size+c.bytes
		if i > 0 && (!s.fits(cost, count) || size > most) {
			return s.behind[:i:i]
		}
	}
	return s.behind[:n:n]
}

// apply makes one transaction of commits, at the sequence of the last. The caller holds applying.
func (s *Store) apply(some []*commit) error {
	last := commitRecord{some[len(some)-1].seq, s.newest, s.opens}
	all := make([][]op, 0, len(some)+1)
	for _, c := range some {
		all = append(all, c.ops)
	}
	if err := s.transact(last.seq, append(all, []op{{sequenceKey, last.encode()}})...); err != nil {
		return err
	}
	s.newest = last.seq
	for _, c := range some {
		for i := range c.ops {
			if o := &c.ops[i]; len(o.value) >= valueThreshold {
				s.pointed = o.key
			}
		}
	}
	return nil
}

// transact makes one durable transaction of Badger's of operations. The caller holds applying.
func (s *Store) transact(seq uint64, all ...[]op) error {
	if err := s.cause(); err != nil {
		return err
	}
	txn := s.db.NewTransactionAt(s.newest, true)
	defer txn.Discard()
	for _, ops := range all {
		for i := range ops {
			if err := set(txn, &ops[i]); err != nil {
				return err
			}
		}
	}
	done := make(chan error, 1)
	if err := txn.CommitAt(seq, func(err error) { done <- err }); err != nil {
		return err
	}
	select {
	case err := <-done:
		if err != nil {
			return err
		}
	case <-s.dead:
	}
	// Badger only logs some errors of its syncs: the logger has stopped the store before the commit's answer came.
	if err := s.cause(); err != nil {
		return err
	}
	if s.begun.look() {
		s.letGo(s.pointed)
	}
	return nil
}

// letGo takes the file that holds the value of a key out of this process's memory. The caller holds applying.
func (s *Store) letGo(key []byte) {
	if key == nil {
		return
	}
	txn := s.db.NewTransactionAt(s.newest, false)
	defer txn.Discard()
	if item, err := txn.Get(key); err == nil {
		dropPages(s.cfg.Dir, item)
	}
}

// recoverAhead gives Badger what a crash has left in the files in front of it, and returns the newest commit that they know of. The store is not in use yet.
func (s *Store) recoverAhead() (newest uint64, err error) {
	all, damage := readAhead(s.cfg.Dir)
	if len(all) > 0 {
		newest = all[len(all)-1].seq
	}
	more, gap := recordsAfter(s.seq, all)
	if err := errors.Join(damage, gap); err != nil && !s.cfg.AcceptDataLoss {
		return 0, err
	}
	for _, r := range more {
		if err := s.room(r.ops); err != nil {
			return 0, err
		}
		c := newCommit(r.seq, r.ops)
		s.behind, s.behindBytes = append(s.behind, c), s.behindBytes+c.bytes
		s.index.add(c)
		s.seq = r.seq
	}
	if err := s.catchUp(); err != nil {
		return 0, fmt.Errorf("commits that %s* has: %w", aheadName, err)
	}
	if damage != nil { // what cannot be read cannot be written over, perhaps
		s.log.Warn("files of the newest commits are damaged and begun anew", "error", damage)
		err = removeAhead(s.cfg.Dir)
	}
	return newest, err
}

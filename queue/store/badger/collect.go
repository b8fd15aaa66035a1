package badger

import (
	"context"
	"errors"

	badgerdb "github.com/dgraph-io/badger/v4"
)

// stage is what the next turn of collection does.
type stage uint8

const (
	waiting  stage = iota // until enough is deleted
	flushed               // deletions are on their way out of memory: compact, and rewrite a file
	emptying              // a file was rewritten: there may be another
)

// leastSpare is the room in bytes without which no collection begins: for what is live of a file of which next to nothing is.
const leastSpare = 1 << 20

// collect takes one turn of giving back space; it rewrites at most one file of the value log. It runs beside commits.
func (s *Store) collect() error {
	switch stage := s.stage(); {
	case stage == flushed && s.flushing():
	case stage != waiting && s.spare() < -memTableSize: // one of the tables that spare counts may be there by now
		s.postpone()
	case stage == flushed && s.young():
		return s.flushTable() // again, until there are enough tables for a compaction
	case stage != waiting:
		return s.compact(stage)
	case s.due():
		return s.flushTable()
	}
	return nil
}

func (s *Store) stage() stage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.work.stage
}

// collected takes note of a turn: a file's space came back, or there is none to be had for now.
func (s *Store) collected(next stage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.work.stage = next
	if next == waiting {
		s.work.owed = 0
	}
	s.work.owed = max(0, s.work.owed-s.cfg.valueFile)
}

// postpone ends a turn for which there is no space any more. What is owed stays to be had: once there is space, collection is due again.
func (s *Store) postpone() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.work.stage, s.work.freed, s.work.owed = waiting, s.work.freed+s.work.owed, 0
}

// due says whether a collection is worth its work, for it rewrites the whole tree of keys, and whether there is space for it.
func (s *Store) due() bool {
	if s.stage() != waiting || !s.freed() {
		return false
	}
	tree := s.tree()
	if s.spare() < leastSpare {
		return false
	}
	_, _, low := s.space.report()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.work.freed >= max(s.cfg.valueFile/2, tree) || (low && s.work.freed > 0)
}

// tree returns the bytes of the tree of keys.
func (s *Store) tree() (bytes int64) {
	for _, l := range s.db.Levels() {
		bytes += l.Size
	}
	return bytes
}

// spare returns how many bytes what is live of a rewritten file may take until the file is gone: what is free beyond the floor, a copy
// of the tree and two tables.
func (s *Store) spare() int64 {
	_, free, _ := s.space.report()
	return free - s.space.floor - s.tree() - 2*memTableSize
}

// wanted is the part of a file that must be deleted for it to be rewritten: half of it, or more where there is no room for the rest.
func (s *Store) wanted() float64 {
	return min(max(0.5, 1-float64(s.spare())/float64(s.cfg.valueFile)), 0.99)
}

func (s *Store) freed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.work.freed > 0
}

// young says whether the tree is so small that all of it lies in its top level, where Badger leaves it.
func (s *Store) young() bool {
	for _, l := range s.db.Levels() {
		if l.Level > 0 && l.NumTables > 0 {
			return false
		}
	}
	return true
}

// compact has Badger merge its tables, which tells it what of each file is deleted, and rewrite one of which wanted is.
func (s *Store) compact(now stage) error {
	if err := s.beginCall(); err != nil {
		return err
	}
	defer s.calls.Done()
	if now == flushed {
		// An error only tells that another compaction has the tables; a real one has reached the watcher.
		_ = s.db.Flatten(1)
	}
	switch err := s.db.RunValueLogGC(s.wanted()); {
	case err == nil:
		s.collected(emptying)
	case errors.Is(err, badgerdb.ErrNoRewrite), errors.Is(err, badgerdb.ErrRejected): // no file, or the store closes
		s.collected(waiting)
	default:
		s.collected(waiting)
		return err
	}
	return nil
}

// flushTable fills Badger's table in memory with padding: only once the deletions are on disk does a compaction see them,
// and Badger has no call for that. Commits go on meanwhile.
func (s *Store) flushTable() error {
	const keys, rounds = 64, 72 // a little more than memTableSize
	ops := make([]op, keys)
	for i := range ops {
		ops[i] = op{[]byte{kindPadding, byte(i >> 8), byte(i)}, make([]byte, valueThreshold-1)}
	}
	for range rounds {
		if err := s.pad(ops); err != nil {
			return err
		}
	}
	for i := range ops {
		ops[i].value = nil
	}
	if err := s.enter(context.Background()); err != nil {
		return err
	}
	defer s.leave()
	if err := s.write(ops); err != nil {
		return err
	}
	s.publish(nil, nil)
	s.mu.Lock()
	s.work.owed, s.work.freed, s.work.stage = s.work.owed+s.work.freed, 0, flushed
	s.mu.Unlock()
	return nil
}

// pad writes padding at the sequence of the newest commit that Badger has, which readers may not see yet. It is no commit, and each time replaces the last within the
// table in memory: the table is full of it, the file that it becomes is not.
func (s *Store) pad(ops []op) error {
	if err := s.beginCall(); err != nil {
		return err
	}
	defer s.calls.Done()
	s.applying <- struct{}{}
	defer func() { <-s.applying }()
	if err := s.transact(s.newest, ops); err != nil {
		return s.unknown(err)
	}
	return nil
}

// flushing says whether Badger is still writing out a table: a compaction would not see what it has, and the next one would need space beside it.
func (s *Store) flushing() bool {
	tables, err := numberedFiles(s.cfg.Dir, ".mem")
	return err == nil && len(tables) > 1
}

package badger

import (
	"errors"
	"time"
)

// keepEvery is the pause of the keeper: as far as the side file may be behind after a power cut, and as old as free space may be.
const keepEvery = time.Second

// useEvery is after how many turns of the keeper the directory's use of space is measured.
const useEvery = 10

// keep looks after the side file, the free space and the open files, until the store closes or dies.
func (s *Store) keep() {
	tick := time.NewTicker(keepEvery)
	defer tick.Stop()
	for turn := 1; ; turn++ {
		select {
		case <-s.closing:
			return
		case <-s.dead:
			return
		case <-tick.C:
		}
		if err := s.keepOnce(turn%useEvery == 0); err != nil {
			s.fail(err)
			return
		}
	}
}

func (s *Store) keepOnce(use bool) error {
	if s.side.behind() {
		if err := s.side.sync(); err != nil {
			return err
		}
	}
	if err := s.space.refresh(); err != nil {
		return err
	}
	if use {
		s.space.used.Store(diskUse(s.cfg.Dir))
	}
	giveBackPages(s.cfg.Dir)
	s.bypass.forget()
	s.mu.Lock()
	discard := s.readers.oldest(s.inBadger)
	s.mu.Unlock()
	s.db.SetDiscardTs(discard)
	return s.checkFiles()
}

// checkFiles looks how near the limit of open files is.
func (s *Store) checkFiles() error {
	open, err := s.cfg.openFiles()
	if errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	if err != nil {
		return err
	}
	if open*100 >= s.fileLimit*fileStop {
		return ErrFewFiles
	}
	s.space.files.Store(open*100 >= s.fileLimit*fileShare)
	return nil
}

package badger

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	badgerdb "github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"

	"github.com/holtmq/holt/queue/store"
)

// Measured choices; see docs/design and FORMAT.md. Values from valueThreshold bytes on live in the value log.
const (
	valueThreshold = 1 << 10
	memTableSize   = 4 << 20
	valueFileSize  = 64 << 20
)

// Open opens the data directory, making it if it is new. It returns once the directory is known to hold every commit that was
// acknowledged, and the count of openings is durable.
// Errors: ErrInUse, ErrForeign, ErrLost, ErrFewFiles, ErrRestore, store.ErrCorrupt.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	s := newStore(cfg.withDefaults())
	if err := s.open(ctx); err != nil {
		return nil, fmt.Errorf("open %s: %w", cfg.Dir, err)
	}
	return s, nil
}

// lockName is the file that the owner of a directory holds locked. It never goes away.
const lockName = "HOLT.lock"

func newStore(cfg Config) *Store {
	return &Store{
		cfg: cfg, log: cfg.Logger,
		token: make(chan struct{}, 1), applying: make(chan struct{}, 1), logs: map[store.LogID]*state{}, index: newIndex(),
		begins: make(chan struct{}, 1), full: make(chan struct{}, 1),
		begun: begun{dir: cfg.Dir}, bypass: bypass{dir: cfg.Dir, open: map[uint32]*os.File{}},
		work: newWork(), closing: make(chan struct{}), dead: make(chan struct{}),
	}
}

func (s *Store) open(ctx context.Context) (err error) {
	dir := s.cfg.Dir
	if err := makeDir(dir); err != nil {
		return err
	}
	if s.fileLimit, err = checkFileLimit(dir, s.cfg.fileLimit); err != nil {
		return err
	}
	if s.lock, err = lockDir(dir); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = unlockDir(s.lock)
		}
	}()
	fresh, err := checkIdentity(dir)
	if err != nil {
		return err
	}
	if s.side, err = openSide(dir); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = s.side.close()
		}
	}()
	if !fresh {
		if err := s.verify(ctx); err != nil {
			return err
		}
	}
	if s.space, err = newSpace(dir, s.cfg.MinFree, s.cfg.free); err != nil {
		return err
	}
	return s.openBadger()
}

// verify has the directory checked before Badger touches it: what Badger does to a damaged one cannot be undone.
func (s *Store) verify(ctx context.Context) error {
	if s.side.missing && !s.cfg.AcceptDataLoss {
		return fmt.Errorf("%w: %s is missing, nothing tells what was acknowledged", ErrLost, sideName)
	}
	if !s.side.rec.clean {
		s.log.Warn("store was not closed", "sequence", s.side.rec.seq)
	}
	err := s.cfg.Verify(ctx, s.cfg.Dir)
	if err != nil && s.cfg.AcceptDataLoss && ctx.Err() == nil {
		s.log.Warn("store opened although it is damaged", "error", err)
		return nil
	}
	return err
}

func (s *Store) openBadger() (err error) {
	w := s.newWatcher()
	w.lenient.Store(s.cfg.AcceptDataLoss) // Badger opens without a table that is damaged
	if s.db, err = openDB(badgerOptions(s.cfg.Dir).WithValueLogFileSize(s.cfg.valueFile), w); err != nil {
		return err
	}
	w.lenient.Store(false)
	defer func() {
		if err != nil {
			_ = s.db.Close()
		}
	}()
	if err := s.cause(); err != nil {
		return corrupt("%v", err)
	}
	s.maxCost, s.maxCount = int(s.db.MaxBatchSize())-1<<10, int(s.db.MaxBatchCount())-8
	if err := s.begun.find(); err != nil {
		return err
	}
	if err := s.readSequence(); err != nil {
		return err
	}
	if err := s.recoverRedo(); err != nil {
		return err
	}
	if s.ahead, err = openAhead(s.cfg.Dir, s.seq); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = s.ahead.close()
		}
	}()
	s.opens = max(s.opens, s.side.rec.opens) + 1
	if err := s.write(nil); err != nil {
		return err
	}
	s.publish(nil, nil)
	if err := s.side.begin(s.seq, s.opens); err != nil {
		return err
	}
	if err := writeIdentity(s.cfg.Dir); err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Join(s.cfg.Dir, lostName)); err != nil { // it was accepted
		return err
	}
	if err := s.loadGarbage(); err != nil {
		return err
	}
	s.log.Info("store opened", "dir", s.cfg.Dir, "opens", s.opens, "sequence", s.seq)
	s.workers.Go(s.applier)
	s.workers.Go(s.keep)
	s.workers.Go(s.janitor)
	s.workers.Go(s.collector)
	return nil
}

// readSequence finds the newest commit, and whether an acknowledged one is missing.
func (s *Store) readSequence() error {
	txn := s.db.NewTransactionAt(^uint64(0), false)
	defer txn.Discard()
	var c commitRecord
	v, err := getValue(txn, sequenceKey)
	if err == nil && v != nil {
		c, err = parseCommit(v)
	}
	if err != nil {
		return fmt.Errorf("commit sequence: %w", corruptIf(err))
	}
	s.seq, s.newest, s.opens = c.seq, c.seq, c.opens
	newest, err := s.recoverAhead()
	if err != nil {
		return err
	}
	newest = max(newest, s.db.MaxVersion(), s.side.rec.seq)
	if s.seq < newest {
		if !s.cfg.AcceptDataLoss {
			return fmt.Errorf("%w: the newest commit is %d, but there was %d", ErrLost, s.seq, newest)
		}
		s.log.Warn("acknowledged commits are lost", "sequence", s.seq, "acknowledged", newest)
		s.seq = s.db.MaxVersion() // what lies there must be below the next commit
		s.newest = s.seq
		s.side.rec.seq = newest // so that none of them is used again
	}
	s.inBadger = s.seq
	return nil
}

func badgerOptions(dir string) badgerdb.Options {
	o := badgerdb.DefaultOptions(dir)
	o.SyncWrites = true
	o.ValueThreshold = valueThreshold
	o.MemTableSize = memTableSize
	o.NumMemtables = 3
	o.BaseTableSize = 2 << 20
	o.ValueLogFileSize = valueFileSize
	o.Compression = options.None
	o.BlockCacheSize = 0
	o.IndexCacheSize = 0
	o.NumCompactors = 2
	o.DetectConflicts = false
	o.MetricsEnabled = false
	o.NumVersionsToKeep = 1
	o.ChecksumVerificationMode = options.OnTableRead
	o.CompactL0OnClose = false
	return o
}

// openDB opens Badger. Badger refuses a file that a crash left empty right after it was made, so those go first: nothing is in
// them, and whether something should be was for verification to find out.
func openDB(o badgerdb.Options, w *watcher) (*badgerdb.DB, error) {
	for _, ext := range []string{".mem", ".vlog"} {
		files, err := numberedFiles(o.Dir, ext)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			if f.size > 0 {
				continue
			}
			if err := os.Remove(f.path); err != nil {
				return nil, err
			}
		}
	}
	if err := w.compactions.begin(); err != nil {
		return nil, err
	}
	db, err := badgerdb.OpenManaged(o.WithLogger(w))
	if err == nil {
		err = w.compactions.begin()
	}
	return db, err
}

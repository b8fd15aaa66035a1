package badger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"github.com/holtmq/holt/queue/store"
)

// ErrNotEmpty says that a directory has something in it.
var ErrNotEmpty = errors.New("the directory is not empty")

// Restore makes a data directory of a copy. The directory must be empty, or not exist; after an error nothing is left in it. Definitions in forget
// are left out. The store goes on after the copy's newest commit, so that revisions are never used twice.
// Errors: ErrNotEmpty, ErrDamagedCopy, ErrForeign, ErrFull, r's, the context's.
func Restore(ctx context.Context, dir string, r io.Reader, forget ...string) (store.Backup, error) {
	in, err := openCopy(r)
	if err != nil {
		return store.Backup{}, fmt.Errorf("restore: %w", err)
	}
	made, err := emptyDir(dir)
	if err != nil {
		return store.Backup{}, fmt.Errorf("restore to %s: %w", dir, err)
	}
	switch err := restore(ctx, dir, in, forget); {
	case errors.Is(err, ErrInUse), errors.Is(err, ErrNotEmpty): // by now: what is there is somebody else's
		return store.Backup{}, fmt.Errorf("restore to %s: %w", dir, err)
	case err != nil:
		return store.Backup{}, errors.Join(fmt.Errorf("restore to %s: %w", dir, err), clearDir(dir, made))
	}
	return in.whole(), nil
}

// emptyDir makes a directory, or finds that there is nothing in it but what a file system puts there.
func emptyDir(dir string) (made bool, err error) {
	err = holdsOnly(dir, "lost+found")
	switch made = errors.Is(err, os.ErrNotExist); {
	case err != nil && !made:
		return false, err
	default:
		return made, makeDir(dir)
	}
}

// holdsOnly finds that there is nothing in a directory but files of these names. Errors: ErrNotEmpty, the directory's.
func holdsOnly(dir string, allowed ...string) error {
	names, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, n := range names {
		if !slices.Contains(allowed, n.Name()) {
			return fmt.Errorf("%w: there is %s", ErrNotEmpty, n.Name())
		}
	}
	return nil
}

// clearDir removes what a restore has made.
func clearDir(dir string, made bool) error {
	if made {
		return os.RemoveAll(dir)
	}
	names, err := os.ReadDir(dir)
	for _, n := range names {
		if n.Name() != "lost+found" {
			err = errors.Join(err, os.RemoveAll(filepath.Join(dir, n.Name())))
		}
	}
	return err
}

func restore(ctx context.Context, dir string, in *copyReader, forget []string) (err error) {
	s := newStore(Config{Dir: dir, Logger: slog.New(slog.DiscardHandler)}.withDefaults())
	if s.fileLimit, err = checkFileLimit(dir, s.cfg.fileLimit); err != nil {
		return err
	}
	if s.lock, err = lockDir(dir); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlockDir(s.lock)) }()
	if err := holdsOnly(dir, "lost+found", lockName); err != nil {
		return err
	}
	if s.side, err = openSide(dir); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.side.close()) }()
	if s.space, err = newSpace(dir, s.cfg.MinFree, s.cfg.free); err != nil {
		return err
	}
	w := &watcher{fail: s.fail, log: s.log}
	if s.db, err = openDB(badgerOptions(dir).WithValueLogFileSize(s.cfg.valueFile).WithLogger(w)); err != nil {
		return err
	}
	s.maxCost, s.maxCount = int(s.db.MaxBatchSize())-1<<10, int(s.db.MaxBatchCount())-8
	s.seq, s.newest, s.opens = in.info.Sequence, in.info.Sequence, in.info.Opens
	err = s.load(ctx, in, forget)
	if cerr := s.closeDB(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	// The identity comes last: without it nothing opens the directory.
	if err := s.side.finishAs(s.seq, s.opens); err != nil {
		return err
	}
	return writeFile(dir, identityName, identity)
}

// load writes everything of a copy, in transactions as large as Badger takes them.
func (s *Store) load(ctx context.Context, in *copyReader, forget []string) error {
	var ops []op
	cost, size := 0, 0
	flush := func() error {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := s.write(ops)
		ops, cost, size = nil, 0, 0
		return err
	}
	err := in.each(func(key, value []byte) error {
		for _, name := range forget {
			if bytes.Equal(key, metaKey(name)) {
				return nil
			}
		}
		o := op{bytes.Clone(key), bytes.Clone(value)}
		if len(ops) > 0 && (!s.fits(cost+o.cost(), len(ops)+1) || size+len(value) > maxGroupBytes) {
			if err := flush(); err != nil {
				return err
			}
		}
		ops = append(ops, o)
		cost += o.cost()
		size += len(value)
		return nil
	})
	if err != nil {
		return err
	}
	return flush() // the last ones; or none, and then the sequence alone
}

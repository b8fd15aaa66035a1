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

// restoringName is what the identity is called while a directory is being restored. It comes first, and gets its name last: a server refuses what lies between, and
// the next restore begins anew.
const restoringName = "HOLT.restoring"

// Restore makes a data directory of a copy. The directory must be empty, or not exist, or hold what a restore has left that was killed, which goes; after an
// error nothing is left in it. Definitions in forget are left out. The store goes on after the copy's newest commit, so that revisions are never used twice.
// Errors: ErrNotEmpty, ErrInUse, ErrDamagedCopy, ErrForeign, ErrFull, r's, the context's.
func Restore(ctx context.Context, dir string, r io.Reader, forget ...string) (store.Backup, error) {
	in, err := openCopy(r)
	if err != nil {
		return store.Backup{}, fmt.Errorf("restore: %w", err)
	}
	_, err = os.Stat(dir)
	made := errors.Is(err, os.ErrNotExist)
	if err == nil {
		err = restorable(dir) // before anything is put there
	}
	if err == nil || made {
		err = makeDir(dir)
	}
	if err == nil {
		err = restoreLocked(ctx, dir, in, forget)
	}
	if err != nil {
		if made {
			_ = os.Remove(dir) // what is there is somebody else's
		}
		return store.Backup{}, fmt.Errorf("restore to %s: %w", dir, err)
	}
	return in.whole(), nil
}

// restoreLocked restores where nobody else does, and leaves nothing if that fails.
func restoreLocked(ctx context.Context, dir string, in *copyReader, forget []string) error {
	lock, err := lockDir(dir)
	if err != nil {
		return err
	}
	defer func() { _ = unlockDir(lock) }()
	if err := restorable(dir); err != nil {
		return err
	}
	err = clearDir(dir)
	if err == nil {
		err = writeFile(dir, restoringName, identity)
	}
	if err == nil {
		err = restore(ctx, dir, in, forget)
	}
	if err != nil {
		return errors.Join(err, clearDir(dir), os.Remove(lock.Name()))
	}
	return nil
}

// restorable finds that there is nothing in a directory but what a file system puts there, or what a restore has left. Errors: ErrNotEmpty, the directory's.
func restorable(dir string) error {
	names, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	other, begun := "", false
	for _, n := range names {
		switch n.Name() {
		case identityName:
			return fmt.Errorf("%w: there is %s", ErrNotEmpty, identityName)
		case restoringName:
			begun = true
		case "lost+found", lockName:
		default:
			other = n.Name()
		}
	}
	if other != "" && !begun {
		return fmt.Errorf("%w: there is %s", ErrNotEmpty, other)
	}
	return nil
}

// clearDir removes what a restore has made, and last of all what tells that it has. The lock stays.
func clearDir(dir string) error {
	names, err := os.ReadDir(dir)
	for _, n := range names {
		if !slices.Contains([]string{"lost+found", lockName, restoringName}, n.Name()) {
			err = errors.Join(err, os.RemoveAll(filepath.Join(dir, n.Name())))
		}
	}
	if err != nil {
		return err
	}
	return os.RemoveAll(filepath.Join(dir, restoringName))
}

func restore(ctx context.Context, dir string, in *copyReader, forget []string) (err error) {
	s := newStore(Config{Dir: dir, Logger: slog.New(slog.DiscardHandler)}.withDefaults())
	if s.fileLimit, err = checkFileLimit(dir, s.cfg.fileLimit); err != nil {
		return err
	}
	if s.side, err = openSide(dir); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.side.close()) }()
	if s.space, err = newSpace(dir, s.cfg.MinFree, s.cfg.free); err != nil {
		return err
	}
	if s.db, err = openDB(badgerOptions(dir).WithValueLogFileSize(s.cfg.valueFile), s.newWatcher()); err != nil {
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
	if err := os.Rename(filepath.Join(dir, restoringName), filepath.Join(dir, identityName)); err != nil {
		return err
	}
	return syncDir(dir)
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

package badger

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	badgerdb "github.com/dgraph-io/badger/v4"
)

// Verify checks a data directory without changing it, and without Badger, which repairs some damage by deleting what is
// behind it. It reads all keys, but of the values only the newest file. It finds
//
//   - tables that are missing, damaged or not in Badger's list,
//   - commits that are missing between the tables and the logs, within a log or behind it,
//   - values that are cut off,
//   - what a process has found lost before it ended.
//
// Batches are checked when they are read, and all at once by Inspect. Errors: store.ErrCorrupt, ErrLost, the context's.
// Damage can make the library that reads tables panic, and in the worst case end the process: that is the verdict, too.
// The directory must not be in use.
func Verify(ctx context.Context, dir string) error {
	if err := knownLoss(dir); err != nil {
		return err
	}
	r, err := openRaw(ctx, dir)
	if err != nil {
		return err
	}
	defer r.close()
	side, err := readSide(dir)
	if err != nil {
		return err
	}
	if _, err := r.checkSequence(side); err != nil {
		return err
	}
	if err := checkRegistry(dir); err != nil {
		return err
	}
	return r.walk(ctx, nil, true, func(s *stored) error {
		if !s.pointed {
			return nil
		}
		return r.there(s.pointer)
	})
}

// checkSequence checks that no commit is missing: the logs go on where the tables end, and the files in front of Badger where the logs end, without a gap, up to
// what was acknowledged.
func (r *raw) checkSequence(side sideRecord) (newest uint64, err error) {
	newest, err = r.sequence()
	if err != nil {
		return 0, err
	}
	var last uint64 // of the logs
	for _, w := range r.wals {
		for _, c := range w.commits {
			// Logs may begin with what the tables have already, and then go on without a gap.
			if (last == 0 && c.before > newest) || (last > 0 && c.before != last) {
				return 0, lost(c, w.name, max(last, newest))
			}
			last = c.seq
		}
	}
	newest = max(newest, last)
	more, err := recordsAfter(newest, r.ahead)
	if err != nil {
		return 0, err
	}
	if n := len(more); n > 0 {
		newest = more[n-1].seq
	}
	if newest < side.seq {
		return 0, fmt.Errorf("%w: the newest commit is %d, but %d was acknowledged", ErrLost, newest, side.seq)
	}
	for _, level := range r.levels {
		for _, t := range level {
			if t.MaxVersion() > newest {
				return 0, fmt.Errorf("%w: table %d knows of commit %d, the newest is %d", ErrLost, t.ID(), t.MaxVersion(), newest)
			}
		}
	}
	return newest, nil
}

// readSide reads the side file; a directory without one tells nothing of what was acknowledged.
func readSide(dir string) (sideRecord, error) {
	b, err := os.ReadFile(filepath.Join(dir, sideName))
	if os.IsNotExist(err) {
		return sideRecord{}, nil
	}
	if err != nil {
		return sideRecord{}, err
	}
	r, _ := parseSideFile(b)
	return r, nil
}

// checkRegistry checks Badger's registry of keys, which says that nothing is encrypted: 16 random bytes and a text. Badger
// refuses to open with a wrong one, and makes a new one if it is missing.
func checkRegistry(dir string) error {
	const random, text = 16, "Hello Badger"
	b, err := os.ReadFile(filepath.Join(dir, badgerdb.KeyRegistryFileName))
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if len(b) < random+len(text) || string(b[random:random+len(text)]) != text {
		return corrupt("%s is damaged; it may be removed, for nothing is encrypted", badgerdb.KeyRegistryFileName)
	}
	return nil
}

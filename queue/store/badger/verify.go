package badger

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// Verify checks a data directory without changing it, and without Badger, which repairs some damage by deleting what is
// behind it. It reads all keys, but of the values only the newest file. It finds
//
//   - tables that are missing, damaged or not in Badger's list,
//   - commits that are missing between the tables and the logs, within a log or behind it,
//   - values that are cut off.
//
// Batches are checked when they are read, and all at once by Inspect. Errors: store.ErrCorrupt, ErrLost, the context's.
// Damage can make the library that reads tables panic, and in the worst case end the process: that is the verdict, too.
// The directory must not be in use.
func Verify(ctx context.Context, dir string) error {
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
	return r.walk(ctx, nil, true, func(s *stored) error {
		if !s.pointed {
			return nil
		}
		return r.there(s.pointer)
	})
}

// checkSequence checks that no commit is missing: the logs go on where the tables end, without a gap, up to what was acknowledged.
func (r *raw) checkSequence(side sideRecord) (newest uint64, err error) {
	newest, _, err = r.sequence(false)
	if err != nil {
		return 0, err
	}
	var last uint64 // of the logs
	for _, w := range r.wals {
		for _, v := range w.versions {
			if (last == 0 && v > newest+1) || (last > 0 && v != last+1) {
				return 0, fmt.Errorf("%w: %s goes on with %d after %d", ErrLost, w.name, v, max(last, newest))
			}
			last = v
		}
	}
	newest = max(newest, last)
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

package badger

import (
	"os"
	"path/filepath"
	"sync/atomic"
)

// Free space. Badger writes through mapped files, where a full file system is not an error but the end of the process.
// So there are four lines, all derived from the configured minimum:
//
//	free < minimum      Health().Low: the broker refuses publishes, rewrites and checkpoints can wait; settles go on
//	free < minimum / 4  the ballast file is removed, which gives its bytes to the settles
//	free < minimum / 32 (16 to 128 MiB)   Health().Spent: dead letters wait
//	free < minimum / 64 (8 to 64 MiB)     the next write stops the store with ErrFull, before it can hit the end
const (
	ballastName    = "HOLT.ballast"
	maxBallast     = 64 << 20
	defaultMinFree = 1 << 30
	leastMinFree   = 32 << 20 // below it there is no room for collection above the floor: nothing would give space back
	minFloor       = 8 << 20
	maxFloor       = 64 << 20
	freeFraction   = 20      // default minimum: 1/20 of the file system
	askEvery       = 1 << 20 // written bytes after which free space is asked for again before a write
)

// space knows how full the file system is, as of the last second.
type space struct {
	dir     string
	ask     func(string) (size, free int64, err error)
	minimum int64
	floor   int64

	free    atomic.Int64
	used    atomic.Int64
	files   atomic.Bool // descriptors run short
	written int64       // since free was asked for; under the store's token
}

func newSpace(dir string, minimum int64, ask func(string) (int64, int64, error)) (*space, error) {
	size, free, err := ask(dir)
	if err != nil {
		return nil, err
	}
	if minimum == 0 {
		minimum = max(defaultMinFree, size/freeFraction)
	}
	minimum = max(minimum, leastMinFree)
	sp := &space{dir: dir, ask: ask, minimum: minimum, floor: min(max(minFloor, minimum/64), maxFloor)}
	sp.free.Store(free)
	sp.used.Store(diskUse(dir))
	sp.ballast()
	return sp, nil
}

// report is what Health says: bytes used and free, and whether either runs short.
func (sp *space) report() (used, free int64, low bool) {
	free = sp.free.Load()
	return sp.used.Load(), free, free < sp.minimum || sp.files.Load()
}

// spent says whether what is free is the last reserve: twice the line at which the store stops, so that a unit of letters fits between.
func (sp *space) spent() bool { return sp.free.Load() < 2*sp.floor }

// refresh asks again, and keeps the ballast in step with the answer.
func (sp *space) refresh() error {
	_, free, err := sp.ask(sp.dir)
	if err != nil {
		return err
	}
	sp.free.Store(free)
	sp.ballast()
	return nil
}

// ballast makes the ballast file where there is plenty of space and removes it where there is nearly none. It is a help,
// not a promise: errors leave things as they are.
func (sp *space) ballast() {
	path := filepath.Join(sp.dir, ballastName)
	size := min(maxBallast, sp.minimum/4)
	switch free := sp.free.Load(); {
	case free < sp.minimum/4:
		if os.Remove(path) == nil {
			if _, now, err := sp.ask(sp.dir); err == nil {
				sp.free.Store(now)
			}
		}
	case free >= sp.minimum+2*size:
		if fi, err := os.Stat(path); err != nil || fi.Size() != size {
			if allocate(path, size) != nil {
				_ = os.Remove(path)
			}
		}
	}
}

// room refuses a write for which there may be no space left. The caller holds the token.
func (s *Store) room(ops []op) error {
	sp := s.space
	n := int64(0)
	for i := range ops {
		n += int64(len(ops[i].key) + len(ops[i].value))
	}
	sp.written += n
	if sp.written > askEvery || sp.free.Load() < sp.minimum {
		sp.written = 0
		if err := sp.refresh(); err != nil {
			return err
		}
	}
	if sp.free.Load()-n < sp.floor {
		return ErrFull
	}
	return nil
}

package badger

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Badger holds every file of a store open, and a compaction that runs out of descriptors drops tables without a word. That is
// noticed (compaction.go), but too late for what was in them. So it must never come to that.
const (
	// MinOpenFiles is the lowest limit of open files with which a store starts, beyond the files that it already has.
	MinOpenFiles = 512

	maxMaps   = 60_000 // a little below Linux's default
	fileShare = 80     // percent of the limit from which on Health().Low is set
	fileStop  = 95     // percent of the limit at which the store stops
)

// checkFileLimit raises the limit of open files and refuses one that leaves no room to grow.
func checkFileLimit(dir string, raise func() (uint64, error)) (limit uint64, err error) {
	if limit, err = raise(); err != nil {
		return 0, err
	}
	names, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	if need := uint64(len(names) + MinOpenFiles); limit < need {
		return 0, fmt.Errorf("%w: %d, need %d", ErrFewFiles, limit, need)
	}
	// Each file is mapped as well, and the system bounds maps of a process, too.
	return min(limit, maxMaps), nil
}

// owner names the process that has the directory, as far as Badger's note of it tells.
func owner(dir string) string {
	b, err := os.ReadFile(filepath.Join(dir, "LOCK"))
	if err != nil || len(strings.TrimSpace(string(b))) == 0 {
		return ""
	}
	return fmt.Sprintf(" (process %s)", strings.TrimSpace(string(b)))
}

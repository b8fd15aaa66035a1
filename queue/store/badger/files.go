package badger

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Badger holds every file of a store open, and a compaction that runs out of descriptors drops tables without a word. So
// it must never come to that.
const (
	// MinOpenFiles is the lowest limit of open files with which a store starts, beyond the files that it already has.
	MinOpenFiles = 512

	fileShare = 80 // percent of the limit from which on Health().Low is set
	fileStop  = 95 // percent of the limit at which the store stops
)

// checkFileLimit refuses a limit of open files that leaves no room to grow.
func checkFileLimit(dir string, limit func() (uint64, error)) error {
	n, err := limit()
	if err != nil {
		return err
	}
	names, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	if need := uint64(len(names) + MinOpenFiles); n < need {
		return fmt.Errorf("%w: %d, need %d", ErrFewFiles, n, need)
	}
	return nil
}

// owner names the process that has the directory, as far as Badger's note of it tells.
func owner(dir string) string {
	b, err := os.ReadFile(filepath.Join(dir, "LOCK"))
	if err != nil || len(strings.TrimSpace(string(b))) == 0 {
		return ""
	}
	return fmt.Sprintf(" (process %s)", strings.TrimSpace(string(b)))
}

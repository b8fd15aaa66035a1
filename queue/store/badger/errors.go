package badger

import (
	"errors"
	"fmt"

	"github.com/holtmq/holt/queue/store"
)

// Sentinels of Open and Inspect, and causes in Health beside those of package store.
var (
	ErrInUse    = errors.New("the data directory is in use by another process")
	ErrForeign  = errors.New("the data directory is not one of Holt's, or of another version")
	ErrNothing  = errors.New("there is nothing of Holt's in the directory")
	ErrLost     = errors.New("the store has lost commits that were acknowledged")
	ErrFewFiles = errors.New("the limit of open files is too low")
	ErrFull     = errors.New("the file system is full")
	ErrRestore  = errors.New("a restore into the directory was not finished; the same holt restore begins it anew")
)

// lost says that a commit in a file does not follow the one that comes before it.
func lost(c commitRecord, file string, before uint64) error {
	return fmt.Errorf("%w: in %s commit %d, which follows %d, comes after %d", ErrLost, file, c.seq, c.before, before)
}

// died wraps the cause of the store's end.
func died(cause error) error { return fmt.Errorf("%w: %w", store.ErrDead, cause) }

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", store.ErrInvalid, fmt.Sprintf(format, args...))
}

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %s", store.ErrCorrupt, fmt.Sprintf(format, args...))
}

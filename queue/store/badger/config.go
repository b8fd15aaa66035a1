package badger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Config sets up a Store. The zero value of each field is its documented default, except Dir, which has none.
type Config struct {
	// Dir is the data directory. It is made, mode 0700, if it does not exist.
	Dir string

	// MinFree is the free space in bytes below which Health().Low is set; less than 32 MiB is 32 MiB. 0: 5 % of the file system, at least 1 GiB.
	MinFree int64

	// AcceptDataLoss opens a store although it has lost acknowledged commits or fails verification. What is damaged
	// beyond that is still reported as store.ErrCorrupt when it is read.
	AcceptDataLoss bool

	// Verify checks a data directory before Badger touches it; nil: Verify of this package, in this process. A
	// process that wants to survive what damage does to the library runs it in a child.
	Verify func(ctx context.Context, dir string) error

	// Logger gets life cycle events and faults. nil: slog.Default().
	Logger *slog.Logger

	// CollectEvery is how often reclaiming space begins though little was deleted. A turn rewrites at most one file; while there is more to gain, and when much
	// was deleted, the next one follows soon. 0: 10 s.
	CollectEvery time.Duration

	// applyAfter is how long a commit waits for others before Badger gets it. 0: 10 ms.
	applyAfter time.Duration

	// valueFile is the length in bytes of Badger's value log files. 0: 64 MiB.
	valueFile int64

	// free asks the file system of dir for its size and free bytes. nil: the operating system.
	free func(dir string) (size, free int64, err error)

	// openFiles tells how many files the process has open. nil: the operating system.
	openFiles func() (uint64, error)

	// fileLimit raises the limit of open files and returns it. nil: the operating system.
	fileLimit func() (uint64, error)
}

// Validate reports every fault of the configuration at once.
func (c Config) Validate() error {
	var errs []error
	if c.Dir == "" {
		errs = append(errs, errors.New("no data directory"))
	}
	if c.MinFree < 0 {
		errs = append(errs, fmt.Errorf("minimum of free space %d is negative", c.MinFree))
	}
	if c.CollectEvery < 0 {
		errs = append(errs, fmt.Errorf("pause of collection %s is negative", c.CollectEvery))
	}
	return errors.Join(errs...)
}

func (c Config) withDefaults() Config {
	if c.Verify == nil {
		c.Verify = Verify
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.CollectEvery == 0 {
		c.CollectEvery = 10 * time.Second
	}
	if c.applyAfter == 0 {
		c.applyAfter = applyAfter
	}
	if c.valueFile == 0 {
		c.valueFile = valueFileSize
	}
	if c.free == nil {
		c.free = freeSpace
	}
	if c.openFiles == nil {
		c.openFiles = lowestFreeFile
	}
	if c.fileLimit == nil {
		c.fileLimit = raiseFileLimit
	}
	return c
}

//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package badger

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// lockDir opens a file of the directory. Badger's own lock, which it takes on opening, keeps other processes out.
func lockDir(dir string) (*os.File, error) {
	return os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
}

func unlockDir(f *os.File) error { return f.Close() }

// syncDir does nothing: directories cannot be synced here.
func syncDir(string) error { return nil }

// raiseFileLimit returns a limit that is never too low.
func raiseFileLimit() (uint64, error) { return 1 << 20, nil }

func lowestFreeFile() (uint64, error) { return 0, errors.ErrUnsupported }

// diskUse returns the lengths of the directory's files, an upper bound of the bytes that they take.
func diskUse(dir string) int64 {
	var n int64
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == ballastName {
			return nil
		}
		if fi, err := d.Info(); err == nil {
			n += fi.Size()
		}
		return nil
	})
	return n
}

//go:build !linux

package badger

import "os"

// allocate makes a file whose bytes are really taken.
func allocate(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	block := make([]byte, 1<<20)
	for n := int64(0); n < size && err == nil; n += int64(len(block)) {
		_, err = f.Write(block[:min(int64(len(block)), size-n)])
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// syncData makes a file's bytes durable.
func syncData(f *os.File) error { return f.Sync() }

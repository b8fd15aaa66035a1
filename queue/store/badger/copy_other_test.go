//go:build !linux

package badger

import (
	"errors"
	"io/fs"
	"os"
	"testing"
)

// copyFile copies a file.
func copyFile(t testing.TB, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if errors.Is(err, fs.ErrNotExist) {
		return // it was removed meanwhile
	}
	if err == nil {
		err = os.WriteFile(to, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

package badger

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

)

// testConfig is a configuration that does not depend on how full the machine's disk is.
func testConfig(dir string) Config {
	return Config{
		Dir: dir, MinFree: 1 << 20,
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
}

func mustOpen(t testing.TB, cfg Config) *Store {
	t.Helper()
	s, err := Open(context.Background(), cfg)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return s
}

// copyDir copies a data directory as a crash would leave it: what the kernel has of each file at that moment. Holes stay holes.
func copyDir(t testing.TB, from string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "crash")
	if err := os.Mkdir(to, 0o700); err != nil {
		t.Fatal(err)
	}
	names, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		if n.Name() != ballastName {
			copyFile(t, filepath.Join(from, n.Name()), filepath.Join(to, n.Name()))
		}
	}
	return to
}

func copyFile(t testing.TB, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	buf, zero := make([]byte, 64<<10), make([]byte, 64<<10)
	var at int64
	for {
		n, err := in.Read(buf)
		if n > 0 && string(buf[:n]) != string(zero[:n]) {
			if _, err := out.WriteAt(buf[:n], at); err != nil {
				t.Fatal(err)
			}
		}
		at += int64(n)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := out.Truncate(at); err != nil {
		t.Fatal(err)
	}
}


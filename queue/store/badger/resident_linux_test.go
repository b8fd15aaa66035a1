package badger

import (
	"os"
	"path/filepath"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

func TestGiveBackPagesKeepsDataAndLowersMemory(t *testing.T) {
	dir := t.TempDir()
	const size = 8 << 20
	var mapped [][]byte
	for _, name := range []string{"000001.vlog", "000002.vlog"} {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := f.Truncate(size); err != nil {
			t.Fatal(err)
		}
		b, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Munmap(b)
		for i := range b {
			b[i] = byte(i >> 12)
		}
		if err := unix.Msync(b, unix.MS_SYNC); err != nil {
			t.Fatal(err)
		}
		mapped = append(mapped, b)
	}
	resident := func(b []byte) (pages int) {
		in := make([]byte, len(b)/os.Getpagesize())
		if err := mincore(b, in); err != nil {
			t.Fatal(err)
		}
		for _, v := range in {
			pages += int(v & 1)
		}
		return pages
	}
	giveBackPages(dir)
	old, newest := resident(mapped[0]), resident(mapped[1])
	if newest < size/os.Getpagesize() {
		t.Errorf("%d pages of the newest file are left", newest)
	}
	t.Logf("%d of %d pages of the older file are left", old, size/os.Getpagesize())
	for i, b := range mapped[0] {
		if b != byte(i>>12) {
			t.Fatalf("byte %d changed", i)
		}
	}
}

func mincore(b, in []byte) error {
	_, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), uintptr(unsafe.Pointer(&in[0])))
	if errno != 0 {
		return errno
	}
	return nil
}

func TestParseMapping(t *testing.T) {
	m, ok := parseMapping("7f00a0000000-7f00a8000000 rw-s 00000000 fe:00 1234   /data/with space/000001.vlog")
	if !ok || m.path != "/data/with space/000001.vlog" || m.to-m.from != 0x8000000 {
		t.Errorf("%+v, %v", m, ok)
	}
	for _, line := range []string{"", "x", "7ffe0000-7fff0000 r-xp 00000000 00:00 0 [vdso]", "7f00-6f00 rw-s 0 0 0 /a", "7f00a0000000-7f00a8000000 rw-p 00000000 00:00 0"} {
		if m, ok := parseMapping(line); ok {
			t.Errorf("%q became %+v", line, m)
		}
	}
}

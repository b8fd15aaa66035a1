package badger

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
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

func TestFilesBeingWrittenAreMappedForSmallPages(t *testing.T) {
	cfg := testConfig(t.TempDir())
	cfg.valueFile, cfg.applyAfter = 1<<20, never
	s := mustOpen(t, cfg)
	defer s.Close()
	mustLog(t, s, 1)
	check := func() {
		t.Helper()
		flags, newest := vmLines(t, cfg.Dir, "VmFlags:")
		for path, f := range flags {
			small := strings.Contains(f, " rr") // madvise(MADV_RANDOM), proc_pid_smaps(5)
			if want := path == newest || strings.HasSuffix(path, ".mem"); small != want {
				t.Errorf("%s: small pages %v, want %v: %s", filepath.Base(path), small, want, f)
			}
		}
	}
	check()
	first := s.begun.values
	for at := store.Offset(0); s.begun.values < first+2; at++ {
		if at > 100 {
			t.Fatal("no new value file")
		}
		b := oneBatch(t, at, 100<<10)
		if _, err := s.Commit(bg, []store.Unit{{{Log: 1, Append: []store.Batch{b}}}}); err != nil {
			t.Fatal(err)
		}
		if err := s.catchUp(); err != nil {
			t.Fatal(err)
		}
	}
	check()
}

// TestWrittenFilesAreNoMemory writes value files: those that are done are no memory of the process any more.
func TestWrittenFilesAreNoMemory(t *testing.T) {
	s := severalFiles(t, 50)
	resident, newest := vmLines(t, s.cfg.Dir, "Rss:")
	if len(resident) < 4 {
		t.Fatalf("value files: %v", resident)
	}
	for path, r := range resident {
		var kib int
		if _, err := fmt.Sscan(r, &kib); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(path, ".vlog") && path != newest && kib > 256 {
			t.Errorf("%s of %s are resident", r, filepath.Base(path))
		}
	}
	if err := checkLog(s, 1, 50); err != nil {
		t.Fatal(err)
	}
}

// oneBatch returns a batch of one record.
func oneBatch(t *testing.T, at store.Offset, size int) store.Batch {
	t.Helper()
	var b record.Builder
	b.Reset(at)
	now := time.UnixMilli(time.Now().UnixMilli())
	b.Append(record.Record{Timestamp: now, Value: make([]byte, size)})
	enc, err := b.Encode(nil, record.None)
	if err != nil {
		t.Fatal(err)
	}
	return store.Batch{Base: at, Last: at, MaxTime: now, Bytes: enc}
}

// vmLines returns a line of what proc_pid_smaps(5) tells of the mappings of value files and logs in a directory, and the newest value file.
func vmLines(t *testing.T, dir, field string) (lines map[string]string, newest string) {
	t.Helper()
	b, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	lines, path := map[string]string{}, ""
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		if m, ok := parseMapping(line); ok {
			path = m.path
		}
		ext := filepath.Ext(path)
		if f, found := strings.CutPrefix(line, field); found && filepath.Dir(path) == dir && (ext == ".vlog" || ext == ".mem") {
			lines[path] = f
			if ext == ".vlog" {
				newest = max(newest, path)
			}
		}
		if strings.HasPrefix(line, "VmFlags:") { // a mapping's last line; the next may be no file's
			path = ""
		}
	}
	if newest == "" {
		t.Fatal("no value file is mapped")
	}
	return lines, newest
}

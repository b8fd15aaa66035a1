package badger

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unsafe"

	badgerdb "github.com/dgraph-io/badger/v4"
	"golang.org/x/sys/unix"
)

// The library maps its value files whole and keeps them mapped, so that every page written or read counts as this process's memory until
// the kernel wants it back; and where a file is written in order through its mapping, the kernel makes ever larger pages of it, each of which a sync writes as a
// whole. These give back the pages of all but the newest value file, and keep those of the files being written small.

// dropPages takes the pages of the value file that holds an item's value out of this process's memory, unless it is the newest. They stay in the system's cache, for whoever
// reads them next. Unlike the hints below this would destroy what lay at the same addresses if that was no file: so it is done while Badger reads the value, and so keeps
// the file mapped where it is.
func dropPages(dir string, item *badgerdb.Item) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return
	}
	if _, ok := pointerOf(item); !ok {
		return
	}
	_ = item.Value(func(value []byte) error {
		at := uintptr(unsafe.Pointer(unsafe.SliceData(value)))
		mapped, newest := mappedFiles(dir, ".vlog")
		for _, m := range mapped {
			if m.from <= at && at < m.to && m.path != newest {
				_, _, _ = unix.Syscall(unix.SYS_MADVISE, m.from, m.to-m.from, unix.MADV_DONTNEED)
			}
		}
		return nil
	})
}

// giveBackPages asks the kernel to reclaim the pages of mapped value files in dir, the newest aside. It is a hint: it changes no data, whatever becomes of a mapping
// meanwhile, and errors leave things as they are.
func giveBackPages(dir string) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return
	}
	mapped, newest := mappedFiles(dir, ".vlog")
	for _, m := range mapped {
		if m.path != newest {
			_, _, _ = unix.Syscall(unix.SYS_MADVISE, m.from, m.to-m.from, unix.MADV_PAGEOUT)
		}
	}
}

// writeSmallPages asks the kernel to bring in pages of the files in dir that the library writes one at a time: the newest value file, and the logs of the tables in
// memory. Those value files that are only read any more are read ahead as others are. It is a hint, like giveBackPages.
func writeSmallPages(dir string) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return
	}
	advise := func(m mapping, how uintptr) { _, _, _ = unix.Syscall(unix.SYS_MADVISE, m.from, m.to-m.from, how) }
	values, newest := mappedFiles(dir, ".vlog")
	for _, m := range values {
		if m.path == newest {
			advise(m, unix.MADV_RANDOM)
		} else {
			advise(m, unix.MADV_NORMAL)
		}
	}
	logs, _ := mappedFiles(dir, ".mem")
	for _, m := range logs {
		advise(m, unix.MADV_RANDOM)
	}
}

// mapping is a range of addresses with a file behind it.
type mapping struct {
	from, to uintptr
	path     string
}

// mappedFiles returns the mappings of files in dir with a suffix, and the last path in order of name.
func mappedFiles(dir, suffix string) (out []mapping, newest string) {
	f, err := os.Open("/proc/self/maps")
	if err != nil {
		return nil, ""
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		m, ok := parseMapping(lines.Text())
		if ok && filepath.Dir(m.path) == dir && strings.HasSuffix(m.path, suffix) {
			out = append(out, m)
			newest = max(newest, m.path)
		}
	}
	return out, newest
}

// parseMapping reads a line of /proc/self/maps (proc_pid_maps(5)).
func parseMapping(line string) (m mapping, ok bool) {
	fields := strings.Fields(line)
	slash := strings.Index(line, "/")
	if len(fields) < 6 || slash < 0 {
		return m, false
	}
	from, to, _ := strings.Cut(fields[0], "-")
	a, err1 := strconv.ParseUint(from, 16, 64)
	b, err2 := strconv.ParseUint(to, 16, 64)
	return mapping{uintptr(a), uintptr(b), line[slash:]}, err1 == nil && err2 == nil && a < b
}

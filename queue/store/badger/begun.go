package badger

import (
	"fmt"
	"os"
	"path/filepath"
)

// begun knows the newest files that the library writes, and notices when it begins others. Whoever holds Store.applying uses it.
type begun struct {
	dir          string
	values, logs uint64 // their numbers; 0 = not known
}

// look asks for small pages of files that were begun since the last look, and says whether one of values was.
func (b *begun) look() bool {
	was := *b
	b.values, b.logs = after(b.values, b.valuesName), after(b.logs, b.logsName)
	if *b != was {
		writeSmallPages(b.dir)
	}
	return b.values != was.values
}

// find begins with what is there. Errors: the directory's.
func (b *begun) find() error {
	for ext, newest := range map[string]*uint64{".vlog": &b.values, ".mem": &b.logs} {
		files, err := numberedFiles(b.dir, ext)
		if err != nil {
			return err
		}
		if len(files) > 0 {
			*newest = files[len(files)-1].number
		}
	}
	writeSmallPages(b.dir)
	return nil
}

func (b *begun) valuesName(n uint64) string { return filepath.Join(b.dir, fmt.Sprintf("%06d.vlog", n)) }
func (b *begun) logsName(n uint64) string   { return filepath.Join(b.dir, fmt.Sprintf("%05d.mem", n)) }

// after returns the last number from n on of which all files are there.
func after(n uint64, name func(uint64) string) uint64 {
	for {
		if _, err := os.Lstat(name(n + 1)); err != nil {
			return n
		}
		n++
	}
}

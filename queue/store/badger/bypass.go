package badger

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"sync"

	badgerdb "github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/y"
)

// maxBypass is how many value files are held open for reading.
const maxBypass = 64

// bypass reads values from the files of the value log. Badger reads through mapped files, whose pages then count as this process's memory, and which the keeper
// takes out of the system's cache as well when it gives them back: whoever reads much reads from the disk. What is read from a file stays in the cache as long as
// there is room, and is nobody's memory.
type bypass struct {
	dir  string
	mu   sync.Mutex
	open map[uint32]*os.File
}

// read reads the first bytes of an item's value into head, and the rest into what room gives for so many; room may give nothing. It says whether it has: if not, Badger must.
// The bytes are as they lie in the file, of the item's key, but not checked.
func (f *bypass) read(item *badgerdb.Item, head []byte, room func(n int) []byte) bool {
	p, ok := pointerOf(item)
	if !ok {
		return false
	}
	file, err := f.file(p.file)
	if err != nil {
		return false
	}
	b := make([]byte, min(int(p.length), maxEntryHeader+len(item.Key())+8+len(head)))
	if _, err := file.ReadAt(b, int64(p.offset)); err != nil {
		return false
	}
	key, value, end, ok := entryHeader(b)
	if !ok || end+crcLen != int(p.length) || value+len(head) > min(end, len(b)) || !bytes.Equal(y.ParseKey(b[key:value]), item.Key()) {
		return false
	}
	copy(head, b[value:])
	value += len(head)
	rest := room(end - value)
	if rest == nil {
		return true
	}
	_, err = file.ReadAt(rest, int64(p.offset)+int64(value))
	return err == nil
}

// pointerOf returns where an item's value lies. Badger keeps that to itself.
func pointerOf(item *badgerdb.Item) (pointer, bool) {
	v := reflect.ValueOf(item).Elem()
	if v.FieldByName("meta").Uint()&metaPointer == 0 {
		return pointer{}, false
	}
	return parsePointer(v.FieldByName("vptr").Bytes())
}

// file returns an open file. It may be closed at any time, which reads notice.
func (f *bypass) file(number uint32) (*os.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if file := f.open[number]; file != nil {
		return file, nil
	}
	file, err := os.Open(f.path(number))
	if err != nil {
		return nil, err
	}
	for other := range f.open {
		if len(f.open) < maxBypass {
			break
		}
		f.close(other)
	}
	f.open[number] = file
	return file, nil
}

func (f *bypass) path(number uint32) string {
	return filepath.Join(f.dir, fmt.Sprintf("%06d.vlog", number))
}

func (f *bypass) close(number uint32) {
	_ = f.open[number].Close() // it was only read
	delete(f.open, number)
}

// closeIf closes the files of whose paths fn says so.
func (f *bypass) closeIf(fn func(path string) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for number, file := range f.open {
		if fn(file.Name()) {
			f.close(number)
		}
	}
}

// forget closes files that Badger has removed, whose space the system keeps until then.
func (f *bypass) forget() {
	f.closeIf(func(path string) bool {
		_, err := os.Lstat(path)
		return err != nil
	})
}

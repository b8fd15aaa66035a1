package badger

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/dgraph-io/badger/v4/y"
)

// What follows reads Badger's log files (.mem and .vlog) without Badger, because Badger repairs a damaged one by
// cutting off everything behind the damage. Both are a header of 20 bytes and then entries, each
//
//	meta u8, user meta u8, key length, value length, expiry as varints, key with version, value, CRC-32C of all that
//
// A .mem file is mapped longer than what is written of it; the rest is zero.
const (
	logHeaderLen = 20
	metaDelete   = 1 << 0
	metaPointer  = 1 << 1
	metaTxn      = 1 << 6 // part of a transaction
	metaTxnEnd   = 1 << 7 // its end; the value is its version in decimal
	crcLen       = 4
)

// logEntry is one entry of a log file. Its bytes are the file's.
type logEntry struct {
	meta       byte
	key, value []byte // key with version
	offset     int
	length     int
}

// maxEntryHeader bounds the bytes before an entry's key.
const maxEntryHeader = 2 + 3*binary.MaxVarintLen64

// entryHeader reads the lengths in front of an entry: where its key begins and ends, and where its value ends.
func entryHeader(b []byte) (key, value, end int, ok bool) {
	at := 2
	var n [3]uint64
	for i := range n {
		v, w := binary.Uvarint(b[min(at, len(b)):])
		if w <= 0 {
			return 0, 0, 0, false
		}
		n[i], at = v, at+w
	}
	if n[0] == 0 || n[0] > 1<<16 || n[1] > 1<<31 {
		return 0, 0, 0, false
	}
	return at, at + int(n[0]), at + int(n[0]) + int(n[1]), true
}

func entryLength(b []byte) (n int, ok bool) {
	_, _, end, ok := entryHeader(b)
	return end + crcLen, ok
}

// readEntry reads the entry at an offset; ok is false where none is valid.
func readEntry(b []byte, offset int) (e logEntry, ok bool) {
	p := b[min(offset, len(b)):]
	k, v, end, ok := entryHeader(p)
	if !ok || end+crcLen > len(p) || crc32.Checksum(p[:end], castagnoli) != binary.BigEndian.Uint32(p[end:]) {
		return e, false
	}
	return logEntry{p[0], p[k:v:v], p[v:end:end], offset, end + crcLen}, true
}

// pointer is where in the value log a value lies.
type pointer struct {
	file, length, offset uint32
}

// parsePointer reads a pointer as Badger stores it: in the machine's byte order, which is little-endian wherever Go maps files.
func parsePointer(b []byte) (p pointer, ok bool) {
	if len(b) != 12 {
		return p, false
	}
	return pointer{binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint32(b[8:])}, true
}

// wal is what one .mem file holds.
type wal struct {
	name    string
	entries []logEntry     // of whole transactions only, in order of writing
	commits []commitRecord // of transactions, in order
}

// parseWAL reads a .mem file as Badger replays it: up to the first entry that is not valid, whole transactions only.
func parseWAL(name string, b []byte) *wal {
	w := &wal{name: name}
	var txn []logEntry
	for at := logHeaderLen; ; {
		e, ok := readEntry(b, at)
		if !ok {
			return w
		}
		at += e.length
		switch {
		case e.meta&metaTxn != 0:
			if len(txn) > 0 && y.ParseTs(e.key) != y.ParseTs(txn[0].key) {
				return w
			}
			txn = append(txn, e)
		case e.meta&metaTxnEnd != 0:
			v, err := strconv.ParseUint(string(e.value), 10, 64)
			if err != nil || (len(txn) > 0 && v != y.ParseTs(txn[0].key)) {
				return w
			}
			w.entries, w.commits, txn = append(w.entries, txn...), append(w.commits, commitOf(txn, v)), txn[:0]
		case len(txn) > 0:
			return w
		default: // moved by the rewriting of a value log file
			w.entries = append(w.entries, e)
		}
	}
}

// commitOf returns what a transaction says of itself.
func commitOf(txn []logEntry, version uint64) commitRecord {
	for _, e := range txn {
		if bytes.Equal(y.ParseKey(e.key), sequenceKey) {
			if c, err := parseCommit(e.value); err == nil && c.seq == version {
				return c
			}
		}
	}
	return commitRecord{seq: version, before: version} // follows nothing: it is not one of the store's
}

// validEnd returns where the valid entries of a value log file end.
func validEnd(f *os.File, size int64) (int64, error) {
	in := bufio.NewReaderSize(io.NewSectionReader(f, logHeaderLen, size), maxEntryHeader)
	var buf []byte
	for end := int64(logHeaderLen); ; {
		h, err := in.Peek(maxEntryHeader)
		if err != nil && err != io.EOF {
			return 0, err
		}
		n, ok := entryLength(h)
		if !ok || int64(n) > size-end {
			return end, nil
		}
		buf = slices.Grow(buf[:0], n)[:n]
		if _, err := io.ReadFull(in, buf); err != nil {
			return 0, err
		}
		if _, ok := readEntry(buf, 0); !ok {
			return end, nil
		}
		end += int64(n)
	}
}

// rows makes the entries a sorted source of the merge: of equal key and version the one written last.
func (w *wal) rows() []row {
	rows := make([]row, 0, len(w.entries))
	for _, e := range w.entries {
		rows = append(rows, row{e.key, y.ValueStruct{Meta: e.meta, Value: e.value}})
	}
	return sortRows(rows)
}

// row is one key with version, and what is stored of it.
type row struct {
	key   []byte
	value y.ValueStruct
}

func sortRows(rows []row) []row {
	sort.SliceStable(rows, func(i, k int) bool { return y.CompareKeys(rows[i].key, rows[k].key) < 0 })
	out := rows[:0]
	for i := range rows {
		if i+1 < len(rows) && bytes.Equal(rows[i].key, rows[i+1].key) {
			continue
		}
		out = append(out, rows[i])
	}
	return out
}

// rowIterator goes over rows; it implements Badger's y.Iterator.
type rowIterator struct {
	rows []row
	at   int
}

func (it *rowIterator) Next()       { it.at++ }
func (it *rowIterator) Rewind()     { it.at = 0 }
func (it *rowIterator) Valid() bool { return it.at < len(it.rows) }
func (it *rowIterator) Key() []byte { return it.rows[it.at].key }
func (it *rowIterator) Close() error {
	it.rows = nil
	return nil
}

func (it *rowIterator) Value() y.ValueStruct {
	v := it.rows[it.at].value
	v.Version = y.ParseTs(it.Key())
	return v
}

func (it *rowIterator) Seek(key []byte) {
	it.at = sort.Search(len(it.rows), func(i int) bool { return y.CompareKeys(it.rows[i].key, key) >= 0 })
}

// numbered is a file whose name is a number.
type numbered struct {
	path   string
	number uint64
	size   int64
}

// numberedFiles returns the files with an extension, in order of their numbers.
func numberedFiles(dir, ext string) ([]numbered, error) {
	names, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out []numbered
	for _, n := range names {
		base, ok := strings.CutSuffix(n.Name(), ext)
		if !ok {
			continue
		}
		number, err := strconv.ParseUint(base, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("file %s: %w", n.Name(), err)
		}
		size := int64(0) // of a file that the engine at work removed since: its number was given all the same
		fi, err := n.Info()
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		} else if err == nil {
			size = fi.Size()
		}
		out = append(out, numbered{filepath.Join(dir, n.Name()), number, size})
	}
	sort.Slice(out, func(i, k int) bool { return out[i].number < out[k].number })
	return out, nil
}

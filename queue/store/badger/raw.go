package badger

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"

	badgerdb "github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
	"github.com/dgraph-io/badger/v4/pb"
	"github.com/dgraph-io/badger/v4/table"
	"github.com/dgraph-io/badger/v4/y"
	"github.com/dgraph-io/ristretto/v2/z"
	"google.golang.org/protobuf/proto"
)

// raw is a data directory as its files tell, read without Badger and without changing anything: it may be damaged, and
// Badger would repair it by deleting.
type raw struct {
	dir    string
	levels [][]*table.Table // level 0: newest first
	wals   []*wal           // oldest first
	values map[uint32]*valueFile
	ahead  []aheadRecord // all of them, also those that Badger has
	newer  []row         // of those that it has not
	redo   []row         // of a unit that a crash has interrupted
}

// valueFile is one file of the value log.
type valueFile struct {
	path string
	f    *os.File
	end  int64 // where its entries end: the file's length, or of the newest what is valid of it
}

// openRaw reads the list of tables, opens and checks every table, and reads the logs. What is wrong is store.ErrCorrupt.
func openRaw(ctx context.Context, dir string) (*raw, error) {
	r := &raw{dir: dir, values: map[uint32]*valueFile{}}
	for _, step := range []func() error{
		func() error { return r.openTables(ctx) }, r.openWALs, r.openValues, r.readAhead, r.readRedo,
	} {
		if err := step(); err != nil {
			r.close()
			return nil, err
		}
	}
	return r, nil
}

func (r *raw) close() {
	for _, level := range r.levels {
		for _, t := range level {
			_ = t.Close(-1)
		}
	}
	for _, v := range r.values {
		_ = v.f.Close()
	}
}

func (r *raw) openTables(ctx context.Context) error {
	f, err := os.Open(filepath.Join(r.dir, badgerdb.ManifestFilename))
	if err != nil {
		return corrupt("%v", err)
	}
	defer f.Close()
	m, _, err := badgerdb.ReplayManifestFile(f, 0, badgerOptions(r.dir).WithLogger(nil))
	if err != nil {
		return corrupt("%s: %v", badgerdb.ManifestFilename, err)
	}
	for id, t := range m.Tables {
		if err := ctx.Err(); err != nil {
			return err
		}
		for len(r.levels) <= int(t.Level) {
			r.levels = append(r.levels, nil)
		}
		opened, err := openTable(table.NewFilename(id, r.dir))
		if err != nil {
			return corrupt("table %d: %v", id, err)
		}
		r.levels[t.Level] = append(r.levels[t.Level], opened)
	}
	for i, level := range r.levels {
		sort.Slice(level, func(a, b int) bool {
			if i == 0 {
				return level[a].ID() > level[b].ID()
			}
			return y.CompareKeys(level[a].Smallest(), level[b].Smallest()) < 0
		})
	}
	return nil
}

// openTable opens a table and checks all of its checksums. Badger's code panics on some damage.
func openTable(path string) (t *table.Table, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("cannot be read: %.100v", p)
		}
	}()
	if err := checkTableIndex(path); err != nil {
		return nil, err
	}
	m, err := z.OpenMmapFile(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	return table.OpenTable(m, table.Options{ReadOnly: true, ChkMode: options.OnTableRead, BlockSize: 4 << 10})
}

// checkTableIndex checks the end of a table, which tells where everything else lies: Badger ends the process where that
// makes no sense. From the end: length of the checksum, checksum, length of the index, index.
func checkTableIndex(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	end := fi.Size()
	last := func(n int64) ([]byte, error) {
		if n < 0 || n > end {
			return nil, errors.New("its end makes no sense")
		}
		b := make([]byte, n)
		end -= n
		_, err := f.ReadAt(b, end)
		return b, err
	}
	field := func() ([]byte, error) {
		n, err := last(4)
		if err != nil {
			return nil, err
		}
		return last(int64(binary.BigEndian.Uint32(n)))
	}
	sum, err := field()
	if err != nil {
		return err
	}
	index, err := field()
	if err != nil {
		return err
	}
	var want pb.Checksum
	if err := proto.Unmarshal(sum, &want); err != nil {
		return err
	}
	if want.Algo != pb.Checksum_CRC32C || len(index) == 0 {
		return errors.New("its end makes no sense")
	}
	return y.VerifyChecksum(index, &want)
}

func (r *raw) openWALs() error {
	files, err := numberedFiles(r.dir, ".mem")
	if err != nil {
		return corrupt("%v", err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f.path)
		if err != nil {
			return err
		}
		r.wals = append(r.wals, parseWAL(filepath.Base(f.path), b))
	}
	return nil
}

func (r *raw) openValues() error {
	files, err := numberedFiles(r.dir, ".vlog")
	if err != nil {
		return corrupt("%v", err)
	}
	for i, f := range files {
		v := &valueFile{path: f.path, end: f.size}
		if v.f, err = os.Open(f.path); err != nil {
			return err
		}
		r.values[uint32(f.number)] = v
		if i == len(files)-1 {
			if v.end, err = validEnd(v.f, f.size); err != nil {
				return err
			}
		}
	}
	return nil
}

// iterator merges everything, newest first where versions are equal.
func (r *raw) iterator(wals bool) y.Iterator {
	var its []y.Iterator
	if wals {
		its = append(its, &rowIterator{rows: r.redo}, &rowIterator{rows: r.newer})
		for i := len(r.wals) - 1; i >= 0; i-- {
			its = append(its, &rowIterator{rows: r.wals[i].rows()})
		}
	}
	for i, level := range r.levels {
		if i > 0 {
			its = append(its, table.NewConcatIterator(level, 0))
			continue
		}
		for _, t := range level {
			its = append(its, t.NewIterator(0))
		}
	}
	if len(its) == 0 {
		its = append(its, &rowIterator{})
	}
	return table.NewMergeIterator(its, false)
}

// stored is one live key: its value, or where the value lies.
type stored struct {
	key     []byte // without version
	version uint64
	inline  []byte
	pointer pointer
	pointed bool
}

// walk calls fn for every live key from one on, in order of keys. What fn gets is good until it returns.
func (r *raw) walk(ctx context.Context, from []byte, wals bool, fn func(*stored) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = corrupt("tables cannot be read: %.100v", p)
		}
	}()
	it := r.iterator(wals)
	defer it.Close()
	var last []byte
	n := 0
	for it.Seek(y.KeyWithTs(from, ^uint64(0))); it.Valid(); it.Next() {
		if n++; n%4096 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		key := y.ParseKey(it.Key())
		if bytes.Equal(key, last) {
			continue
		}
		last = append(last[:0], key...)
		v := it.Value()
		if v.Meta&metaDelete != 0 || bytes.HasPrefix(key, []byte("!badger!")) {
			continue
		}
		s := stored{key: last, version: y.ParseTs(it.Key()), inline: v.Value}
		if v.Meta&metaPointer != 0 {
			if s.pointer, s.pointed = parsePointer(v.Value); !s.pointed {
				return corrupt("key %x: pointer of %d bytes", key, len(v.Value))
			}
			s.inline = nil
		}
		if err := fn(&s); err != nil {
			return err
		}
	}
	return nil
}

// there checks that a pointer lies within its file.
func (r *raw) there(p pointer) error {
	v := r.values[p.file]
	if v == nil {
		return corrupt("value log file %d is missing", p.file)
	}
	if int64(p.offset)+int64(p.length) > v.end {
		return corrupt("%s ends at %d, a value lies at %d", filepath.Base(v.path), v.end, p.offset)
	}
	return nil
}

// value returns a key's value, checked against Badger's checksum.
func (r *raw) value(s *stored) ([]byte, error) {
	if !s.pointed {
		return s.inline, nil
	}
	if err := r.there(s.pointer); err != nil {
		return nil, err
	}
	v := r.values[s.pointer.file]
	b := make([]byte, s.pointer.length)
	if _, err := v.f.ReadAt(b, int64(s.pointer.offset)); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Base(v.path), err)
	}
	e, ok := readEntry(b, 0)
	if !ok || !bytes.Equal(y.ParseKey(e.key), s.key) {
		return nil, corrupt("%s: the value at %d is damaged", filepath.Base(v.path), s.pointer.offset)
	}
	return e.value, nil
}

var errFound = errors.New("found")

// sequence returns the newest commit that the tables hold; 0 if there is none.
func (r *raw) sequence() (seq uint64, err error) {
	var c commitRecord
	err = r.walk(context.Background(), sequenceKey, false, func(s *stored) error {
		if !bytes.Equal(s.key, sequenceKey) {
			return errFound
		}
		if c, err = parseCommit(s.inline); err != nil {
			return corrupt("commit sequence: %v", err)
		}
		return errFound
	})
	if errors.Is(err, errFound) {
		err = nil
	}
	return c.seq, err
}

// readAhead reads the files in front of Badger, and makes rows of what Badger has not.
func (r *raw) readAhead() (err error) {
	if r.ahead, err = readAhead(r.dir); err != nil {
		return err
	}
	newest, err := r.sequence()
	if err != nil {
		return err
	}
	for _, w := range r.wals {
		for _, c := range w.commits {
			newest = max(newest, c.seq)
		}
	}
	more, _ := recordsAfter(newest, r.ahead) // checkSequence tells of a gap
	for _, a := range more {
		for i := range a.ops {
			r.newer = append(r.newer, a.ops[i].row(a.seq))
		}
	}
	r.newer = sortRows(r.newer)
	return nil
}

// row is an operation as Badger would hold it.
func (o *op) row(version uint64) row {
	w := row{key: y.KeyWithTs(o.key, version), value: y.ValueStruct{Value: o.value, Version: version}}
	if o.value == nil {
		w.value.Meta = metaDelete
	}
	return w
}

// readRedo finds a unit that a crash has interrupted, and lays its operations over everything else.
func (r *raw) readRedo() error {
	var ops []op
	err := r.walk(context.Background(), []byte{kindRedo}, true, func(s *stored) error {
		if s.key[0] != kindRedo {
			return errFound
		}
		v, err := r.value(s)
		if err != nil {
			return err
		}
		b, err := unseal(s.key, v)
		if err == nil {
			ops, err = decodeOps(b)
		}
		if err != nil {
			return corrupt("redo record: %v", err)
		}
		return nil
	})
	if err != nil && !errors.Is(err, errFound) {
		return err
	}
	rows := make([]row, 0, len(ops))
	for i := range ops {
		rows = append(rows, ops[i].row(^uint64(0)))
	}
	r.redo = sortRows(rows)
	return nil
}

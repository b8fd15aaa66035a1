package badger

import (
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// Badger syncs two files for a transaction. So a commit is first one record of a file of our own, written and synced once, and
// acknowledged; Badger gets it afterwards, many commits in one transaction. There are two files, written in turn from the beginning:
// the one whose turn it is holds only what Badger has already, and its blocks are there, so that a sync writes nothing but the record.
//
// A record is
//
//	CRC-32C of all that follows u32, length of the operations u32, sequence u64, the one it follows u64, salt u64, operations
//
// and begins where a block begins, so that a torn write cannot touch the record before it. The salt is random and the same for all records of one opening of the
// store: where a file is written over, the next block may be from the middle of an older record, whose bytes a client chose. The first record of a file is written
// by the opening and never over: it tells the salt. It is no commit, has no operations, and follows itself.
const (
	aheadName   = "HOLT.ahead." // 0 or 1
	aheadSize   = 8 << 20       // bytes of a file after which the other's turn comes
	aheadBlock  = 4 << 10
	aheadHeader = 4 + 4 + 3*8

	// maxAhead is the length in bytes of the values of the largest commit that takes this way: writing more of them twice costs more than a sync.
	maxAhead = 256 << 10
)

// ahead writes the two files. Whoever holds the token uses it.
type ahead struct {
	files [2]*os.File
	turn  int
	at    int64
	last  [2]uint64 // the newest sequence in each
	salt  [8]byte
	buf   []byte
}

func aheadPath(dir string, i int) string { return filepath.Join(dir, aheadName+strconv.Itoa(i)) }

// openAhead opens the files for writing, and forgets what is in them: Badger has it, up to a sequence.
func openAhead(dir string, seq uint64) (*ahead, error) {
	a := &ahead{at: aheadBlock}
	_, _ = rand.Read(a.salt[:]) // it never fails
	for i := range a.files {
		f, err := os.OpenFile(aheadPath(dir, i), os.O_RDWR|os.O_CREATE, 0o600)
		if err == nil {
			a.files[i] = f
			_, err = f.WriteAt(a.record(seq, seq, nil), 0)
		}
		if err == nil {
			err = f.Sync()
		}
		if err != nil {
			return nil, errors.Join(err, a.close())
		}
	}
	if err := syncDir(dir); err != nil {
		return nil, errors.Join(err, a.close())
	}
	return a, nil
}

// removeAhead removes the files.
func removeAhead(dir string) (err error) {
	for i := range 2 {
		if rerr := os.Remove(aheadPath(dir, i)); !os.IsNotExist(rerr) {
			err = errors.Join(err, rerr)
		}
	}
	return err
}

// append makes a commit durable, and that it follows another. inBadger returns once Badger has got all commits up to a sequence.
func (a *ahead) append(seq, before uint64, ops []op, inBadger func(seq uint64) error) error {
	b := a.record(seq, before, ops)
	if a.at+int64(len(b)) > aheadSize {
		other := 1 - a.turn
		if err := inBadger(a.last[other]); err != nil {
			return err
		}
		a.turn, a.at = other, aheadBlock
	}
	f := a.files[a.turn]
	if _, err := f.WriteAt(b, a.at); err != nil {
		return err
	}
	if err := syncData(f); err != nil {
		return err
	}
	a.at += blocks(len(b))
	a.last[a.turn] = seq
	return nil
}

// record returns a commit as it is written. It is good until the next one.
func (a *ahead) record(seq, before uint64, ops []op) []byte {
	b := append(a.buf[:0], make([]byte, aheadHeader)...)
	b = appendOps(b, ops)
	binary.BigEndian.PutUint32(b[4:], uint32(len(b)-aheadHeader))
	binary.BigEndian.PutUint64(b[8:], seq)
	binary.BigEndian.PutUint64(b[16:], before)
	copy(b[24:], a.salt[:])
	binary.BigEndian.PutUint32(b, checksum(nil, b[4:]))
	a.buf = b
	return b
}

// blocks returns the bytes of the blocks that n bytes take.
func blocks(n int) int64 { return (int64(n) + aheadBlock - 1) / aheadBlock * aheadBlock }

func (a *ahead) close() (err error) {
	for _, f := range a.files {
		if f != nil {
			err = errors.Join(err, f.Close())
		}
	}
	return err
}

// aheadRecord is one commit of the files.
type aheadRecord struct {
	commitRecord
	salt [8]byte
	ops  []op
}

// readAhead returns the records of a directory's files, in order of their sequence. A file's records are those of the opening that its first one tells, or the
// other file's if that one is damaged; also behind damage, because then they tell that a commit is missing. After an error they are what could be read.
func readAhead(dir string) (all []aheadRecord, err error) {
	var files [2][]byte
	var salts [][8]byte
	for i := range files {
		b, ferr := readAheadFile(aheadPath(dir, i))
		if r, n := parseRecord(b); n > 0 {
			salts = append(salts, r.salt)
		}
		files[i], err = b, errors.Join(err, ferr)
	}
	for _, b := range files {
		run, perr := parseAhead(b, salts)
		all, err = append(all, run...), errors.Join(err, perr)
	}
	slices.SortFunc(all, func(a, b aheadRecord) int { return cmp.Compare(a.seq, b.seq) })
	return all, err
}

// readAheadFile reads a file, if there is one. After an error there are zeros where it could not be read.
func readAheadFile(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if err == nil || os.IsNotExist(err) {
		return b, nil
	}
	f, ferr := os.Open(path)
	if ferr != nil {
		return nil, ferr
	}
	defer f.Close()
	fi, ferr := f.Stat()
	if ferr != nil {
		return nil, ferr
	}
	b = make([]byte, min(fi.Size(), aheadSize))
	for rest := b; len(rest) > 0; rest = rest[min(aheadBlock, len(rest)):] {
		block := rest[:min(aheadBlock, len(rest))]
		if _, err := f.ReadAt(block, int64(len(b)-len(rest))); err != nil {
			clear(block)
		}
	}
	return b, err
}

// parseAhead returns a file's records, in the order in which they lie there. A file that is written over has older ones at its end.
func parseAhead(b []byte, salts [][8]byte) (run []aheadRecord, err error) {
	if r, n := parseRecord(b); n > 0 {
		salts = [][8]byte{r.salt}
	}
	for len(b) >= aheadHeader {
		n := aheadBlock
		if slices.Contains(salts, [8]byte(b[24:])) {
			r, length := parseRecord(b)
			if length > 0 && r.before != r.seq {
				if r.ops, err = decodeOps(b[aheadHeader:length]); err != nil {
					return run, corrupt("%s*: commit %d: %v", aheadName, r.seq, err)
				}
				run = append(run, r)
			}
			n = max(n, length)
		}
		b = b[min(blocks(n), int64(len(b))):]
	}
	return run, nil
}

// parseRecord returns the record at the beginning of b without its operations, and its length: 0 if there is none.
func parseRecord(b []byte) (r aheadRecord, n int) {
	if len(b) < aheadHeader {
		return r, 0
	}
	length := int64(aheadHeader) + int64(binary.BigEndian.Uint32(b[4:]))
	if length > int64(len(b)) || binary.BigEndian.Uint32(b) != checksum(nil, b[4:length]) {
		return r, 0
	}
	r.seq, r.before, r.salt = binary.BigEndian.Uint64(b[8:]), binary.BigEndian.Uint64(b[16:]), [8]byte(b[24:])
	return r, int(length)
}

// recordsAfter returns the records that go on where a commit ends. One that follows another commit than the one before it is ErrLost.
func recordsAfter(seq uint64, all []aheadRecord) ([]aheadRecord, error) {
	i := 0
	for i < len(all) && all[i].seq <= seq {
		i++
	}
	for k, r := range all[i:] {
		if r.before != seq {
			return all[i : i+k], lost(r.commitRecord, aheadName+"*", seq)
		}
		seq = r.seq
	}
	return all[i:], nil
}

package badger

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
)

// sideName is the file that knows, beside Badger, which commits were acknowledged.
const sideName = "HOLT.commits"

// sideSlot is the length of one of the file's two slots. They are written in turn, so that a torn write leaves the other one.
const sideSlot = 64

// sideRecord is what the file holds.
type sideRecord struct {
	writes uint64 // counts the records written; the higher of two slots is valid
	seq    uint64 // the highest acknowledged commit
	opens  uint64 // openings of the store
	clean  bool   // the store was closed, and nothing was written since
}

// sideFile is written after each commit and fsynced each second and at close: after a kill it is exact, after a power
// cut it is at most a second behind, and it never runs ahead.
type sideFile struct {
	missing bool // there was none
	f       *os.File
	rec     sideRecord    // the newest; changed by the store's writer only
	acked   atomic.Uint64 // rec.seq, for the keeper
	synced  atomic.Uint64 // what of it is fsynced
}

func openSide(dir string) (*sideFile, error) {
	path := filepath.Join(dir, sideName)
	_, err := os.Stat(path)
	missing := os.IsNotExist(err)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	var b [2 * sideSlot]byte
	n, _ := f.ReadAt(b[:], 0)
	s := &sideFile{missing: missing || n == 0, f: f}
	found := false
	if s.rec, found = parseSideFile(b[:n]); n > 0 && !found {
		s.missing = true
	}
	s.acked.Store(s.rec.seq)
	return s, nil
}

// parseSideFile returns the newer of the two records, if any is valid.
func parseSideFile(b []byte) (newest sideRecord, found bool) {
	for i := 0; i < 2 && len(b) >= (i+1)*sideSlot; i++ {
		if r, ok := parseSide(b[i*sideSlot:]); ok && (!found || r.writes > newest.writes) {
			newest, found = r, true
		}
	}
	return newest, found
}

func parseSide(b []byte) (sideRecord, bool) {
	if string(b[:8]) != sideMagic || checksum(nil, b[:32]) != binary.BigEndian.Uint32(b[32:]) {
		return sideRecord{}, false
	}
	last := binary.BigEndian.Uint64(b[24:])
	return sideRecord{
		writes: binary.BigEndian.Uint64(b[8:]),
		seq:    binary.BigEndian.Uint64(b[16:]),
		opens:  last >> 1,
		clean:  last&1 != 0,
	}, true
}

const sideMagic = "holtside"

// write puts the record into the slot whose turn it is.
func (s *sideFile) write(r sideRecord) error {
	r.writes = s.rec.writes + 1
	last := r.opens << 1
	if r.clean {
		last |= 1
	}
	b := make([]byte, 0, sideSlot)
	b = append(b, sideMagic...)
	b = binary.BigEndian.AppendUint64(b, r.writes)
	b = binary.BigEndian.AppendUint64(b, r.seq)
	b = binary.BigEndian.AppendUint64(b, last)
	b = binary.BigEndian.AppendUint32(b, checksum(nil, b))
	b = b[:sideSlot]
	if _, err := s.f.WriteAt(b, int64(r.writes%2)*sideSlot); err != nil {
		return fmt.Errorf("%s: %w", sideName, err)
	}
	s.rec = r
	s.acked.Store(r.seq)
	return nil
}

// advance notes a commit that is durable.
func (s *sideFile) advance(seq uint64) error {
	return s.write(sideRecord{seq: seq, opens: s.rec.opens})
}

// begin notes an opening, durably.
func (s *sideFile) begin(seq, opens uint64) error {
	if err := s.write(sideRecord{seq: seq, opens: opens}); err != nil {
		return err
	}
	return s.sync()
}

// finish notes a clean close, durably.
func (s *sideFile) finish(seq uint64) error {
	if err := s.write(sideRecord{seq: seq, opens: s.rec.opens, clean: true}); err != nil {
		return err
	}
	return s.sync()
}

// finishAs notes a store that was made and closed, durably.
func (s *sideFile) finishAs(seq, opens uint64) error {
	if err := s.write(sideRecord{seq: seq, opens: opens, clean: true}); err != nil {
		return err
	}
	return s.sync()
}

// sync makes what was written durable, if anything was.
func (s *sideFile) sync() error {
	at := s.acked.Load()
	if err := s.f.Sync(); err != nil {
		return fmt.Errorf("%s: %w", sideName, err)
	}
	s.synced.Store(at)
	return nil
}

// behind says whether a commit was noted since the last sync.
func (s *sideFile) behind() bool { return s.acked.Load() != s.synced.Load() }

func (s *sideFile) close() error { return s.f.Close() }

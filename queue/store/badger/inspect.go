package badger

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sort"
	"strings"

	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
)

// MaxFaults bounds the faults that a Report lists.
const MaxFaults = 1000

// Report is what Inspect found in a data directory.
type Report struct {
	Sequence     uint64 // the newest commit
	Acknowledged uint64 // the newest commit that was acknowledged, as the side file knows
	Opens        uint64
	Clean        bool // the store was closed

	Logs, Batches, Holes, Records int
	Journals, Deltas, Pieces      int
	Notes, Definitions            int
	Garbage                       int   // keys that wait for deletion
	Bytes                         int64 // of values

	Faults []Fault // at most MaxFaults
	More   int     // faults beyond those
}

// Fault is one thing that is wrong.
type Fault struct {
	Log  store.LogID // 0 if it is no log's
	What string
}

// Progress is how far Inspect has come.
type Progress struct {
	Keys  int
	Bytes int64
}

// Inspect reads everything in a data directory, which must not be in use, and changes nothing. It finds what Verify
// finds, and beyond that: batches that fail their checksum, gaps in logs, journals and checkpoints, and records without what they belong to.
// The error tells that Inspect itself could not go on; what is wrong with the data is in the report. Among the errors is ErrNothing. progress may be nil.
func Inspect(ctx context.Context, dir string, progress func(Progress)) (Report, error) {
	if some, err := holdsSome(dir); err != nil || !some {
		if err == nil {
			err = ErrNothing
		}
		return Report{}, fmt.Errorf("inspect %s: %w", dir, err)
	}
	lock, err := lockDir(dir)
	if err != nil {
		return Report{}, fmt.Errorf("inspect %s: %w", dir, err)
	}
	defer func() { _ = unlockDir(lock) }()
	in := &inspector{ctx: ctx, progress: progress, logs: map[store.LogID]*logCheck{}}
	if err := in.run(dir); err != nil {
		return in.rep, fmt.Errorf("inspect %s: %w", dir, err)
	}
	return in.rep, nil
}

// holdsSome tells whether anything in a directory was made by a store.
func holdsSome(dir string) (bool, error) {
	names, err := os.ReadDir(dir)
	for _, n := range names {
		if isData(n.Name()) || strings.HasPrefix(n.Name(), identityName) && n.Name() != lockName {
			return true, nil
		}
	}
	return false, err
}

type inspector struct {
	ctx      context.Context
	progress func(Progress)
	raw      *raw
	rep      Report
	keys     int
	logs     map[store.LogID]*logCheck
}

// logCheck is what the keys of a log have told so far.
type logCheck struct {
	known    bool // has bounds
	dropped  bool
	head     head
	journals map[journalID]*journalCheck
	garbage  map[journalID]bool
	next     store.Offset // where the next batch must begin
	begun    bool
}

type journalCheck struct {
	journal
	name  store.Journal
	next  uint64 // the delta due
	found uint32 // pieces of the checkpoint, which come in order
}

func (in *inspector) fault(log store.LogID, format string, args ...any) {
	if len(in.rep.Faults) == MaxFaults {
		in.rep.More++
		return
	}
	in.rep.Faults = append(in.rep.Faults, Fault{log, fmt.Sprintf(format, args...)})
}

func (in *inspector) run(dir string) error {
	fresh, err := isFresh(dir)
	if err != nil || fresh {
		return err
	}
	if err := knownLoss(dir); err != nil {
		in.fault(0, "%v", err)
	}
	r, err := openRaw(in.ctx, dir)
	if errors.Is(err, store.ErrCorrupt) {
		in.fault(0, "%v", err)
		return nil
	}
	if err != nil {
		return err
	}
	defer r.close()
	in.raw = r
	side, err := readSide(dir)
	if err != nil {
		return err
	}
	in.rep.Acknowledged, in.rep.Opens, in.rep.Clean = side.seq, side.opens, side.clean
	if in.rep.Sequence, err = r.checkSequence(side); err != nil {
		in.fault(0, "%v", err)
	}
	if err := checkRegistry(dir); err != nil {
		in.fault(0, "%v", err)
	}
	err = r.walk(in.ctx, nil, true, in.visit)
	if errors.Is(err, store.ErrCorrupt) {
		in.fault(0, "%v", err)
		err = nil
	}
	in.conclude()
	return err
}

func (in *inspector) visit(s *stored) error {
	v, err := in.raw.value(s)
	if err != nil {
		in.fault(logOf(s.key), "%s: %v", describe(s.key), err)
	}
	in.rep.Bytes += int64(len(v))
	if in.keys++; in.progress != nil && in.keys%1024 == 0 {
		in.progress(Progress{in.keys, in.rep.Bytes})
	}
	if c, ok := in.garbageOf(s.key); ok {
		in.rep.Garbage += c
		return nil
	}
	in.check(s.key, v, err != nil)
	return nil
}

// garbageOf says whether a key belongs to a dropped log or a forgotten journal.
func (in *inspector) garbageOf(key []byte) (n int, ok bool) {
	l := in.logs[logOf(key)]
	if l == nil {
		return 0, false
	}
	switch key[0] {
	case kindBatch:
		ok = l.dropped
	case kindDeltas, kindPiece, kindNote:
		ok = l.dropped || l.garbage[idOf(key)]
	}
	return 1, ok
}

func logOf(key []byte) store.LogID {
	switch key[0] {
	case kindSequence, kindMeta, kindRedo, kindPadding:
		return 0
	}
	if len(key) < 9 {
		return 0
	}
	return store.LogID(binary.BigEndian.Uint64(key[1:]))
}

func idOf(key []byte) journalID { return journalID(binary.BigEndian.Uint64(key[9:])) }

func describe(key []byte) string {
	switch key[0] {
	case kindBatch:
		return fmt.Sprintf("batch at %d", lastNumber(key))
	case kindDeltas:
		return fmt.Sprintf("delta %d of journal %d", lastNumber(key), idOf(key))
	case kindPiece:
		return fmt.Sprintf("piece of a checkpoint of journal %d", idOf(key))
	case kindNote:
		return fmt.Sprintf("note of journal %d at %d", idOf(key), lastNumber(key))
	case kindMeta:
		return fmt.Sprintf("definition %q", key[1:])
	}
	return fmt.Sprintf("record %q", key[:1])
}

func (in *inspector) log(id store.LogID) *logCheck {
	l := in.logs[id]
	if l == nil {
		l = &logCheck{journals: map[journalID]*journalCheck{}, garbage: map[journalID]bool{}}
		in.logs[id] = l
	}
	return l
}

// check takes one key in. Keys come in order, so that a log's journals, garbage and bounds come before what they tell of.
func (in *inspector) check(key, v []byte, lost bool) {
	id := logOf(key)
	var err error
	switch key[0] {
	case kindJournal:
		err = in.journal(in.log(id), key, v)
	case kindGarbage:
		in.garbage(in.log(id), idOf(key))
	case kindHead:
		l := in.log(id)
		in.rep.Logs++
		l.known = true
		l.head, err = decodeHead(key, v)
	case kindDeltas:
		err = in.deltas(in.log(id), id, key, v)
	case kindBatch:
		err = in.batch(in.log(id), id, key, v, lost)
	case kindPiece:
		err = in.piece(in.log(id), key, v)
	case kindNote:
		in.rep.Notes++
		_, err = unseal(key, v)
		if err == nil && in.log(id).journals[idOf(key)] == nil {
			err = errors.New("its journal is not there")
		}
	case kindMeta:
		in.rep.Definitions++
		_, err = parseDefinition(key, v)
	case kindSequence, kindTrim:
		_, err = unseal(key, v)
	}
	if err != nil && !lost {
		in.fault(id, "%s: %v", describe(key), err)
	}
}

func (in *inspector) journal(l *logCheck, key, v []byte) error {
	in.rep.Journals++
	j, err := decodeJournal(key, v)
	if err != nil {
		return err
	}
	l.journals[j.id] = &journalCheck{journal: *j, name: store.Journal(key[9:])}
	return nil
}

func (in *inspector) garbage(l *logCheck, id journalID) {
	if id == 0 {
		l.dropped = true
	} else {
		l.garbage[id] = true
	}
}

func (in *inspector) deltas(l *logCheck, id store.LogID, key, v []byte) error {
	j := l.journals[idOf(key)]
	if j == nil {
		return errors.New("its journal is not there")
	}
	first := lastNumber(key)
	n, err := countDeltas(key, v)
	if err != nil {
		return err
	}
	if j.next == 0 && first > j.checkpoint+1 {
		in.fault(id, "journal %q: deltas from %d to %d are missing", j.name, j.checkpoint+1, first-1)
	}
	if j.next != 0 && first != j.next {
		in.fault(id, "journal %q: delta %d follows delta %d", j.name, first, j.next-1)
	}
	j.next = first + n
	in.rep.Deltas += int(n)
	return nil
}

func (in *inspector) batch(l *logCheck, id store.LogID, key, v []byte, lost bool) error {
	base := store.Offset(lastNumber(key))
	b, err := parseBatch(key, v)
	if err != nil {
		if !lost {
			in.fault(id, "%s: %v", describe(key), err)
		}
		l.begun = false // its end is not known: the next one cannot be judged
		return nil
	}
	if l.begun && base != l.next {
		in.fault(id, "batch at %d follows one that ends at %d", base, l.next-1)
	}
	if l.known && l.next == 0 && l.head.start < base {
		in.fault(id, "records from %d to %d are missing", l.head.start, base-1)
	}
	l.begun, l.next = true, b.Last+1
	in.rep.Batches++
	if len(b.Bytes) == 0 {
		in.rep.Holes++
		return nil
	}
	info, err := record.Check(b.Bytes)
	if err != nil {
		return err
	}
	in.rep.Records += info.Count
	return nil
}

func (in *inspector) piece(l *logCheck, key, v []byte) error {
	j := l.journals[idOf(key)]
	if j == nil {
		return errors.New("its journal is not there")
	}
	in.rep.Pieces++
	if bytes.Equal(key, pieceKey(logOf(key), j.id, j.round, j.checkpoint, j.found)) {
		j.found++
	}
	_, err := unseal(key, v)
	return err
}

// conclude looks at what must have come and did not.
func (in *inspector) conclude() {
	ids := make([]store.LogID, 0, len(in.logs))
	for id := range in.logs {
		ids = append(ids, id)
	}
	sort.Slice(ids, func(i, k int) bool { return ids[i] < ids[k] })
	for _, id := range ids {
		l := in.logs[id]
		if l.dropped {
			continue
		}
		if !l.known && l.begun {
			in.fault(id, "its bounds are not there")
		}
		if l.known && l.head.start < l.head.end && l.next != l.head.end {
			in.fault(id, "the last batch ends at %d, the log at %d", l.next, l.head.end)
		}
		for _, j := range l.sorted() {
			if j.found != j.parts {
				in.fault(id, "journal %q: checkpoint %d has %d of %d pieces", j.name, j.checkpoint, j.found, j.parts)
			}
		}
	}
}

func (l *logCheck) sorted() []*journalCheck {
	out := make([]*journalCheck, 0, len(l.journals))
	for _, j := range l.journals {
		out = append(out, j)
	}
	sort.Slice(out, func(i, k int) bool { return out[i].name < out[k].name })
	return out
}

package badger

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"time"

	"github.com/holtmq/holt/queue/store"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errDamaged says that a value is missing, empty or fails its checksum. Readers try once more before it becomes store.ErrCorrupt.
var errDamaged = errors.New("value is missing or fails its checksum")

// sumLen is the length of the checksum that ends every value except a batch's, which has it in its header.
const sumLen = 4

// seal ends a value with the CRC-32C of its key and itself.
func seal(key, value []byte) []byte {
	return binary.BigEndian.AppendUint32(value, checksum(key, value))
}

func checksum(key, value []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, value)
}

// unseal returns a sealed value without its checksum.
func unseal(key, sealed []byte) ([]byte, error) {
	n := len(sealed) - sumLen
	if n < 0 || binary.BigEndian.Uint32(sealed[n:]) != checksum(key, sealed[:n]) {
		return nil, errDamaged
	}
	return sealed[:n:n], nil
}

// numbers seals a value that is a row of integers.
func numbers(key []byte, ns ...uint64) []byte {
	v := make([]byte, 0, 8*len(ns)+sumLen)
	for _, n := range ns {
		v = binary.BigEndian.AppendUint64(v, n)
	}
	return seal(key, v)
}

// parseNumbers fills into from a value that numbers made.
func parseNumbers(key, sealed []byte, into ...*uint64) error {
	v, err := unseal(key, sealed)
	if err != nil {
		return err
	}
	if len(v) != 8*len(into) {
		return errDamaged
	}
	for i, n := range into {
		*n = binary.BigEndian.Uint64(v[8*i:])
	}
	return nil
}

// head is the durable state of a log beside its batches and journals.
type head struct {
	start, end store.Offset
	rewrites   uint64 // how many rewrites the log has seen
	maxTime    int64  // milliseconds; of the newest batch, or noTime
}

// commitRecord is what every transaction writes under sequenceKey.
type commitRecord struct {
	seq    uint64 // the commit's own sequence, its version in Badger
	before uint64 // the one it follows: seq − 1, except after an opening that accepted a loss
	opens  uint64 // openings of the store
}

func (c commitRecord) encode() []byte { return numbers(sequenceKey, c.seq, c.before, c.opens) }

func parseCommit(sealed []byte) (c commitRecord, err error) {
	err = parseNumbers(sequenceKey, sealed, &c.seq, &c.before, &c.opens)
	return c, err
}

// noTime is earlier than any time of a batch.
const noTime = math.MinInt64

func (h head) encode(key []byte) []byte {
	return numbers(key, uint64(h.start), uint64(h.end), h.rewrites, uint64(h.maxTime))
}

func decodeHead(key, sealed []byte) (head, error) {
	var start, end, rewrites, maxTime uint64
	if err := parseNumbers(key, sealed, &start, &end, &rewrites, &maxTime); err != nil {
		return head{}, err
	}
	return head{store.Offset(start), store.Offset(end), rewrites, int64(maxTime)}, nil
}

// batchHeaderLen is the length of what stands before a batch's bytes: CRC-32C of the key and the rest of the header,
// last offset, time.
const batchHeaderLen = 4 + 8 + 8

// appendBatch appends a batch as stored. The batch's bytes carry their own checksum.
func appendBatch(dst, key []byte, b *store.Batch) []byte {
	at := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst = binary.BigEndian.AppendUint64(dst, uint64(b.Last))
	dst = binary.BigEndian.AppendUint64(dst, uint64(b.MaxTime.UnixMilli()))
	binary.BigEndian.PutUint32(dst[at:], checksum(key, dst[at+4:]))
	return append(dst, b.Bytes...)
}

// lastOf returns the last offset of a stored batch.
func lastOf(value []byte) store.Offset { return store.Offset(binary.BigEndian.Uint64(value[4:])) }

// parseBatch reads a stored batch without looking into its bytes, which it does not copy.
func parseBatch(key, value []byte) (store.Batch, error) {
	if len(value) < batchHeaderLen || binary.BigEndian.Uint32(value) != checksum(key, value[4:batchHeaderLen]) {
		return store.Batch{}, errDamaged
	}
	b := store.Batch{
		Base:    store.Offset(lastNumber(key)),
		Last:    store.Offset(binary.BigEndian.Uint64(value[4:])),
		MaxTime: time.UnixMilli(int64(binary.BigEndian.Uint64(value[12:]))).UTC(),
		Bytes:   value[batchHeaderLen:],
	}
	if b.Last < b.Base {
		return store.Batch{}, errDamaged
	}
	return b, nil
}

// appendFrame appends one delta to a pack of deltas: its length, then its bytes.
func appendFrame(dst, delta []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(delta))), delta...)
}

// splitFrames calls fn for each delta of a pack, in order, and returns how many there were.
func splitFrames(pack []byte, fn func(delta []byte) error) (uint64, error) {
	var count uint64
	for len(pack) > 0 {
		n, w := binary.Uvarint(pack)
		if w <= 0 || n > uint64(len(pack)-w) {
			return count, errDamaged
		}
		if fn != nil {
			if err := fn(pack[w : w+int(n) : w+int(n)]); err != nil {
				return count, err
			}
		}
		pack = pack[w+int(n):]
		count++
	}
	return count, nil
}

// journal is the durable state of one journal. Values of this type are never changed after they are published.
type journal struct {
	id         journalID
	checkpoint uint64 // sequence of the newest complete checkpoint; 0: none
	parts      uint32 // its pieces
	round      uint64 // its round: every checkpoint begun, complete or not, has a higher one than those before it
	lowDelta   uint64 // deltas below it are deleted
	lowRound   uint64 // pieces of rounds below it are deleted

	// What follows is not stored.
	last    uint64 // sequence of the newest delta (or the checkpoint's)
	rounds  uint64 // the highest round begun
	pending uint64 // sequence of the checkpoint being written, in round rounds; 0: none. A crash voids it
	pieces  uint32 // its pieces so far
}

func (j *journal) encode(key []byte) []byte {
	return numbers(key, uint64(j.id), j.checkpoint, uint64(j.parts), j.round, j.lowDelta, j.lowRound)
}

func decodeJournal(key, sealed []byte) (*journal, error) {
	var id, parts uint64
	j := new(journal)
	if err := parseNumbers(key, sealed, &id, &j.checkpoint, &parts, &j.round, &j.lowDelta, &j.lowRound); err != nil {
		return nil, err
	}
	if id == 0 || parts > math.MaxUint32 {
		return nil, errDamaged
	}
	j.id, j.parts, j.last = journalID(id), uint32(parts), j.checkpoint
	return j, nil
}

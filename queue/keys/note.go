package keys

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/varint"
)

// Hash is the first half of the SHA-256 of a key.
type Hash [16]byte

// Sum hashes a key.
func Sum(key []byte) Hash {
	h := sha256.Sum256(key)
	return Hash(h[:16])
}

// bucketBase is the smallest bucket: notes below a log's start may vanish, and no log begins that far up.
const bucketBase = 1 << 62

// bucket is where the note of a hash lies; bits of it count, for tests of full buckets.
func (h Hash) bucket(bits int) record.Offset {
	return bucketBase + record.Offset(binary.BigEndian.Uint64(h[:])>>(64-bits))
}

// Entry says where the newest record of a key is.
type Entry struct {
	Hash Hash
	At   record.Offset
}

// A note is a byte 1 (version), then for each key of the bucket its hash and the offset of its newest record (uvarint).
const noteVersion = 1

// bucketOf decodes a note; none is an empty bucket.
func bucketOf(note []byte) ([]Entry, error) {
	if len(note) == 0 {
		return nil, nil
	}
	r := varint.NewReader(note)
	if v := r.Byte(); v != noteVersion {
		return nil, fmt.Errorf("note of keys, version %d: %w", v, store.ErrCorrupt)
	}
	var out []Entry
	for r.More() {
		var e Entry
		copy(e.Hash[:], r.Take(len(e.Hash)))
		e.At = record.Offset(r.UintTo(bucketBase - 1))
		if r.Bad() {
			return nil, fmt.Errorf("note of keys: %w", store.ErrCorrupt)
		}
		out = append(out, e)
	}
	return out, nil
}

// noteOf encodes a bucket; an empty one is no note.
func noteOf(bucket []Entry) []byte {
	if len(bucket) == 0 {
		return nil
	}
	b := []byte{noteVersion}
	for _, e := range bucket {
		b = binary.AppendUvarint(append(b, e.Hash[:]...), uint64(e.At))
	}
	return b
}

package storetest

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/holtmq/holt/queue/store"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// epoch is the time of the first record in tests.
var epoch = time.UnixMilli(1_700_000_000_000).UTC()

// batchOf makes a batch that covers [base, last], at at milliseconds after epoch, with one record, at base, whose value is value.
// It writes record batch v2 by hand, so that a test can make what the broker's own builder refuses: sparse batches, old times.
func batchOf(base, last store.Offset, at int64, value []byte) store.Batch {
	t := epoch.Add(time.Duration(at) * time.Millisecond)
	ms := uint64(t.UnixMilli())

	body := []byte{0}                    // attributes
	body = binary.AppendVarint(body, 0)  // timestamp delta
	body = binary.AppendVarint(body, 0)  // offset delta
	body = binary.AppendVarint(body, -1) // no key
	body = binary.AppendVarint(body, int64(len(value)))
	body = append(body, value...)
	body = binary.AppendVarint(body, 0) // headers

	const header = 61
	b := make([]byte, 0, header+len(body)+binary.MaxVarintLen64)
	b = binary.BigEndian.AppendUint64(b, uint64(base))
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0)    // length, leader epoch, magic, checksum
	b = append(b, 0, 0)                                     // attributes
	b = binary.BigEndian.AppendUint32(b, uint32(last-base)) // last offset's delta
	b = binary.BigEndian.AppendUint64(b, ms)                // base timestamp
	b = binary.BigEndian.AppendUint64(b, ms)                // max timestamp
	b = append(b, 255, 255, 255, 255, 255, 255, 255, 255)   // producer id
	b = append(b, 255, 255, 255, 255, 255, 255)             // producer epoch, base sequence
	b = binary.BigEndian.AppendUint32(b, 1)                 // records
	b = binary.AppendVarint(b, int64(len(body)))
	b = append(b, body...)
	binary.BigEndian.PutUint32(b[8:], uint32(len(b)-12))
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], castagnoli))
	return store.Batch{Base: base, Last: last, MaxTime: t, Bytes: b}
}

// batchOfSize is batchOf with Bytes of exactly size bytes, filled with a pattern of the base.
func batchOfSize(base, last store.Offset, at int64, size int) store.Batch {
	n := size - 75
	for range 8 {
		b := batchOf(base, last, at, fill(max(n, 0), uint64(base)))
		if len(b.Bytes) == size {
			return b
		}
		n += size - len(b.Bytes)
	}
	panic(fmt.Sprintf("no record batch has %d bytes", size))
}

// fill makes n bytes that do not compress and differ by seed.
func fill(n int, seed uint64) []byte {
	b := make([]byte, 0, n+8)
	x := seed*0x9e3779b97f4a7c15 + 0x1234567
	for len(b) < n {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b = binary.LittleEndian.AppendUint64(b, x*0x2545f4914f6cdd1d)
	}
	return b[:n]
}

// digest makes bytes printable: short ones as they are, long ones by length and checksum.
func digest(b []byte) string {
	if len(b) <= 24 {
		return fmt.Sprintf("%q", b)
	}
	return fmt.Sprintf("%d bytes, crc %08x", len(b), crc32.Checksum(b, castagnoli))
}

package record

import "math/bits"

// The longest encodings of a zigzag varint, in bytes.
const (
	maxVarint32 = 5
	maxVarint64 = 10
)

// varintSize is the bytes that appendVarint takes for v.
func varintSize(v int64) int {
	return (bits.Len64(zigzag(v)|1) + 6) / 7
}

// bytesSize is the bytes that appendBytes takes for b.
func bytesSize(b []byte) int {
	if b == nil {
		return 1
	}
	return varintSize(int64(len(b))) + len(b)
}

func zigzag(v int64) uint64 { return uint64(v<<1) ^ uint64(v>>63) }

func unzigzag(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }

// appendVarint appends v as a zigzag varint: the same bytes whether Kafka's format calls the field a varint or a varlong.
func appendVarint(dst []byte, v int64) []byte {
	u := zigzag(v)
	for u >= 0x80 {
		dst = append(dst, byte(u)|0x80)
		u >>= 7
	}
	return append(dst, byte(u))
}

// appendBytes appends the length of b (−1 for nil) and b.
func appendBytes(dst, b []byte) []byte {
	if b == nil {
		return append(dst, 1)
	}
	return append(appendVarint(dst, int64(len(b))), b...)
}

// varintAt decodes the varint of at most 32 bits at b[i:] and returns the index after it; −1 if there is none. An i of
// −1 comes back as −1, so that a chain of reads needs one look at the end.
func varintAt(b []byte, i int) (v int64, next int) {
	if uint(i) < uint(len(b)) && b[i] < 0x80 {
		return unzigzag(uint64(b[i])), i + 1
	}
	if uint(i) < uint(len(b)) && i+1 < len(b) && b[i+1] < 0x80 { // lengths of 64 to 8,191: most values'
		return unzigzag(uint64(b[i]&0x7f) | uint64(b[i+1])<<7), i + 2
	}
	return longVarintAt(b, i, maxVarint32)
}

// varlongAt is varintAt for 64 bits.
func varlongAt(b []byte, i int) (v int64, next int) {
	if uint(i) < uint(len(b)) && b[i] < 0x80 {
		return unzigzag(uint64(b[i])), i + 1
	}
	return longVarintAt(b, i, maxVarint64)
}

// longVarintAt refuses what is longer than limit bytes or overflows 32 or 64 bits: other clients refuse it too, and tails are copied as they are.
func longVarintAt(b []byte, i, limit int) (v int64, next int) {
	if i < 0 {
		return 0, -1
	}
	var u uint64
	for n := 0; n < limit && i < len(b); n++ {
		c := b[i]
		i++
		u |= uint64(c&0x7f) << (7 * n)
		if c >= 0x80 {
			continue
		}
		if (limit == maxVarint32 && u>>32 != 0) || (n == maxVarint64-1 && c > 1) {
			return 0, -1
		}
		return unzigzag(u), i
	}
	return 0, -1
}

// bytesAt decodes a length and that many bytes, aliasing b; a length of −1 is nil. It chains as varintAt does.
func bytesAt(b []byte, i int) (v []byte, next int) {
	n, i := varintAt(b, i)
	if i < 0 || n < -1 || n > int64(len(b)-i) {
		return nil, -1
	}
	if n == -1 {
		return nil, i
	}
	end := i + int(n)
	return b[i:end:end], end
}

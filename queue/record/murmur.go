package record

import "encoding/binary"

// Murmur2 is the 32-bit MurmurHash2 with the seed that Kafka's clients place keys by.
func Murmur2(b []byte) uint32 {
	const (
		seed = 0x9747b28c
		m    = 0x5bd1e995
		r    = 24
	)
	h := uint32(seed) ^ uint32(len(b))
	for ; len(b) >= 4; b = b[4:] {
		k := binary.LittleEndian.Uint32(b) * m
		k = (k ^ k>>r) * m
		h = h*m ^ k
	}
	switch len(b) {
	case 3:
		h ^= uint32(b[2]) << 16
		fallthrough
	case 2:
		h ^= uint32(b[1]) << 8
		fallthrough
	case 1:
		h = (h ^ uint32(b[0])) * m
	}
	h = (h ^ h>>13) * m
	return h ^ h>>15
}

// PartitionFor returns the partition, of n, that Kafka's clients put a record with this key in.
// Where a record without a key goes is the caller's choice.
func PartitionFor(key []byte, n int) int {
	if n <= 0 {
		panic("record: a topic has at least one partition")
	}
	return int(Murmur2(key)&0x7fffffff) % n
}

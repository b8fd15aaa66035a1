package record

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"time"
)

// Limits of a batch.
const (
	HeaderSize      = 61       // bytes of a batch's header
	MaxUncompressed = 64 << 20 // bytes of a batch's records, uncompressed
	MaxSpan         = 1 << 31  // offsets that a batch covers at most
)

// Where the header's fields begin; all are big endian. Source: Kafka's "Record Batch" message format.
const (
	atBase          = 0  // int64
	atLength        = 8  // int32: bytes after this field
	atEpoch         = 12 // int32: partition leader epoch
	atMagic         = 16 // int8: 2
	atCRC           = 17 // uint32: CRC-32C of everything from atAttributes on
	atAttributes    = 21 // int16
	atLastDelta     = 23 // int32: Last − Base
	atFirstTime     = 27 // int64: milliseconds; what timestamp deltas count from
	atMaxTime       = 35 // int64: milliseconds
	atProducer      = 43 // int64
	atProducerEpoch = 51 // int16
	atSequence      = 53 // int32
	atCount         = 57 // int32
)

const (
	lengthEnd = atLength + 4 // a batch is this many bytes longer than its length field says
	magic     = 2
	minRecord = 7 // bytes of the smallest record: length, attributes, two deltas, no key, no value, no headers
)

// The bits of the header's attributes.
const (
	codecMask         = 0x07
	appendTimeBit     = 0x08 // every record has the time MaxTime, deltas do not count
	transactionalBit  = 0x10
	controlBit        = 0x20
	unsupportedBits   = transactionalBit | controlBit
	noProducer        = -1 // id, epoch and sequence of a batch that no idempotent producer wrote: Holt recognises repeats by the record's id
	singleLeaderEpoch = 0  // a log has one owner and the store fences older ones, so leaders are not counted; −1 would tell Kafka clients "unknown" and switch their check for truncation off
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Codec is how a batch's records are compressed; the values are Kafka's.
type Codec uint8

// The codecs.
const (
	None Codec = iota
	Gzip
	Snappy
	LZ4
	Zstd
)

// String returns the codec's name as Kafka's settings spell it.
func (c Codec) String() string {
	switch c {
	case None:
		return "none"
	case Gzip:
		return "gzip"
	case Snappy:
		return "snappy"
	case LZ4:
		return "lz4"
	case Zstd:
		return "zstd"
	}
	return fmt.Sprintf("codec %d", uint8(c))
}

// Info is what a batch's header says.
type Info struct {
	Base, Last Offset
	Count      int       // records present: Last − Base + 1, or fewer after a rewrite, down to 0
	FirstTime  time.Time // of the first record; UTC. In an empty batch the same as MaxTime
	MaxTime    time.Time // of the newest record; UTC. An empty batch keeps the time that it had with records
	Codec      Codec
	Size       int // bytes of the whole batch
}

// Check looks at the header of the one batch that fills b and verifies its length, magic and checksum. It does not decode
// records. Errors: ErrCorrupt, ErrUnsupported.
func Check(b []byte) (Info, error) {
	info, err := Peek(b)
	if err != nil {
		return Info{}, err
	}
	if got, want := crc32.Checksum(b[atAttributes:], castagnoli), binary.BigEndian.Uint32(b[atCRC:]); got != want {
		return Info{}, fmt.Errorf("batch at %d: checksum %08x, header says %08x: %w", info.Base, got, want, ErrCorrupt)
	}
	return info, nil
}

// Peek is Check without the checksum: for bytes that were checked before.
func Peek(b []byte) (Info, error) {
	if len(b) < HeaderSize {
		return Info{}, fmt.Errorf("batch of %d bytes: shorter than a header: %w", len(b), ErrCorrupt)
	}
	base := int64(binary.BigEndian.Uint64(b[atBase:]))
	if m := b[atMagic]; m != magic {
		return Info{}, fmt.Errorf("batch at %d: magic %d: %w", base, m, ErrUnsupported)
	}
	if n := int64(int32(binary.BigEndian.Uint32(b[atLength:]))) + lengthEnd; n != int64(len(b)) {
		return Info{}, fmt.Errorf("batch at %d: %d bytes, header says %d: %w", base, len(b), n, ErrCorrupt)
	}
	attributes := binary.BigEndian.Uint16(b[atAttributes:])
	codec := Codec(attributes & codecMask)
	if codec > Zstd || attributes&unsupportedBits != 0 {
		return Info{}, fmt.Errorf("batch at %d: attributes %#04x: %w", base, attributes, ErrUnsupported)
	}
	span := int64(int32(binary.BigEndian.Uint32(b[atLastDelta:])))
	count := int64(int32(binary.BigEndian.Uint32(b[atCount:])))
	if base < 0 || span < 0 || base > math.MaxInt64-1-span { // Last + 1 is an offset, too
		return Info{}, fmt.Errorf("batch at %d: last delta %d: %w", base, span, ErrCorrupt)
	}
	if count < 0 || count > span+1 || !countFits(int(count), len(b)-HeaderSize, codec) {
		return Info{}, fmt.Errorf("batch at %d: %d records: %w", base, count, ErrCorrupt)
	}
	info := Info{
		Base: Offset(base), Last: Offset(base + span), Count: int(count),
		FirstTime: timeAt(b, atFirstTime), MaxTime: timeAt(b, atMaxTime),
		Codec: codec, Size: len(b),
	}
	if hasAppendTime(b) {
		info.FirstTime = info.MaxTime
	}
	return info, nil
}

// countFits tells whether count records can be in n bytes; for compressed ones that is known after decompressing.
func countFits(count, n int, c Codec) bool {
	return c != None || count <= n/minRecord
}

// hasAppendTime tells whether all records have the time MaxTime.
func hasAppendTime(b []byte) bool {
	return binary.BigEndian.Uint16(b[atAttributes:])&appendTimeBit != 0
}

func timeAt(b []byte, at int) time.Time {
	return time.UnixMilli(int64(binary.BigEndian.Uint64(b[at:]))).UTC()
}

// header is the fields of a header that a Builder fills in.
type header struct {
	base           Offset
	lastDelta      int64
	codec          Codec
	first, maxTime int64
	count          int
}

// put writes the header of the batch that is b, and its checksum.
func (h header) put(b []byte) {
	noProducer := int64(noProducer)
	binary.BigEndian.PutUint64(b[atBase:], uint64(h.base))
	binary.BigEndian.PutUint32(b[atLength:], uint32(len(b)-lengthEnd))
	binary.BigEndian.PutUint32(b[atEpoch:], singleLeaderEpoch)
	b[atMagic] = magic
	binary.BigEndian.PutUint16(b[atAttributes:], uint16(h.codec))
	binary.BigEndian.PutUint32(b[atLastDelta:], uint32(h.lastDelta))
	binary.BigEndian.PutUint64(b[atFirstTime:], uint64(h.first))
	binary.BigEndian.PutUint64(b[atMaxTime:], uint64(h.maxTime))
	binary.BigEndian.PutUint64(b[atProducer:], uint64(noProducer))
	binary.BigEndian.PutUint16(b[atProducerEpoch:], uint16(noProducer))
	binary.BigEndian.PutUint32(b[atSequence:], uint32(noProducer))
	binary.BigEndian.PutUint32(b[atCount:], uint32(h.count))
	seal(b)
}

// seal writes the checksum of the batch that is b.
func seal(b []byte) {
	binary.BigEndian.PutUint32(b[atCRC:], crc32.Checksum(b[atAttributes:], castagnoli))
}

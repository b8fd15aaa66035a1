package record_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holtmq/holt/queue/record"
)

// reseal makes a batch's checksum good again after a change.
func reseal(b []byte) []byte {
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

func TestCheckRefuses(t *testing.T) {
	put16 := func(at int, v uint16) func([]byte) []byte {
		return func(b []byte) []byte { binary.BigEndian.PutUint16(b[at:], v); return reseal(b) }
	}
	put32 := func(at int, v int32) func([]byte) []byte {
		return func(b []byte) []byte { binary.BigEndian.PutUint32(b[at:], uint32(v)); return reseal(b) }
	}
	put64 := func(at int, v int64) func([]byte) []byte {
		return func(b []byte) []byte { binary.BigEndian.PutUint64(b[at:], uint64(v)); return reseal(b) }
	}
	tests := map[string]struct {
		change func([]byte) []byte
		want   error
	}{
		"nothing":             {func(b []byte) []byte { return nil }, record.ErrCorrupt},
		"a byte too few":      {func(b []byte) []byte { return b[:len(b)-1] }, record.ErrCorrupt},
		"a byte too many":     {func(b []byte) []byte { return append(b, 0) }, record.ErrCorrupt},
		"header cut":          {func(b []byte) []byte { return b[:record.HeaderSize-1] }, record.ErrCorrupt},
		"two batches":         {func(b []byte) []byte { return append(b, b...) }, record.ErrCorrupt},
		"length negative":     {put32(8, -1), record.ErrCorrupt},
		"length of an int32":  {put32(8, math.MaxInt32), record.ErrCorrupt},
		"magic 1":             {func(b []byte) []byte { b[16] = 1; return b }, record.ErrUnsupported},
		"magic 3":             {func(b []byte) []byte { b[16] = 3; return b }, record.ErrUnsupported},
		"checksum":            {func(b []byte) []byte { b[17]++; return b }, record.ErrCorrupt},
		"last byte":           {func(b []byte) []byte { b[len(b)-1]++; return b }, record.ErrCorrupt},
		"codec 5":             {put16(21, 5), record.ErrUnsupported},
		"codec 7":             {put16(21, 7), record.ErrUnsupported},
		"transactional":       {put16(21, 1<<4), record.ErrUnsupported},
		"control":             {put16(21, 1<<5), record.ErrUnsupported},
		"base negative":       {put64(0, -1), record.ErrCorrupt},
		"last overflows":      {put64(0, math.MaxInt64-7), record.ErrCorrupt},
		"last delta negative": {put32(23, -1), record.ErrCorrupt},
		"count negative":      {put32(57, -1), record.ErrCorrupt},
		"count over offsets":  {put32(57, 9), record.ErrCorrupt},
		"count over bytes": {func(b []byte) []byte {
			put32(23, math.MaxInt32)(b)
			return put32(57, int32((len(b)-record.HeaderSize)/7+1))(b)
		}, record.ErrCorrupt},
	}
	good := build(t, 0, record.None, samples()...)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b := tt.change(bytes.Clone(good))
			if _, err := record.Check(b); !errors.Is(err, tt.want) {
				t.Errorf("Check: %v, want %v", err, tt.want)
			}
		})
	}
}

// TestCheckFindsEveryBit flips each bit in turn. Only the base and the leader epoch are outside the checksum: a broker sets them.
func TestCheckFindsEveryBit(t *testing.T) {
	good := build(t, 5, record.None, samples()[:4]...)
	for bit := range 8 * len(good) {
		b := bytes.Clone(good)
		b[bit/8] ^= 1 << (bit % 8)
		_, err := record.Check(b)
		free := bit/8 < 8 || (bit/8 >= 12 && bit/8 < 16)
		if !free && err == nil {
			t.Errorf("bit %d of byte %d flipped unseen", bit%8, bit/8)
		}
	}
}

func TestPeekLeavesTheChecksum(t *testing.T) {
	b := build(t, 5, record.Zstd, samples()...)
	want, err := record.Check(b)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-1]++
	got, err := record.Peek(b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Peek differs from Check (-check +peek):\n%s", diff)
	}
}

// TestAppendTime reads batches all of whose records have the time of the append, as Kafka has it (LogAppendTime).
func TestAppendTime(t *testing.T) {
	now := start.Add(time.Hour)
	for _, c := range codecs {
		t.Run(c.String(), func(t *testing.T) {
			b := kafkaEncode(t, 0, c, samples())
			b[22] |= 1 << 3
			binary.BigEndian.PutUint64(b[35:], uint64(now.UnixMilli()))
			info, err := record.Check(reseal(b))
			if err != nil {
				t.Fatal(err)
			}
			want := record.Info{Base: 0, Last: 7, Count: 8, FirstTime: now, MaxTime: now, Codec: c, Size: len(b)}
			if diff := cmp.Diff(want, info); diff != "" {
				t.Errorf("info differs (-want +got):\n%s", diff)
			}
			records := samples()
			for i := range records {
				records[i].Timestamp = now
			}
			if diff := cmp.Diff(records, readAll(t, b)); diff != "" {
				t.Errorf("records differ (-want +got):\n%s", diff)
			}
			rewritten, err := record.Rewrite(b, nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(records, readAll(t, rewritten)); diff != "" {
				t.Errorf("records differ after a rewrite (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCodecNames(t *testing.T) {
	want := []string{"none", "gzip", "snappy", "lz4", "zstd", "codec 5"}
	for c, name := range want {
		if got := record.Codec(c).String(); got != name {
			t.Errorf("Codec(%d) = %q, want %q", c, got, name)
		}
	}
}

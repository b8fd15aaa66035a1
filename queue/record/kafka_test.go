package record_test

import (
	"bytes"
	"encoding/binary"
	"flag"
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/holtmq/holt/queue/record"
)

var update = flag.Bool("update", false, "write the golden batches in testdata anew, with the encoder of a Kafka client")

// sealKafka fills in what a Kafka client computes last: the length and the checksum.
func sealKafka(kb kmsg.RecordBatch) []byte {
	b := kb.AppendTo(nil)
	binary.BigEndian.PutUint32(b[8:], uint32(len(b)-12))
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

// kafkaBatch is a batch as a Kafka client makes it, without records yet.
func kafkaBatch(base record.Offset, count int) kmsg.RecordBatch {
	return kmsg.RecordBatch{
		FirstOffset: int64(base), Magic: 2, LastOffsetDelta: int32(count - 1), NumRecords: int32(count),
		FirstTimestamp: start.UnixMilli(), MaxTimestamp: start.UnixMilli(),
		ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1,
	}
}

// kafkaRecord is the encoding of r by a Kafka client in a batch with base and time first.
func kafkaRecord(r record.Record, base record.Offset, first time.Time) []byte {
	kr := kmsg.Record{
		TimestampDelta64: r.Timestamp.UnixMilli() - first.UnixMilli(), OffsetDelta: int32(r.Offset - base),
		Key: r.Key, Value: r.Value,
	}
	for _, h := range r.Headers {
		kr.Headers = append(kr.Headers, kmsg.Header{Key: h.Name, Value: h.Value})
	}
	body := kr.AppendTo(nil)[1:] // without the length, which is 0 still and takes a byte
	kr.Length = int32(len(body))
	return kr.AppendTo(nil)
}

// kafkaEncode encodes records as a Kafka client does.
func kafkaEncode(t testing.TB, base record.Offset, c record.Codec, rs []record.Record) []byte {
	t.Helper()
	kb := kafkaBatch(base, len(rs))
	kb.Attributes = int16(c)
	kb.MaxTimestamp = rs[len(rs)-1].Timestamp.UnixMilli()
	for _, r := range rs {
		kb.Records = append(kb.Records, kafkaRecord(r, base, start)...)
	}
	kb.Records = kafkaCompress(t, c, kb.Records)
	return sealKafka(kb)
}

func kafkaCompress(t testing.TB, c record.Codec, b []byte) []byte {
	t.Helper()
	options := []kgo.CompressionCodec{
		kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression(),
	}
	compressor, err := kgo.DefaultCompressor(options[c])
	if err != nil {
		t.Fatal(err)
	}
	if compressor == nil { // so it says that there is nothing to do
		return b
	}
	out, used := compressor.Compress(new(bytes.Buffer), b)
	if record.Codec(used) != c {
		t.Fatalf("the client's compressor took codec %d, want %v", used, c)
	}
	return bytes.Clone(out)
}

// kafkaDecode decodes a batch as a Kafka client does.
func kafkaDecode(t *testing.T, b []byte) (kmsg.RecordBatch, []record.Record) {
	t.Helper()
	var kb kmsg.RecordBatch
	if err := kb.ReadFrom(b); err != nil {
		t.Fatal(err)
	}
	body, err := kgo.DefaultDecompressor().Decompress(kb.Records, kgo.CompressionCodecType(kb.Attributes&7))
	if err != nil {
		t.Fatal(err)
	}
	var out []record.Record
	for range kb.NumRecords {
		length, n := binary.Varint(body)
		var kr kmsg.Record
		if err := kr.ReadFrom(body[:n+int(length)]); err != nil {
			t.Fatal(err)
		}
		body = body[n+int(length):]
		r := record.Record{
			Offset:    record.Offset(kb.FirstOffset + int64(kr.OffsetDelta)),
			Timestamp: time.UnixMilli(kb.FirstTimestamp + kr.TimestampDelta64).UTC(),
			Key:       kr.Key, Value: kr.Value,
		}
		for _, h := range kr.Headers {
			r.Headers = append(r.Headers, record.Header{Name: h.Key, Value: h.Value})
		}
		out = append(out, r)
	}
	if len(body) != 0 {
		t.Fatalf("%d bytes after the last record", len(body))
	}
	return kb, out
}

// goldenBase is the base of the golden batches.
const goldenBase = 70_000

func goldenRecords() []record.Record {
	rs := samples()
	for i := range rs {
		rs[i].Offset += goldenBase
	}
	return rs
}

func TestGolden(t *testing.T) {
	for _, c := range codecs {
		t.Run(c.String(), func(t *testing.T) {
			path := filepath.Join("testdata", c.String()+".batch")
			want := goldenRecords()
			if *update {
				if err := os.WriteFile(path, kafkaEncode(t, goldenBase, c, want), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			golden, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, readAll(t, golden)); diff != "" {
				t.Errorf("a Kafka client's batch reads differently (-want +got):\n%s", diff)
			}
			ours := build(t, goldenBase, c, want...)
			if c == record.None && !bytes.Equal(golden, ours) {
				t.Errorf("our batch is not a Kafka client's, byte for byte:\n%x\n%x", ours, golden)
			}
		})
	}
}

// TestKafkaReadsOurs has a Kafka client's decoder read what Builder writes.
func TestKafkaReadsOurs(t *testing.T) {
	for _, c := range codecs {
		t.Run(c.String(), func(t *testing.T) {
			want := goldenRecords()
			ours := build(t, goldenBase, c, want...)
			kb, got := kafkaDecode(t, ours)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("records differ (-want +got):\n%s", diff)
			}
			crc := kb.CRC
			kb.Records, kb.CRC = nil, 0
			wantHeader := kafkaBatch(goldenBase, len(want))
			wantHeader.Length = int32(len(ours) - 12)
			wantHeader.Attributes = int16(c)
			wantHeader.MaxTimestamp = want[len(want)-1].Timestamp.UnixMilli()
			if diff := cmp.Diff(wantHeader, kb); diff != "" {
				t.Errorf("header differs (-want +got):\n%s", diff)
			}
			if sum := crc32.Checksum(ours[21:], crc32.MakeTable(crc32.Castagnoli)); uint32(crc) != sum {
				t.Errorf("checksum %08x, want %08x", uint32(crc), sum)
			}
		})
	}
}

// TestKafkaReadsRewritten does the same for a batch with gaps.
func TestKafkaReadsRewritten(t *testing.T) {
	for _, c := range codecs {
		t.Run(c.String(), func(t *testing.T) {
			all := goldenRecords()
			b, err := record.Rewrite(build(t, goldenBase, c, all...), func(r record.Record) bool { return r.Offset%3 == 0 })
			if err != nil {
				t.Fatal(err)
			}
			var want []record.Record
			for _, r := range all {
				if r.Offset%3 == 0 {
					want = append(want, r)
				}
			}
			kb, got := kafkaDecode(t, b)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("records differ (-want +got):\n%s", diff)
			}
			if kb.LastOffsetDelta != int32(len(all)-1) || record.Codec(kb.Attributes&7) != c {
				t.Errorf("last delta %d, codec %v, want %d, %v", kb.LastOffsetDelta, kb.Attributes&7, len(all)-1, c)
			}
		})
	}
}

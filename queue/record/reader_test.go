package record_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/s2"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/holtmq/holt/queue/record"
)

// raw is a batch of 8 offsets whose record bytes are put in by hand.
func raw(count int, records string) []byte {
	kb := kafkaBatch(0, 8)
	kb.NumRecords = int32(count)
	kb.Records = []byte(records)
	return sealKafka(kb)
}

// Records by hand, lengths and deltas as zigzag varints: 2 is 1, 1 is −1.
const (
	plain    = "\x0c\x00\x00\x00\x01\x01\x00" // offset delta 0, no key, no value, no headers
	plain7   = "\x0c\x00\x00\x0e\x01\x01\x00" // the same with offset delta 7
	headed   = "\x14\x00\x00\x00\x01\x01\x02\x02n\x02v"
	nullHead = "\x12\x00\x00\x00\x01\x01\x02\x02n\x01"
)

func TestReaderTakes(t *testing.T) {
	tests := map[string]struct {
		count   int
		records string
	}{
		"one":             {1, plain},
		"gap":             {2, plain + plain7},
		"none":            {0, ""},
		"header":          {1, headed},
		"null header":     {1, nullHead},
		"attributes used": {1, "\x0c\x7f\x00\x00\x01\x01\x00"},
		"padded varint":   {1, "\x0e\x00\x80\x00\x00\x01\x01\x00"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := readAll(t, raw(tt.count, tt.records)); len(got) != tt.count {
				t.Errorf("%d records, want %d", len(got), tt.count)
			}
		})
	}
}

func TestReaderRefuses(t *testing.T) {
	tests := map[string]struct {
		count   int
		records string
	}{
		"more records than said":    {1, plain + plain7},
		"fewer than said":           {2, plain + "\x00\x00\x00\x00\x00\x00\x00"},
		"records, none said":        {0, plain},
		"offset twice":              {2, plain + plain},
		"offset goes back":          {2, plain7 + plain},
		"offset negative":           {1, "\x0c\x00\x00\x01\x01\x01\x00"},
		"offset past the last":      {1, "\x0c\x00\x00\x10\x01\x01\x00"},
		"length zero":               {1, "\x00\x00\x00\x00\x01\x01\x00"},
		"length negative":           {1, "\x0b\x00\x00\x00\x01\x01\x00"},
		"length past the end":       {1, "\x0e\x00\x00\x00\x01\x01\x00"},
		"length short":              {1, "\x0a\x00\x00\x00\x01\x01\x00"},
		"length of six bytes":       {1, "\x8c\x80\x80\x80\x80\x00\x00\x00\x00\x01\x01\x00"},
		"length of 33 bits":         {1, "\xff\xff\xff\xff\x1f\x00\x00\x00\x01\x01\x00"},
		"length cut":                {1, "\x80\x80\x80\x80\x80\x80\x80"},
		"timestamp of 65 bits":      {1, "\x1e\x00\x80\x80\x80\x80\x80\x80\x80\x80\x80\x02\x00\x01\x01\x00"},
		"timestamp of 11 bytes":     {1, "\x20\x00\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00\x00\x01\x01\x00"},
		"key length −2":             {1, "\x0c\x00\x00\x00\x03\x01\x00"},
		"key past the record":       {1, "\x0c\x00\x00\x00\x08\x01\x00"},
		"value past the record":     {1, "\x0c\x00\x00\x00\x01\x04\x00"},
		"headers negative":          {1, "\x0c\x00\x00\x00\x01\x01\x01"},
		"headers missing":           {1, "\x0c\x00\x00\x00\x01\x01\x02"},
		"headers far too many":      {1, "\x14\x00\x00\x00\x01\x01\xfe\xff\xff\xff\x0f"},
		"bytes after the headers":   {1, "\x0e\x00\x00\x00\x01\x01\x00\x00"},
		"header name null":          {1, "\x10\x00\x00\x00\x01\x01\x02\x01\x01"},
		"header name too long":      {1, "\x10\x00\x00\x00\x01\x01\x02\x04\x01"},
		"header value too long":     {1, "\x14\x00\x00\x00\x01\x01\x02\x02n\x04v"},
		"bytes after last header":   {1, "\x14\x00\x00\x00\x01\x01\x02\x02n\x01v"},
		"fewer headers than said":   {1, "\x14\x00\x00\x00\x01\x01\x04\x02n\x02v"},
		"more records than offsets": {2, plain7 + "\x0c\x00\x00\x10\x01\x01\x00"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b := raw(tt.count, tt.records)
			if _, err := record.Check(b); err != nil {
				t.Fatalf("the header is to be good: %v", err)
			}
			r, err := record.NewReader(b)
			if err != nil {
				t.Fatal(err)
			}
			for r.Next() {
				r.Record()
			}
			if !errors.Is(r.Err(), record.ErrCorrupt) {
				t.Errorf("Err() = %v, want ErrCorrupt", r.Err())
			}
			if r.Next() {
				t.Error("Next goes on after damage")
			}
			if _, err := record.Rewrite(b, nil); !errors.Is(err, record.ErrCorrupt) {
				t.Errorf("Rewrite: %v, want ErrCorrupt", err)
			}
		})
	}
}

func TestReaderFields(t *testing.T) {
	for _, c := range codecs {
		r, err := record.NewReader(build(t, 30, c, samples()...))
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for ; r.Next(); n++ {
			rec := r.Record()
			if r.Offset() != rec.Offset || !bytes.Equal(r.Key(), rec.Key) || r.Size() != rec.Size() {
				t.Errorf("%v: offset %d, key %q, size %d of %d, %q, %d", c, r.Offset(), r.Key(), r.Size(), rec.Offset, rec.Key, rec.Size())
			}
			var headers []record.Header
			r.EachHeader(func(name, value []byte) { headers = append(headers, record.Header{Name: string(name), Value: value}) })
			if diff := cmp.Diff(rec.Headers, headers); diff != "" || r.Time() != rec.Timestamp.UnixMilli() {
				t.Errorf("%v: time %d of %s, headers %s", c, r.Time(), rec.Timestamp, diff)
			}
		}
		if n != 8 || r.Err() != nil {
			t.Errorf("%v: %d records, %v", c, n, r.Err())
		}
	}
}

func TestReaderAgain(t *testing.T) {
	var r record.Reader
	if r.Next() || r.Err() != nil {
		t.Errorf("a new Reader: %v", r.Err())
	}
	for _, c := range codecs {
		if err := r.Reset(build(t, 0, c, samples()...)); err != nil {
			t.Fatal(err)
		}
		var got []record.Record
		for range 3 { // and leave the rest
			r.Next()
			got = append(got, r.Record())
		}
		if diff := cmp.Diff(samples()[:3], got); diff != "" {
			t.Errorf("%v: records differ (-want +got):\n%s", c, diff)
		}
		if err := r.Reset([]byte("damage")); !errors.Is(err, record.ErrCorrupt) || !errors.Is(r.Err(), record.ErrCorrupt) || r.Next() {
			t.Errorf("%v: reset to damage: %v, then %v", c, err, r.Err())
		}
	}
}

// TestHeadersAreKept keeps all headers while reading on: names are shared, slices are not.
func TestHeadersAreKept(t *testing.T) {
	var want []record.Record
	for i := range 200 {
		r := record.Record{Offset: record.Offset(i), Timestamp: start, Headers: []record.Header{{Name: "type", Value: []byte{byte(i)}}}}
		if i%3 == 0 {
			r.Headers = append(r.Headers, record.Header{Name: strings.Repeat("n", i%5)})
		}
		want = append(want, r)
	}
	if diff := cmp.Diff(want, readAll(t, build(t, 0, record.None, want...))); diff != "" {
		t.Errorf("records differ (-want +got):\n%s", diff)
	}
}

// TestKafkaProducerBatch takes what only others write: a producer's id, times that go back, the largest deltas.
func TestKafkaProducerBatch(t *testing.T) {
	want := []record.Record{
		{Offset: 0, Timestamp: start, Value: []byte("a")},
		{Offset: 1, Timestamp: start.Add(-time.Hour), Value: []byte("b")},
		{Offset: math.MaxInt32, Timestamp: start.Add(time.Hour), Value: []byte("c")},
	}
	kb := kafkaBatch(0, len(want))
	kb.LastOffsetDelta = math.MaxInt32
	kb.PartitionLeaderEpoch = -1
	kb.ProducerID, kb.ProducerEpoch, kb.FirstSequence = 4711, 3, 99
	for _, r := range want {
		kb.Records = append(kb.Records, kafkaRecord(r, 0, start)...)
	}
	b := sealKafka(kb)
	if diff := cmp.Diff(want, readAll(t, b)); diff != "" {
		t.Errorf("records differ (-want +got):\n%s", diff)
	}
	again, err := record.Rewrite(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, readAll(t, again)); diff != "" {
		t.Errorf("records differ after a rewrite (-want +got):\n%s", diff)
	}
}

// xerial frames a body as Kafka's Java client does, in blocks of at most size bytes.
func xerial(body []byte, size int) []byte {
	out := []byte("\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01")
	for len(body) > 0 {
		n := min(size, len(body))
		block := s2.EncodeSnappy(nil, body[:n])
		out = append(binary.BigEndian.AppendUint32(out, uint32(len(block))), block...)
		body = body[n:]
	}
	return out
}

func snappyBatch(count int, payload []byte) []byte {
	kb := kafkaBatch(0, count)
	kb.Attributes = int16(record.Snappy)
	kb.Records = payload
	return sealKafka(kb)
}

func TestXerial(t *testing.T) {
	body := build(t, 0, record.None, samples()...)[record.HeaderSize:]
	for _, size := range []int{1, 100, 32 << 10} {
		got := readAll(t, snappyBatch(8, xerial(body, size)))
		if diff := cmp.Diff(samples(), got); diff != "" {
			t.Errorf("blocks of %d bytes: records differ (-want +got):\n%s", size, diff)
		}
	}
	whole := xerial(body, 1000)
	tests := map[string][]byte{
		"cut in a block":  whole[:len(whole)-1],
		"cut in a length": append(bytes.Clone(whole), 0, 0),
		"length negative": append(bytes.Clone(whole), 0xff, 0xff, 0xff, 0xff),
		"empty block":     append(bytes.Clone(whole), 0, 0, 0, 0),
		"only the frame":  whole[:16],
	}
	for name, payload := range tests {
		if _, err := record.NewReader(snappyBatch(8, payload)); !errors.Is(err, record.ErrCorrupt) {
			t.Errorf("%s: %v, want ErrCorrupt", name, err)
		}
	}
}

// TestBombs decompresses to a byte more than is allowed, and believes no claim of it.
func TestBombs(t *testing.T) {
	zeros := make([]byte, record.MaxUncompressed+1)
	for _, c := range codecs[1:] {
		kb := kafkaBatch(0, 1)
		kb.Attributes = int16(c)
		kb.Records = kafkaCompress(t, c, zeros)
		if _, err := record.NewReader(sealKafka(kb)); !errors.Is(err, record.ErrCorrupt) {
			t.Errorf("%v: %v, want ErrCorrupt", c, err)
		}
	}
	frames := xerial(zeros, 16<<20)
	if _, err := record.NewReader(snappyBatch(1, frames)); !errors.Is(err, record.ErrCorrupt) {
		t.Errorf("xerial: %v, want ErrCorrupt", err)
	}
	liar := append(binary.AppendUvarint(nil, record.MaxUncompressed), 0)
	b := snappyBatch(1, liar)
	var r record.Reader
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_ = r.Reset(b) // its error is looked at below
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
		t.Errorf("a false claim of size costs %d bytes", n)
	}
	if !errors.Is(r.Err(), record.ErrCorrupt) {
		t.Errorf("a false claim of size: %v, want ErrCorrupt", r.Err())
	}
}

func TestCompressedDamage(t *testing.T) {
	for _, c := range codecs[1:] {
		good := kafkaEncode(t, 0, c, samples())
		for name, payload := range map[string][]byte{
			"no bytes": nil,
			"garbage":  []byte("this is compressed by nobody"),
			"cut":      good[record.HeaderSize : len(good)-5],
		} {
			var kb kmsg.RecordBatch
			if err := kb.ReadFrom(good); err != nil {
				t.Fatal(err)
			}
			kb.Records = payload
			if _, err := record.NewReader(sealKafka(kb)); !errors.Is(err, record.ErrCorrupt) {
				t.Errorf("%v, %s: %v, want ErrCorrupt", c, name, err)
			}
		}
	}
}

func TestAllStops(t *testing.T) {
	b := build(t, 0, record.None, samples()...)
	n := 0
	for range each(b) {
		if n++; n == 2 {
			break
		}
	}
	if n != 2 {
		t.Errorf("%d records before the break", n)
	}
	var errs []error
	for _, err := range each(raw(1, plain+plain)) {
		errs = append(errs, err)
	}
	if len(errs) != 2 || errs[0] != nil || !errors.Is(errs[1], record.ErrCorrupt) {
		t.Errorf("a good record and damage: %v", errs)
	}
	for _, err := range each(nil) {
		if !errors.Is(err, record.ErrCorrupt) {
			t.Errorf("no batch: %v", err)
		}
	}
}

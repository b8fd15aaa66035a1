package record_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holtmq/holt/queue/record"
)

// seeds are samples without the long one: short inputs are mutated, and minimized, faster.
func seeds() []record.Record { return append(samples()[:5], samples()[6:]...) }

// FuzzCheck feeds whole batches, header and all.
func FuzzCheck(f *testing.F) {
	for _, c := range codecs {
		f.Add(build(f, 12, c, seeds()...))
	}
	f.Add([]byte{})
	f.Add(make([]byte, record.HeaderSize))
	f.Fuzz(func(t *testing.T, b []byte) {
		info, err := record.Check(b)
		if err != nil {
			known(t, err)
			for _, err := range each(b) { // only Check stands between these and a caller
				if err != nil {
					known(t, err)
				}
			}
			return
		}
		if info.Size != len(b) || info.Count < 0 || int64(info.Count) > int64(info.Last-info.Base)+1 || info.Last < info.Base {
			t.Errorf("an impossible batch: %+v", info)
		}
		if peeked, err := record.Peek(b); err != nil || peeked != info {
			t.Errorf("Peek: %+v, %v, Check: %+v", peeked, err, info)
		}
	})
}

// FuzzReader feeds what is inside a good header: records, compressed or not.
func FuzzReader(f *testing.F) {
	for _, c := range codecs {
		f.Add(uint8(c), int32(6), int32(7), build(f, 0, c, seeds()...)[record.HeaderSize:])
	}
	f.Add(uint8(record.Snappy), int32(6), int32(7), xerial(build(f, 0, record.None, seeds()...)[record.HeaderSize:], 100))
	f.Add(uint8(record.None), int32(7), int32(2), []byte(plain+plain7))
	f.Add(uint8(record.None), int32(7), int32(1), []byte(nullHead))
	f.Fuzz(func(t *testing.T, attributes uint8, lastDelta, count int32, payload []byte) {
		kb := kafkaBatch(3, 1)
		kb.Attributes = int16(attributes)
		kb.LastOffsetDelta, kb.NumRecords = lastDelta, count
		kb.Records = payload
		b := sealKafka(kb)
		var read []record.Record
		size := 0
		for r, err := range each(b) {
			if err != nil {
				known(t, err)
				if _, err := record.Rewrite(b, nil); err == nil {
					t.Error("what cannot be read can be rewritten")
				}
				return
			}
			size += r.Size()
			read = append(read, r)
		}
		if size > record.MaxUncompressed || len(read) != int(count) {
			t.Errorf("%d records of %d, %d bytes", len(read), count, size)
		}
		if len(read) < 1000 {
			agree(t, b, read)
		}
	})
}

// agree holds a rewrite of all records against what the Reader gave.
func agree(t *testing.T, b []byte, want []record.Record) {
	again, err := record.Rewrite(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, readAll(t, again)); diff != "" {
		t.Errorf("records differ after a rewrite (-want +got):\n%s", diff)
	}
}

// known wants an error that a caller can tell apart.
func known(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, record.ErrCorrupt) && !errors.Is(err, record.ErrUnsupported) {
		t.Errorf("an error of no kind: %v", err)
	}
}

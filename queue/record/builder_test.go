package record_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holtmq/holt/queue/record"
)

func TestBuilderCounts(t *testing.T) {
	var b record.Builder
	b.Reset(40)
	if b.Len() != 0 || b.Size() != record.HeaderSize || b.Last() != 39 {
		t.Errorf("empty: %d records, %d bytes, last %d", b.Len(), b.Size(), b.Last())
	}
	for _, r := range samples() {
		b.Append(r)
	}
	out, err := b.Encode([]byte("before"), record.None)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(out, []byte("before")) {
		t.Error("Encode did not append")
	}
	if b.Len() != 8 || b.Last() != 47 || b.Size() != len(out)-len("before") {
		t.Errorf("%d records, last %d, %d bytes; encoded %d", b.Len(), b.Last(), b.Size(), len(out)-len("before"))
	}
}

// TestBuilderAgain uses a Builder for batch after batch, and encodes each in every codec.
func TestBuilderAgain(t *testing.T) {
	var b record.Builder
	for round := range 3 {
		base := record.Offset(100 * round)
		b.Reset(base)
		for _, r := range samples()[round:] {
			b.Append(r)
		}
		for _, c := range codecs {
			got, err := b.Encode(nil, c)
			if err != nil {
				t.Fatal(err)
			}
			if want := build(t, base, c, samples()[round:]...); !bytes.Equal(want, got) {
				t.Errorf("round %d, %v: differs from a new Builder's batch", round, c)
			}
		}
	}
}

func TestBuilderTimeNeverGoesBack(t *testing.T) {
	at := func(ms int) record.Record {
		return record.Record{Timestamp: start.Add(time.Duration(ms) * time.Millisecond)}
	}
	var b record.Builder
	b.Reset(0)
	b.Append(at(5))
	b.Append(at(3))
	b.Append(at(9))
	if err := b.AppendBatch(build(t, 0, record.None, at(7), at(12))); err != nil {
		t.Fatal(err)
	}
	b.Append(at(-1))
	out, err := b.Encode(nil, record.None)
	if err != nil {
		t.Fatal(err)
	}
	var got []int64
	for _, r := range readAll(t, out) {
		got = append(got, r.Timestamp.Sub(start).Milliseconds())
	}
	if diff := cmp.Diff([]int64{5, 5, 9, 9, 12, 12}, got); diff != "" {
		t.Errorf("milliseconds after the start differ (-want +got):\n%s", diff)
	}
}

func TestBuilderRefuses(t *testing.T) {
	var b record.Builder
	if _, err := b.Encode(nil, record.None); !errors.Is(err, record.ErrEmpty) {
		t.Errorf("without a record: %v, want ErrEmpty", err)
	}
	b.Append(record.Record{Timestamp: start})
	if _, err := b.Encode(nil, record.Zstd+1); !errors.Is(err, record.ErrUnsupported) {
		t.Errorf("codec 5: %v, want ErrUnsupported", err)
	}
	defer func() {
		if recover() == nil {
			t.Error("a negative base is taken")
		}
	}()
	b.Reset(-1)
}

func TestAppendBatch(t *testing.T) {
	for _, c := range codecs {
		t.Run(c.String(), func(t *testing.T) {
			gaps, err := record.Rewrite(build(t, 900, c, samples()...), func(r record.Record) bool { return r.Offset%2 == 0 })
			if err != nil {
				t.Fatal(err)
			}
			var b, want record.Builder
			b.Reset(10)
			want.Reset(10)
			first := record.Record{Timestamp: start, Value: []byte("first")}
			b.Append(first)
			want.Append(first)
			for _, batch := range [][]byte{kafkaEncode(t, 0, c, samples()), gaps} {
				if err := b.AppendBatch(batch); err != nil {
					t.Fatal(err)
				}
				for _, r := range readAll(t, batch) {
					want.Append(r)
				}
			}
			got, err := b.Encode(nil, record.None)
			if err != nil {
				t.Fatal(err)
			}
			wanted, err := want.Encode(nil, record.None)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(wanted, got) {
				t.Error("a merged batch is not that of its records appended one by one")
			}
		})
	}
}

// TestAppendBatchAllOrNothing has a batch fail at its last record.
func TestAppendBatchAllOrNothing(t *testing.T) {
	good := build(t, 0, record.None, samples()...)
	var b record.Builder
	b.Reset(3)
	b.Append(samples()[5])
	before, err := b.Encode(nil, record.None)
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(good)
	flipped[len(flipped)-1] ^= 1
	damaged := bytes.Clone(good)
	damaged[len(damaged)-1] = 2 // one header, and no bytes for it
	for name, batch := range map[string][]byte{"checksum": flipped, "last record": reseal(damaged)} {
		if err := b.AppendBatch(batch); !errors.Is(err, record.ErrCorrupt) {
			t.Errorf("%s: %v, want ErrCorrupt", name, err)
		}
		after, err := b.Encode(nil, record.None)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(before, after) {
			t.Errorf("%s: a refused batch left something behind", name)
		}
	}
}

// filler is a record that makes an otherwise empty batch's records take exactly n bytes (n ≥ 2 MiB).
func filler(n int) record.Record {
	const front = 4 + 1 + 1 + 1 + 1 + 4 + 1 // length, attributes, deltas, key, value's length, headers; lengths from 2²⁰ to 2²⁷ take 4
	return record.Record{Timestamp: start, Value: make([]byte, n-front)}
}

func TestMaxUncompressed(t *testing.T) {
	var b record.Builder
	b.Append(filler(record.MaxUncompressed))
	if got := b.Size() - record.HeaderSize; got != record.MaxUncompressed {
		t.Fatalf("the filler takes %d bytes", got)
	}
	for _, c := range []record.Codec{record.None, record.Zstd} { // records are counted before they are compressed
		out, err := b.Encode(nil, c)
		if err != nil {
			t.Fatalf("%v, at the limit: %v", c, err)
		}
		r, err := record.Find(out, 0)
		if err != nil || len(r.Value) != len(filler(record.MaxUncompressed).Value) {
			t.Errorf("%v, at the limit: %d bytes, %v", c, len(r.Value), err)
		}
	}
	small := build(t, 0, record.None, record.Record{Timestamp: start})
	if err := b.AppendBatch(small); !errors.Is(err, record.ErrTooLarge) {
		t.Errorf("AppendBatch over the limit: %v, want ErrTooLarge", err)
	}
	b.Append(record.Record{Timestamp: start})
	if _, err := b.Encode(nil, record.None); !errors.Is(err, record.ErrTooLarge) {
		t.Errorf("Encode over the limit: %v, want ErrTooLarge", err)
	}
}

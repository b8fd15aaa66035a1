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
	if b.Len() != 0 || b.Size() != record.HeaderSize {
		t.Errorf("empty: %d records, %d bytes", b.Len(), b.Size())
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
	if b.Len() != 8 || b.Size() != len(out)-len("before") {
		t.Errorf("%d records, %d bytes; encoded %d", b.Len(), b.Size(), len(out)-len("before"))
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
	b.Append(at(-1))
	out, err := b.Encode(nil, record.None)
	if err != nil {
		t.Fatal(err)
	}
	var got []int64
	for _, r := range readAll(t, out) {
		got = append(got, r.Timestamp.Sub(start).Milliseconds())
	}
	if diff := cmp.Diff([]int64{5, 5, 9, 9}, got); diff != "" {
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
		if rs := readAll(t, out); len(rs) != 1 || len(rs[0].Value) != len(filler(record.MaxUncompressed).Value) {
			t.Errorf("%v, at the limit: %d records", c, len(rs))
		}
	}
	b.Append(record.Record{Timestamp: start})
	if _, err := b.Encode(nil, record.None); !errors.Is(err, record.ErrTooLarge) {
		t.Errorf("Encode over the limit: %v, want ErrTooLarge", err)
	}
}

package record_test

import (
	"iter"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holtmq/holt/queue/record"
)

var start = time.UnixMilli(1_700_000_000_123).UTC()

// codecs are all codecs there are.
var codecs = []record.Codec{record.None, record.Gzip, record.Snappy, record.LZ4, record.Zstd}

// samples are records of every shape; their offsets count from 0.
func samples() []record.Record {
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	return []record.Record{
		{Offset: 0, Timestamp: at(0), Key: []byte("order-1"), Value: []byte(`{"total":12}`)},
		{Offset: 1, Timestamp: at(0), Key: nil, Value: []byte("no key")},
		{Offset: 2, Timestamp: at(3), Key: []byte{}, Value: []byte("empty key")},
		{Offset: 3, Timestamp: at(3), Key: []byte("tombstone")},
		{Offset: 4, Timestamp: at(64), Key: []byte("empty value"), Value: []byte{}},
		{Offset: 5, Timestamp: at(100_000), Value: make([]byte, 8192), Headers: []record.Header{{Name: "content-type", Value: []byte("text/plain")}}},
		{Offset: 6, Timestamp: at(100_000), Headers: []record.Header{
			{Name: "content-type", Value: []byte("text/html")}, {Name: "null"}, {Name: "empty", Value: []byte{}}, {Name: "", Value: []byte("nameless")},
		}},
		{Offset: 7, Timestamp: at(1 << 40), Value: []byte("much later")},
	}
}

// build encodes records at base, which gives them their offsets.
func build(t testing.TB, base record.Offset, c record.Codec, rs ...record.Record) []byte {
	t.Helper()
	var b record.Builder
	b.Reset(base)
	for _, r := range rs {
		b.Append(r)
	}
	out, err := b.Encode(nil, c)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// readAll decodes a batch that must be good.
func readAll(t testing.TB, b []byte) []record.Record {
	t.Helper()
	if _, err := record.Check(b); err != nil {
		t.Fatal(err)
	}
	var out []record.Record
	for r, err := range each(b) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
	return out
}

func TestRoundTrip(t *testing.T) {
	for _, c := range codecs {
		t.Run(c.String(), func(t *testing.T) {
			const base = 1000
			want := samples()
			b := build(t, base, c, want...)
			for i := range want {
				want[i].Offset += base
			}
			if diff := cmp.Diff(want, readAll(t, b)); diff != "" {
				t.Errorf("records differ (-want +got):\n%s", diff)
			}
			info, err := record.Check(b)
			if err != nil {
				t.Fatal(err)
			}
			wantInfo := record.Info{
				Base: base, Last: base + 7, Count: 8, FirstTime: start, MaxTime: want[7].Timestamp, Codec: c, Size: len(b),
			}
			if diff := cmp.Diff(wantInfo, info); diff != "" {
				t.Errorf("info differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSizes(t *testing.T) {
	tests := map[string]struct {
		rec  record.Record
		size int
	}{
		"nothing":          {record.Record{}, 0},
		"key and value":    {record.Record{Key: []byte("abc"), Value: []byte("defg")}, 7},
		"headers":          {record.Record{Headers: []record.Header{{Name: "ab", Value: []byte("c")}, {Name: "d"}}}, 4},
		"long":             {record.Record{Key: make([]byte, 64), Value: make([]byte, 8192)}, 64 + 8192},
		"time far forward": {record.Record{Timestamp: time.UnixMilli(1 << 62), Value: []byte("x")}, 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tt.rec.Size(); got != tt.size {
				t.Errorf("Size() = %d, want %d", got, tt.size)
			}
			var b record.Builder
			b.Append(record.Record{Timestamp: time.UnixMilli(0)})
			before := b.Size()
			b.Append(tt.rec)
			added, bound := b.Size()-before, record.EncodedSize(tt.rec)
			if added > bound || added < bound-17 {
				t.Errorf("a batch grew by %d, EncodedSize() = %d", added, bound)
			}
		})
	}
}

// each goes through the records of the batch that is b; damage comes as a last pair with an error.
func each(b []byte) iter.Seq2[record.Record, error] {
	return func(yield func(record.Record, error) bool) {
		var r record.Reader
		if err := r.Reset(b); err != nil {
			yield(record.Record{}, err)
			return
		}
		for r.Next() {
			if !yield(r.Record(), nil) {
				return
			}
		}
		if err := r.Err(); err != nil {
			yield(record.Record{}, err)
		}
	}
}

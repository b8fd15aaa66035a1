package record_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/holtmq/holt/queue/record"
)

// orders are n records of 100 bytes, key and value together, a millisecond apart.
func orders(n int) []record.Record {
	out := make([]record.Record, n)
	for i := range out {
		value := make([]byte, 84)
		for j := range value {
			value[j] = "abcdefghij{}:,\" "[(i*7+j*j)%16]
		}
		out[i] = record.Record{
			Offset: record.Offset(i), Timestamp: start.Add(time.Duration(i) * time.Millisecond),
			Key: fmt.Appendf(nil, "customer-%07d", i%100), Value: value,
		}
	}
	return out
}

// withHeaders gives each record two headers.
func withHeaders(rs []record.Record) []record.Record {
	for i := range rs {
		rs[i].Headers = []record.Header{{Name: "content-type", Value: []byte("application/json")}, {Name: "trace", Value: []byte("00-4bf92f3577b34da6")}}
	}
	return rs
}

// hotPaths are what publishing and reading do, each with n records.
func hotPaths(t testing.TB, n int) map[string]func() {
	rs := orders(n)
	batch := build(t, 0, record.None, rs...)
	var b record.Builder
	var reader record.Reader
	dst := make([]byte, 0, 2*len(batch)+record.HeaderSize)
	fatal := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	return map[string]func(){
		"encode": func() {
			b.Reset(7)
			for i := range rs {
				b.Append(rs[i])
			}
			_, err := b.Encode(dst, record.None)
			fatal(err)
		},
		"iterate": func() {
			fatal(reader.Reset(batch))
			size := 0
			for reader.Next() {
				size += len(reader.Record().Value)
			}
			fatal(reader.Err())
			if size != 84*n {
				t.Fatalf("%d bytes of values", size)
			}
		},
		"measure": func() {
			fatal(reader.Reset(batch))
			size := 0
			for reader.Next() {
				size += reader.Size() + int(reader.Offset()&1)
			}
			fatal(reader.Err())
		},
		"check": func() {
			_, err := record.Check(batch)
			fatal(err)
		},
	}
}

func TestHotPathsAllocateNothing(t *testing.T) {
	for _, n := range []int{1, 1000} {
		for name, run := range hotPaths(t, n) {
			if got := testing.AllocsPerRun(20, run); got != 0 {
				t.Errorf("%s of %d records: %v allocations", name, n, got)
			}
		}
	}
}

// TestHeadersAllocateLittle: a slab for 64 headers, and their names once.
func TestHeadersAllocateLittle(t *testing.T) {
	const n = 1000
	batch := build(t, 0, record.None, withHeaders(orders(n))...)
	var r record.Reader
	got := testing.AllocsPerRun(20, func() {
		if err := r.Reset(batch); err != nil {
			t.Fatal(err)
		}
		for r.Next() {
			r.Record()
		}
	})
	if limit := float64(2*n/64 + 10); got > limit {
		t.Errorf("%v allocations for %d headers, want at most %v", got, 2*n, limit)
	}
}

func Benchmark(b *testing.B) {
	for _, name := range []string{"encode", "iterate", "measure", "check"} {
		for _, n := range []int{1, 10, 1000} {
			run := hotPaths(b, n)[name]
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(100 * n))
				for b.Loop() {
					run()
				}
			})
		}
	}
}

func BenchmarkHeaders(b *testing.B) {
	batch := build(b, 0, record.None, withHeaders(orders(1000))...)
	var r record.Reader
	b.ReportAllocs()
	for b.Loop() {
		if err := r.Reset(batch); err != nil {
			b.Fatal(err)
		}
		for r.Next() {
			r.Record()
		}
	}
}

func BenchmarkCodec(b *testing.B) {
	for _, c := range codecs {
		var builder record.Builder
		for _, r := range orders(1000) {
			builder.Append(r)
		}
		batch, err := builder.Encode(nil, c)
		if err != nil {
			b.Fatal(err)
		}
		b.Run("encode/"+c.String(), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(builder.Size()))
			dst := make([]byte, 0, 1<<20)
			for b.Loop() {
				if _, err := builder.Encode(dst, c); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(batch)), "B/batch")
		})
		b.Run("read/"+c.String(), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(builder.Size()))
			var r record.Reader
			for b.Loop() {
				if err := r.Reset(batch); err != nil {
					b.Fatal(err)
				}
				for r.Next() {
				}
			}
		})
	}
}

func BenchmarkRewrite(b *testing.B) {
	batch := build(b, 0, record.None, orders(1000)...)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := record.Rewrite(batch, func(r record.Record) bool { return r.Offset%2 == 0 }); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMurmur2(b *testing.B) {
	key := []byte("customer-0000042")
	for b.Loop() {
		record.PartitionFor(key, 12)
	}
}

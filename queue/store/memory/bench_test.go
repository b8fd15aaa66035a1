package memory

import (
	"fmt"
	"testing"
	"time"

	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
)

// batchAt makes a batch of one record.
func batchAt(t testing.TB, base store.Offset) store.Batch {
	t.Helper()
	at := time.UnixMilli(1_700_000_000_000).UTC()
	var b record.Builder
	b.Reset(base)
	b.Append(record.Record{Offset: base, Timestamp: at, Value: []byte("value")})
	bytes, err := b.Encode(nil, record.None)
	if err != nil {
		t.Fatal(err)
	}
	return store.Batch{Base: base, Last: base, MaxTime: at, Bytes: bytes}
}

// filled makes a store whose log 1 has n batches.
func filled(b *testing.B, n store.Offset) (*Store, store.Log) {
	s := New(Config{})
	l, err := s.Open(ctx, 1)
	if err != nil {
		b.Fatal(err)
	}
	for at := store.Offset(0); at < n; {
		e := store.Edit{Log: 1}
		for ; at < n && len(e.Append) < 1000; at++ {
			e.Append = append(e.Append, batchAt(b, at))
		}
		if _, err := s.Commit(ctx, []store.Unit{{e}}); err != nil {
			b.Fatal(err)
		}
	}
	return s, l
}

// BenchmarkCommit appends a record and a delta a call.
func BenchmarkCommit(b *testing.B) {
	s, _ := filled(b, 0)
	for i := 0; b.Loop(); i++ {
		u := step(1, uint64(i+1))
		u[0].Append = []store.Batch{batchAt(b, store.Offset(i))}
		if _, err := s.Commit(ctx, []store.Unit{u}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRead reads one batch somewhere in logs of different length: the cost should not grow with it.
func BenchmarkRead(b *testing.B) {
	for _, n := range []store.Offset{1_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			_, l := filled(b, n)
			for i := store.Offset(0); b.Loop(); i++ {
				if _, err := l.Read(ctx, i*7919%n, 1); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

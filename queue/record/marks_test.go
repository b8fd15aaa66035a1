package record

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

func TestSeekFindsEveryRecordInAnyOrder(t *testing.T) {
	for _, n := range []int{1, 15, 16, 17, 32, 33, 1000} {
		for _, codec := range []Codec{None, Zstd} {
			var b Builder
			b.Reset(100)
			for i := range n {
				b.Append(Record{Timestamp: time.UnixMilli(5), Value: fmt.Append(nil, "v", i)})
			}
			full, err := b.Encode(nil, codec)
			if err != nil {
				t.Fatal(err)
			}
			holed, err := Rewrite(full, func(r Record) bool { return r.Offset%3 != 0 })
			if err != nil {
				t.Fatal(err)
			}
			for name, batch := range map[string][]byte{"full": full, "holed": holed} {
				m, err := Mark(batch)
				if err != nil {
					t.Fatal(err)
				}
				r, err := NewReader(batch)
				if err != nil {
					t.Fatal(err)
				}
				for range 3 * n {
					at := Offset(100 + rand.IntN(n))
					there := name == "full" || at%3 != 0
					if got := r.Seek(m, at); got != there {
						t.Fatalf("%s of %d, codec %d: Seek(%d) = %v, %v", name, n, codec, at, got, r.Err())
					}
					if there && string(r.Record().Value) != fmt.Sprint("v", at-100) {
						t.Fatalf("%s of %d: at %d stands %q", name, n, at, r.Record().Value)
					}
				}
			}
		}
	}
}

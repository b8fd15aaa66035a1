package badger

import (
	"bytes"
	"errors"
	"testing"

	"github.com/holtmq/holt/queue/store"
)

// FuzzLogFile reads what a damaged log file of Badger may hold.
func FuzzLogFile(f *testing.F) {
	f.Add([]byte{})
	f.Add(make([]byte, 64))
	f.Add(append(make([]byte, logHeaderLen), 0x40, 0, 9, 3, 0, 's', 1, 2, 3, 4, 5, 6, 7, 8, 'v', 'a', 'l', 1, 2, 3, 4))
	f.Fuzz(func(t *testing.T, b []byte) {
		w := parseWAL("x", b)
		rows := w.rows()
		for i := range rows {
			if i > 0 && bytes.Equal(rows[i].key, rows[i-1].key) {
				t.Fatal("a key and version twice")
			}
		}
		if e, ok := readEntry(b, logHeaderLen); ok && (e.length <= 0 || e.length > len(b)-logHeaderLen) {
			t.Fatalf("entry of %d bytes in %d", e.length, len(b))
		}
	})
}

// FuzzValues decodes what may stand under a key; what is accepted encodes to the same bytes.
func FuzzValues(f *testing.F) {
	batch := store.Batch{Base: 5, Last: 9, Bytes: []byte("bytes")}
	key := batchKey(1, 5)
	f.Add(appendBatch(nil, key, &batch))
	f.Add(head{1, 2, 3, 4}.encode(logKey(kindHead, 1)))
	f.Add((&journal{id: 1, checkpoint: 2, parts: 3}).encode(journalKey(1, "a")))
	f.Add(commitRecord{3, 2, 1}.encode())
	f.Add(encodeOps([]op{{[]byte("k"), []byte("v")}, {[]byte("d"), nil}}))
	f.Add(appendFrame(appendFrame(nil, []byte("one")), nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, err := parseBatch(key, b); err == nil && !bytes.Equal(appendBatch(nil, key, &got), b) {
			t.Fatal("batch")
		}
		if h, err := decodeHead(logKey(kindHead, 1), b); err == nil && !bytes.Equal(h.encode(logKey(kindHead, 1)), b) {
			t.Fatal("bounds")
		}
		if j, err := decodeJournal(journalKey(1, "a"), b); err == nil && !bytes.Equal(j.encode(journalKey(1, "a")), b) {
			t.Fatal("journal")
		}
		if c, err := parseCommit(b); err == nil && !bytes.Equal(c.encode(), b) {
			t.Fatal("commit")
		}
		if ops, err := decodeOps(b); err == nil {
			again, err := decodeOps(encodeOps(ops))
			if err != nil || len(again) != len(ops) {
				t.Fatalf("operations: %d of %d, %v", len(again), len(ops), err)
			}
		}
		n, err := splitFrames(b, func([]byte) error { return nil })
		if m, merr := splitFrames(b, nil); m != n || !errors.Is(merr, err) {
			t.Fatalf("frames: %d, %v and %d, %v", n, err, m, merr)
		}
		parseSideFile(b)
		parsePointer(b)
	})
}

// FuzzSeal flips what a seal guards.
func FuzzSeal(f *testing.F) {
	f.Add([]byte("key"), []byte("value"), uint(3), uint8(1))
	f.Fuzz(func(t *testing.T, key, value []byte, at uint, bit uint8) {
		sealed := seal(key, bytes.Clone(value))
		got, err := unseal(key, sealed)
		if err != nil || !bytes.Equal(got, value) {
			t.Fatalf("unseal: %q, %v", got, err)
		}
		sealed[at%uint(len(sealed))] ^= 1 << (bit % 8)
		if _, err := unseal(key, sealed); !errors.Is(err, errDamaged) {
			t.Fatalf("a flipped bit goes unnoticed: %v", err)
		}
	})
}

// TestReadersLine follows the line below which Badger may forget versions.
func TestReadersLine(t *testing.T) {
	var r readers
	want := func(durable, want uint64) {
		t.Helper()
		if got := r.oldest(durable); got != want {
			t.Fatalf("oldest: %d, want %d", got, want)
		}
	}
	want(5, 5)
	r.begin(5)
	r.begin(5)
	r.begin(7)
	want(9, 5)
	r.end(5)
	want(9, 5)
	r.end(7)
	want(9, 5)
	r.end(5)
	want(9, 9)
	if len(r.open) != 0 {
		t.Fatalf("%d readings left", len(r.open))
	}
}

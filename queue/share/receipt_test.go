package share

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/holtmq/holt/lease"
)

var receipts = NewReceipts([ReceiptKeySize]byte{1, 2, 3}, 7)

func TestScenario23ReceiptsOfOthersAndDamagedOnes(t *testing.T) {
	c := lease.Claim{Offset: 1<<60 + 3, Delivery: 1<<32 - 1, Incarnation: 7, Epoch: 1 << 16}
	good := receipts.encode(5, 9, c)
	if len(good) > 128 || strings.ContainsAny(good, "+/=") {
		t.Errorf("%q is not a receipt of at most 128 URL-safe bytes", good)
	}
	if log, got, ok := receipts.decode(5, good); !ok || log != 9 || got != c {
		t.Fatalf("decoded log %d, %+v, %v", log, got, ok)
	}
	if _, _, ok := receipts.decode(6, good); ok {
		t.Error("another group's receipt was taken")
	}
	if _, _, ok := NewReceipts([ReceiptKeySize]byte{1, 2, 4}, 7).decode(5, good); ok {
		t.Error("another store's receipt was taken")
	}
	raw, err := base64.RawURLEncoding.DecodeString(good)
	if err != nil {
		t.Fatal(err)
	}
	for bit := range len(raw) * 8 {
		raw[bit/8] ^= 1 << (bit % 8)
		if _, _, ok := receipts.decode(5, base64.RawURLEncoding.EncodeToString(raw)); ok {
			t.Errorf("taken with bit %d flipped", bit)
		}
		raw[bit/8] ^= 1 << (bit % 8)
	}
	for _, bad := range []string{"", "x", good[:len(good)-1], good + "A", good + "==", good + "\n", "\n" + good, strings.Repeat("A", len(good))} {
		if _, _, ok := receipts.decode(5, bad); ok {
			t.Errorf("%q was taken", bad)
		}
	}
}

// Each receipt has one form: what differs in the bits that the last letter does not use is refused.
func FuzzReceipts(f *testing.F) {
	f.Add(receipts.encode(5, 9, lease.Claim{Offset: 1, Delivery: 1, Incarnation: 7}))
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		if log, c, ok := receipts.decode(5, s); ok && receipts.encode(5, log, c) != s {
			t.Fatalf("%q is a second form of a receipt", s)
		}
	})
}

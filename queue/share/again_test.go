package share

import (
	"fmt"
	"testing"
)

func TestLeaseKeysForgetTheOldest(t *testing.T) {
	k := newLeaseKeys()
	for i := range MaxLeaseKeys + 1 {
		k.remember(fmt.Sprint(i), make([]grant, 1), nil)
	}
	if len(k.by) != MaxLeaseKeys || k.order.Len() != MaxLeaseKeys || k.by["0"] != nil || k.by["1"] == nil {
		t.Errorf("%d keys, %d in order; the oldest is here: %v", len(k.by), k.order.Len(), k.by["0"] != nil)
	}
}

func TestLeaseKeysAreBoundedInBytes(t *testing.T) {
	k := newLeaseKeys()
	for i := range 1000 {
		k.remember(fmt.Sprint(i), make([]grant, MaxLeaseRecords), nil)
	}
	if k.bytes > MaxLeaseKeyBytes || k.by["999"] == nil || k.by["0"] != nil {
		t.Errorf("%d bytes are remembered, at most %d", k.bytes, MaxLeaseKeyBytes)
	}
	for range 1000 { // one key over and over is one
		k.remember("999", make([]grant, MaxLeaseRecords), nil)
	}
	sum := 0
	for _, c := range k.by {
		sum += c.bytes
	}
	if sum != k.bytes || len(k.by) != k.order.Len() {
		t.Errorf("%d bytes are counted, there are %d; %d keys, %d in order", k.bytes, sum, len(k.by), k.order.Len())
	}
}

func TestLeaseKeyThatIsUsedAgainIsNotTheOldest(t *testing.T) {
	k := newLeaseKeys()
	for i := range MaxLeaseKeys {
		k.remember(fmt.Sprint(i), make([]grant, 1), nil)
	}
	k.remember("0", make([]grant, 2), nil)
	k.remember("new", make([]grant, 1), nil)
	if k.by["0"] == nil || k.by["1"] != nil || len(k.by) != MaxLeaseKeys {
		t.Errorf("%d keys; the one that was used again is there: %v, the oldest: %v", len(k.by), k.by["0"] != nil, k.by["1"] != nil)
	}
}

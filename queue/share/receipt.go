package share

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/holtmq/holt/lease"
	"github.com/holtmq/holt/queue/store"
)

// A receipt is base64url of a claim and its MAC:
//
//	8 group id · 4 incarnation · 8 log id · 8 offset · 4 delivery · 4 epoch · 16 MAC
//
// all big endian. The MAC is AES-128 CBC-MAC, which is sound here because every message has the same length (FIPS 113).
const (
	claimSize = 36
	macSize   = aes.BlockSize
)

// ReceiptKeySize is the length of the secret that receipts are authenticated with.
const ReceiptKeySize = 16

// ReceiptKeyName names that secret in the store's Meta.
const ReceiptKeyName = "receipt-key"

// ReceiptKey reads the secret of the receipts, making it at the first start. Errors: store.ErrCorrupt, the store's.
func ReceiptKey(ctx context.Context, meta store.Meta) (key [ReceiptKeySize]byte, err error) {
	b, _, err := meta.Get(ctx, ReceiptKeyName)
	switch {
	case errors.Is(err, store.ErrNotFound):
		_, _ = rand.Read(key[:]) // never fails
		_, err = meta.Put(ctx, ReceiptKeyName, key[:], 0)
	case err == nil && len(b) != len(key):
		err = store.ErrCorrupt
	}
	if err != nil {
		return key, fmt.Errorf("key of the receipts: %w", err)
	}
	copy(key[:], b)
	return key, nil
}

// Receipts makes and reads receipts.
type Receipts struct {
	block       cipher.Block
	incarnation uint32
}

// NewReceipts takes the store's secret and how often the store was opened, this time included.
func NewReceipts(key [ReceiptKeySize]byte, incarnation uint32) *Receipts {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic("a 16-byte key is an AES key: " + err.Error())
	}
	return &Receipts{block: block, incarnation: incarnation}
}

// encode writes the receipt of a claim.
func (r *Receipts) encode(group uint64, log store.LogID, c lease.Claim) string {
	var raw [claimSize + macSize]byte
	be := binary.BigEndian
	be.PutUint64(raw[0:], group)
	be.PutUint32(raw[8:], c.Incarnation)
	be.PutUint64(raw[12:], uint64(log))
	be.PutUint64(raw[20:], uint64(c.Offset))
	be.PutUint32(raw[28:], c.Delivery)
	be.PutUint32(raw[32:], c.Epoch)
	mac := r.mac(raw[:claimSize])
	copy(raw[claimSize:], mac[:])
	return base64.RawURLEncoding.EncodeToString(raw[:])
}

// decode reads a receipt of a group; ok is false for one that was forged, damaged or made for another group.
func (r *Receipts) decode(group uint64, receipt string) (log store.LogID, c lease.Claim, ok bool) {
	var raw [claimSize + macSize]byte
	if base64.RawURLEncoding.DecodedLen(len(receipt)) != len(raw) {
		return 0, c, false
	}
	n, err := base64.RawURLEncoding.Strict().Decode(raw[:], []byte(receipt))
	if err != nil || n != len(raw) {
		return 0, c, false
	}
	mac := r.mac(raw[:claimSize])
	if subtle.ConstantTimeCompare(mac[:], raw[claimSize:]) != 1 {
		return 0, c, false
	}
	be := binary.BigEndian
	if be.Uint64(raw[0:]) != group {
		return 0, c, false
	}
	c = lease.Claim{
		Incarnation: be.Uint32(raw[8:]), Offset: lease.Offset(be.Uint64(raw[20:])),
		Delivery: be.Uint32(raw[28:]), Epoch: be.Uint32(raw[32:]),
	}
	return store.LogID(be.Uint64(raw[12:])), c, true
}

func (r *Receipts) mac(msg []byte) (x [macSize]byte) {
	for len(msg) > 0 {
		n := min(len(msg), macSize)
		for i := range n {
			x[i] ^= msg[i]
		}
		msg = msg[n:]
		r.block.Encrypt(x[:], x[:])
	}
	return x
}

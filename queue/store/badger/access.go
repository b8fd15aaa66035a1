package badger

import (
	"encoding/binary"
	"errors"

	badgerdb "github.com/dgraph-io/badger/v4"
)

// getValue returns a copy of the value of a key, or nil if there is none. An empty value, which the engine never
// writes, is what a reader gets while Badger moves the value to another file: errDamaged.
func getValue(txn *badgerdb.Txn, key []byte) ([]byte, error) {
	item, err := txn.Get(key)
	if errors.Is(err, badgerdb.ErrKeyNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return copyValue(item)
}

func copyValue(item *badgerdb.Item) ([]byte, error) {
	v, err := item.ValueCopy(nil)
	if err != nil {
		return nil, err
	}
	if len(v) == 0 {
		return nil, errDamaged
	}
	return v, nil
}

func has(txn *badgerdb.Txn, key []byte) (bool, error) {
	_, err := txn.Get(key)
	if errors.Is(err, badgerdb.ErrKeyNotFound) {
		return false, nil
	}
	return err == nil, err
}

// forward returns an iterator over the keys with a prefix. The caller seeks: to the first key it knows of, not to the
// prefix, where deleted keys may lie by the hundred thousand.
func forward(txn *badgerdb.Txn, prefix []byte) *badgerdb.Iterator {
	return txn.NewIterator(badgerdb.IteratorOptions{Prefix: prefix})
}

// lastBelow returns the last key with a prefix that is not above limit, and its value; nil if there is none.
func lastBelow(txn *badgerdb.Txn, prefix, limit []byte) (key, value []byte, err error) {
	it := txn.NewIterator(badgerdb.IteratorOptions{Prefix: prefix, Reverse: true})
	defer it.Close()
	it.Seek(limit)
	if !it.Valid() {
		return nil, nil, nil
	}
	value, err = copyValue(it.Item())
	return it.Item().KeyCopy(nil), value, err
}

// countDeltas returns how many deltas a stored pack holds.
func countDeltas(key, sealed []byte) (uint64, error) {
	pack, err := unseal(key, sealed)
	if err != nil {
		return 0, err
	}
	n, err := splitFrames(pack, nil)
	if err == nil && n == 0 {
		err = errDamaged
	}
	return n, err
}

// roundOf reads the round from a piece's key.
func roundOf(key []byte) uint64 {
	n := len(key)
	return binary.BigEndian.Uint64(key[n-20 : n-12])
}

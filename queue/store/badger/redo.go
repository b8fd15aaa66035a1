package badger

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// A unit can hold more keys than one transaction of Badger takes. Then all of its operations become one value, which makes the unit
// durable at once, and are carried out afterwards, a bounded transaction at a time; the last one removes the value. The
// operations are absolute, so that Open can repeat them from the beginning after a crash.

// maxRedo is the length in bytes of the longest redo record: one value must fit a file of Badger's value log.
const maxRedo = 56 << 20

// redo makes one unit that is too large for a transaction durable. The caller holds the token.
func (s *Store) redo(ops []op) error {
	b := encodeOps(ops)
	if len(b) > maxRedo {
		return invalid("unit of %d bytes with its keys, limit %d", len(b), maxRedo)
	}
	key := redoKey(s.next())
	if err := s.write([]op{{key, seal(key, b)}}); err != nil {
		return err
	}
	return s.carryOut(key, ops)
}

// carryOut applies a redo record's operations in transactions that fit, and removes the record with the last of them.
func (s *Store) carryOut(key []byte, ops []op) error {
	for len(ops) > 0 {
		n, cost := 0, 0
		for n < len(ops) && s.fits(cost+ops[n].cost()+len(key)+16, n+1) {
			cost += ops[n].cost()
			n++
		}
		turn := ops[:n:n]
		if ops = ops[n:]; len(ops) == 0 {
			turn = append(turn, op{key, nil})
		}
		if err := s.write(turn); err != nil {
			return err
		}
	}
	return nil
}

// recoverRedo carries out what a crash has interrupted. The store is not in use yet.
func (s *Store) recoverRedo() error {
	for {
		key, ops, err := s.findRedo()
		if err != nil {
			return fmt.Errorf("redo record: %w", err)
		}
		if key == nil {
			return nil
		}
		if err := s.carryOut(key, ops); err != nil {
			return err
		}
	}
}

func (s *Store) findRedo() (key []byte, ops []op, err error) {
	txn := s.db.NewTransactionAt(s.seq, false)
	defer txn.Discard()
	key, sealed, err := lastBelow(txn, []byte{kindRedo}, redoKey(^uint64(0)))
	if err != nil || key == nil {
		return nil, nil, corruptIf(err)
	}
	b, err := unseal(key, sealed)
	if err == nil {
		ops, err = decodeOps(b)
	}
	return key, ops, corruptIf(err)
}

// corruptIf makes store.ErrCorrupt of errDamaged, once it is certain.
func corruptIf(err error) error {
	if errors.Is(err, errDamaged) {
		return corrupt("%v", err)
	}
	return err
}

// encodeOps writes operations as length and key, then 0 for a deletion or 1 + length and value.
func encodeOps(ops []op) []byte {
	n := 0
	for i := range ops {
		n += len(ops[i].key) + len(ops[i].value) + 2*binary.MaxVarintLen32
	}
	return appendOps(make([]byte, 0, n+sumLen), ops)
}

func appendOps(b []byte, ops []op) []byte {
	for i := range ops {
		b = appendFrame(b, ops[i].key)
		if ops[i].value == nil {
			b = append(b, 0)
			continue
		}
		b = binary.AppendUvarint(b, 1+uint64(len(ops[i].value)))
		b = append(b, ops[i].value...)
	}
	return b
}

func decodeOps(b []byte) ([]op, error) {
	var ops []op
	for len(b) > 0 {
		k, w := binary.Uvarint(b)
		if w <= 0 || k == 0 || k > uint64(len(b)-w) {
			return nil, errDamaged
		}
		o := op{key: b[w : w+int(k)]}
		b = b[w+int(k):]
		v, w := binary.Uvarint(b)
		if w <= 0 || (v > 0 && v-1 > uint64(len(b)-w)) {
			return nil, errDamaged
		}
		b = b[w:]
		if v > 0 {
			o.value, b = b[:v-1:v-1], b[v-1:]
		}
		ops = append(ops, o)
	}
	return ops, nil
}

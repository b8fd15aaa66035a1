package badger

import (
	"encoding/binary"

	"github.com/holtmq/holt/queue/store"
)

// The first byte of a key tells its kind. All integers in keys are big-endian, so that byte order is number order.
const (
	kindSequence = 's' // s                       the highest commit sequence, written by every transaction
	kindHead     = 'h' // h log                   bounds of a log
	kindTrim     = 't' // t log                   how far physical deletion has come
	kindBatch    = 'l' // l log base              one record batch
	kindJournal  = 'c' // c log name              a journal: its id and its checkpoint
	kindDeltas   = 'j' // j log id seq            consecutive deltas of a journal, named by the first one's sequence
	kindPiece    = 'p' // p log id round seq part one piece of a checkpoint
	kindNote     = 'n' // n log id offset         a note
	kindGarbage  = 'g' // g log id                a journal (id 0: a whole log) whose keys are still to be deleted
	kindMeta     = 'm' // m name                  a definition
	kindRedo     = 'u' // u sequence              a unit too large for one transaction, until it has been carried out
	kindPadding  = 'z' // z number                nothing: it fills a table so that Badger writes it out
)

// journalID names a journal within its log. It is never reused while keys of its former bearer are left, so that a
// journal that was forgotten and begun again does not meet its old keys. 0 is no journal.
type journalID uint64

var sequenceKey = []byte{kindSequence}

func logKey(kind byte, log store.LogID) []byte {
	k := make([]byte, 0, 9)
	k = append(k, kind)
	return binary.BigEndian.AppendUint64(k, uint64(log))
}

func batchKey(log store.LogID, base store.Offset) []byte {
	k := make([]byte, 0, 17)
	k = append(k, kindBatch)
	k = binary.BigEndian.AppendUint64(k, uint64(log))
	return binary.BigEndian.AppendUint64(k, uint64(base))
}

func journalKey(log store.LogID, name store.Journal) []byte {
	k := make([]byte, 0, 9+len(name))
	k = append(k, kindJournal)
	k = binary.BigEndian.AppendUint64(k, uint64(log))
	return append(k, name...)
}

// partKey begins every key of a journal's contents.
func partKey(kind byte, log store.LogID, id journalID) []byte {
	k := make([]byte, 0, 37)
	k = append(k, kind)
	k = binary.BigEndian.AppendUint64(k, uint64(log))
	return binary.BigEndian.AppendUint64(k, uint64(id))
}

func deltasKey(log store.LogID, id journalID, first uint64) []byte {
	return binary.BigEndian.AppendUint64(partKey(kindDeltas, log, id), first)
}

func noteKey(log store.LogID, id journalID, at store.Offset) []byte {
	return binary.BigEndian.AppendUint64(partKey(kindNote, log, id), uint64(at))
}

// roundKey begins the keys of all pieces of one round of checkpointing.
func roundKey(log store.LogID, id journalID, round uint64) []byte {
	return binary.BigEndian.AppendUint64(partKey(kindPiece, log, id), round)
}

func pieceKey(log store.LogID, id journalID, round, seq uint64, part uint32) []byte {
	k := binary.BigEndian.AppendUint64(roundKey(log, id, round), seq)
	return binary.BigEndian.AppendUint32(k, part)
}

func garbageKey(log store.LogID, id journalID) []byte { return partKey(kindGarbage, log, id) }

func metaKey(name string) []byte { return append([]byte{kindMeta}, name...) }

func redoKey(seq uint64) []byte { return binary.BigEndian.AppendUint64([]byte{kindRedo}, seq) }

// lastNumber returns the number that the last 8 bytes of a key hold.
func lastNumber(key []byte) uint64 { return binary.BigEndian.Uint64(key[len(key)-8:]) }

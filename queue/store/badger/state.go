package badger

import (
	"context"
	"errors"
	"fmt"
	"sort"

	badgerdb "github.com/dgraph-io/badger/v4"

	"github.com/holtmq/holt/queue/store"
)

// state is what the engine keeps in memory of one open log: what is durable of its bounds and journals.
// Store.mu guards all of it; what journals points to is never changed.
type state struct {
	id       store.LogID
	head     head
	journals map[store.Journal]*journal
	low      trim
	nextID   journalID // never given to a journal of this log
	dropped  bool
}

// trim says how far physical deletion has come in a log whose start has moved.
type trim struct {
	batch store.Offset // no batch begins below it
	note  store.Offset // no note lies below it
}

// names returns the journals in order of name.
func (st *state) names() []store.Journal {
	names := make([]store.Journal, 0, len(st.journals))
	for n := range st.journals {
		names = append(names, n)
	}
	sort.Slice(names, func(i, k int) bool { return names[i] < names[k] })
	return names
}

// loadState reads a log as it is at the transaction's sequence. A log that was never written is empty.
func loadState(ctx context.Context, txn *badgerdb.Txn, id store.LogID) (*state, error) {
	st := &state{id: id, head: head{maxTime: noTime}, journals: map[store.Journal]*journal{}, nextID: 1}
	err := errors.Join(st.loadHead(txn), st.loadTrim(txn), st.loadJournals(ctx, txn))
	if err == nil {
		err = errors.Join(st.checkTail(txn), st.checkIDs(txn))
	}
	if errors.Is(err, errDamaged) {
		err = corrupt("%v", err)
	}
	if err != nil {
		return nil, fmt.Errorf("log %d: %w", id, err)
	}
	return st, nil
}

func (st *state) loadHead(txn *badgerdb.Txn) error {
	key := logKey(kindHead, st.id)
	v, err := getValue(txn, key)
	if err != nil || v == nil {
		return err
	}
	st.head, err = decodeHead(key, v)
	if err != nil {
		return fmt.Errorf("bounds: %w", err)
	}
	return nil
}

func (st *state) loadTrim(txn *badgerdb.Txn) error {
	key := logKey(kindTrim, st.id)
	v, err := getValue(txn, key)
	if err != nil || v == nil {
		return err
	}
	var batch, note uint64
	if err := parseNumbers(key, v, &batch, &note); err != nil {
		return fmt.Errorf("trim: %w", err)
	}
	st.low = trim{store.Offset(batch), store.Offset(note)}
	return nil
}

func (st *state) loadJournals(ctx context.Context, txn *badgerdb.Txn) error {
	prefix := logKey(kindJournal, st.id)
	it := forward(txn, prefix)
	defer it.Close()
	for it.Seek(prefix); it.Valid(); it.Next() {
		if err := ctx.Err(); err != nil {
			return err
		}
		key := it.Item().KeyCopy(nil)
		v, err := it.Item().ValueCopy(nil)
		if err != nil {
			return err
		}
		name := store.Journal(key[len(prefix):])
		j, err := decodeJournal(key, v)
		if err == nil {
			err = j.find(txn, st.id)
		}
		if err != nil {
			return fmt.Errorf("journal %q: %w", name, err)
		}
		st.journals[name] = j
		st.nextID = max(st.nextID, j.id+1)
	}
	return nil
}

// find reads what of a journal's state is told by its keys only: its last delta and the checkpoint being written.
func (j *journal) find(txn *badgerdb.Txn, log store.LogID) error {
	prefix := partKey(kindDeltas, log, j.id)
	key, v, err := lastBelow(txn, prefix, deltasKey(log, j.id, ^uint64(0)))
	if err != nil {
		return err
	}
	if key != nil {
		n, err := countDeltas(key, v)
		if err != nil {
			return err
		}
		j.last = max(j.last, lastNumber(key)+n-1)
	}
	prefix = partKey(kindPiece, log, j.id)
	key, _, err = lastBelow(txn, prefix, pieceKey(log, j.id, ^uint64(0), ^uint64(0), ^uint32(0)))
	if err != nil {
		return err
	}
	j.rounds = j.round
	if key != nil {
		j.rounds = max(j.rounds, roundOf(key))
	}
	return nil
}

// checkTail compares the log's end with its last batch. Records that the bounds do not know, and bounds without
// their records, are both signs of a lost table.
func (st *state) checkTail(txn *badgerdb.Txn) error {
	key, v, err := lastBelow(txn, logKey(kindBatch, st.id), batchKey(st.id, 1<<63-1))
	if err != nil {
		return err
	}
	end := st.head.start
	if key != nil {
		b, err := parseBatch(key, v)
		if err != nil {
			return fmt.Errorf("batch at %d: %w", lastNumber(key), err)
		}
		end = b.Last + 1
	}
	if end > st.head.end || (end < st.head.end && st.head.start < st.head.end) {
		return corrupt("the last batch ends at %d, the log at %d", end, st.head.end)
	}
	return nil
}

// checkIDs looks for journals whose record is lost while their deltas are not, and reserves the ids of those that wait for deletion.
func (st *state) checkIDs(txn *badgerdb.Txn) error {
	known := map[journalID]bool{}
	for _, j := range st.journals {
		known[j.id] = true
	}
	prefix := logKey(kindGarbage, st.id)
	it := forward(txn, prefix)
	defer it.Close()
	for it.Seek(prefix); it.Valid(); it.Next() {
		id := journalID(lastNumber(it.Item().Key()))
		known[id] = true
		st.nextID = max(st.nextID, id+1)
	}
	key, _, err := lastBelow(txn, logKey(kindDeltas, st.id), deltasKey(st.id, ^journalID(0), ^uint64(0)))
	if err != nil || key == nil {
		return err
	}
	if id := journalID(lastNumber(key[:len(key)-8])); !known[id] {
		return corrupt("deltas of a journal %d that is not there", id)
	}
	return nil
}

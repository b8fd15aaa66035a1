package storetest

import "github.com/holtmq/holt/queue/store"

// Short forms of edits and their parts.

func extend(id store.LogID, bs ...store.Batch) store.Edit { return store.Edit{Log: id, Append: bs} }

func trim(id store.LogID, start store.Offset) store.Edit { return store.Edit{Log: id, Start: start} }

func rewrite(id store.LogID, b store.Batch) store.Edit { return store.Edit{Log: id, Rewrite: &b} }

func enter(id store.LogID, es ...store.Entry) store.Edit { return store.Edit{Log: id, Entries: es} }

func annotate(id store.LogID, ns ...store.Note) store.Edit { return store.Edit{Log: id, Notes: ns} }

func drop(id store.LogID) store.Edit { return store.Edit{Log: id, Drop: true} }

func delta(j store.Journal, seq uint64, text string) store.Entry {
	return store.Entry{Journal: j, Kind: store.Delta, Seq: seq, Bytes: []byte(text)}
}

func piece(j store.Journal, seq uint64, part uint32, text string) store.Entry {
	return store.Entry{Journal: j, Kind: store.Piece, Seq: seq, Part: part, Bytes: []byte(text)}
}

func checkpoint(j store.Journal, seq uint64, parts uint32) store.Entry {
	return store.Entry{Journal: j, Kind: store.Checkpoint, Seq: seq, Part: parts}
}

func forget(j store.Journal) store.Entry { return store.Entry{Journal: j, Kind: store.Forget} }

func note(j store.Journal, at store.Offset, text string) store.Note {
	return store.Note{Journal: j, At: at, Bytes: []byte(text)}
}

// hole is the rewrite that leaves nothing of [base, last].
func hole(base, last store.Offset, at int64) store.Batch {
	b := batchOf(base, last, at, nil)
	b.Bytes = nil
	return b
}

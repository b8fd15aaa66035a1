package store

import (
	"context"
	"time"

	"github.com/holtmq/holt/queue/record"
)

// LogID names one log: one partition of one incarnation of a topic. It is never reused, not after a deletion either.
type LogID uint64

// Offset is a record's position in a log.
type Offset = record.Offset

// Journal names one replayed state machine on a log: "g/<group id>", "dedupe", …; 1 to 128 bytes, no NUL.
type Journal string

// Limits of the seam, checked by every engine before anything is applied.
const (
	MaxUnitEdits   = 256      // edits of one unit, on distinct logs
	MaxUnitBytes   = 16 << 20 // bytes of one unit, batches and entries and notes together
	MaxEntryBytes  = 64 << 10 // bytes of one entry
	MaxNoteBytes   = 64 << 10 // bytes of one note
	MaxMetaBytes   = 64 << 10 // bytes of one definition
	MaxMetaName    = 512      // bytes of a definition's name
	MaxJournalName = 128      // bytes of a journal's name
)

// Store is an engine that keeps logs: sequences of atomic units that survive the process and the machine.
//
// Every method may be called from any goroutine, within the duties that its comment names.
type Store interface {
	// Open takes a log for writing, making it if it is new: it fences older owners, rolls unfinished units forward or
	// back, and returns when every durable commit is readable. It blocks on I/O.
	// Errors: ErrFenced, ErrDead, ErrCorrupt, the context's.
	Open(ctx context.Context, id LogID) (Log, error)

	// Commit returns once units[:n] are on stable storage, in order; each unit is atomic, the call is not. One call at
	// a time may be in flight per log (the caller's duty); calls on disjoint logs may overlap. ctx is looked at only
	// before work starts. The engine keeps no reference to the units after it returned. All logs named must be open (else ErrInvalid).
	//
	// n < len(units) comes with an error that says what became of the rest: ErrFenced or ErrInvalid (certainly nothing of units[n:]
	// was applied) or ErrUnknown (each of them wholly or not at all). After ErrFenced and ErrUnknown the logs named by units[n:] are dead: Open them
	// again. On Badger any storage error kills the whole store (ErrDead from then on): the process exits, and its restart is the Open.
	Commit(ctx context.Context, units []Unit) (n int, err error)

	// Meta gives access to definitions.
	Meta() Meta

	// Health never blocks.
	Health() Health

	// Close waits for calls in flight and closes the engine. Calls after it return ErrClosed.
	Close() error
}

// Log is one open log. Any number of readers may run beside a Commit, and never wait for one in flight; they see
// durable state only. Bytes returned are the caller's.
type Log interface {
	// Bounds returns the first readable offset, the one after the last durable record (start = end: empty), and the MaxTime of the last batch that was ever
	// appended, below which no append may go, whether or not it is there still (zero = there was none).
	Bounds() (start, end Offset, newest time.Time)

	// Read returns the batch that covers from and its successors, at least one, up to about maxBytes (the first comes whatever its size).
	// from = end returns none; a hole is a batch with empty Bytes. Errors: ErrTrimmed (from < start), ErrOutOfRange (from > end), ErrCorrupt (the chain of
	// batches or a checksum is broken at from; a *Damage where it is known how far): what is whole before damage is returned first.
	Read(ctx context.Context, from Offset, maxBytes int) ([]Batch, error)

	// OffsetForTime returns the first offset of the first batch whose MaxTime is not before t (the log's start, if that lies
	// inside the batch); end if there is none.
	// The caller looks inside that batch for the record.
	OffsetForTime(ctx context.Context, t time.Time) (Offset, error)

	// Replay calls fn for every live entry, journal by journal: the pieces of the newest complete checkpoint (Kind
	// Piece, Part from 0, Seq the checkpoint's), then the deltas after it with Seq dense. It runs before the first Commit on
	// this log. An error of fn ends it and is returned. A gap in a journal is ErrCorrupt.
	Replay(ctx context.Context, fn func(Entry) error) error

	// Note returns the note of a journal at an offset, or nil without error if there is none.
	Note(ctx context.Context, j Journal, at Offset) ([]byte, error)
}

// Filler is a Log that can read into memory of its caller's.
type Filler interface {
	// Fill is Read of at most len(into) bytes, which lie in into, one batch behind the other from its beginning on. A first batch that is larger comes alone, in
	// memory of its own. After an error into holds anything.
	Fill(ctx context.Context, from Offset, into []byte) ([]Batch, error)
}

// Meta keeps definitions: small values by name, each with a revision. Durable when a call returns.
type Meta interface {
	// Get returns the value and its revision (≥ 1), or ErrNotFound.
	Get(ctx context.Context, name string) (value []byte, rev uint64, err error)
	// List returns all definitions whose name begins with prefix, ordered by name.
	List(ctx context.Context, prefix string) ([]Definition, error)
	// Put stores a value and returns its new revision. rev is the revision it replaces; 0 creates. ErrConflict if the
	// stored one differs (or, for 0, if there is one).
	Put(ctx context.Context, name string, value []byte, rev uint64) (uint64, error)
	// Delete removes a value at a revision. ErrConflict, ErrNotFound.
	Delete(ctx context.Context, name string, rev uint64) error
}

// Definition is one value of Meta.
type Definition struct {
	Name     string
	Value    []byte
	Revision uint64
}

// Health is what an engine knows of itself without asking the disk.
type Health struct {
	Engine string          // "badger", "memory"
	Used   int64           // bytes of storage the store takes; −1 unknown
	Free   int64           // bytes free where it lives; −1 unknown
	Low    bool            // free space is below the configured minimum: publishes should be refused
	Spent  bool            // what is free is the last reserve: what can wait for space should wait, or the next write may be the store's last
	Opens  uint64          // how often this store was opened, this time included; durable before Open of the engine returned
	Dead   <-chan struct{} // closed when the store has failed and will not recover in this process
	Cause  error           // why, once Dead is closed
}

// Unit is a set of edits that becomes durable together or not at all: at most MaxUnitEdits edits on distinct logs,
// at most MaxUnitBytes.
type Unit []Edit

// Edit changes one log. Its parts are applied together, as if in the order Append, Start, Rewrite, Entries, Notes; Rewrite names
// batches that were there before. Zero parts change nothing.
type Edit struct {
	Log     LogID
	Append  []Batch // each one's Base is the log's end (then the one before it's Last + 1)
	Start   Offset  // if > the log's start: everything before it is gone at once, its space later; at most the end
	Rewrite *Batch  // replaces all batches in [Base, Last], whose edges are edges of batches; an empty Bytes leaves a hole there
	Entries []Entry
	Notes   []Note
	Drop    bool // the log and all its journals are gone; nothing else in this edit
}

// Batch is a record batch as stored: Bytes cover exactly the offsets [Base, Last].
// The store checks that batches form a chain without holes and that Bytes carry their own checksum (record.Check); it reads nothing else in them.
type Batch struct {
	Base, Last Offset
	MaxTime    time.Time // timestamp of the newest record, whole milliseconds; never goes back along a log
	Bytes      []byte
}

// EntryKind tells what an entry does to its journal.
type EntryKind uint8

// The kinds of entries.
const (
	Delta      EntryKind = 1 + iota // the next step of the state machine: Seq is the journal's last + 1 (from 1)
	Piece                           // piece Part (from 0) of a checkpoint at sequence Seq ≤ the last delta's; replayed only once complete
	Checkpoint                      // checkpoint at Seq is complete with Part pieces: deltas ≤ Seq and older checkpoints are gone
	Forget                          // the journal with all it holds, notes too, is gone; a later delta begins at Seq 1 again
)

// Entry is one entry of a journal.
type Entry struct {
	Journal Journal
	Kind    EntryKind
	Seq     uint64
	Part    uint32
	Bytes   []byte
}

// Note is a small value read on demand and never replayed (an attempt history). Empty Bytes remove it. Notes below a log's start may vanish.
type Note struct {
	Journal Journal
	At      Offset
	Bytes   []byte
}

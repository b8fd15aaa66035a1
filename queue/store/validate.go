package store

import (
	"fmt"
	"math"
	"strings"

	"github.com/holtmq/holt/queue/record"
)

// Validate checks what can be said of units without looking at the logs: limits, distinct logs, names, the shape of
// batches, entries and notes, and the batches' own checksums. Every engine calls it at the beginning of Commit, before
// anything is applied; what remains to the engine is the chain of offsets and the sequences of journals.
// The error wraps ErrInvalid and names the unit and the edit.
func Validate(units []Unit) error {
	for i, u := range units {
		if err := u.validate(); err != nil {
			return fmt.Errorf("unit %d: %w", i, err)
		}
	}
	return nil
}

// ValidateName checks the name of a definition: 1 to MaxMetaName bytes, no NUL. The error wraps ErrInvalid.
func ValidateName(name string) error {
	if len(name) == 0 || len(name) > MaxMetaName {
		return invalid("definition's name of %d bytes, want 1 to %d", len(name), MaxMetaName)
	}
	if strings.IndexByte(name, 0) >= 0 {
		return invalid("definition's name holds a NUL")
	}
	return nil
}

// ValidateDefinition checks a definition before it is stored: its name, and a value of at most MaxMetaBytes.
func ValidateDefinition(name string, value []byte) error {
	if err := ValidateName(name); err != nil {
		return err
	}
	if len(value) > MaxMetaBytes {
		return invalid("definition of %d bytes, limit %d", len(value), MaxMetaBytes)
	}
	return nil
}

// Size returns the bytes that MaxUnitBytes counts: those of batches, entries and notes.
func (u Unit) Size() int {
	n := 0
	for i := range u {
		n += u[i].size()
	}
	return n
}

func (e *Edit) size() int {
	n := 0
	for i := range e.Append {
		n += len(e.Append[i].Bytes)
	}
	if e.Rewrite != nil {
		n += len(e.Rewrite.Bytes)
	}
	for i := range e.Entries {
		n += len(e.Entries[i].Bytes)
	}
	for i := range e.Notes {
		n += len(e.Notes[i].Bytes)
	}
	return n
}

func (u Unit) validate() error {
	if len(u) > MaxUnitEdits {
		return invalid("%d edits, limit %d", len(u), MaxUnitEdits)
	}
	if n := u.Size(); n > MaxUnitBytes {
		return invalid("%d bytes, limit %d", n, MaxUnitBytes)
	}
	if id, ok := u.repeated(); ok {
		return invalid("two edits of log %d", id)
	}
	for i := range u {
		if err := u[i].validate(); err != nil {
			return fmt.Errorf("log %d: %w", u[i].Log, err)
		}
	}
	return nil
}

// repeated returns a log that two edits name. Most units have one or two edits: no map for those.
func (u Unit) repeated() (LogID, bool) {
	if len(u) <= 8 {
		for i := range u {
			for j := range i {
				if u[i].Log == u[j].Log {
					return u[i].Log, true
				}
			}
		}
		return 0, false
	}
	seen := make(map[LogID]struct{}, len(u))
	for i := range u {
		if _, ok := seen[u[i].Log]; ok {
			return u[i].Log, true
		}
		seen[u[i].Log] = struct{}{}
	}
	return 0, false
}

func (e *Edit) validate() error {
	if e.Drop && (len(e.Append) > 0 || e.Start != 0 || e.Rewrite != nil || len(e.Entries) > 0 || len(e.Notes) > 0) {
		return invalid("drop beside other parts")
	}
	if e.Start < 0 {
		return invalid("start %d", e.Start)
	}
	for i := range e.Append {
		if err := e.Append[i].validate(i, e.Append); err != nil {
			return err
		}
	}
	if e.Rewrite != nil {
		if err := e.Rewrite.validateAlone(); err != nil {
			return fmt.Errorf("rewrite: %w", err)
		}
	}
	for i := range e.Entries {
		if err := e.Entries[i].validate(); err != nil {
			return err
		}
	}
	for i := range e.Notes {
		if err := e.Notes[i].validate(); err != nil {
			return err
		}
	}
	return nil
}

// validate checks the i-th of batches to append, and that it follows the one before it.
func (b *Batch) validate(i int, of []Batch) error {
	if len(b.Bytes) == 0 {
		return invalid("append of batch %d–%d without bytes", b.Base, b.Last)
	}
	if err := b.validateAlone(); err != nil {
		return fmt.Errorf("append: %w", err)
	}
	if i == 0 {
		return nil
	}
	prev := &of[i-1]
	if b.Base != prev.Last+1 {
		return invalid("append of batch at %d after one that ends at %d", b.Base, prev.Last)
	}
	if b.MaxTime.Before(prev.MaxTime) {
		return invalid("time of batch at %d goes back", b.Base)
	}
	return nil
}

func (b *Batch) validateAlone() error {
	if b.Base < 0 || b.Last < b.Base || b.Last == math.MaxInt64 { // Last + 1 is an offset, too
		return invalid("batch %d–%d", b.Base, b.Last)
	}
	if b.MaxTime.Nanosecond()%1e6 != 0 {
		return invalid("batch %d–%d: time is not in whole milliseconds", b.Base, b.Last)
	}
	if len(b.Bytes) == 0 {
		return nil
	}
	info, err := record.Check(b.Bytes)
	if err != nil {
		return invalid("batch %d–%d: %v", b.Base, b.Last, err)
	}
	if info.Base != b.Base || info.Last != b.Last {
		return invalid("batch %d–%d: its bytes cover %d–%d", b.Base, b.Last, info.Base, info.Last)
	}
	return nil
}

func (e *Entry) validate() error {
	if err := validateJournal(e.Journal); err != nil {
		return err
	}
	if len(e.Bytes) > MaxEntryBytes {
		return invalid("journal %q: entry of %d bytes, limit %d", e.Journal, len(e.Bytes), MaxEntryBytes)
	}
	ok := false
	switch e.Kind {
	case Delta:
		ok = e.Seq > 0 && e.Part == 0
	case Piece:
		ok = e.Seq > 0
	case Checkpoint:
		ok = e.Seq > 0 && e.Part > 0 && len(e.Bytes) == 0
	case Forget:
		ok = e.Seq == 0 && e.Part == 0 && len(e.Bytes) == 0
	}
	if !ok {
		return invalid("journal %q: entry of kind %d with seq %d, part %d, %d bytes", e.Journal, e.Kind, e.Seq, e.Part, len(e.Bytes))
	}
	return nil
}

func (n *Note) validate() error {
	if err := validateJournal(n.Journal); err != nil {
		return err
	}
	if n.At < 0 {
		return invalid("journal %q: note at %d", n.Journal, n.At)
	}
	if len(n.Bytes) > MaxNoteBytes {
		return invalid("journal %q: note of %d bytes, limit %d", n.Journal, len(n.Bytes), MaxNoteBytes)
	}
	return nil
}

func validateJournal(j Journal) error {
	if len(j) == 0 || len(j) > MaxJournalName {
		return invalid("journal's name of %d bytes, want 1 to %d", len(j), MaxJournalName)
	}
	if strings.IndexByte(string(j), 0) >= 0 {
		return invalid("journal's name holds a NUL")
	}
	return nil
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
}

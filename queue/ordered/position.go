package ordered

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/holtmq/holt/queue/journal"
	"github.com/holtmq/holt/queue/ordered/roster"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/varint"
)

// JournalName returns the name of a group's journal on each log that it reads: the committed offset.
func JournalName(groupID uint64) store.Journal { return store.Journal(fmt.Sprintf("o/%d", groupID)) }

// MaxMetadata is how many bytes a commit can carry beside an offset.
const MaxMetadata = 4096

// Offset is what a group has committed on a partition; it implements journal.Machine.
type Offset struct {
	epoch     uint32        // of the attachment
	start     record.Offset // where the group begins
	committed record.Offset // the next one to read; none = nothing is committed
	metadata  string
}

// none is no offset.
const none record.Offset = -1

// NewOffset begins the replay of the journal of a partition.
func NewOffset() *Offset { return &Offset{committed: none} }

// A delta is a byte and its fields, uvarints: it says what is, whatever was. A checkpoint is one delta of each kind.
const (
	opStart  = 1 // the attachment's epoch, the offset that the group begins at: nothing is committed
	opCommit = 2 // the offset, and to the end the metadata
)

func (o *Offset) appendStart(b []byte) []byte {
	b = append(b, opStart)
	b = binary.AppendUvarint(b, uint64(o.epoch))
	return binary.AppendUvarint(b, uint64(o.start))
}

func (o *Offset) appendCommit(b []byte) []byte {
	b = append(b, opCommit)
	b = binary.AppendUvarint(b, uint64(o.committed))
	return append(b, o.metadata...)
}

// Restore implements journal.Machine.
func (o *Offset) Restore(checkpoint []byte) error { return o.Replay(checkpoint) }

// Replay implements journal.Machine.
func (o *Offset) Replay(delta []byte) error {
	for r := varint.NewReader(delta); r.More(); {
		next := *o
		switch op := r.Byte(); op {
		case opStart:
			next = Offset{epoch: uint32(r.UintTo(math.MaxUint32)), start: record.Offset(r.Natural()), committed: none}
		case opCommit:
			next.committed, next.metadata = record.Offset(r.Natural()), string(r.Rest())
		default:
			return fmt.Errorf("committed offset, operation %d: %w", op, store.ErrCorrupt)
		}
		if r.Bad() {
			return fmt.Errorf("committed offset: %w", store.ErrCorrupt)
		}
		*o = next
	}
	return nil
}

// position is a group's progress on one partition; the group's lock guards it.
type position struct {
	Offset
	part    *partition.Partition
	topicID uint64
	journal *journal.Journal

	counted record.Offset // the floor that the group's lag has
	thin    bool          // it is among the group's
	stamp   partition.Stamp
}

func (p *position) log() roster.Log { return roster.Log(p.part.ID) }

func (p *position) place() Place { return Place{p.part.Topic, p.part.Index} }

// next returns where the group goes on: what is committed, else where it begins, or what is left behind that.
func (p *position) next() record.Offset {
	if p.committed != none {
		return p.committed
	}
	start, _ := p.part.Bounds()
	return max(p.start, start)
}

// lag returns how many records are after next.
func (p *position) lag() int64 {
	_, end := p.part.Bounds()
	return int64(max(0, end-p.floor()))
}

// entries returns what to journal for a delta, with a checkpoint if one is due.
func (p *position) entries(delta []byte) []store.Entry {
	out := []store.Entry{p.journal.Delta(delta)}
	if p.journal.Due() {
		state := p.appendStart(nil)
		if p.committed != none {
			state = p.appendCommit(state)
		}
		out = append(out, p.journal.Checkpoint(state)...)
		p.journal.Written() // they are committed together with the delta
	}
	return out
}

package share

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/holtmq/holt/lease"
	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/journal"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
)

// LettersName returns the name of a group's journal on each log that holds dead letters of it: which are open.
func LettersName(groupID uint64) store.Journal { return store.Journal(fmt.Sprintf("d/%d", groupID)) }

// Letters knows a group's open dead letters on one log, by the place of the record that died: one that dies again has still one letter. It
// implements journal.Machine.
type Letters struct {
	part    *partition.Partition
	journal *journal.Journal
	open    map[place]record.Offset // of the letter
	lost    bool                    // its topic is being deleted
}

// NewLetters begins the replay of the letters on a partition.
func NewLetters(p *partition.Partition) *Letters {
	return &Letters{part: p, open: map[place]record.Offset{}}
}

// A delta is a byte, then for each letter the log and offset of its record, and when opened its own offset (uvarints); the last kind closes all of a
// log from an offset on. A checkpoint opens all.
const (
	opOpenLetter  = 1
	opCloseLetter = 2
	opCloseFrom   = 3
)

// Restore implements journal.Machine.
func (l *Letters) Restore(checkpoint []byte) error {
	clear(l.open)
	return l.Replay(checkpoint)
}

// Replay implements journal.Machine.
func (l *Letters) Replay(delta []byte) error {
	if len(delta) == 0 || delta[0] < opOpenLetter || delta[0] > opCloseFrom {
		return fmt.Errorf("open letters: %w", store.ErrCorrupt)
	}
	r := answerReader{b: delta[1:]}
	for len(r.b) > 0 && !r.bad {
		at := place{store.LogID(r.uint()), lease.Offset(r.uint())}
		switch delta[0] {
		case opCloseLetter:
			delete(l.open, at)
		case opCloseFrom:
			l.drop(at)
		default:
			l.open[at] = record.Offset(r.uint())
		}
	}
	if r.bad {
		return fmt.Errorf("open letters: %w", store.ErrCorrupt)
	}
	return nil
}

// Recover ends the replay.
func (l *Letters) Recover(j *journal.Journal) { l.journal = j }

// add opens letters that are being appended from an offset on and returns what goes into their unit.
func (l *Letters) add(places []place, base record.Offset) commit.Part {
	delta := []byte{opOpenLetter}
	for i, at := range places {
		l.open[at] = base + record.Offset(i)
		delta = appendLetter(delta, at, l.open[at])
	}
	return commit.Part{Log: l.part.ID, Entries: []store.Entry{l.journal.Delta(delta)}}
}

func appendLetter(b []byte, at place, letter record.Offset) []byte {
	b = binary.AppendUvarint(b, uint64(at.log))
	b = binary.AppendUvarint(b, uint64(at.at))
	return binary.AppendUvarint(b, uint64(letter))
}

// maxClosed is how many letters one delta closes.
const maxClosed = 2000

// close closes the letters that which names and returns what makes it durable; false if there are none.
func (l *Letters) close(which func(place) bool) (commit.Part, bool) {
	var gone []place
	for at := range l.open {
		if which(at) {
			gone = append(gone, at)
		}
	}
	slices.SortFunc(gone, comparePlaces)
	part := commit.Part{Log: l.part.ID}
	for some := range slices.Chunk(gone, maxClosed) {
		delta := []byte{opCloseLetter}
		for _, at := range some {
			delete(l.open, at)
			delta = binary.AppendUvarint(delta, uint64(at.log))
			delta = binary.AppendUvarint(delta, uint64(at.at))
		}
		part.Entries = append(part.Entries, l.journal.Delta(delta))
	}
	return part, len(gone) > 0
}

// closeFrom closes all letters of a log's records from an offset on and returns what makes it durable; false if there are none.
func (l *Letters) closeFrom(at place) (commit.Part, bool) {
	if !l.drop(at) {
		return commit.Part{}, false
	}
	delta := binary.AppendUvarint([]byte{opCloseFrom}, uint64(at.log))
	delta = binary.AppendUvarint(delta, uint64(at.at))
	return commit.Part{Log: l.part.ID, Entries: []store.Entry{l.journal.Delta(delta)}}, true
}

func (l *Letters) drop(from place) (any bool) {
	before := len(l.open)
	maps.DeleteFunc(l.open, func(at place, _ record.Offset) bool { return at.log == from.log && at.at >= from.at })
	return len(l.open) < before
}

func comparePlaces(a, b place) int {
	return cmp.Or(cmp.Compare(a.log, b.log), cmp.Compare(a.at, b.at))
}

// checkpoint encodes all open letters.
func (l *Letters) checkpoint() []byte {
	b := []byte{opOpenLetter}
	for _, at := range slices.SortedFunc(maps.Keys(l.open), comparePlaces) {
		b = appendLetter(b, at, l.open[at])
	}
	return b
}

// openLetters opens the letters that are being appended to a partition; a letter that one of the records had elsewhere is closed. The lock is held.
func (g *Group) openLetters(to *partition.Partition, places []place, base record.Offset) []commit.Part {
	l := g.lettersOn(to)
	parts := []commit.Part{l.add(places, base)}
	for _, other := range g.letters {
		if other == l || len(other.open) == 0 {
			continue
		}
		if part, any := other.close(func(at place) bool { _, again := l.open[at]; return again }); any {
			parts = append(parts, part)
		}
	}
	if l.journal.Due() {
		g.writeCheckpoint(l.part.ID, l.journal, l.checkpoint(), &l.lost)
	}
	return parts
}

// lettersOn returns the letters on a partition; the lock is held.
func (g *Group) lettersOn(p *partition.Partition) *Letters {
	i := slices.IndexFunc(g.letters, func(l *Letters) bool { return l.part == p })
	if i >= 0 {
		return g.letters[i]
	}
	l := NewLetters(p)
	l.journal = journal.New(LettersName(g.id))
	g.letters = append(g.letters, l)
	return l
}

// OpenLetters returns how many dead letters of the group there are, on partitions of a topic or, with "", on all.
func (g *Group) OpenLetters(topic string) (n int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, l := range g.letters {
		if topic == "" || l.part.Topic == topic {
			n += int64(len(l.open))
		}
	}
	return n
}

// LoseLetters forgets the dead letters on a topic that is being deleted.
func (g *Group) LoseLetters(topicLogs []store.LogID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.letters = slices.DeleteFunc(g.letters, func(l *Letters) bool {
		l.lost = l.lost || slices.Contains(topicLogs, l.part.ID)
		return l.lost
	})
}

// ForgetLetters forgets all dead letters of a group that is being deleted; the letters themselves stay in their topic.
func (g *Group) ForgetLetters() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, l := range g.letters {
		g.env.Committer.Enqueue(commit.Unit{Forget(l.part.ID, l.journal.Name())})
	}
	g.letters = nil
}

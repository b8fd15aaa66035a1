package share

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/journal"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/store"
)

// LettersName returns the name of a group's journal on each log that holds dead letters of it: how many there are.
func LettersName(groupID uint64) store.Journal { return store.Journal(fmt.Sprintf("d/%d", groupID)) }

// Letters counts a group's dead letters on one log; it implements journal.Machine. A delta is how many were added (uvarint), a checkpoint how many
// there are.
type Letters struct {
	part    *partition.Partition
	journal *journal.Journal
	open    uint64
}

// NewLetters begins the replay of a count.
func NewLetters(p *partition.Partition) *Letters { return &Letters{part: p} }

// Restore implements journal.Machine.
func (l *Letters) Restore(checkpoint []byte) error {
	l.open = 0
	return l.Replay(checkpoint)
}

// Replay implements journal.Machine.
func (l *Letters) Replay(delta []byte) error {
	n, size := binary.Uvarint(delta)
	if size != len(delta) {
		return fmt.Errorf("count of letters: %w", store.ErrCorrupt)
	}
	l.open += n
	return nil
}

// Recover ends the replay.
func (l *Letters) Recover(j *journal.Journal) { l.journal = j }

// add counts letters that are being appended and returns what goes into their unit.
func (l *Letters) add(n int) commit.Part {
	l.open += uint64(n)
	p := commit.Part{Log: l.part.ID, Entries: []store.Entry{l.journal.Delta(binary.AppendUvarint(nil, uint64(n)))}}
	if l.journal.Due() {
		p.Entries = append(p.Entries, l.journal.Checkpoint(binary.AppendUvarint(nil, l.open))...)
		l.journal.Written() // they are committed together with the letters
	}
	return p
}

// lettersOn returns the count for a partition of dead letters; the lock is held.
func (g *Group) lettersOn(p *partition.Partition) *Letters {
	i := slices.IndexFunc(g.letters, func(l *Letters) bool { return l.part == p })
	if i >= 0 {
		return g.letters[i]
	}
	l := &Letters{part: p, journal: journal.New(LettersName(g.def.ID))}
	g.letters = append(g.letters, l)
	return l
}

// OpenLetters returns how many dead letters of the group there are, on partitions of a topic or, with "", on all.
func (g *Group) OpenLetters(topic string) (n int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, l := range g.letters {
		if topic == "" || l.part.Topic == topic {
			n += int64(l.open)
		}
	}
	return n
}

// LoseLetters forgets the dead letters on a topic that is being deleted.
func (g *Group) LoseLetters(topicLogs []store.LogID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.letters = slices.DeleteFunc(g.letters, func(l *Letters) bool { return slices.Contains(topicLogs, l.part.ID) })
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

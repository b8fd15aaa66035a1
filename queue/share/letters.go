package share

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/holtmq/holt/dlq/letter"
	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/journal"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
)

// LettersName returns the name of a group's journal on each log that holds dead letters of it.
func LettersName(groupID uint64) store.Journal { return store.Journal(fmt.Sprintf("d/%d", groupID)) }

// entry is one dead letter: it belongs to the place of the record that died, and one that dies again has still one letter.
type entry struct {
	place
	letter     record.Offset // where it is; a record that dies again gets a new one
	born       int64         // ms: timestamp of the record; 0 = not known
	key        uint64        // hash of its key; 0 = none
	size       uint32        // bytes of the record
	deliveries uint32        // hand-outs of the record before it died
	redrives   uint32
	state      letter.State
	bare       bool         // of a version that did not keep born, key, size
	info       *letter.Info // nil = not read yet
	gone       bool         // its row is a later one, or none
}

// Letters knows a group's dead letters on one log, which holds them, as long as they are there: which are open, and what became of the others. The
// group's lock guards it. It implements journal.Machine.
type Letters struct {
	part    *partition.Partition
	journal *journal.Journal
	by      map[place]*entry
	edits   map[place]record.Offset // where an edited redrive put the record, in the group's own topic
	rows    []*entry                // by letter, stale ones among them
	stale   int
	counts  [letter.Purged + 1]int
	unread  int           // without info
	bare    int           // of a version that did not keep all
	read    record.Offset // those before it have theirs
	lost    bool          // its topic is being deleted
}

// NewLetters begins the replay of the letters on a partition.
func NewLetters(p *partition.Partition) *Letters {
	return &Letters{part: p, by: map[place]*entry{}, edits: map[place]record.Offset{}}
}

// Recover ends the replay.
func (l *Letters) Recover(j *journal.Journal) {
	l.journal = j
	start, _ := l.part.Bounds()
	l.forgetBelow(start, func(*entry) bool { return false })
	slices.SortFunc(l.rows, func(a, b *entry) int { return cmp.Compare(a.letter, b.letter) })
}

// put adds an entry, or takes the place of the one its record had.
func (l *Letters) put(e *entry) {
	if old := l.by[e.place]; old != nil {
		l.take(old)
	}
	l.by[e.place] = e
	l.rows = append(l.rows, e)
	l.count(e, 1)
}

// count counts an entry in or out.
func (l *Letters) count(e *entry, n int) {
	l.counts[e.state] += n
	if e.info == nil {
		l.unread += n
	}
	if e.bare {
		l.bare += n
	}
}

// take removes an entry.
func (l *Letters) take(e *entry) {
	delete(l.by, e.place)
	delete(l.edits, e.place)
	l.count(e, -1)
	e.gone = true
	if l.stale++; l.stale > len(l.rows)/2+64 {
		l.rows = slices.DeleteFunc(l.rows, func(e *entry) bool { return e.gone })
		l.stale = 0
	}
}

// move changes an entry's state.
func (l *Letters) move(e *entry, to letter.State) {
	l.counts[e.state]--
	e.state = to
	l.counts[to]++
}

// redriven notes that a letter's record is delivered again; edited is where its new body is, −1 if it is the letter's.
func (l *Letters) redriven(e *entry, edited record.Offset) {
	l.move(e, letter.Redriven)
	e.redrives++
	delete(l.edits, e.place)
	if edited >= 0 {
		l.edits[e.place] = edited
	}
}

// closeFrom takes the open and redriven letters of a log's records from an offset on out.
func (l *Letters) closeFrom(from place) (any bool) {
	for at, e := range l.by {
		if at.log == from.log && at.at >= from.at && e.state != letter.Purged {
			l.take(e)
			any = true
		}
	}
	return any
}

// forgetBelow takes what retention has let go of out: letters below start that are not open, nor needed otherwise.
func (l *Letters) forgetBelow(start record.Offset, needed func(*entry) bool) {
	for _, e := range slices.Clone(l.rows) { // take may sweep the rows
		if !e.gone && e.letter < start && e.state != letter.Open && !needed(e) {
			l.take(e)
		}
	}
}

// from returns the index of the first row at or past a letter's offset.
func (l *Letters) from(at record.Offset) int {
	i, _ := slices.BinarySearchFunc(l.rows, at, func(e *entry, at record.Offset) int { return cmp.Compare(e.letter, at) })
	return i
}

// deltas returns what makes a step durable.
func (l *Letters) deltas(bodies ...[]byte) commit.Part {
	p := commit.Part{Log: l.part.ID}
	for _, b := range bodies {
		p.Entries = append(p.Entries, l.journal.Delta(b))
	}
	return p
}

// openLetters notes letters that are being appended to a partition from an offset on, and returns what goes into their unit: of a letter that one of the
// records had before, redrives go on being counted. The lock is held.
func (g *Group) openLetters(to *partition.Partition, dead []*entry, base record.Offset) []commit.Part {
	l := g.lettersOn(to)
	var parts []commit.Part
	var moved map[*Letters][]place
	for i, e := range dead {
		e.letter, e.state = base+record.Offset(i), letter.Open
		was, old := g.letterAt(e.place)
		if was == nil {
			continue
		}
		e.redrives = was.redrives
		if old != l {
			if moved == nil {
				moved = map[*Letters][]place{}
			}
			moved[old] = append(moved[old], e.place)
		}
	}
	parts = append(parts, l.deltas(encodeOpened(dead)...))
	for _, e := range dead {
		l.put(e)
	}
	g.checkpointLetters(l)
	for _, old := range g.letters { // in an order that is always the same
		if places := moved[old]; len(places) > 0 {
			for _, at := range places {
				old.take(old.by[at])
			}
			parts = append(parts, old.deltas(encodePlaces(opCloseLetter, places)...))
			g.checkpointLetters(old)
		}
	}
	g.changed()
	return parts
}

// letterAt returns the letter of a record; nil if it has none. The lock is held.
func (g *Group) letterAt(at place) (*entry, *Letters) {
	for _, l := range g.letters {
		if e := l.by[at]; e != nil {
			return e, l
		}
	}
	return nil, nil
}

// checkpointLetters writes a checkpoint if one is due; the lock is held.
func (g *Group) checkpointLetters(l *Letters) {
	if l.journal.Due() {
		g.writeCheckpoint(l.part.ID, l.journal, l.checkpoint(), &l.lost)
	}
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
	slices.SortFunc(g.letters, func(a, b *Letters) int { return cmp.Compare(a.part.ID, b.part.ID) })
	return l
}

// OpenLetters returns how many dead letters of the group are open, on partitions of a topic or, with "", on all.
func (g *Group) OpenLetters(topic string) (n int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, l := range g.letters {
		if topic == "" || l.part.Topic == topic {
			n += int64(l.counts[letter.Open])
		}
	}
	return n
}

// live tells whether a letter's record was redriven and is not settled since; the lock is held.
func (g *Group) live(e *entry) bool {
	w := g.byLog[e.log]
	return e.state == letter.Redriven && w != nil && w.machine.IsRedriven(e.at)
}

// OpenLettersOn returns the letters on a partition that have to stay, in order: those that are open, or whose record was redriven and is not settled yet.
func (g *Group) OpenLettersOn(p *partition.Partition) []record.Offset {
	g.mu.Lock()
	defer g.mu.Unlock()
	var out []record.Offset
	for _, l := range g.letters {
		if l.part != p || l.counts[letter.Open]+l.counts[letter.Redriven] == 0 {
			continue
		}
		for _, e := range l.rows {
			if !e.gone && (e.state == letter.Open || g.live(e)) {
				out = append(out, e.letter)
			}
		}
	}
	return out
}

// LettersTrimmed takes note that retention moved the start of a partition with letters up.
func (g *Group) LettersTrimmed(p *partition.Partition) {
	g.mu.Lock()
	defer g.mu.Unlock()
	start, _ := p.Bounds()
	for _, l := range g.letters {
		if l.part == p {
			l.forgetBelow(start, g.live)
		}
	}
}

// closeLetters takes the open and redriven letters of a log's records from an offset on out, and returns what makes it durable; the lock is held.
func (g *Group) closeLetters(from place) (parts []commit.Part) {
	for _, l := range g.letters {
		if l.closeFrom(from) {
			parts = append(parts, l.deltas(encodePlaces(opCloseFrom, []place{from})...))
		}
	}
	return parts
}

// BarLetters takes no letters on a topic's logs from now on, and says so, unless some are open or redriven and not settled and force is off.
func (g *Group) BarLetters(topicLogs []store.LogID, force bool) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, l := range g.letters {
		if !force && slices.Contains(topicLogs, l.part.ID) && (l.counts[letter.Open] > 0 || slices.ContainsFunc(l.rows, func(e *entry) bool { return !e.gone && g.live(e) })) {
			return false
		}
	}
	if g.barred == nil {
		g.barred = map[store.LogID]bool{}
	}
	for _, id := range topicLogs {
		g.barred[id] = true
	}
	return true
}

// UnbarLetters takes BarLetters back.
func (g *Group) UnbarLetters(topicLogs []store.LogID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, id := range topicLogs {
		delete(g.barred, id)
	}
}

// LoseLetters forgets the dead letters on a topic that is being deleted; what was redriven from there and is not settled is given up.
func (g *Group) LoseLetters(topicLogs []store.LogID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.letters = slices.DeleteFunc(g.letters, func(l *Letters) bool {
		if !slices.Contains(topicLogs, l.part.ID) {
			return false
		}
		l.lost = true
		g.giveUp(l)
		return true
	})
	for _, id := range topicLogs { // nothing can be appended there any more
		delete(g.barred, id)
	}
	g.changed()
	g.serve()
}

// giveUp ends what letters keep in the windows: held keys are free, and redriven records are dropped. The lock is held.
func (g *Group) giveUp(l *Letters) {
	for _, e := range l.rows {
		w := g.byLog[e.log]
		if w == nil || e.gone {
			continue
		}
		if g.live(e) {
			w.machine.Drop(e.at)
		} else {
			w.machine.FreeKey(e.key, e.at)
		}
		w.settled()
	}
	for _, w := range g.windows {
		g.free(w, g.journal(w))
	}
}

// End begins the end of a group that is being deleted: nothing is leased, and no letter is written from now on. Without force it does not where leases run
// (records that die count as leased) or letters are open, and says how many.
func (g *Group) End(force bool) (leases, letters int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, l := range g.letters {
		letters += l.counts[letter.Open]
	}
	g.ending = force || g.inflight+letters == 0
	return g.inflight, letters
}

// Stay takes End back.
func (g *Group) Stay() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ending = false
	g.serve()
	for _, w := range g.windows {
		g.buryBehind(w)
		g.rereadBehind(w)
	}
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

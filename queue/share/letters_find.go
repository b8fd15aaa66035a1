package share

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/holtmq/holt/dlq/letter"
	"github.com/holtmq/holt/lease"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
)

// LetterID names a dead letter within its group: the place of the record that died.
type LetterID struct {
	Log    store.LogID
	Offset record.Offset
}

func (id LetterID) String() string {
	return strconv.FormatUint(uint64(id.Log), 16) + "-" + strconv.FormatInt(int64(id.Offset), 10)
}

// ParseLetterID reads what String wrote.
func ParseLetterID(s string) (id LetterID, ok bool) {
	log, at, _ := strings.Cut(s, "-")
	n, err := strconv.ParseUint(log, 16, 64)
	m, err2 := strconv.ParseInt(at, 10, 64)
	id = LetterID{store.LogID(n), record.Offset(m)}
	return id, err == nil && err2 == nil && m >= 0 && id.String() == s
}

func (id LetterID) place() place { return place{id.Log, lease.Offset(id.Offset)} }

func (e *entry) id() LetterID { return LetterID{e.log, record.Offset(e.at)} }

// LetterRow is a dead letter without what its record holds.
type LetterRow struct {
	ID       LetterID
	State    letter.State
	Redrives int
	Live     bool // it was redriven, and its record is not settled since

	part *partition.Partition
	at   record.Offset
}

// LetterMark is a place in the list of a group's letters, in order of their deaths.
type LetterMark struct {
	Log store.LogID // of the letters
	At  record.Offset
}

// Mark returns where the row stands in the list.
func (r *LetterRow) Mark() LetterMark { return LetterMark{r.part.ID, r.at} }

// ErrNoLetter is wrapped by what is returned for a letter that there is not.
var ErrNoLetter = errors.New("no such dead letter")

// scanChunk is how many letters are looked at while the group's lock is held.
const scanChunk = 1024

// eachLetter calls fn for every letter that a filter chooses from a mark on, in order of death, with the lock held, which is given back now and then; fn returns false to end
// it. It must keep no entry. Errors: the store's, when letters must be read first.
func (g *Group) eachLetter(ctx context.Context, f *letter.Filter, from LetterMark, fn func(*Letters, *entry) bool) error {
	if !f.All() {
		if err := g.readLetters(ctx); err != nil {
			return err
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for {
		l := g.lettersFrom(from.Log)
		if l == nil {
			return nil
		}
		if l.part.ID != from.Log {
			from = LetterMark{Log: l.part.ID}
		}
		i := l.from(from.At)
		for n := min(i+scanChunk, len(l.rows)); i < n; i++ {
			e := l.rows[i]
			from.At = e.letter + 1
			if !e.gone && e.chosen(f) && !fn(l, e) {
				return nil
			}
		}
		if i == len(l.rows) {
			from = LetterMark{Log: l.part.ID + 1}
		}
		g.mu.Unlock()
		err := ctx.Err()
		g.mu.Lock()
		if err != nil {
			return err
		}
	}
}

// chosen tells whether a filter chooses a letter; one that is not read is chosen by its state alone.
func (e *entry) chosen(f *letter.Filter) bool {
	return (f.State == 0 || f.State == e.state) && (f.All() || e.info != nil && f.Match(e.state, e.info))
}

// lettersFrom returns the letters on the first log from id on; nil if there are none. The lock is held.
func (g *Group) lettersFrom(id store.LogID) *Letters {
	for _, l := range g.letters {
		if l.part.ID >= id {
			return l
		}
	}
	return nil
}

func (g *Group) row(l *Letters, e *entry) LetterRow {
	return LetterRow{ID: e.id(), State: e.state, Redrives: int(e.redrives), Live: g.live(e), part: l.part, at: e.letter}
}

// FindLetters returns up to limit letters that a filter chooses from a mark on, in order of death, where to go on (nil at the end), and how many it chooses
// in all. Errors: the store's.
func (g *Group) FindLetters(ctx context.Context, f letter.Filter, from LetterMark, limit int) (rows []LetterRow, next *LetterMark, total int, err error) {
	if f.All() { // counts are kept
		total = g.countLetters(f.State)
		rows, next, err = g.PageLetters(ctx, f, from, limit)
		return rows, next, total, err
	}
	err = g.eachLetter(ctx, &f, LetterMark{}, func(l *Letters, e *entry) bool {
		total++
		switch mark := (LetterMark{l.part.ID, e.letter}); {
		case next != nil, mark.Log < from.Log, mark.Log == from.Log && mark.At < from.At:
		case len(rows) == limit:
			next = &mark
		default:
			rows = append(rows, g.row(l, e))
		}
		return true
	})
	return rows, next, total, err
}

// PageLetters is FindLetters without the count.
func (g *Group) PageLetters(ctx context.Context, f letter.Filter, from LetterMark, limit int) (rows []LetterRow, next *LetterMark, err error) {
	err = g.eachLetter(ctx, &f, from, func(l *Letters, e *entry) bool {
		if len(rows) == limit {
			next = &LetterMark{l.part.ID, e.letter}
			return false
		}
		rows = append(rows, g.row(l, e))
		return true
	})
	return rows, next, err
}

func (g *Group) countLetters(s letter.State) (n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, l := range g.letters {
		if s == 0 {
			n += len(l.by)
			continue
		}
		n += l.counts[s]
	}
	return n
}

// LetterIDs returns the ids of up to limit letters that a filter chooses, in order of death; limit 0 = all. Errors: the store's.
func (g *Group) LetterIDs(ctx context.Context, f letter.Filter, limit int) (ids []LetterID, err error) {
	err = g.eachLetter(ctx, &f, LetterMark{}, func(_ *Letters, e *entry) bool {
		ids = append(ids, e.id())
		return limit == 0 || len(ids) < limit
	})
	return ids, err
}

// MatchLetters returns those of some letters that a filter chooses. Errors: the store's.
func (g *Group) MatchLetters(ctx context.Context, ids []LetterID, f letter.Filter) (out []LetterID, err error) {
	if !f.All() {
		if err := g.readLetters(ctx); err != nil {
			return nil, err
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, id := range ids {
		if e, _ := g.letterAt(id.place()); e != nil && e.chosen(&f) {
			out = append(out, id)
		}
	}
	return out, nil
}

// LetterBucket counts letters.
type LetterBucket = letter.Bucket[LetterID]

// SummarizeLetters counts the letters that a filter chooses, and returns the largest buckets, at most so many (0 = all), and how many there are. Errors: the
// store's.
func (g *Group) SummarizeLetters(ctx context.Context, f letter.Filter, by letter.By, most int) ([]*LetterBucket, int, error) {
	sum := letter.NewSummary[LetterID](by)
	if err := g.readLetters(ctx); err != nil {
		return nil, 0, err
	}
	err := g.eachLetter(ctx, &f, LetterMark{}, func(_ *Letters, e *entry) bool {
		if b := sum.Add(e.info, e.id()); b != nil && e.redrives > 0 && e.state != letter.Redriven {
			b.Again++
		}
		return true
	})
	if err != nil {
		return nil, 0, err
	}
	out, total := sum.Largest(most)
	return out, total, nil
}

// Letter returns one letter, in any state. Errors: ErrNoLetter.
func (g *Group) Letter(id LetterID) (LetterRow, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	e, l := g.letterAt(id.place())
	if e == nil {
		return LetterRow{}, fmt.Errorf("group %s, letter %s: %w", g.name, id, ErrNoLetter)
	}
	return g.row(l, e), nil
}

// ReadLetter returns the record that a letter's row is about. It is readable once everything enqueued when the row was found is durable. Errors: ErrNoLetter (retention was
// faster), the store's.
func (g *Group) ReadLetter(ctx context.Context, row *LetterRow, c *partition.Cursor) (record.Record, error) {
	if c == nil || c.Partition() != row.part {
		c = partition.NewCursor(row.part)
	}
	rec, err := c.Find(ctx, row.at)
	if errors.Is(err, record.ErrNotFound) || errors.Is(err, store.ErrTrimmed) || errors.Is(err, store.ErrOutOfRange) {
		return rec, fmt.Errorf("group %s, letter %s: %w", g.name, row.ID, ErrNoLetter)
	}
	return rec, err
}

// UnreadableLetter returns what is known of a letter that is damaged itself: where its record is, as far as the group reads that still, and what it said, if that was
// looked at before.
func (g *Group) UnreadableLetter(row *LetterRow) (info letter.Info, partition int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	e, _ := g.letterAt(row.ID.place())
	if e == nil {
		return letter.Info{}, 0
	}
	info = *g.unreadableInfo(e)
	if e.info != nil {
		info = *e.info
	}
	if w := g.byLog[e.log]; w != nil {
		partition = w.part.Index
	}
	return info, partition
}

// On tells whether a cursor is of the row's partition.
func (r *LetterRow) On(c *partition.Cursor) bool { return c.Partition() == r.part }

// LetterCursor returns a cursor that reads the letters of a row's partition, one after the other, at the least cost.
func LetterCursor(row *LetterRow) *partition.Cursor { return partition.NewCursor(row.part) }

// LettersChanged returns a channel that is closed when something has happened to letters or to redriven records, or may have.
func (g *Group) LettersChanged() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.news == nil {
		g.news = make(chan struct{})
	}
	return g.news
}

// changed tells those who wait for LettersChanged; the lock is held.
func (g *Group) changed() {
	if g.news != nil {
		close(g.news)
		g.news = nil
	}
}

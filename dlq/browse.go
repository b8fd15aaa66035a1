package dlq

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holtmq/holt/dlq/letter"
	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/share"
)

// Letter is one dead letter, with the record that died.
type Letter struct {
	ID        string // of the group and the record's place: the same when it dies again
	State     letter.State
	Topic     string // where the record is, or was
	Partition int
	Offset    record.Offset

	Key     []byte          // nil = none
	Value   []byte          // nil = a tombstone
	Headers []record.Header // as the record had them

	Attempts    int
	Reason      letter.Reason
	Error       string
	ErrorType   string
	Fingerprint string
	Member      string    // who had it last; "" = nobody, or an operator rejected it
	FirstAt     time.Time // first delivery that failed; zero = there was none
	DeadAt      time.Time
	Redrives    int
	Pending     bool // redriven to the group, and its record is not settled since
	Damaged     bool // it, or the record before it, was damaged on the disk: key, value and headers are missing

	lost bool // it does not hold the record
}

// Detail is one letter with what its last attempt left and the last ten attempts, oldest first.
type Detail struct {
	Letter
	Stack   string
	History []share.Attempt
}

// Mark is a place in the list of a group's letters; the zero value is the beginning.
type Mark = share.LetterMark

// Page is a part of a list.
type Page struct {
	Items []Letter
	Next  *Mark // where to go on; nil = the end
	Total int   // letters that the filter chooses
}

// MaxPageBytes is about how many bytes of records a page holds; it is cut short there.
const MaxPageBytes = 4 << 20

// List returns up to limit letters that a filter chooses from a mark on, in order of death. Errors: queue.ErrGroupNotFound, queue.ErrCorrupt, queue.ErrUnknown.
func (s *Service) List(ctx context.Context, group string, f letter.Filter, from Mark, limit int) (Page, error) {
	g, err := s.group(group)
	if err != nil {
		return Page{}, err
	}
	rows, next, total, err := g.FindLetters(ctx, f, from, limit)
	if err == nil {
		err = s.durable(ctx)
	}
	if err != nil {
		return Page{}, s.wrap(group, err)
	}
	p := Page{Items: make([]Letter, 0, len(rows)), Next: next, Total: total}
	size := 0
	_, err = s.each(ctx, g, rows, func(d *Detail, row *share.LetterRow) bool {
		if size > MaxPageBytes {
			mark := row.Mark()
			p.Next = &mark
			return false
		}
		p.Items = append(p.Items, d.Letter)
		size += (record.Record{Key: d.Key, Value: d.Value, Headers: d.Headers}).Size()
		return true
	})
	return p, s.wrap(group, err)
}

// each reads the letters of rows, in order, until fn returns false; those that retention took meanwhile are left out. more is false if fn ended it.
func (s *Service) each(ctx context.Context, g *share.Group, rows []share.LetterRow, fn func(*Detail, *share.LetterRow) bool) (more bool, err error) {
	var cursor *partition.Cursor
	for i := range rows {
		row := &rows[i]
		if cursor == nil || !row.On(cursor) {
			cursor = share.LetterCursor(row)
		}
		d, err := s.read(ctx, g, row, cursor)
		if errors.Is(err, share.ErrNoLetter) {
			g.LetterGone(row)
			continue
		}
		if err != nil {
			return false, err
		}
		if !fn(&d, row) {
			return false, nil
		}
	}
	return true, nil
}

// read reads one letter; its stack and history are not decoded yet.
func (s *Service) read(ctx context.Context, g *share.Group, row *share.LetterRow, c *partition.Cursor) (Detail, error) {
	rec, err := g.ReadLetter(ctx, row, c)
	if errors.Is(err, queue.ErrCorrupt) {
		s.log.Error("a dead letter is damaged", "group", g.Definition().Name, "letter", row.ID, "error", err)
		return Detail{Letter: unreadable(g, row)}, nil
	}
	if err != nil {
		return Detail{}, err
	}
	o, body := letter.OriginOf(rec), letter.Body(rec)
	info, lost := letter.InfoOf(rec.Key, o), letter.Lost(rec)
	d := Detail{Letter: Letter{
		ID: row.ID.String(), State: row.State, Topic: o.Topic, Partition: o.Partition, Offset: row.ID.Offset,
		Key: body.Key, Value: body.Value, Headers: body.Headers,
		Attempts: o.Attempts, Reason: o.Reason, Error: o.Error, ErrorType: o.ErrorType, Fingerprint: info.Fingerprint, Member: o.Member,
		FirstAt: o.FirstAt, DeadAt: o.At, Redrives: row.Redrives, Pending: row.Live,
		Damaged: lost == letter.Damaged, lost: lost != "",
	}}
	return d, d.decode(o.History)
}

// unreadable is a letter that is damaged itself: it is known where its record is, and what it said, if anybody has looked since it was written.
func unreadable(g *share.Group, row *share.LetterRow) Letter {
	info, partition := g.UnreadableLetter(row)
	l := Letter{
		ID: row.ID.String(), State: row.State, Topic: info.Topic, Partition: partition, Offset: row.ID.Offset,
		Reason: info.Reason, Error: letter.Unreadable, Fingerprint: info.Fingerprint, Redrives: row.Redrives, Pending: row.Live, Damaged: true, lost: true,
	}
	if info.HasKey && len(info.Key) < letter.MaxKey { // else it is cut, perhaps
		l.Key = []byte(info.Key)
	}
	if info.Error != letter.Unreadable && info.At != 0 {
		l.DeadAt = time.UnixMilli(info.At).UTC()
	}
	return l
}

// decode reads the history that the letter carries.
func (d *Detail) decode(history []byte) (err error) {
	if d.History, err = share.History(history); err != nil {
		return fmt.Errorf("history of letter %s: %w", d.ID, err)
	}
	if n := len(d.History); n > 0 && d.History[n-1].Error != nil {
		d.Stack = d.History[n-1].Error.Stack
	}
	return nil
}

// Get returns one letter, whatever its state. Errors: queue.ErrGroupNotFound, ErrLetterNotFound.
func (s *Service) Get(ctx context.Context, group, id string) (Detail, error) {
	g, row, err := s.find(group, id)
	if err != nil {
		return Detail{}, err
	}
	if err := s.durable(ctx); err != nil {
		return Detail{}, err
	}
	d, err := s.read(ctx, g, &row, nil)
	return d, s.wrap(group, err)
}

// find returns a letter's row.
func (s *Service) find(group, id string) (*share.Group, share.LetterRow, error) {
	g, err := s.group(group)
	if err != nil {
		return nil, share.LetterRow{}, err
	}
	parsed, ok := share.ParseLetterID(id)
	if !ok {
		return nil, share.LetterRow{}, fmt.Errorf("group %s, letter %.100q: %w", group, id, ErrLetterNotFound)
	}
	row, err := g.Letter(parsed)
	return g, row, s.wrap(group, err)
}

// Bucket counts the letters of one value; the newest of them is the sample.
type Bucket struct {
	Value           string
	Missing         bool // letters without key, counted by key
	Count           int
	Again           int       // of them: died again after a redrive
	FirstAt, LastAt time.Time // of their deaths
	SampleID        string
}

// Summary counts the letters that a filter chooses and returns the largest buckets, at most so many (0 = all), the largest first, and how many there are.
// Errors: queue.ErrGroupNotFound, queue.ErrCorrupt, queue.ErrUnknown.
func (s *Service) Summary(ctx context.Context, group string, f letter.Filter, by letter.By, most int) (buckets []Bucket, total int, err error) {
	g, err := s.group(group)
	if err != nil {
		return nil, 0, err
	}
	found, total, err := g.SummarizeLetters(ctx, f, by, most)
	if err == nil {
		err = s.durable(ctx)
	}
	if err != nil {
		return nil, 0, s.wrap(group, err)
	}
	out := make([]Bucket, len(found))
	for i, b := range found {
		out[i] = Bucket{
			Value: b.Value, Missing: b.Missing, Count: b.Count, Again: b.Again, SampleID: b.Sample.String(),
			FirstAt: time.UnixMilli(b.FirstAt).UTC(), LastAt: time.UnixMilli(b.LastAt).UTC(),
		}
	}
	return out, total, nil
}

// exportPage is how many letters an export finds at a time.
const exportPage = 500

// Export calls fn for every letter that a filter chooses, in order of death, until it returns an error. Errors: queue.ErrGroupNotFound, queue.ErrCorrupt, fn's.
func (s *Service) Export(ctx context.Context, group string, f letter.Filter, fn func(*Detail) error) error {
	g, err := s.group(group)
	if err != nil {
		return err
	}
	var from Mark
	for {
		rows, next, err := g.PageLetters(ctx, f, from, exportPage)
		if err == nil {
			err = s.durable(ctx)
		}
		if err != nil {
			return s.wrap(group, err)
		}
		var failed error
		more, err := s.each(ctx, g, rows, func(d *Detail, _ *share.LetterRow) bool {
			failed = fn(d)
			return failed == nil
		})
		if err != nil || !more {
			if failed != nil {
				return failed
			}
			return s.wrap(group, err)
		}
		if next == nil {
			return nil
		}
		from = *next
	}
}

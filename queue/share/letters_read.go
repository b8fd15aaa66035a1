package share

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/holtmq/holt/dlq/letter"
	"github.com/holtmq/holt/queue/record"
)

// What letters are found by is read from those that were there before the process: once, piece by piece, by whoever looks for the first time or reads
// ahead of that. Who comes while another reads takes the next piece.

// letterChunk is about how many bytes of letters one piece is.
const letterChunk = 1 << 20

// infoBytes is about what one letter takes in memory once it is read, beside its key and error.
const infoBytes = 160

// readLetters reads all that is not read yet. Errors: the store's.
func (g *Group) readLetters(ctx context.Context) error {
	var memory letterMemory
	for {
		more, _, err := g.readPiece(ctx, &memory)
		if err != nil || !more {
			return err
		}
	}
}

// ReadLettersAhead is for the background: it reads what the first look would read, as long as that takes no more than room bytes of memory, and returns
// how much of room is left. After each piece it rests as long as that took. Errors: the store's.
func (g *Group) ReadLettersAhead(ctx context.Context, room int) (left int, err error) {
	var memory letterMemory
	for room > 0 {
		from := time.Now()
		more, size, err := g.readPiece(ctx, &memory)
		room -= size
		if err != nil || !more {
			return room, err
		}
		rest := time.NewTimer(time.Since(from))
		select {
		case <-rest.C:
		case <-ctx.Done():
			rest.Stop()
			return room, ctx.Err()
		}
	}
	return room, nil
}

// UnreadLetters returns how many letters the first look would read.
func (g *Group) UnreadLetters() (n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, l := range g.letters {
		n += l.unread
	}
	return n
}

// unread returns letters that are not all read yet, and the first of them; nil if all are.
func (g *Group) unread() (*Letters, record.Offset) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, l := range g.letters {
		if l.unread == 0 {
			continue
		}
		for _, e := range l.rows[l.from(l.read):] {
			if !e.gone && e.info == nil {
				return l, e.letter
			}
		}
	}
	return nil, 0
}

// readPiece reads the next letters; more is false if there are none. size is about what they take in memory.
func (g *Group) readPiece(ctx context.Context, memory *letterMemory) (more bool, size int, err error) {
	if l, _ := g.unread(); l == nil {
		return false, 0, nil
	}
	select {
	case g.reading <- struct{}{}:
	case <-ctx.Done():
		return false, 0, ctx.Err()
	}
	defer func() { <-g.reading }()
	if err := ctx.Err(); err != nil {
		return false, 0, err
	}
	l, from := g.unread() // who had the turn before may have read the last
	if l == nil {
		return false, 0, nil
	}
	if size, err = g.readLettersOn(ctx, l, from, memory); err != nil {
		return false, size, fmt.Errorf("group %s: dead letters: %w", g.name, err)
	}
	return true, size, nil
}

// readInfo is what one letter's record says.
type readInfo struct {
	at   record.Offset
	info *letter.Info
	born int64
	key  uint64
	size uint32
}

// letterMemory goes from one piece to the next.
type letterMemory struct {
	bytes []byte
	read  []readInfo
	texts letter.Texts
}

// readLettersOn reads a piece of a partition's letters from an offset on, in turn.
func (g *Group) readLettersOn(ctx context.Context, l *Letters, from record.Offset, memory *letterMemory) (size int, err error) {
	if memory.bytes == nil {
		memory.bytes, memory.texts = make([]byte, letterChunk), letter.Texts{}
	}
	read := memory.read[:0]
	start, end := l.part.Bounds()
	next, err := l.part.Sweep(ctx, max(from, start), memory.bytes, func(r *record.Reader) error {
		if len(read) == scanChunk {
			g.tellLetters(l, read, r.Offset())
			read = read[:0]
		}
		rec := r.Record()
		info := letter.InfoIn(rec, memory.texts)
		read = append(read, readInfo{at: rec.Offset, info: &info, born: rec.Timestamp.UnixMilli(), key: keyHash(rec.Key), size: uint32(letter.BodySize(rec))})
		size += infoBytes + len(info.Key) + len(info.Error)
		return nil
	})
	if err != nil {
		return size, err
	}
	if next >= end { // what comes then is of this process
		next = math.MaxInt64
	}
	g.tellLetters(l, read, next)
	memory.read = read
	return size, nil
}

// tellLetters gives entries what was read of the letters before next. Those that are not there any more are known by their places alone.
func (g *Group) tellLetters(l *Letters, read []readInfo, next record.Offset) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var gone []*entry
	for _, e := range l.rows[l.from(l.read):] {
		if e.letter >= next {
			break
		}
		for len(read) > 0 && read[0].at < e.letter {
			read = read[1:]
		}
		switch {
		case e.gone || e.info != nil:
		case len(read) > 0 && read[0].at == e.letter:
			l.tell(e, &read[0])
		case e.state != letter.Open && !g.live(e): // retention took it from between others
			gone = append(gone, e)
		default:
			l.tell(e, &readInfo{info: &letter.Info{}})
		}
	}
	l.read = next
	for _, e := range gone { // taking may sweep the rows
		l.take(e)
	}
}

// tell gives an entry what was read of it.
func (l *Letters) tell(e *entry, r *readInfo) {
	e.info = r.info
	l.unread--
	if e.bare {
		e.born, e.key, e.size = r.born, r.key, r.size
	}
}

// LetterGone takes note that a letter's record is not there any more; one that is open, or needed still, stays known.
func (g *Group) LetterGone(row *LetterRow) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if e, l := g.letterAt(row.ID.place()); e != nil && e.letter == row.at && e.state != letter.Open && !g.live(e) {
		l.take(e)
	}
}

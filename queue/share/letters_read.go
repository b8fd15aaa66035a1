package share

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/holtmq/holt/dlq/letter"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
)

// What letters are found by is read from those that were there before the process: once, piece by piece, by whoever looks for the first time or reads
// ahead of that. Who comes while another reads takes the next piece.

// letterChunk is about how many bytes of letters one piece is.
const letterChunk = 1 << 20

// infoBytes is about what one letter takes in memory once it is read, beside its key and error.
const infoBytes = 160

// readLetters reads all that is not read yet: a piece while the one before is decoded. Errors: the store's.
func (g *Group) readLetters(ctx context.Context) error {
	if l, _ := g.unread(LetterMark{}); l == nil {
		return nil
	}
	if err := g.turnToRead(ctx); err != nil {
		return err
	}
	defer func() { <-g.reading }()
	var memory letterMemory
	ahead := lookahead{ctx: ctx}
	defer ahead.end()
	for {
		l, from := g.unread(LetterMark{}) // who had the turn before may have read the last
		if l == nil {
			return nil
		}
		p, err := ahead.take(l, from)
		if err != nil {
			return g.ofLetters(err)
		}
		if l, from := g.unread(LetterMark{l.part.ID, p.Next()}); l != nil {
			ahead.begin(l, from)
		}
		if _, err := g.decodeLetters(l, &p, &memory); err != nil {
			return g.ofLetters(err)
		}
	}
}

// turnToRead waits until nobody else reads letters.
func (g *Group) turnToRead(ctx context.Context) error {
	select {
	case g.reading <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g *Group) ofLetters(err error) error {
	return fmt.Errorf("group %s: dead letters: %w", g.name, err)
}

// ReadLettersAhead is for the background: it reads what the first look would read, as long as that takes no more than room bytes of memory, and returns
// how much of room is left. After each piece it rests as long as that took. Errors: the store's.
func (g *Group) ReadLettersAhead(ctx context.Context, room int) (left int, err error) {
	var memory letterMemory
	into := make([]byte, letterChunk)
	for room > 0 {
		from := time.Now()
		more, size, err := g.readPiece(ctx, into, &memory)
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

// readPiece reads the next letters; more is false if there are none. size is about what they take in memory.
func (g *Group) readPiece(ctx context.Context, into []byte, memory *letterMemory) (more bool, size int, err error) {
	if l, _ := g.unread(LetterMark{}); l == nil {
		return false, 0, nil
	}
	if err := g.turnToRead(ctx); err != nil {
		return false, 0, err
	}
	defer func() { <-g.reading }()
	l, from := g.unread(LetterMark{})
	if l == nil {
		return false, 0, nil
	}
	p, err := l.piece(ctx, from, into)
	if err == nil {
		size, err = g.decodeLetters(l, &p, memory)
	}
	if err != nil {
		return false, size, g.ofLetters(err)
	}
	return true, size, nil
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

// unread returns letters that are not all read yet, from a mark on, and the first of them; nil if all are.
func (g *Group) unread(from LetterMark) (*Letters, record.Offset) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, l := range g.letters {
		at := l.read
		if l.part.ID == from.Log {
			at = max(at, from.At)
		}
		if l.unread == 0 || l.part.ID < from.Log {
			continue
		}
		for _, e := range l.rows[l.from(at):] {
			if !e.gone && e.info == nil {
				return l, e.letter
			}
		}
	}
	return nil, 0
}

// piece reads letters of a partition, from the one at an offset on.
func (l *Letters) piece(ctx context.Context, from record.Offset, into []byte) (partition.Piece, error) {
	if err := ctx.Err(); err != nil {
		return partition.Piece{}, err
	}
	start, _ := l.part.Bounds()
	return l.part.Piece(ctx, max(from, start), into)
}

// lookahead reads the piece that is next in the background. Two pieces lie in its memory: the one taken last, and the one begun.
type lookahead struct {
	ctx   context.Context // of the call it is part of
	into  [2][]byte
	turn  int
	l     *Letters // of the piece begun; nil = there is none
	from  record.Offset
	piece partition.Piece
	err   error
	done  chan struct{}
}

func (a *lookahead) begin(l *Letters, from record.Offset) {
	a.turn = 1 - a.turn
	if a.into[a.turn] == nil {
		a.into[a.turn] = make([]byte, letterChunk)
	}
	a.l, a.from, a.done = l, from, make(chan struct{})
	go func() {
		defer close(a.done)
		a.piece, a.err = l.piece(a.ctx, from, a.into[a.turn])
	}()
}

// end waits for what was begun.
func (a *lookahead) end() {
	if a.l != nil {
		<-a.done
		a.l = nil
	}
}

// take returns the piece that begins with the letter at an offset: the one begun, unless that is another one.
func (a *lookahead) take(l *Letters, from record.Offset) (partition.Piece, error) {
	if a.l != l || a.from != from {
		a.end()
		a.begin(l, from)
	}
	a.end()
	return a.piece, a.err
}

// readInfo is what one letter's record says.
type readInfo struct {
	at   record.Offset
	info *letter.Info
	born int64 // this and what follows: of bare ones alone
	key  uint64
	size uint32
}

// letterMemory goes from one piece to the next.
type letterMemory struct {
	read  []readInfo
	infos []letter.Info // for the next ones
	texts letter.Texts
}

// infosAtOnce is how many letters' infos are one piece of memory, which stays as long as one of them does.
const infosAtOnce = 32

func (m *letterMemory) info() *letter.Info {
	if len(m.infos) == 0 {
		m.infos = make([]letter.Info, infosAtOnce)
	}
	i := &m.infos[0]
	m.infos = m.infos[1:]
	return i
}

// decodeLetters gives entries what a piece of their partition says of them, in turn.
func (g *Group) decodeLetters(l *Letters, p *partition.Piece, memory *letterMemory) (size int, err error) {
	if memory.texts == nil {
		memory.texts = letter.Texts{}
	}
	_, end := l.part.Bounds()
	bare := g.anyBare(l)
	read := memory.read[:0]
	err = p.Each(func(r *record.Reader) error {
		if len(read) == scanChunk {
			g.tellLetters(l, read, r.Offset())
			read = read[:0]
		}
		one := readInfo{at: r.Offset(), info: memory.info()}
		*one.info = letter.InfoIn(r, memory.texts)
		if bare {
			one.born, one.key, one.size = r.Time(), keyHash(r.Key()), uint32(letter.BodySize(r.Record()))
		}
		read = append(read, one)
		size += infoBytes + len(one.info.Key) + len(one.info.Error)
		return nil
	})
	if err != nil {
		return size, err
	}
	next := p.Next()
	if next >= end { // what comes then is of this process
		next = math.MaxInt64
	}
	g.tellLetters(l, read, next)
	memory.read = read
	return size, nil
}

func (g *Group) anyBare(l *Letters) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return l.bare > 0
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

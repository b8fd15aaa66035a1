package share

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/holtmq/holt/dlq/letter"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
)

// What letters are found by is read from those that were there before the process: once, piece by piece, by whoever looks for the first time or reads
// ahead of that. Who comes while another reads takes the next piece.

// letterChunk is about how many bytes of letters one piece is.
const letterChunk = 1 << 20

// infoBytes is about what one letter takes in memory once it is read, beside its key and error.
const infoBytes = 160

// readLetters reads all that is not read yet: a piece while those before are decoded. Errors: the store's.
func (g *Group) readLetters(ctx context.Context) error {
	if l, _ := g.unread(LetterMark{}); l == nil {
		return nil
	}
	if err := g.turnToRead(ctx); err != nil {
		return err
	}
	defer func() { <-g.reading }()
	if err := g.readRest(ctx); err != nil {
		return g.ofLetters(err)
	}
	return nil
}

// readRest reads what is not read yet, in turn. The pieces are told in order: none behind one that failed.
func (g *Group) readRest(ctx context.Context) error {
	var all [decoders]decoder
	defer func() {
		for i := range all {
			all[i].wait()
		}
	}()
	mark := LetterMark{} // who had the turn before may have read the last
	for turn := 0; ; turn++ {
		d := &all[turn%decoders]
		if err := g.tellDecoded(d); err != nil {
			return err
		}
		l, from := g.unread(mark)
		if l == nil {
			return g.tellDecoded(&all[(turn+1)%decoders])
		}
		if err := d.begin(ctx, g, l, from); err != nil {
			return err
		}
		mark = LetterMark{l.part.ID, d.piece.Next()}
	}
}

// turnToRead waits until nobody else reads letters.
func (g *Group) turnToRead(ctx context.Context) error {
	select {
	case g.reading <- struct{}{}:
		g.env.Committer.Turn(g.name, "letters")
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
	var d decoder
	for room > 0 {
		from := time.Now()
		more, size, err := g.readPiece(ctx, &d)
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
func (g *Group) readPiece(ctx context.Context, d *decoder) (more bool, size int, err error) {
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
	if err = d.begin(ctx, g, l, from); err == nil {
		err = g.tellDecoded(d)
	}
	if err != nil {
		return false, d.size, g.ofLetters(err)
	}
	return true, d.size, nil
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

// readInfo is what one letter's record says.
type readInfo struct {
	at   record.Offset
	info *letter.Info
	born int64 // this and what follows: of bare ones alone
	key  uint64
	size uint32
}

// decoders is how many pieces one look decodes at the same time; readRest knows that it is two.
const decoders = 2

// decoder decodes one piece of letters after the other, in the background. Its memory goes from one to the next.
type decoder struct {
	l     *Letters // of the piece under way; nil = there is none
	piece partition.Piece
	lost  *store.Damage // instead of a piece; nil = there is none
	done  chan struct{}
	read  []readInfo
	size  int // about what they take in memory
	err   error

	into  []byte
	infos []letter.Info // for the next ones
	texts letter.Texts
}

// begin reads a piece, from a letter on, and decodes it in the background.
func (d *decoder) begin(ctx context.Context, g *Group, l *Letters, from record.Offset) (err error) {
	if d.into == nil {
		d.into, d.texts = make([]byte, letterChunk), letter.Texts{}
	}
	d.piece, err = l.piece(ctx, from, d.into)
	d.lost = nil
	if errors.As(err, &d.lost) { // the letters behind it are read all the same
		d.piece, err = l.part.Beyond(d.lost), nil
		g.env.Logger.Error("dead letters are damaged", "group", g.name, "topic", l.part.Topic, "partition", l.part.Index, "offset", from, "error", d.lost)
	}
	if err != nil {
		return err
	}
	d.l, d.done = l, make(chan struct{})
	bare := g.anyBare(l)
	go func() {
		defer close(d.done)
		d.err = d.decode(bare)
	}()
	return nil
}

// wait waits for what is under way.
func (d *decoder) wait() {
	if d.l != nil {
		<-d.done
		d.l = nil
	}
}

func (d *decoder) decode(bare bool) error {
	d.read, d.size = d.read[:0], 0
	return d.piece.Each(func(r *record.Reader) error {
		one := readInfo{at: r.Offset(), info: d.info()}
		*one.info = letter.InfoIn(r, d.texts)
		if bare {
			one.born, one.key, one.size = r.Time(), keyHash(r.Key()), uint32(letter.BodySize(r.Record()))
		}
		d.read = append(d.read, one)
		d.size += infoBytes + len(one.info.Key) + len(one.info.Error)
		return nil
	})
}

// infosAtOnce is how many letters' infos are one piece of memory, which stays as long as one of them does.
const infosAtOnce = 32

func (d *decoder) info() *letter.Info {
	if len(d.infos) == 0 {
		d.infos = make([]letter.Info, infosAtOnce)
	}
	i := &d.infos[0]
	d.infos = d.infos[1:]
	return i
}

func (g *Group) anyBare(l *Letters) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return l.bare > 0
}

// tellDecoded waits for the piece that a decoder has under way, if any, and gives entries what it says of them, in turn.
func (g *Group) tellDecoded(d *decoder) error {
	if d.l == nil {
		return nil
	}
	l := d.l
	if d.wait(); d.err != nil {
		return d.err
	}
	read := d.read
	for ; len(read) > scanChunk; read = read[scanChunk:] {
		g.tellLetters(l, read[:scanChunk], read[scanChunk].at, nil)
	}
	next := d.piece.Next()
	if _, end := l.part.Bounds(); next >= end { // what comes then is of this process
		next = math.MaxInt64
	}
	g.tellLetters(l, read, next, d.lost)
	return nil
}

// tellLetters gives entries what was read of the letters before next. Those that are not there any more, or lost, are known by their places alone.
func (g *Group) tellLetters(l *Letters, read []readInfo, next record.Offset, lost *store.Damage) {
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
		case lost != nil && lost.Takes(e.letter):
			l.tell(e, &readInfo{info: g.unreadableInfo(e), born: e.born, key: e.key, size: e.size})
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

// unreadableInfo is what is known of a letter that is damaged itself; the lock is held.
func (g *Group) unreadableInfo(e *entry) *letter.Info {
	i := &letter.Info{Error: letter.Unreadable, Fingerprint: letter.Fingerprint("", "", letter.Unreadable), At: e.born}
	if w := g.byLog[e.log]; w != nil {
		i.Topic = w.part.Topic
	}
	return i
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

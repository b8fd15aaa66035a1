package share

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/holtmq/holt/dlq/letter"
	"github.com/holtmq/holt/lease"
	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
)

// MaxRedrive is how many letters one step is about, at most.
const MaxRedrive = 500

// Step is what happens to letters in one unit: they are delivered again, or purged.
type Step struct {
	IDs   []LetterID
	Delay time.Duration
	Edit  *record.Record // of a single letter: delivered instead; nil = as it is
	// Extra adds to the unit, under the group's lock: done says which of IDs were open and are dealt with, by their redrives now; 0 = not that one. enqueued, which may be
	// nil, is called once the unit is enqueued: the lock that orders what is added is held until then. nil = nothing.
	Extra func(done []uint32) (parts []commit.Part, enqueued func())
	// Publish is the records of the letters for all to see: they are appended instead of being delivered to the group again. nil = to the group.
	Publish Publication
}

// ErrNotRedriven is wrapped by what is returned for letters that cannot be delivered to the group again for the moment.
var ErrNotRedriven = errors.New("cannot be delivered to the group again")

// Redrive delivers letters to the group again, each at its own place: at the first attempt, before later records of its key. It takes the first of the step's
// letters, as many as go into one unit, with Extra those before one that cannot be redriven yet, and returns the redrives of each, in order, 0 for those that
// are not open (any more), once all is on stable storage. Errors: ErrNotAttached (of a single letter: its topic is not read any more), ErrNotRedriven (of the
// first), store.ErrUnknown.
func (g *Group) Redrive(ctx context.Context, step Step) (done []uint32, err error) {
	if err := g.offerLetters(ctx, step.IDs); err != nil {
		return nil, err
	}
	var own *partition.Partition
	if step.Edit != nil {
		if own, err = g.env.Edited(ctx, g.name, true); err != nil {
			return nil, err
		}
	}
	done, err = g.redrive(&step, own)
	if err != nil {
		return nil, err
	}
	return done, g.result(g.env.Committer.Wait(ctx, g.env.Committer.Last()))
}

// offerLetters reads ahead for the windows that have not considered the letters' records: those of a topic that was attached again.
func (g *Group) offerLetters(ctx context.Context, ids []LetterID) error {
	if err := g.readBare(ctx, ids); err != nil {
		return err
	}
	for _, id := range ids {
		c := claimed{log: id.Log, claim: lease.Claim{Offset: lease.Offset(id.Offset)}}
		if err := g.offerUpTo(ctx, &c); err != nil {
			return err
		}
	}
	return nil
}

// readBare reads what a letter of an older version does not know of its record.
func (g *Group) readBare(ctx context.Context, ids []LetterID) error {
	g.mu.Lock()
	bare := slices.ContainsFunc(ids, func(id LetterID) bool {
		e, _ := g.letterAt(id.place())
		return e != nil && e.bare && e.info == nil
	})
	g.mu.Unlock()
	if !bare {
		return nil
	}
	return g.readLetters(ctx)
}

// stepping is a step under way, with the lock held.
type stepping struct {
	*Step
	done    []uint32
	places  map[*Letters][]place
	windows []*window

	enqueued func() // of Extra
}

// besides is how many logs a step touches at most that are not of its letters: of edited records, and the server's.
const besides = 2

// stepping begins a step, cut to what goes into one unit; the lock is held.
func (g *Group) stepping(step *Step) *stepping {
	logs := map[store.LogID]struct{}{}
	for i, id := range step.IDs {
		if _, l := g.letterAt(id.place()); l != nil {
			logs[id.Log], logs[l.part.ID] = struct{}{}, struct{}{}
		}
		if len(logs) > store.MaxUnitEdits-besides {
			step.IDs = step.IDs[:i]
			break
		}
	}
	return &stepping{Step: step, done: make([]uint32, len(step.IDs)), places: map[*Letters][]place{}}
}

func (s *stepping) touch(w *window) {
	if !slices.Contains(s.windows, w) {
		s.windows = append(s.windows, w)
	}
}

// redrive enqueues the step.
func (g *Group) redrive(step *Step, own *partition.Partition) ([]uint32, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil, fmt.Errorf("group %s: %w", g.name, ErrClosed)
	}
	s := g.stepping(step)
	var tx *partition.Tx
	edit := partition.AppendTo{Partition: own}
	if own != nil {
		edit.Records = []record.Record{*step.Edit}
		var err error
		if tx, err = partition.Begin(&edit); err != nil {
			return nil, err
		}
	}
	var failed error
	for i, id := range step.IDs {
		err := g.redriveOne(s, i, id)
		if step.Extra != nil && errors.Is(err, ErrNotRedriven) { // the next step comes back to it
			if s.done = s.done[:i]; i == 0 {
				return nil, err
			}
			break
		}
		failed = cmp.Or(failed, err)
	}
	if tx != nil && s.done[0] == 0 {
		tx.Abort()
		tx = nil
	}
	if len(s.places) == 0 && step.Extra == nil {
		return s.done, failed
	}
	if tx == nil {
		g.stepped(s, g.env.Committer.Enqueue(g.stepParts(s, opRedriven, -1)))
		return s.done, nil
	}
	t := tx.Commit(g.env.Committer, g.env.Clock.Wall(), func() []commit.Part { return g.stepParts(s, opRedriven, edit.Base) })
	g.trimEdits(own)
	g.stepped(s, t)
	return s.done, nil
}

// redriveOne puts one letter's record back.
func (g *Group) redriveOne(s *stepping, i int, id LetterID) error {
	e, l := g.letterAt(id.place())
	if e == nil || e.state != letter.Open {
		return nil
	}
	w := g.byLog[e.log]
	if w == nil {
		return fmt.Errorf("group %s, letter %s: %w", g.name, id, ErrNotAttached)
	}
	b := lease.Back{Offset: e.at, Size: e.size, Key: e.key, Deliveries: e.deliveries, Incarnation: g.env.Receipts.incarnation}
	if s.Edit != nil {
		b.Size = uint32(s.Edit.Size())
	}
	if s.Delay > 0 {
		b.Due = g.env.Clock.Next() + s.Delay.Milliseconds()
		g.armAt(b.Due)
	}
	if w.machine.Redrive(b) != lease.OK {
		return fmt.Errorf("group %s, letter %s: its record is not settled yet: %w", g.name, id, ErrNotRedriven)
	}
	w.settled()
	w.backs.add(e.at, w.machine)
	s.touch(w)
	s.did(l, e, i)
	return nil
}

// did notes that a letter is dealt with.
func (s *stepping) did(l *Letters, e *entry, i int) {
	s.places[l] = append(s.places[l], e.place)
	s.done[i] = e.redrives + 1
}

// stepParts returns what the step does to letters and windows, once the letters have moved; the lock is held.
func (g *Group) stepParts(s *stepping, op byte, edited record.Offset) (unit commit.Unit) {
	for _, l := range g.letters {
		places := s.places[l]
		if len(places) == 0 {
			continue
		}
		for _, at := range places {
			if op == opPurged {
				l.move(l.by[at], letter.Purged)
				delete(l.edits, at)
			} else {
				l.redriven(l.by[at], edited)
			}
		}
		if op == opPurged {
			unit = append(unit, l.deltas(encodePlaces(op, places)...))
		} else {
			unit = append(unit, l.deltas(encodeRedriven(places, edited)...))
		}
		g.checkpointLetters(l)
	}
	for _, w := range s.windows {
		if edit, any := g.edit(w); any {
			unit = append(unit, edit)
		}
	}
	if s.Extra != nil {
		parts, enqueued := s.Extra(s.done)
		unit, s.enqueued = append(unit, parts...), enqueued
	}
	return unit
}

// stepped ends a step that is enqueued; the lock is held.
func (g *Group) stepped(s *stepping, t commit.Ticket) {
	if s.enqueued != nil {
		s.enqueued()
	}
	for _, w := range s.windows {
		g.free(w, t)
		if w.journal.Due() {
			g.checkpoint(w)
		}
	}
	g.changed()
	g.serve()
}

// Purge gives letters up for good, and frees the keys they hold. It takes as many and returns which of them were open, as Redrive does. Errors: store.ErrUnknown.
func (g *Group) Purge(ctx context.Context, step Step) (done []uint32, err error) {
	done, err = g.purge(&step)
	if err != nil {
		return nil, err
	}
	return done, g.result(g.env.Committer.Wait(ctx, g.env.Committer.Last()))
}

func (g *Group) purge(step *Step) ([]uint32, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil, fmt.Errorf("group %s: %w", g.name, ErrClosed)
	}
	s := g.closing(step)
	if len(s.places) > 0 || step.Extra != nil {
		g.stepped(s, g.env.Committer.Enqueue(g.stepParts(s, opPurged, -1)))
	}
	return s.done, nil
}

// closing takes the step's open letters off their keys; the lock is held.
func (g *Group) closing(step *Step) *stepping {
	s := g.stepping(step)
	for i, id := range step.IDs {
		e, l := g.letterAt(id.place())
		if e == nil || e.state != letter.Open {
			continue
		}
		if w := g.byLog[e.log]; w != nil {
			w.machine.FreeKey(e.key, e.at)
			w.settled()
			s.touch(w)
		}
		s.did(l, e, i)
	}
	return s
}

// RedriveToTopic appends the records of letters, as the step's Publish has them, and closes the letters, in one unit; nothing is done, and false returned, if one of them is not
// open (any more). Errors: the publication's, store.ErrUnknown.
func (g *Group) RedriveToTopic(ctx context.Context, step Step) (done []uint32, ok bool, err error) {
	done, ok, err = g.redriveToTopic(&step)
	if err != nil || !ok {
		return nil, ok, err
	}
	return done, true, g.result(g.env.Committer.Wait(ctx, g.env.Committer.Last()))
}

func (g *Group) redriveToTopic(step *Step) (done []uint32, ok bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil, false, fmt.Errorf("group %s: %w", g.name, ErrClosed)
	}
	for _, id := range step.IDs {
		if e, _ := g.letterAt(id.place()); e == nil || e.state != letter.Open {
			return nil, false, nil
		}
	}
	if err := g.fitsUnit(step.logs() + step.Publish.Logs() + len(g.letters) + 1); err != nil {
		return nil, false, err
	}
	if err := step.Publish.Begin(); err != nil {
		return nil, false, err
	}
	s := g.closing(step)
	t := step.Publish.Commit(g.env.Committer, g.env.Clock.Wall(), func() []commit.Part { return g.stepParts(s, opRedriven, -1) })
	g.stepped(s, t)
	return s.done, true, nil
}

// logs is how many logs the letters' records lie on.
func (s *Step) logs() int {
	logs := map[store.LogID]struct{}{}
	for _, id := range s.IDs {
		logs[id.Log] = struct{}{}
	}
	return len(logs)
}

// Fate is what became of a letter that was redriven.
type Fate uint8

// The fates.
const (
	Waits     Fate = iota // its record is not settled yet
	Succeeded             // its record was settled, and did not die
	DiedAgain
	Forgotten // a reset closed it, or nothing is known of it any more
)

// CameBack counts the records that were redriven and have been settled since, or are not the group's any more: as long as it stays the same, so do the
// Fates that it tells of letters that wait.
func (g *Group) CameBack() (n uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	n = g.cameBack
	for _, w := range g.windows {
		_, settled := w.machine.Redriven()
		n += settled
	}
	return n
}

// Fates tells what became of letters since they were redriven, the redrives being counted then. For those redriven to a topic it tells nothing.
func (g *Group) Fates(ids []LetterID, redrives []uint32) []Fate {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := make([]Fate, len(ids))
	for i, id := range ids {
		e, _ := g.letterAt(id.place())
		switch {
		case e == nil || e.redrives < redrives[i]:
			out[i] = Forgotten
		case e.redrives > redrives[i] || e.state != letter.Redriven:
			out[i] = DiedAgain
		case g.live(e):
			out[i] = Waits
		default:
			out[i] = Succeeded
		}
	}
	return out
}

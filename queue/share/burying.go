package share

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/holtmq/holt/lease"
	"github.com/holtmq/holt/queue/store"
)

// maxBurials is how many units of dead letters a group makes at a time, each of another partition: their records are in memory meanwhile.
const maxBurials = 4

// buryKilled buries what a call killed. It returns when that is enqueued, or cannot be for the moment, or ctx ends; what is left is for the background.
func (g *Group) buryKilled(ctx context.Context, killed []expiry) {
	slices.SortStableFunc(killed, func(a, b expiry) int { return cmp.Compare(a.window.part.ID, b.window.part.ID) })
	for len(killed) > 0 {
		n := 1
		for n < min(len(killed), maxBuryRecords) && killed[n].window == killed[0].window {
			n++
		}
		g.buryNow(ctx, killed[0].window, killed[:n])
		killed = killed[n:]
	}
}

// buryNow is buryKilled for some records of one window.
func (g *Group) buryNow(ctx context.Context, w *window, killed []expiry) {
	if g.turnToBury(ctx, w) {
		g.buryThese(ctx, w, killed)
		g.endTurn(w)
	}
	if len(g.deathsOf(w, killed)) > 0 {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.buryBehind(w)
	}
}

// buryThese buries those of some records that are dying, in its turn.
func (g *Group) buryThese(ctx context.Context, w *window, killed []expiry) {
	pass := func(lease.Offset, error) bool { return false }
	for deaths := g.deathsOf(w, killed); len(deaths) > 0; {
		rest, err := g.bury(ctx, w, deaths, pass)
		if err != nil {
			return
		}
		deaths = rest
	}
}

// deathsOf lists those of some records of a window that are dying; none while what cannot be buried rests.
func (g *Group) deathsOf(w *window, killed []expiry) (deaths []lease.Death) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.buries(w) || w.buryRests {
		return nil
	}
	for _, k := range killed {
		if d, dying := w.machine.DyingAt(k.at); dying {
			deaths = append(deaths, d)
		}
	}
	return deaths
}

// buries tells whether a window has dying records that may be buried now: what is dying when the group is closed, or deleted after all, is buried
// after the next start. The lock is held.
func (g *Group) buries(w *window) bool {
	return !g.closed && !g.ending && !w.closed && w.machine.Counts().Dying > 0
}

// turnToBury waits until nobody else makes dead letters of a window, and not too many do of others; false if ctx or the group ends before.
func (g *Group) turnToBury(ctx context.Context, w *window) bool {
	select {
	case w.burying <- struct{}{}:
	case <-ctx.Done():
		return false
	case <-g.ctx.Done():
		return false
	}
	select {
	case g.burying <- struct{}{}:
		g.env.Committer.Turn(g.name, "burial of", w.name)
		return true
	case <-ctx.Done():
	case <-g.ctx.Done():
	}
	<-w.burying
	return false
}

func (g *Group) endTurn(w *window) {
	<-g.burying
	<-w.burying
}

// buryBehind buries what is dying of a window in the background; the lock is held.
func (g *Group) buryBehind(w *window) {
	if w.buries || !g.buries(w) {
		return
	}
	w.buries = true
	g.background("burials of "+w.name, func() { g.buryAll(w) })
}

// buryAll buries until nothing of a window is dying any more. What cannot be buried is tried again every second.
func (g *Group) buryAll(w *window) {
	damaged := map[lease.Offset]int64{}
	for {
		err := g.buryRound(w, damaged)
		if g.ctx.Err() != nil {
			return
		}
		if err == nil {
			if g.buried(w) {
				return
			}
			continue
		}
		g.env.Logger.Error("dead letters cannot be written; trying again", "group", g.name, "topic", w.part.Topic, "partition", w.part.Index, "error", err)
		g.restBurial(w)
	}
}

// buried ends the work on a window where nothing is left to be done.
func (g *Group) buried(w *window) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	w.buries = g.buries(w)
	return !w.buries
}

// restBurial waits for a second, or until the group closes.
func (g *Group) restBurial(w *window) {
	g.setRest(w, true)
	t := time.NewTimer(restMillis * time.Millisecond)
	defer t.Stop()
	select {
	case <-t.C:
	case <-g.ctx.Done():
	}
	g.env.Committer.Turn(g.name, "burials of", w.name)
	g.setRest(w, false)
}

func (g *Group) setRest(w *window, rests bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	w.buryRests = rests
}

// maxPassed is how many dying records of a window are passed over since they cannot be read; those behind them wait.
const maxPassed = 10_000

// damagedMillis is how long a dying record must have been damaged, each time that it was read, before its letter is written without it: what failed once may be read again.
const damagedMillis = 60_000

// buryRound buries all that is dying and can be read. The error is of what is left. damaged says since when (ms) records were found damaged.
func (g *Group) buryRound(w *window, damaged map[lease.Offset]int64) (unread error) {
	passed := map[lease.Offset]bool{}
	pass := func(at lease.Offset, err error) bool {
		if errors.Is(err, store.ErrCorrupt) {
			now := g.env.Clock.Now()
			if _, known := damaged[at]; !known {
				damaged[at] = now
			}
			if now-damaged[at] >= damagedMillis {
				delete(damaged, at)
				g.env.Logger.Error("a dead letter is written without what cannot be read", "group", g.name, "topic", w.part.Topic, "partition", w.part.Index, "offset", at, "error", err)
				return true
			}
		} else {
			delete(damaged, at)
		}
		passed[at] = true
		unread = cmp.Or(unread, err)
		return false
	}
	for {
		deaths := g.nextDeaths(w, passed)
		if len(deaths) == 0 {
			return unread
		}
		if !g.turnToBury(g.ctx, w) {
			return g.ctx.Err()
		}
		_, err := g.bury(g.ctx, w, deaths, pass)
		g.endTurn(w)
		if err != nil {
			return err
		}
	}
}

// nextDeaths lists some of a window's dying records, without those that were passed over.
func (g *Group) nextDeaths(w *window, passed map[lease.Offset]bool) []lease.Death {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.buries(w) || len(passed) >= maxPassed {
		return nil
	}
	deaths := w.machine.Dying(nil, maxBuryRecords+len(passed))
	return slices.DeleteFunc(deaths, func(d lease.Death) bool { return passed[d.Offset] })
}

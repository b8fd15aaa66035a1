package share

import (
	"slices"

	"github.com/holtmq/holt/queue/catalog"
)

// laneTurns is how many records go out while each waiting lane gets one of them at least.
const laneTurns = 10

// Few windows take turns call by call. Of many, one keeps its turn while calls come several a millisecond, for up to turnRecords: what they touch is then in
// the processor's cache for all but the first.
const (
	fewWindows  = 64
	turnRecords = 8
)

// lanes are the windows that may have something to hand out, by priority. Higher lanes come first, yet a lane that waits gets at
// least one record in ten; within a lane windows take turns.
type lanes struct {
	ready  [catalog.MaxPriorities][]*window
	passed [catalog.MaxPriorities]int // records that went out from other lanes while this one waited
	count  int
	turn   turn
}

func (l *lanes) empty() bool { return l.count == 0 }

// add puts a window at the end of its lane if it is not there.
func (l *lanes) add(w *window) {
	if w.ready || w.closed || w.restUntil != 0 {
		return
	}
	w.ready = true
	l.ready[w.part.Lane] = append(l.ready[w.part.Lane], w)
	l.count++
}

// remove takes a window out.
func (l *lanes) remove(w *window) {
	if !w.ready {
		return
	}
	w.ready = false
	lane := w.part.Lane
	i := slices.Index(l.ready[lane], w)
	l.ready[lane] = slices.Delete(l.ready[lane], i, i+1)
	l.count--
	if len(l.ready[lane]) == 0 {
		l.passed[lane] = 0
	}
}

// next returns the window to serve, and the most records to take from it before asking again; nil if no window of these topics (nil: of any) is ready.
func (l *lanes) next(topics []string) (w *window, most int) {
	if l.count == 0 {
		return nil, 0
	}
	waiting, overdue := 0, -1
	best := -1
	for lane := len(l.ready) - 1; lane >= 0; lane-- {
		if l.first(lane, topics) == nil {
			continue
		}
		waiting++
		if best < 0 {
			best = lane
		}
	}
	if waiting > 1 {
		overdue = l.overdue(laneTurns-waiting+1, topics)
	}
	switch {
	case waiting == 0:
		return nil, 0
	case waiting == 1:
		return l.first(best, topics), 1 << 30
	case overdue >= 0:
		return l.first(overdue, topics), 1
	}
	most = laneTurns - waiting + 1
	for lane, passed := range l.passed {
		if lane != best && l.first(lane, topics) != nil {
			most = min(most, laneTurns-waiting+1-passed)
		}
	}
	return l.first(best, topics), max(1, most)
}

// overdue returns the highest lane waiting with these topics that so many records have passed, or −1.
func (l *lanes) overdue(passed int, topics []string) int {
	for lane := len(l.ready) - 1; lane >= 0; lane-- {
		if l.passed[lane] >= passed && l.first(lane, topics) != nil {
			return lane
		}
	}
	return -1
}

// first returns the lane's first window of these topics that is not being read slowly.
func (l *lanes) first(lane int, topics []string) *window {
	for _, w := range l.ready[lane] {
		if !w.slow && (len(topics) == 0 || slices.Contains(topics, w.part.Topic)) {
			return w
		}
	}
	return nil
}

// served counts what went out from a window at ms, and puts it at the end of its lane when its turn is over. One that is empty keeps no turn: nobody else need wait
// while it is read ahead.
func (l *lanes) served(w *window, records int, empty bool, ms int64) {
	for lane := range l.passed {
		if lane == w.part.Lane {
			if records > 0 {
				l.passed[lane] = 0
			}
		} else if len(l.ready[lane]) > 0 {
			l.passed[lane] += records
		}
	}
	lane := l.ready[w.part.Lane]
	if !w.ready || len(lane) < 2 || len(lane) > fewWindows && l.turn.goesOn(records, ms) && !empty {
		return
	}
	l.turn = turn{ms: ms}
	if lane[0] == w {
		l.ready[w.part.Lane] = append(lane[1:], w)
		return
	}
	i := slices.Index(lane, w)
	copy(lane[i:], lane[i+1:])
	lane[len(lane)-1] = w
}

// turn is what went out without a change of the window, in one millisecond.
type turn struct {
	ms      int64
	records int
}

// goesOn counts records that went out, and says whether the next ones may come from the same window.
func (t *turn) goesOn(records int, ms int64) bool {
	if t.records += records; records > 0 && t.ms == ms && t.records < turnRecords {
		return true
	}
	return false
}

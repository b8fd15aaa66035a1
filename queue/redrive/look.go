package redrive

import (
	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/share"
)

// Ask tells what became of letters since they were redriven, their redrives being counted then: share.Group.Fates.
type Ask func(ids []share.LetterID, redrives []uint32) []share.Fate

// Count counts what came back of all that the job's group redrove: share.Group.CameBack.
type Count func() uint64

// maxAsked is how many letters are asked about at a time.
const maxAsked = 500

// Look notes what became of the letters that were redriven. Nobody waits for it, since it can be found out again. It asks about those that wait, the first ones
// first, until as many have come back as were counted since the last Look: about as many as there is to note, however many wait, unless other jobs' come back, too.
func (j *Job) Look(ask Ask, count Count) {
	j.mu.Lock()
	before, looked := j.cameBack, j.looked
	j.mu.Unlock()
	began, found := count(), uint64(0)
	now := began
	for from := 0; !looked || found < now-before; now = count() {
		n, news, next := j.look(ask, from)
		if n == 0 { // of those that came back meanwhile some may be missing
			now = began
			break
		}
		found, from = found+uint64(news), next
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.cameBack, j.looked = max(j.cameBack, now), true
}

// Glance is Look at some of those that wait: the first, and more as long as half of them have come back, and some others in turn. So it costs about what
// there is to note, however many wait.
func (j *Job) Glance(ask Ask) {
	for from, n, news := 0, 1, 1; n > 0 && 2*news >= n; {
		n, news, from = j.look(ask, from)
	}
	j.mu.Lock()
	from := j.glanced
	j.mu.Unlock()
	n, _, next := j.look(ask, from)
	if n == 0 {
		next = 0
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.glanced = next
}

// look asks about the next letters that wait, from a turn on, and notes what is new. It says how many it asked about, how many of them have come back, and
// where to go on.
func (j *Job) look(ask Ask, from int) (n, news, next int) {
	turns, ids, redrives, next := j.waiting(from)
	if len(turns) == 0 {
		return 0, 0, next
	}
	return len(turns), j.note(turns, ask(ids, redrives)), next
}

// Waits tells whether some letters wait whose fate is not noted.
func (j *Job) Waits() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.counts[share.Waits] > 0
}

// waiting returns the next letters that were redriven and of which it is not noted what became of them, by their turns, and where to go on.
func (j *Job) waiting(from int) (turns []int, ids []share.LetterID, redrives []uint32, next int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for j.first < len(j.fates) && j.fates[j.first] != share.Waits {
		j.first++
	}
	for from = max(from, j.first); from < len(j.fates) && len(turns) < maxAsked; from++ {
		if j.fates[from] == share.Waits {
			turns, ids, redrives = append(turns, from), append(ids, j.ids[from]), append(redrives, j.redrives[from])
		}
	}
	return turns, ids, redrives, from
}

// noted is a fate that is noted.
type noted struct {
	turn int
	fate share.Fate
}

// note notes what became of letters, by their turns in order, enqueues it, and says of how many it is known.
func (j *Job) note(turns []int, fates []share.Fate) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	var known []noted
	for i, t := range turns {
		if fates[i] != share.Waits && j.fates[t] == share.Waits {
			known = append(known, noted{t, fates[i]})
		}
	}
	if len(known) > 0 && !j.gone {
		j.took(known)
		j.committer.Enqueue(commit.Unit{j.journal.Part(encodeNoted(known))})
	}
	return len(known)
}

func (j *Job) took(some []noted) {
	for _, n := range some {
		j.counts[j.fates[n.turn]]--
		j.fates[n.turn] = n.fate
		j.counts[n.fate]++
	}
}

package redrive

import (
	"sync"
	"time"

	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/share"
	"github.com/holtmq/holt/queue/system"
)

// State of a job.
type State string

// The states.
const (
	Running   State = "running"
	Done      State = "done"      // every letter had its turn
	Cancelled State = "cancelled" // somebody ended it
	Failed    State = "failed"    // it ended itself: too many died again, or its group is gone
)

// Definition is what a job was made with.
type Definition struct {
	ID            string    `json:"id"`
	Group         string    `json:"group"`
	GroupID       uint64    `json:"group_id"`
	ToTopic       bool      `json:"to_topic,omitempty"` // for all to see, not for the group alone
	Rate          float64   `json:"rate,omitempty"`     // letters per second; 0 = no limit
	Ramp          bool      `json:"ramp,omitempty"`
	StopOnRedeath float64   `json:"stop_on_redeath,omitempty"` // share of what came back that may die again; 0 = any, or with Ramp none
	Filter        string    `json:"filter,omitempty"`          // what the letters were chosen by, in the words of who asked
	CreatedAt     time.Time `json:"created_at"`
}

// Progress is how far a job is.
type Progress struct {
	State                                            State
	Matched, Redriven, Succeeded, DiedAgain, Skipped int
	Detail                                           string    // of a failed one: why
	FinishedAt                                       time.Time // zero: it runs
}

// Job is one job. Its methods may be called from any goroutine.
type Job struct {
	Definition // never changes

	committer *commit.Committer

	mu       sync.Mutex // before the journal's and the committer's; after a group's
	ids      []share.LetterID
	redrives []uint32     // of the letters that had their turn: the letter's redrives since; 0 = skipped
	fates    []share.Fate // likewise: what became of them, as far as it was noted
	counts   [share.Forgotten + 1]int
	first    int    // turn: of those before none waits
	glanced  int    // turn: where Glance goes on
	cameBack uint64 // counted: what came back up to there is noted, if looked
	looked   bool
	redriven int
	state    State
	detail   string
	finished time.Time
	ready    bool // it has all its letters
	gone     bool // it is forgotten
	journal  *system.Journal
	changed  chan struct{} // closed when the job ends; nil = nobody waits
}

// Progress returns how far the job is.
func (j *Job) Progress() Progress {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.progress()
}

func (j *Job) progress() Progress {
	return Progress{
		State: j.state, Matched: len(j.ids), Redriven: j.redriven, Succeeded: j.counts[share.Succeeded], DiedAgain: j.counts[share.DiedAgain],
		Skipped: len(j.redrives) - j.redriven, Detail: j.detail, FinishedAt: j.finished,
	}
}

// Next returns up to n letters whose turn it is; none at the end.
func (j *Job) Next(n int) []share.LetterID {
	j.mu.Lock()
	defer j.mu.Unlock()
	from := len(j.redrives)
	return j.ids[from:min(from+n, len(j.ids))]
}

// Turns returns how many letters had their turn.
func (j *Job) Turns() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.redrives)
}

// Step notes what a step did with the next letters, by their redrives now, 0 for those skipped, and returns what goes into its unit. It is called under the group's lock. The
// job is locked until enqueued is called: a fate that was noted meanwhile would come before the step in the journal.
func (j *Job) Step(done []uint32) (parts []commit.Part, enqueued func()) {
	j.mu.Lock()
	j.step(done)
	if !j.gone { // else cancelled, and so many jobs made since that it is forgotten
		parts = append(parts, j.journal.Part(encodeStep(done)))
	}
	return parts, j.mu.Unlock
}

func (j *Job) step(done []uint32) {
	for _, n := range done {
		fate := share.Waits
		if n == 0 {
			fate = share.Forgotten
		} else {
			j.redriven++
			if j.ToTopic { // what becomes of the records there is nobody's of this group to tell
				fate = share.Succeeded
			}
		}
		j.redrives, j.fates = append(j.redrives, n), append(j.fates, fate)
		if n != 0 {
			j.counts[fate]++
		}
	}
}

// End ends a running job and enqueues that; false if it does not run. The ticket is of everything before, too.
func (j *Job) End(state State, detail string) (commit.Ticket, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.state != Running {
		return commit.Ticket{}, false
	}
	j.end(state, detail[:min(len(detail), maxDetail)], time.Now().UTC().Truncate(time.Millisecond))
	return j.committer.Enqueue(commit.Unit{j.journal.Part(encodeEnd(j.state, j.detail, j.finished))}), true
}

func (j *Job) isReady() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.ready
}

func (j *Job) end(state State, detail string, at time.Time) {
	j.state, j.detail, j.finished = state, detail, at
	if j.changed != nil {
		close(j.changed)
		j.changed = nil
	}
}

// Ended returns a channel that is closed when the job ends; nil if it has.
func (j *Job) Ended() <-chan struct{} {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.state != Running {
		return nil
	}
	if j.changed == nil {
		j.changed = make(chan struct{})
	}
	return j.changed
}

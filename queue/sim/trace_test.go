package sim

import (
	"errors"
	"fmt"
	"strings"

	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/store"
)

// tally counts what runs did.
type tally struct {
	steps, calls, records, handouts, verbs, restarts, faults, letters, probes, checks, jumps, redrives, joins, polled, commits int
}

func (t *tally) add(u tally) {
	t.steps += u.steps
	t.calls += u.calls
	t.records += u.records
	t.handouts += u.handouts
	t.verbs += u.verbs
	t.restarts += u.restarts
	t.faults += u.faults
	t.letters += u.letters
	t.probes += u.probes
	t.checks += u.checks
	t.jumps += u.jumps
	t.redrives += u.redrives
	t.joins += u.joins
	t.polled += u.polled
	t.commits += u.commits
}

// operations are the single things that could go wrong: records published, handed out, settled, polled and committed, and calls of other kinds.
func (t tally) operations() int {
	return t.calls + t.records + t.handouts + t.verbs + t.polled + t.commits
}

func (t tally) String() string {
	return fmt.Sprintf("%d operations: %d steps, %d calls, %d records published, %d hand-outs, %d verbs, %d dead letters, %d redriven, %d members joined, %d records polled, %d offsets committed, %d restarts (%d after faults), %d jumps of the wall clock, %d checks of totals, %d probes for lost wake-ups",
		t.operations(), t.steps, t.calls, t.records, t.handouts, t.verbs, t.letters, t.redrives, t.joins, t.polled, t.commits, t.restarts, t.faults, t.jumps, t.checks, t.probes)
}

// violated ends the run: an invariant does not hold.
func (w *world) violated(invariant, format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf("%s: %s", invariant, fmt.Sprintf(format, args...))
		w.note("VIOLATED %v", w.err)
	}
}

// noted is a line of the trace, not yet spelt out.
type noted struct {
	at     int64
	format string
	args   []any
}

func (n *noted) String() string {
	return fmt.Sprintf("%d ms: %s", n.at-946684800000, fmt.Sprintf(n.format, n.args...)) // fake time begins with the year 2000
}

// traced is how many lines of its trace a run remembers.
const traced = 300

func (w *world) note(format string, args ...any) {
	n := noted{w.now(), format, args}
	if w.tell != nil {
		w.tell(n.String())
	}
	if len(w.trace) < traced {
		w.trace = append(w.trace, n)
	} else {
		w.trace[w.lines%traced] = n
	}
	w.lines++
}

// story spells the trace out.
func (w *world) story() string {
	var b strings.Builder
	for i := max(0, w.lines-traced); i < w.lines; i++ {
		n := &w.trace[i%traced]
		fmt.Fprintf(&b, "\t%v\n", n)
	}
	return b.String()
}

// refused says whether an error means that nothing was applied, by the contract's rule.
func refused(err error) bool {
	for _, e := range []error{
		queue.ErrTopicNotFound, queue.ErrGroupNotFound, queue.ErrPartitionNotFound, queue.ErrInvalidConfig, queue.ErrInvalidRequest, queue.ErrCannotShrink,
		queue.ErrTopicInUse, queue.ErrGroupInUse, queue.ErrPrecondition, queue.ErrStorageFull, queue.ErrShuttingDown, queue.ErrBacklogFull,
		queue.ErrAlreadySettled, queue.ErrRecordNotFound, queue.ErrScheduleNotFound,
		queue.ErrMemberNotFound, queue.ErrFenced, queue.ErrRebalancing,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// failed judges the error of a call: unknown is right only where a fault strikes, or while a partition rests that could not be read.
func (w *world) failed(call string, err error) {
	w.note("%s: %v", call, err)
	rests := w.now() < w.restless && errors.Is(err, store.ErrCorrupt)
	if !w.armed && !w.reading && !rests && !refused(err) {
		w.violated("I18 unknown", "%s without a fault: %v", call, err)
	}
	if errors.Is(err, store.ErrInvalid) || strings.Contains(fmt.Sprint(err), store.ErrInvalid.Error()) {
		w.violated("the seam", "%s: %v", call, err)
	}
}

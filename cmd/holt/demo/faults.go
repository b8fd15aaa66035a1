package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/holtmq/holt/client"
	"github.com/holtmq/holt/cmd/holt/process"
)

const (
	tickTime   = 25 * time.Millisecond
	askTime    = 200 * time.Millisecond // between looks at the group
	killEvery  = 2 * time.Second        // a worker is killed about so often,
	killShare  = 0.12                   // and whenever so much of the jobs was done since the last time
	killUntil  = 0.95                   // of the jobs done: none later, its few jobs would die of it
	serverKill = 0.5                    // of the jobs done
	reapTime   = 10 * time.Second       // for a dead child to be seen
	stallTime  = 60 * time.Second       // without any progress: the demo gives up
)

// watch is the state of the loop that watches the workers and breaks things.
type watch struct {
	*demo
	published bool
	lag       int64 // of the group; −1 = not known yet
	dead      int64
	asked     time.Time // when the group was last looked at
	moved     time.Time // when something last changed
	mark      [3]int64  // what it is seen by
	killTime  time.Time // of the next worker, at the latest
	killDone  int       // jobs done at which it is due, at the latest
}

// watch breaks things until every job is settled.
func (d *demo) watch(ctx context.Context, published <-chan error) error {
	w := &watch{demo: d, lag: -1, moved: time.Now()}
	w.planKill(0)
	tick := time.NewTicker(tickTime)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-published:
			if err != nil {
				return w.blame(err)
			}
			w.published, published = true, nil
			w.lag, w.asked = -1, time.Time{} // what was seen before says nothing of what came last
		case <-tick.C:
		}
		if over, err := w.look(ctx); over || err != nil {
			return err
		}
	}
}

// look takes one look at everything. over: all jobs are settled, or nothing moves any more.
func (w *watch) look(ctx context.Context) (over bool, err error) {
	done, handOuts, err := w.history.progress()
	if err == nil {
		err = w.alive()
	}
	if err != nil {
		return false, err
	}
	if err := w.breakThings(ctx, done); err != nil {
		return false, err
	}
	if now := time.Now(); now.Sub(w.asked) >= askTime {
		w.asked = now
		w.askGroup(ctx)
	}
	w.progress.show(done+int(w.dead), w.status())
	if w.published && w.lag == 0 {
		if w.facts.serverKills > 0 {
			return true, nil
		}
		// The workers' own word of what is done came later than the last settle: few jobs, and a busy machine.
		w.lag = -1
		return false, w.killServer(ctx)
	}
	w.facts.stalled = w.stuck([3]int64{int64(done), int64(handOuts), w.lag}, time.Now())
	return w.facts.stalled, nil
}

// stuck: what progress is seen by has not changed for more than stallTime.
func (w *watch) stuck(mark [3]int64, now time.Time) bool {
	if mark != w.mark {
		w.mark, w.moved = mark, now
	}
	return now.Sub(w.moved) > stallTime
}

func (w *watch) status() string {
	s := fmt.Sprintf("killed: %d workers", w.facts.workerKills)
	if w.facts.serverKills > 0 {
		s += ", the server"
	}
	return s
}

// alive is an error when a child ended that nobody killed.
func (w *watch) alive() error {
	if w.server.Child.Gone() {
		return w.server.Failure()
	}
	for _, p := range w.workers {
		if p.child.Gone() {
			return fmt.Errorf("%s ended by itself (%v): %s", p.name, p.child.Err, process.Tail(w.workerLog()))
		}
	}
	return nil
}

// blame finds out whether a call failed because the server is dead.
func (w *watch) blame(err error) error {
	if !client.Temporary(err) {
		return err
	}
	limit := time.NewTimer(reapTime)
	defer limit.Stop()
	select {
	case <-w.server.Child.Done:
		return fmt.Errorf("%w; %w", w.server.Failure(), err)
	case <-limit.C:
		return err
	}
}

// askGroup looks at the group. A server that does not answer is asked again at the next look.
func (w *watch) askGroup(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 10*askTime)
	defer cancel()
	if g, err := w.client.GroupSummary(ctx, hashGroup); err == nil {
		w.lag, w.dead = g.Totals.Lag, g.Totals.DeadLetters
	}
}

func (w *watch) breakThings(ctx context.Context, done int) error {
	share := float64(done) / float64(len(w.jobs)-Planted)
	if w.published && w.facts.serverKills == 0 && share >= serverKill {
		return w.killServer(ctx)
	}
	if share >= killUntil || time.Now().Before(w.killTime) && done < w.killDone {
		return nil
	}
	at := w.victim()
	if at < 0 {
		return nil
	}
	if err := w.killWorker(at); err != nil {
		return err
	}
	w.planKill(done)
	return nil
}

// planKill says when the next worker dies. On a fast machine all may be over within seconds, hence the share.
func (w *watch) planKill(done int) {
	w.killTime = time.Now().Add(time.Duration((0.75 + 0.5*w.rng.Float64()) * float64(killEvery)))
	w.killDone = done + max(1, int(killShare*float64(len(w.jobs))))
}

// victim chooses among the workers that hold leases; −1: none does.
func (w *watch) victim() int {
	for _, at := range w.rng.Perm(len(w.workers)) {
		if w.history.holds(w.workers[at].name) > 0 {
			return at
		}
	}
	return -1
}

// killWorker kills a worker and starts another in its place.
func (w *watch) killWorker(at int) error {
	p := w.workers[at]
	w.notePeak(p)
	p.child.Kill()
	w.facts.workerKills++
	w.facts.killedHeld += w.history.holds(p.name)
	w.workers = append(w.workers[:at], w.workers[at+1:]...)
	return w.startWorker()
}

// killServer kills the server and starts it again at once, as a supervisor would.
func (w *watch) killServer(ctx context.Context) error {
	w.facts.serverPeak = process.PeakMemory(w.server.Child.Process.Pid)
	w.facts.restart.sent = machineClock()
	begin := time.Now()
	w.server.Child.Kill()
	w.facts.serverKills++
	w.progress.show(w.progress.last, "the server was killed, and starts again")
	if err := w.server.Start(ctx); err != nil {
		return fmt.Errorf("restart: %w", err)
	}
	w.facts.serverAway = time.Since(begin)
	w.facts.restart.at = machineClock()
	w.moved = time.Now()
	return nil
}

// gather collects what is left on the server, stops it, and hashes every file itself.
func (d *demo) gather(ctx context.Context) (*evidence, error) {
	e := &evidence{jobs: d.jobs, restart: d.facts.restart, stalled: d.facts.stalled}
	d.history.evidence(e)
	if !e.stalled {
		left, err := d.client.Lease(ctx, hashGroup, client.LeaseOptions{Max: 1000, Member: "demo"})
		if err != nil {
			return nil, err
		}
		for _, r := range left {
			e.leftover = append(e.leftover, string(r.Key))
		}
	}
	if err := d.readResults(ctx, e); err != nil {
		return nil, err
	}
	d.facts.serverPeak = max(d.facts.serverPeak, process.PeakMemory(d.server.Child.Process.Pid))
	if err := d.server.Stop(); err != nil {
		return nil, err
	}
	return e, e.hashDirectly(ctx, d.root)
}

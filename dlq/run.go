package dlq

import (
	"errors"
	"fmt"
	"time"

	"github.com/holtmq/holt/dlq/letter"
	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/redrive"
	"github.com/holtmq/holt/queue/share"
)

const (
	restAfter  = time.Second           // before a step that could not be done is tried again
	maxRests   = 10                    // for a letter that cannot be redriven yet, since its record is being buried; then it is skipped
	lookEvery  = 50 * time.Millisecond // at most: how often a job looks what became of its letters
	stepBytes  = 4 << 20               // of records published in one step
	perSecond  = 10                    // steps that a rate is spread over
	rampGrowth = 10                    // 1, 2, 5, and those ten, a hundred … times
)

// errStopped ends a runner whose job goes on after the next start, or has ended.
var errStopped = errors.New("stopped")

// run works on a job until it ends, or the service is closed.
func (s *Service) run(j *redrive.Job) {
	pace := pacer{rate: j.Rate, next: time.Now()}
	if j.Turns() > 0 { // what it did just before a restart counts
		pace.spend(1)
	}
	for rests := 0; ; {
		s.turn(j)
		err := s.advance(j, &pace)
		if errors.Is(err, share.ErrNotRedriven) && rests == maxRests {
			err = s.skip(j)
		}
		switch {
		case err == nil:
			rests = 0
		case errors.Is(err, errStopped):
			return
		case errors.Is(err, share.ErrNotRedriven):
			if rests++; !s.sleep(j, restAfter) {
				return
			}
		default:
			s.log.Error("a redrive cannot go on; trying again", "redrive", j.ID, "group", j.Group, "error", err)
			if !s.sleep(j, restAfter) {
				return
			}
		}
	}
}

// turn has a job wait for its turn. The part of its name that is not random tells it apart.
func (s *Service) turn(j *redrive.Job) { s.broker.Turn("redrive of " + j.Group + ", " + j.Since()) }

// skip passes the job's next letter over.
func (s *Service) skip(j *redrive.Job) error {
	g, err := s.group(j.Group)
	if err != nil {
		return err
	}
	_, err = g.Redrive(s.ctx, share.Step{Extra: func([]uint32) ([]commit.Part, func()) { return j.Step([]uint32{0}) }})
	return s.wrap(j.Group, err)
}

// sleep waits; false if the service is closed or the job ends meanwhile.
func (s *Service) sleep(j *redrive.Job, d time.Duration) bool {
	ended := j.Ended()
	if ended == nil {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		s.turn(j)
		return true
	case <-ended:
	case <-s.ctx.Done():
	}
	return false
}

// advance does one step of a job.
func (s *Service) advance(j *redrive.Job, pace *pacer) error {
	g, err := s.group(j.Group)
	if err != nil || g.Definition().ID != j.GroupID {
		return s.end(j, redrive.Failed, "the group is deleted")
	}
	n := share.MaxRedrive
	if j.Rate > 0 {
		n = pace.most()
		if wait := time.Until(pace.next); wait > 0 && !s.sleep(j, wait) {
			return errStopped
		}
	}
	if (j.Ramp || j.StopOnRedeath > 0) && len(j.Next(1)) > 0 {
		room, err := s.heed(j, g)
		if err != nil {
			return err
		}
		n = min(n, room)
	}
	if j.Ended() == nil || s.ctx.Err() != nil {
		return errStopped
	}
	ids := j.Next(n)
	if len(ids) == 0 {
		return s.end(j, redrive.Done, "")
	}
	did, err := s.step(j, g, ids)
	if s.ctx.Err() != nil || errors.Is(err, queue.ErrUnknown) {
		return errStopped
	}
	pace.spend(did)
	return err
}

// end ends a job.
func (s *Service) end(j *redrive.Job, state redrive.State, detail string) error {
	if _, ended := j.End(state, detail); ended {
		s.log.Info("a redrive has ended", "redrive", j.ID, "group", j.Group, "state", state, "detail", detail)
	}
	return errStopped
}

// heed looks at what came back: it waits for all of a ramp's stage, ends the job when too much died again, and says how many letters may go next.
func (s *Service) heed(j *redrive.Job, g *share.Group) (room int, err error) {
	for {
		changed := g.LettersChanged()
		if j.Ramp {
			j.Look(g.Fates, g.CameBack)
		} else {
			j.Glance(g.Fates)
		}
		p := j.Progress()
		if back := p.Succeeded + p.DiedAgain; p.DiedAgain > 0 && float64(p.DiedAgain) > j.StopOnRedeath*float64(back) {
			return 0, s.end(j, redrive.Failed, fmt.Sprintf("%d of %d that came back died again", p.DiedAgain, back))
		}
		if !j.Ramp {
			return share.MaxRedrive, nil
		}
		turns := j.Turns()
		stage := stageEnd(turns)
		if !j.Waits() || turns < stage && !atStage(turns) {
			return stage - turns, nil
		}
		ended := j.Ended()
		if ended == nil {
			return 0, errStopped
		}
		select {
		case <-changed:
		case <-ended:
			return 0, errStopped
		case <-s.ctx.Done():
			return 0, errStopped
		}
		if !s.sleep(j, lookEvery) {
			return 0, errStopped
		}
	}
}

// stageEnd returns how many letters had their turn when the ramp's stage that comes after so many is over.
func stageEnd(turns int) int {
	end := 0
	for size := 1; ; size *= rampGrowth {
		for _, n := range [...]int{size, 2 * size, 5 * size} {
			if end += n; end > turns {
				return end
			}
		}
	}
}

// atStage tells whether a stage ends, and the next begins, after so many letters.
func atStage(turns int) bool { return turns == 0 || stageEnd(turns-1) == turns }

// step delivers letters again and notes that in the same unit.
func (s *Service) step(j *redrive.Job, g *share.Group, ids []share.LetterID) (did int, err error) {
	if j.ToTopic {
		return s.stepToTopic(j, g, ids)
	}
	done, err := g.Redrive(s.ctx, share.Step{IDs: ids, Extra: j.Step})
	return count(done), s.wrap(j.Group, err)
}

func count(done []uint32) (n int) {
	for _, d := range done {
		if d > 0 {
			n++
		}
	}
	return n
}

// stepToTopic publishes letters' records. Those that are not open, or do not hold their record, or whose topic is gone, are skipped.
func (s *Service) stepToTopic(j *redrive.Job, g *share.Group, all []share.LetterID) (did int, err error) {
	for {
		ids, open, records, err := s.readStep(g, all)
		if err != nil {
			return 0, s.wrap(j.Group, err)
		}
		if len(records) == 0 {
			_, err := g.Redrive(s.ctx, share.Step{Extra: func([]uint32) ([]commit.Part, func()) { return j.Step(make([]uint32, len(ids))) }})
			return 0, s.wrap(j.Group, err)
		}
		done, ok, err := s.publishStep(j, g, ids, open, records)
		if len(open) > 1 && (errors.Is(err, share.ErrTooManyLogs) || errors.Is(err, queue.ErrRequestTooLarge)) {
			all = all[:len(ids)/2] // they lie on more partitions than go into one unit
			continue
		}
		if err != nil || ok {
			return count(done), s.wrap(j.Group, err)
		}
	}
}

// publishStep publishes the records of the open ones of ids; false if one of them is not open any more.
func (s *Service) publishStep(j *redrive.Job, g *share.Group, ids, open []share.LetterID, records []queue.TopicMessages) (done []uint32, ok bool, err error) {
	pub, err := s.broker.Republish(records)
	if err != nil {
		return nil, false, err
	}
	return g.RedriveToTopic(s.ctx, share.Step{IDs: open, Publish: pub, Extra: func(done []uint32) ([]commit.Part, func()) { return j.Step(spread(ids, open, done)) }})
}

// spread tells of all letters of a step what happened to those that were open.
func spread(ids, open []share.LetterID, done []uint32) []uint32 {
	out := make([]uint32, len(ids))
	for i, id := range ids {
		if len(open) > 0 && open[0] == id {
			out[i] = done[0]
			open, done = open[1:], done[1:]
		}
	}
	return out
}

// readStep reads the records of those letters that can be published, as many as go into one unit: ids is cut there.
func (s *Service) readStep(g *share.Group, ids []share.LetterID) (some, open []share.LetterID, records []queue.TopicMessages, err error) {
	if err := s.durable(s.ctx); err != nil {
		return nil, nil, nil, err
	}
	size, by := 0, map[string]int{}
	for i, id := range ids {
		row, err := g.Letter(id)
		if err != nil || row.State != letter.Open {
			continue
		}
		d, err := s.read(s.ctx, g, &row, nil)
		if errors.Is(err, share.ErrNoLetter) || err == nil && d.lost { // there is nothing to publish
			continue
		}
		if err != nil {
			return nil, nil, nil, err
		}
		msg, err := s.message(&d, recordOf(&d))
		if errors.Is(err, queue.ErrTopicNotFound) {
			continue
		}
		if err != nil {
			return nil, nil, nil, err
		}
		if size += msg.Size(); size > stepBytes && len(open) > 0 {
			return ids[:i], open, records, nil
		}
		n, known := by[d.Topic]
		if !known {
			n = len(records)
			by[d.Topic] = n
			records = append(records, queue.TopicMessages{Topic: d.Topic})
		}
		records[n].Messages = append(records[n].Messages, msg)
		open = append(open, id)
	}
	return ids, open, records, nil
}

// pacer holds a job to its rate.
type pacer struct {
	rate float64
	next time.Time // not before then
}

// most is how many letters go at a time.
func (p *pacer) most() int { return max(1, min(share.MaxRedrive, int(p.rate/perSecond))) }

// spend takes note that letters went.
func (p *pacer) spend(n int) {
	if p.rate > 0 {
		from := time.Now()
		if p.next.After(from) {
			from = p.next
		}
		p.next = from.Add(time.Duration(float64(n) / p.rate * float64(time.Second)))
	}
}

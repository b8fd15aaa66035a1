package dlq

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/redrive"
)

// Plan says how a job delivers its letters again.
type Plan struct {
	Rate          float64 // letters per second; 0 = as fast as it goes
	Ramp          bool    // 1, 2, 5, 10, … letters, going on when all that came back is settled and succeeded
	StopOnRedeath float64 // the job fails when more than this share of what came back died again; 0 = it goes on, or with Ramp fails at the first
	ToTopic       bool
	Filter        string // what the letters were chosen by, in the caller's words
}

// Job is a job and how far it is.
type Job struct {
	redrive.Definition
	redrive.Progress
}

// MaxRate is the highest rate of a job that is held.
const MaxRate = 1e6

// Validate tells what no job can be made with. Errors: queue.ErrInvalidRequest.
func (p *Plan) Validate() error {
	switch {
	case p.Rate < 0 || p.Rate > MaxRate:
		return fmt.Errorf("%w: rate is %g: it must be 0 (no limit) to %g per second", queue.ErrInvalidRequest, p.Rate, float64(MaxRate))
	case p.StopOnRedeath < 0 || p.StopOnRedeath > 1:
		return fmt.Errorf("%w: stop_on_redeath is %g: it is a share, from 0 to 1", queue.ErrInvalidRequest, p.StopOnRedeath)
	}
	return nil
}

// Start makes a job of the chosen letters, which it has from then on whatever happens, and sets it to work. It returns once the job is on stable storage. Errors: those of Preview,
// queue.ErrRateLimited (too many jobs), queue.ErrShuttingDown, queue.ErrUnknown.
func (s *Service) Start(ctx context.Context, group string, c Choice, p Plan) (Job, error) {
	if err := p.Validate(); err != nil {
		return Job{}, err
	}
	if err := s.broker.Ready(); err != nil {
		return Job{}, err
	}
	g, ids, err := s.choose(ctx, group, c)
	if err != nil {
		return Job{}, s.ofDead(err)
	}
	j, err := s.jobs.Make(ctx, redrive.Definition{
		Group: group, GroupID: g.Definition().ID, ToTopic: p.ToTopic, Rate: p.Rate, Ramp: p.Ramp, StopOnRedeath: p.StopOnRedeath, Filter: p.Filter,
	}, ids)
	if j == nil {
		return Job{}, s.ofJobs(err)
	}
	made := Job{j.Definition, j.Progress()}
	s.work.Go(func() { s.run(j) }) // with an error too: it is made, whether or not its maker still waits to hear of it
	return made, s.ofJobs(err)
}

// ofJobs turns errors of jobs into those that callers know.
func (s *Service) ofJobs(err error) error {
	switch {
	case errors.Is(err, redrive.ErrTooMany):
		return fmt.Errorf("%w: %w", queue.ErrRateLimited, err)
	case err == nil || errors.Is(err, ErrRedriveNotFound) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return err
	}
	return fmt.Errorf("%w: %w", queue.ErrUnknown, err)
}

// Job returns a job, at once or when it has ended, at the latest after wait. Errors: ErrRedriveNotFound, queue.ErrUnknown.
func (s *Service) Job(ctx context.Context, id string, wait time.Duration) (Job, error) {
	j, err := s.jobs.Get(id)
	if err != nil {
		return Job{}, s.ofJobs(err)
	}
	if ended := j.Ended(); ended != nil && wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-ended:
		case <-timer.C:
		case <-s.broker.Stopping():
		case <-ctx.Done():
			return Job{}, ctx.Err()
		}
	}
	s.look(j)
	return Job{j.Definition, j.Progress()}, s.durable(ctx)
}

// Jobs returns up to limit jobs made before the one of an id ("" = all), the newest first. Errors: queue.ErrUnknown.
func (s *Service) Jobs(ctx context.Context, before string, limit int) ([]Job, error) {
	out := []Job{}
	for _, j := range s.jobs.List(before, limit) {
		s.look(j)
		out = append(out, Job{j.Definition, j.Progress()})
	}
	return out, s.durable(ctx)
}

// Cancel ends a job; what it has delivered stays, and a step under way is finished. One that has ended stays as it is. Errors: ErrRedriveNotFound, queue.ErrUnknown.
func (s *Service) Cancel(ctx context.Context, id string) error {
	j, err := s.jobs.Get(id)
	if err != nil {
		return s.ofJobs(err)
	}
	j.End(redrive.Cancelled, "")
	return s.durable(ctx)
}

// look finds out what became of a job's letters.
func (s *Service) look(j *redrive.Job) {
	g, err := s.group(j.Group)
	if err != nil || g.Definition().ID != j.GroupID {
		return
	}
	j.Look(g.Fates, g.CameBack)
}

package dlq

import (
	"context"
	"log/slog"
	"sync"

	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/redrive"
	"github.com/holtmq/holt/queue/share"
)

// Service works on the dead letters of a broker's groups. Its methods may be called from any goroutine.
type Service struct {
	broker *queue.Broker
	jobs   *redrive.Jobs
	log    *slog.Logger

	ctx    context.Context // of the jobs at work; ends with Close
	cancel context.CancelFunc
	work   sync.WaitGroup
}

// New brings the service to life: jobs that were at work go on. log may be nil.
func New(b *queue.Broker, log *slog.Logger) *Service {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Service{broker: b, jobs: b.Redrives(), log: log}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	for _, j := range s.jobs.List("", redrive.MaxKept+redrive.MaxRunning) {
		if j.Progress().State == redrive.Running {
			s.work.Go(func() { s.run(j) })
		}
	}
	return s
}

// Close ends what runs and waits for it; jobs go on after the next start.
func (s *Service) Close() {
	s.cancel()
	s.work.Wait()
}

// group returns a group whose letters are asked for.
func (s *Service) group(name string) (*share.Group, error) { return s.broker.ShareGroup(name) }

// durable waits for what a call is about to show.
func (s *Service) durable(ctx context.Context) error { return s.broker.Durable(ctx) }

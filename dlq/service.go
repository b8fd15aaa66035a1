package dlq

import (
	"context"
	"log/slog"

	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/share"
)

// Service works on the dead letters of a broker's groups. Its methods may be called from any goroutine.
type Service struct {
	broker *queue.Broker
	log    *slog.Logger
}

// New brings the service to life. log may be nil.
func New(b *queue.Broker, log *slog.Logger) *Service {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Service{broker: b, log: log}
}

// Close ends what runs and waits for it; jobs go on after the next start.
func (s *Service) Close() {}

// group returns a group whose letters are asked for.
func (s *Service) group(name string) (*share.Group, error) { return s.broker.ShareGroup(name) }

// durable waits for what a call is about to show.
func (s *Service) durable(ctx context.Context) error { return s.broker.Durable(ctx) }

package dlq

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/redrive"
	"github.com/holtmq/holt/queue/share"
)

// Sentinels of dead letters. Every other error of a Service wraps one of queue's, or is the context's.
var (
	ErrLetterNotFound  = share.ErrNoLetter
	ErrRedriveNotFound = redrive.ErrNotFound
)

// ofDead says of an error that the broker has died meanwhile, if it has: what failed to be read then failed of that.
func (s *Service) ofDead(err error) error { return cmp.Or(s.broker.Ready(), err) }

// wrap turns errors of a group into those that callers know.
func (s *Service) wrap(group string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrLetterNotFound):
		return err
	case errors.Is(err, share.ErrNotRedriven), errors.Is(err, share.ErrNoSpace):
		return fmt.Errorf("%w: %w", queue.ErrUnavailable, err)
	}
	return s.broker.OfGroup(group, err)
}

package definition

import (
	"context"
	"log/slog"
	"sync"

	"github.com/holtmq/holt/queue/admit"
	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/cron"
	"github.com/holtmq/holt/queue/group"
	"github.com/holtmq/holt/queue/keys"
	"github.com/holtmq/holt/queue/tail"
	"github.com/holtmq/holt/queue/topic"
)

// Config is what an editor works on.
type Config struct {
	Catalog      *catalog.Catalog
	Openings     *topic.Env // what topics are opened with
	Groups       *group.Set
	Cron         *cron.Runner
	Indexes      *keys.Set
	Tails        *tail.Hub
	Limits       admit.Limits
	NoAutoCreate bool            // topics and groups are not made by publishing and leasing
	Work         *sync.WaitGroup // of deletions under way
}

// Editor changes definitions. Its methods may be called from any goroutine, unless they say that a turn is held.
type Editor struct {
	catalog      *catalog.Catalog
	openings     *topic.Env
	topics       *topic.Set
	groups       *group.Set
	cron         *cron.Runner
	indexes      *keys.Set
	tails        *tail.Hub
	limits       admit.Limits
	noAutoCreate bool
	log          *slog.Logger

	positions chan struct{} // one slot: held while starts of logs and groups are moved, and groups attached
	work      *sync.WaitGroup
}

// New returns an editor.
func New(c Config) *Editor {
	return &Editor{
		catalog: c.Catalog, openings: c.Openings, topics: c.Openings.Topics, groups: c.Groups, cron: c.Cron, indexes: c.Indexes, tails: c.Tails,
		limits: c.Limits, noAutoCreate: c.NoAutoCreate, log: c.Openings.Logger, positions: make(chan struct{}, 1), work: c.Work,
	}
}

func (e *Editor) durable(ctx context.Context) error { return e.openings.Committer.Durable(ctx) }

// lock takes the catalog's turn; the returned function gives it back.
func (e *Editor) lock(ctx context.Context) (unlock func(), err error) {
	if unlock, err = e.catalog.Lock(ctx); err == nil {
		e.openings.Committer.Turn("definitions")
	}
	return unlock, err
}

// TakePositions takes the turn to move starts of logs and groups; the returned function gives it back. A dead-letter topic may be made under
// it: it comes before the catalog's turn.
func (e *Editor) TakePositions(ctx context.Context) (give func(), err error) {
	select {
	case e.positions <- struct{}{}:
		e.openings.Committer.Turn("positions")
		return func() { <-e.positions }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

package queue

import (
	"context"

	"github.com/holtmq/holt/queue/share"
)

// GroupRibbon is a share group's window on one partition, drawn in cells.
type GroupRibbon = share.Ribbon

// Ribbon shows the windows of a share group, each in so many cells. Errors: ErrGroupNotFound, ErrKindMismatch.
func (b *Broker) Ribbon(ctx context.Context, name string, cells int) ([]GroupRibbon, error) {
	g, err := b.groups.Share(name)
	if err != nil {
		return nil, err
	}
	return g.Ribbons(cells), b.committer.Durable(ctx)
}

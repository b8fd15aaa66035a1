package group

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/topic"
)

// AwaitRoom returns once the topic's backlog is below its limit, or ErrBacklogFull after wait. Errors: also ErrShuttingDown, the context's.
func (s *Set) AwaitRoom(ctx context.Context, t *topic.Topic, wait time.Duration) error {
	c := t.Def.Config
	if c.MaxBacklogRecords == 0 && c.MaxBacklogBytes == 0 {
		return nil
	}
	next, end := t.Backlog.Wait()
	defer end()
	over := time.NewTimer(wait)
	defer over.Stop()
	for {
		moved := next()
		full := s.full(t)
		if full == nil {
			return nil
		}
		select {
		case <-moved:
		case <-over.C:
			return full
		case <-s.env.Stop:
			return ErrShuttingDown
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// full returns ErrBacklogFull, with the slowest group, if a limit is reached.
func (s *Set) full(t *topic.Topic) error {
	c := t.Def.Config
	for _, g := range s.Readers(t.Def.ID) {
		records, bytes := g.Behind(t.Partitions, c.MaxBacklogBytes > 0)
		if c.MaxBacklogRecords > 0 && records >= c.MaxBacklogRecords || c.MaxBacklogBytes > 0 && bytes >= c.MaxBacklogBytes {
			return fmt.Errorf("topic %s: group %s has %d records before it, and max_backlog is reached; wait for its workers, or ask with ?wait: %w",
				t.Def.Name, g.Definition().Name, records, ErrBacklogFull)
		}
	}
	return nil
}

// Holders names the groups that hold most bytes, for a full disk.
func (s *Set) Holders(n int) string {
	type holder struct {
		name  string
		bytes int64
	}
	var all []holder
	for _, def := range s.catalog.Groups("", catalog.Everything) {
		if g, err := s.Share(def.Name); err == nil {
			_, bytes := g.Backlog("")
			all = append(all, holder{def.Name, bytes})
		}
	}
	if len(all) == 0 {
		return "no group"
	}
	slices.SortStableFunc(all, func(x, y holder) int { return cmp.Compare(y.bytes, x.bytes) })
	var names []string
	for _, h := range all[:min(n, len(all))] {
		names = append(names, fmt.Sprintf("%s (%d bytes)", h.name, h.bytes))
	}
	return strings.Join(names, ", ")
}

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

// AwaitRoom returns the topic, as it is defined by then, once its backlog is below its limit, or ErrBacklogFull after wait.
// Errors: also topic.ErrNotFound, ErrShuttingDown, the context's.
func (s *Set) AwaitRoom(ctx context.Context, t *topic.Topic, wait time.Duration) (*topic.Topic, error) {
	c := t.Def.Config
	if c.MaxBacklogRecords == 0 && c.MaxBacklogBytes == 0 {
		return t, nil
	}
	next, end := t.Backlog.Wait()
	defer end()
	over := time.NewTimer(wait)
	defer over.Stop()
	for {
		moved := next()
		full := s.full(t)
		if full == nil {
			return t, nil
		}
		select {
		case <-moved:
		case <-over.C:
			return nil, full
		case <-s.env.Stop:
			return nil, ErrShuttingDown
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		now, err := s.topics.Get(t.Def.Name)
		if err != nil {
			return nil, err
		}
		if now.Def.ID != t.Def.ID { // deleted, and made again
			return nil, fmt.Errorf("topic %s: %w", t.Def.Name, topic.ErrNotFound)
		}
		t = now
	}
}

// full returns ErrBacklogFull, with the slowest group, if a limit is reached.
func (s *Set) full(t *topic.Topic) error {
	c := t.Def.Config
	for _, g := range s.Readers(t.Def.ID) {
		records, bytes := g.Behind(t.Partitions, c.MaxBacklogBytes > 0)
		if c.MaxBacklogRecords > 0 && records >= c.MaxBacklogRecords || c.MaxBacklogBytes > 0 && bytes >= c.MaxBacklogBytes {
			return fmt.Errorf("topic %s: group %s has %d records before it: %w",
				t.Def.Name, g.Definition().Name, records, ErrBacklogFull)
		}
	}
	return nil
}

const (
	maxHolders   = 3           // groups that Holders names
	holdersStand = time.Second // how long what it said is said again
)

// held is what Holders said last.
type held struct {
	at   time.Time
	text string
}

// Holders names the groups that hold most bytes, for a full disk; "" when there is none. While that is so every publish asks: one a second looks, the others hear what it saw last.
func (s *Set) Holders() string {
	last := s.held.Load()
	if last != nil && (time.Since(last.at) < holdersStand || !s.held.CompareAndSwap(last, &held{time.Now(), last.text})) {
		return last.text
	}
	text := s.holders()
	s.held.Store(&held{time.Now(), text})
	return text
}

func (s *Set) holders() string {
	type holder struct {
		name  string
		bytes int64
	}
	var all []holder
	for _, def := range s.catalog.Groups("", catalog.Everything) {
		if g, err := s.Share(def.Name); err == nil {
			if _, bytes := g.Backlog(""); bytes > 0 {
				all = append(all, holder{def.Name, bytes})
			}
		}
	}
	if len(all) == 0 {
		return ""
	}
	slices.SortStableFunc(all, func(x, y holder) int { return cmp.Compare(y.bytes, x.bytes) })
	var names []string
	for _, h := range all[:min(maxHolders, len(all))] {
		names = append(names, fmt.Sprintf("%s (%d bytes)", h.name, h.bytes))
	}
	return strings.Join(names, ", ")
}

package dlq

import (
	"context"
	"fmt"

	"github.com/holtmq/holt/dlq/letter"
	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/share"
)

// Choice says which letters of a group something is done to: those of IDs that the filter chooses, too.
type Choice struct {
	IDs    []string // nil = all that the filter chooses
	Filter letter.Filter
	All    bool // it is meant that nothing else is said
	Limit  int  // of the oldest ones; 0 = no limit
}

// MaxIDs is how many letters a choice may name.
const MaxIDs = 100_000

// choose returns the ids of the letters that are chosen, in order of death; those named keep their order. Ids that are of no letter are left out.
func (s *Service) choose(ctx context.Context, group string, c Choice) (*share.Group, []share.LetterID, error) {
	g, err := s.group(group)
	if err != nil {
		return nil, nil, err
	}
	switch {
	case c.IDs == nil && c.Filter.All() && !c.All:
		return nil, nil, fmt.Errorf("%w: say which letters: ids, filters, or \"all\": true", queue.ErrInvalidRequest)
	case c.Limit < 0:
		return nil, nil, fmt.Errorf("%w: limit is %d", queue.ErrInvalidRequest, c.Limit)
	case len(c.IDs) > MaxIDs:
		return nil, nil, fmt.Errorf("%d ids, at most %d in one request: %w", len(c.IDs), MaxIDs, queue.ErrRequestTooLarge)
	case c.IDs == nil:
		ids, err := g.LetterIDs(ctx, c.Filter, c.Limit)
		return g, ids, s.wrap(group, err)
	}
	named := make([]share.LetterID, 0, len(c.IDs))
	seen := make(map[share.LetterID]bool, len(c.IDs))
	for _, text := range c.IDs {
		if id, ok := share.ParseLetterID(text); ok && !seen[id] {
			seen[id] = true
			named = append(named, id)
		}
	}
	ids, err := g.MatchLetters(ctx, named, c.Filter)
	if c.Limit > 0 {
		ids = ids[:min(c.Limit, len(ids))]
	}
	return g, ids, s.wrap(group, err)
}

// maxSamples is how many letters a dry run shows.
const maxSamples = 5

// Preview tells what a choice comes to.
type Preview struct {
	Matched int
	Samples []Letter // the first of them
}

// Preview tells which letters are chosen, and does nothing. Errors: queue.ErrGroupNotFound, queue.ErrInvalidRequest, queue.ErrRequestTooLarge, queue.ErrCorrupt.
func (s *Service) Preview(ctx context.Context, group string, c Choice) (Preview, error) {
	g, ids, err := s.choose(ctx, group, c)
	if err == nil {
		err = s.durable(ctx)
	}
	if err != nil {
		return Preview{}, err
	}
	p := Preview{Matched: len(ids), Samples: []Letter{}}
	var rows []share.LetterRow
	for _, id := range ids[:min(maxSamples, len(ids))] {
		if row, err := g.Letter(id); err == nil {
			rows = append(rows, row)
		}
	}
	_, err = s.each(ctx, g, rows, func(d *Detail, _ *share.LetterRow) bool {
		p.Samples = append(p.Samples, d.Letter)
		return true
	})
	return p, s.wrap(group, err)
}

// Purge gives the chosen letters that are open up for good, and says how many those were. Errors: those of Preview, queue.ErrUnknown.
func (s *Service) Purge(ctx context.Context, group string, c Choice) (purged int, err error) {
	if err := s.broker.Ready(); err != nil {
		return 0, err
	}
	g, ids, err := s.choose(ctx, group, c)
	if err != nil {
		return 0, s.ofDead(err)
	}
	for len(ids) > 0 {
		done, err := g.Purge(ctx, share.Step{IDs: ids[:min(share.MaxRedrive, len(ids))]})
		if err != nil {
			return purged, s.wrap(group, err)
		}
		ids = ids[len(done):]
		for _, n := range done {
			if n > 0 {
				purged++
			}
		}
	}
	return purged, nil
}

// PurgeOne gives one letter up for good. Errors: queue.ErrGroupNotFound, ErrLetterNotFound (also when it is not open), queue.ErrUnknown.
func (s *Service) PurgeOne(ctx context.Context, group, id string) error {
	if _, _, err := s.find(group, id); err != nil {
		return err
	}
	n, err := s.Purge(ctx, group, Choice{IDs: []string{id}})
	if err == nil && n == 0 {
		err = fmt.Errorf("group %s, letter %s is not open: %w", group, id, ErrLetterNotFound)
	}
	return err
}

package dlq

import (
	"cmp"
	"context"
	"slices"

	"github.com/holtmq/holt/queue/share"
)

// WarmBytes is about how much memory letters take that nobody has looked at yet.
const WarmBytes = 64 << 20

// Warm reads what letters are found by ahead of the first look, for one group after the other, those with the fewest letters first, until about room bytes
// of memory are taken or ctx is done; what is left is read when somebody looks. It takes half of one processor at most, and is for the time when the
// server is ready.
func (s *Service) Warm(ctx context.Context, room int) {
	unread := map[*share.Group]int{}
	groups := s.broker.ShareGroups()
	for _, g := range groups {
		unread[g] = g.UnreadLetters()
	}
	slices.SortFunc(groups, func(a, b *share.Group) int {
		return cmp.Or(cmp.Compare(unread[a], unread[b]), cmp.Compare(a.Definition().Name, b.Definition().Name))
	})
	for _, g := range groups {
		if unread[g] == 0 {
			continue
		}
		var err error
		room, err = g.ReadLettersAhead(ctx, room)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil: // who looks is told, too
			s.log.Warn("dead letters cannot be read ahead", "group", g.Definition().Name, "error", err)
		case room <= 0 && g.UnreadLetters() > 0:
			s.log.Info("more dead letters than are read ahead; the first look reads the others", "group", g.Definition().Name)
			return
		}
	}
}

package commit

import (
	"fmt"
	"strings"
)

// Turns has commits, and the background work of others, begin when turn returns for them, and calls of Wait go on then: what is enqueued until its turn is in the commit. nil: at
// once, as without it. Call it before Run and the first Turn.
func (c *Committer) Turns(turn func(who string)) { c.turns = turn }

// Turn returns when a piece of background work may begin, or a call go on that waited for another, which is at once unless Turns said otherwise. who names the piece: no two that
// wait have one name. Call it with no lock held.
func (c *Committer) Turn(who ...string) {
	if c.turns != nil {
		c.turns(strings.Join(who, " "))
	}
}

// TurnOf is Turn for the nth of those that have one name.
func (c *Committer) TurnOf(nth uint64, who ...string) {
	if c.turns != nil {
		c.turns(fmt.Sprint(strings.Join(who, " "), " ", nth))
	}
}

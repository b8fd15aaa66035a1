package catalog

import (
	"fmt"
	"slices"
)

// Condition is what must hold of a definition for a change to be made; the zero value always holds.
type Condition struct {
	Tags   []string // one of them is the definition's Tag
	Exists bool     // it exists
	Absent bool     // it does not exist
	Force  bool     // not a condition: do it though others are in the way
}

// Check returns ErrPrecondition if the condition does not hold of the definition with this tag.
func (c Condition) Check(tag string, exists bool) error {
	ok := !(c.Absent && exists) && !(c.Exists && !exists) && (len(c.Tags) == 0 || exists && slices.Contains(c.Tags, tag))
	if ok {
		return nil
	}
	return ErrPrecondition
}

// Tag names what a definition is: it differs between incarnations and revisions.
func (t *Topic) Tag() string { return tag(t.ID, t.Revision) }

// Tag is like Topic.Tag.
func (g *Group) Tag() string { return tag(g.ID, g.Revision) }

// Tag is like Topic.Tag.
func (s *Schedule) Tag() string { return tag(s.ID, s.Revision) }

func tag(id, revision uint64) string { return fmt.Sprintf("%x-%x", id, revision) }

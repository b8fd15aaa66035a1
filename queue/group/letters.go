package group

import (
	"fmt"

	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/share"
	"github.com/holtmq/holt/queue/topic"
)

// BarLetters keeps letters off a topic that is being deleted: none is under way there when it returns; unbar takes it back. Errors: catalog.ErrTopicInUse, without force, if the topic
// holds letters that are open or that redriven records need; then nothing is barred.
func (s *Set) BarLetters(t *topic.Topic, force bool) (unbar func(), err error) {
	var barred []*share.Group
	unbar = func() {
		for _, g := range barred {
			g.UnbarLetters(t.Logs())
		}
	}
	for _, def := range s.catalog.Groups("", catalog.Everything) {
		g, err := s.Share(def.Name)
		if err != nil {
			continue // of another kind
		}
		if !g.BarLetters(t.Logs(), force) {
			unbar()
			return nil, fmt.Errorf("topic %s: it holds dead letters of group %s that are open, or redriven and not settled yet: %w", t.Def.Name, def.Name, catalog.ErrTopicInUse)
		}
		barred = append(barred, g)
	}
	return unbar, nil
}

// KeepsLetters returns a group whose dead letters go to a topic, or "".
func (s *Set) KeepsLetters(name string) string {
	for _, def := range s.catalog.Groups("", catalog.Everything) {
		if def.Kind == catalog.KindShare && def.Config.DeadLetters && def.Config.DeadLetterTopic == name {
			return def.Name
		}
	}
	return ""
}

// LoseLetters tells all groups that a topic is gone; it is closed: no letter comes behind.
func (s *Set) LoseLetters(t *topic.Topic) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, g := range s.shared {
		g.LoseLetters(t.Logs())
	}
}

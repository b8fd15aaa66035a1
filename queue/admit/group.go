package admit

import (
	"fmt"
	"slices"

	"github.com/holtmq/holt/queue/catalog"
)

// GroupChange is what can be changed of a group.
type GroupChange struct {
	Kind   catalog.Kind
	Topics []string
	Config catalog.GroupConfig
}

// Group refuses changes that cannot be, whatever topics there are. Errors: catalog.ErrInvalidConfig, catalog.ErrKindMismatch.
func Group(def *catalog.Group, c GroupChange, exists bool) error {
	switch {
	case c.Kind != catalog.KindShare && c.Kind != catalog.KindOrdered:
		return fmt.Errorf("%w: kind is %q: it must be \"share\" or \"ordered\"", catalog.ErrInvalidConfig, c.Kind)
	case exists && c.Kind != def.Kind:
		return fmt.Errorf("it is of kind %s: %w", def.Kind, catalog.ErrKindMismatch)
	case len(c.Topics) > catalog.MaxGroupTopics:
		return fmt.Errorf("%w: %d topics, at most %d", catalog.ErrInvalidConfig, len(c.Topics), catalog.MaxGroupTopics)
	case c.Kind == catalog.KindShare && c.Config.DeadLetters && slices.Contains(c.Topics, c.Config.DeadLetterTopic):
		return fmt.Errorf("%w: a group cannot read its own dead-letter topic %s", catalog.ErrInvalidConfig, c.Config.DeadLetterTopic)
	}
	for i, t := range c.Topics {
		if slices.Contains(c.Topics[:i], t) {
			return fmt.Errorf("%w: topic %s is named twice", catalog.ErrInvalidConfig, t)
		}
	}
	if c.Config.DeadLetters && catalog.Reserved(c.Config.DeadLetterTopic) {
		return fmt.Errorf("%w: dead_letter.topic begins with \"__\", which is the server's own", catalog.ErrInvalidConfig)
	}
	if c.Kind == catalog.KindOrdered {
		if err := OrderedConfig(def.Name, c.Config); err != nil {
			return err
		}
	}
	return c.Config.Validate()
}

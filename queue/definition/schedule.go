package definition

import (
	"context"
	"fmt"

	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/cron"
	"github.com/holtmq/holt/queue/topic"
)

// PutSchedule creates a recurring schedule or changes it: edit gets what is, or the defaults, and returns what is to be. A change of its times begins
// them anew. Errors: catalog.ErrInvalidName, catalog.ErrInvalidConfig, catalog.ErrTopicNotFound, catalog.ErrPrecondition, those of a publish of its record, edit's.
func (e *Editor) PutSchedule(ctx context.Context, name string, cond catalog.Condition, edit func(old catalog.ScheduleConfig, exists bool) (catalog.ScheduleConfig, error)) (status cron.Status, created bool, err error) {
	if err := catalog.CheckName(name); err != nil {
		return status, false, err
	}
	unlock, err := e.lock(ctx)
	if err != nil {
		return status, false, err
	}
	defer unlock()
	def := catalog.Schedule{Name: name, Config: catalog.ScheduleConfig{CatchUp: catalog.CatchUpOne}}
	if old, err := e.catalog.Schedule(name); err == nil {
		def = *old
	}
	exists := def.ID != 0
	if err := cond.Check(def.Tag(), exists); err != nil {
		return status, false, fmt.Errorf("schedule %s: %w", name, err)
	}
	was := def.Config
	if def.Config, err = edit(def.Config, exists); err != nil {
		return status, false, err
	}
	t, err := e.admitSchedule(def.Config)
	if err != nil {
		return status, false, fmt.Errorf("schedule %s: %w", name, err)
	}
	if !exists || was.Cron != def.Config.Cron || was.Zone != def.Config.Zone || def.TopicID != t.Def.ID {
		def.Since, def.TopicID = e.openings.Now().UTC(), t.Def.ID
	}
	stored, err := e.catalog.PutSchedule(ctx, def)
	if err != nil {
		return status, false, err
	}
	if err := e.cron.Start(stored); err != nil {
		return status, false, err
	}
	status, _ = e.cron.Status(name)
	return status, !exists, nil
}

// admitSchedule refuses what could not fire.
func (e *Editor) admitSchedule(c catalog.ScheduleConfig) (*topic.Topic, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	t, err := e.topics.Get(c.Topic)
	if err != nil {
		return nil, err
	}
	m := cron.MessageFor(c.Record)
	if err := e.limits.Publish([]topic.Message{m}, t.Def.Config.MaxRecordBytes); err != nil {
		return nil, err
	}
	return t, t.Admits(&m)
}

// DeleteSchedule ends a recurring schedule. Errors: catalog.ErrScheduleNotFound, catalog.ErrPrecondition.
func (e *Editor) DeleteSchedule(ctx context.Context, name string, cond catalog.Condition) error {
	unlock, err := e.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	def, err := e.catalog.Schedule(name)
	if err != nil {
		return err
	}
	if err := cond.Check(def.Tag(), true); err != nil {
		return fmt.Errorf("schedule %s: %w", name, err)
	}
	return e.endSchedule(ctx, def)
}

// endSchedule is DeleteSchedule with the catalog's turn held.
func (e *Editor) endSchedule(ctx context.Context, def *catalog.Schedule) error {
	if err := e.catalog.DeleteSchedule(ctx, def); err != nil {
		return err
	}
	e.cron.End(def.Name)
	return e.durable(ctx) // a firing of just before is seen by whoever looks from now on
}

// endSchedulesOf ends the schedules of a topic that is being deleted; the catalog's turn is held.
func (e *Editor) endSchedulesOf(ctx context.Context, topicID uint64) error {
	for _, def := range e.catalog.Schedules("", catalog.Everything) {
		if def.TopicID == topicID {
			if err := e.endSchedule(ctx, def); err != nil {
				return err
			}
		}
	}
	return nil
}

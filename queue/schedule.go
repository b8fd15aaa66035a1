package queue

import (
	"context"
	"fmt"
	"time"

	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/cron"
	"github.com/holtmq/holt/queue/topic"
)

// ScheduleInfo describes a recurring schedule.
type ScheduleInfo struct {
	Name      string
	Config    ScheduleConfig
	CreatedAt time.Time
	Tag       string
	LastAt    time.Time // zero = it has not fired yet
	NextAt    time.Time
}

// PutSchedule creates a recurring schedule or changes it: edit gets what is, or the defaults, and returns what is to be. A change of its times begins
// them anew. Errors: ErrInvalidName, ErrInvalidConfig, ErrTopicNotFound, ErrPrecondition, those of a publish of its record, edit's.
func (b *Broker) PutSchedule(ctx context.Context, name string, cond Condition, edit func(old ScheduleConfig, exists bool) (ScheduleConfig, error)) (info ScheduleInfo, created bool, err error) {
	if err := catalog.CheckName(name); err != nil {
		return info, false, err
	}
	unlock, err := b.catalog.Lock(ctx)
	if err != nil {
		return info, false, err
	}
	defer unlock()
	def := catalog.Schedule{Name: name, Config: ScheduleConfig{CatchUp: catalog.CatchUpOne}}
	if old, err := b.catalog.Schedule(name); err == nil {
		def = *old
	}
	exists := def.ID != 0
	if err := cond.Check(def.Tag(), exists); err != nil {
		return info, false, fmt.Errorf("schedule %s: %w", name, err)
	}
	was := def.Config
	if def.Config, err = edit(def.Config, exists); err != nil {
		return info, false, err
	}
	t, err := b.admitSchedule(def.Config)
	if err != nil {
		return info, false, fmt.Errorf("schedule %s: %w", name, err)
	}
	if !exists || was.Cron != def.Config.Cron || was.Zone != def.Config.Zone || def.TopicID != t.Def.ID {
		def.Since, def.TopicID = time.Now().UTC(), t.Def.ID
	}
	stored, err := b.catalog.PutSchedule(ctx, def)
	if err != nil {
		return info, false, err
	}
	if err := b.cron.Start(stored); err != nil {
		return info, false, err
	}
	info, err = b.Schedule(ctx, name)
	return info, !exists, err
}

// admitSchedule refuses what could not fire.
func (b *Broker) admitSchedule(c ScheduleConfig) (*topic.Topic, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	t, err := b.topics.Get(c.Topic)
	if err != nil {
		return nil, err
	}
	m := cron.MessageFor(c.Record)
	if err := b.cfg.Limits.Publish([]Message{m}, t.Def.Config.MaxRecordBytes); err != nil {
		return nil, err
	}
	return t, t.Admits(&m)
}

// Schedule describes a recurring schedule. Errors: ErrScheduleNotFound.
func (b *Broker) Schedule(_ context.Context, name string) (ScheduleInfo, error) {
	s, ok := b.cron.Status(name)
	if !ok {
		return ScheduleInfo{}, fmt.Errorf("schedule %s: %w", name, ErrScheduleNotFound)
	}
	return ScheduleInfo{
		Name: name, Config: s.Def.Config, CreatedAt: s.Def.CreatedAt, Tag: s.Def.Tag(), LastAt: s.LastAt, NextAt: s.NextAt,
	}, nil
}

// Schedules describes up to limit recurring schedules with names after the given one, by name.
func (b *Broker) Schedules(ctx context.Context, after string, limit int) ([]ScheduleInfo, error) {
	var out []ScheduleInfo
	for _, def := range b.catalog.Schedules(after, limit) {
		if info, err := b.Schedule(ctx, def.Name); err == nil {
			out = append(out, info)
		}
	}
	return out, ctx.Err()
}

// DeleteSchedule ends a recurring schedule. Errors: ErrScheduleNotFound, ErrPrecondition.
func (b *Broker) DeleteSchedule(ctx context.Context, name string, cond Condition) error {
	unlock, err := b.catalog.Lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	def, err := b.catalog.Schedule(name)
	if err != nil {
		return err
	}
	if err := cond.Check(def.Tag(), true); err != nil {
		return fmt.Errorf("schedule %s: %w", name, err)
	}
	return b.endSchedule(ctx, def)
}

// endSchedule is DeleteSchedule with the catalog's turn held.
func (b *Broker) endSchedule(ctx context.Context, def *catalog.Schedule) error {
	if err := b.catalog.DeleteSchedule(ctx, def); err != nil {
		return err
	}
	b.cron.End(def.Name)
	return b.durable(ctx) // a firing of just before is seen by whoever looks from now on
}

// endSchedulesOf ends the schedules of a topic that is being deleted; the catalog's turn is held.
func (b *Broker) endSchedulesOf(ctx context.Context, topicID uint64) error {
	for _, def := range b.catalog.Schedules("", everything) {
		if def.TopicID == topicID {
			if err := b.endSchedule(ctx, def); err != nil {
				return err
			}
		}
	}
	return nil
}

package queue

import (
	"context"
	"fmt"
	"time"

	"github.com/holtmq/holt/queue/cron"
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
	s, created, err := b.definitions.PutSchedule(ctx, name, cond, edit)
	if err != nil {
		return info, false, err
	}
	return scheduleInfo(s), created, nil
}

// Schedule describes a recurring schedule. Errors: ErrScheduleNotFound.
func (b *Broker) Schedule(_ context.Context, name string) (ScheduleInfo, error) {
	s, ok := b.cron.Status(name)
	if !ok {
		return ScheduleInfo{}, fmt.Errorf("schedule %s: %w", name, ErrScheduleNotFound)
	}
	return scheduleInfo(s), nil
}

func scheduleInfo(s cron.Status) ScheduleInfo {
	return ScheduleInfo{
		Name: s.Def.Name, Config: s.Def.Config, CreatedAt: s.Def.CreatedAt, Tag: s.Def.Tag(), LastAt: s.LastAt, NextAt: s.NextAt,
	}
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
	return b.definitions.DeleteSchedule(ctx, name, cond)
}

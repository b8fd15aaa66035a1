package catalog

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
)

// schedulePrefix + name is a Schedule in the store's Meta.
const schedulePrefix = "s/"

// MaxSchedules is how many recurring schedules there may be.
const MaxSchedules = 10_000

// CatchUp says what happens to firings missed while the server was down.
type CatchUp string

// What can happen: one firing for all that were missed, or none.
const (
	CatchUpOne  CatchUp = "one"
	CatchUpNone CatchUp = "none"
)

// ScheduleRecord is what a schedule publishes at each firing.
type ScheduleRecord struct {
	Key       []byte          `json:"key"` // nil = none
	Value     []byte          `json:"value"`
	Headers   []record.Header `json:"headers,omitempty"`
	TTL       time.Duration   `json:"ttl,omitempty"`
	Priority  *int            `json:"priority,omitempty"`
	Partition *int            `json:"partition,omitempty"`
}

// ScheduleConfig is what a user can set of a recurring schedule.
type ScheduleConfig struct {
	Cron    string         `json:"cron"` // five fields, or @hourly and the like
	Zone    string         `json:"zone"` // IANA name; "" = UTC
	Topic   string         `json:"topic"`
	Record  ScheduleRecord `json:"record"`
	CatchUp CatchUp        `json:"catch_up"`
}

// Schedule is a recurring schedule's definition. A *Schedule handed out is never changed.
type Schedule struct {
	ID        uint64         `json:"id"` // never reused
	Name      string         `json:"-"`
	Config    ScheduleConfig `json:"config"`
	TopicID   uint64         `json:"topic_id"`
	CreatedAt time.Time      `json:"created_at"`
	Since     time.Time      `json:"since"` // firings after it count: when it was made, or its times changed

	Revision uint64 `json:"-"`
}

// Validate reports every fault at once; nil if there is none.
func (c ScheduleConfig) Validate() error {
	var e faults
	_, err := ParseCron(c.Cron, c.Zone)
	e.check(err == nil, "%v", err)
	e.check(ValidName(c.Topic), "topic is %q: not a valid topic name", c.Topic)
	e.check(c.CatchUp == CatchUpOne || c.CatchUp == CatchUpNone, "catch_up is %q: it must be \"one\" or \"none\"", c.CatchUp)
	return e.err()
}

// Schedule returns a schedule's definition, or ErrScheduleNotFound.
func (c *Catalog) Schedule(name string) (*Schedule, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if s := c.schedules[name]; s != nil {
		return s, nil
	}
	return nil, fmt.Errorf("schedule %s: %w", name, ErrScheduleNotFound)
}

// Schedules returns up to limit definitions with names after the given one, by name.
func (c *Catalog) Schedules(after string, limit int) []*Schedule {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return page(c.schedules, after, limit)
}

// PutSchedule stores a schedule's definition; a new one (ID 0) gets its identity.
func (c *Catalog) PutSchedule(ctx context.Context, s Schedule) (*Schedule, error) {
	if old := c.schedules[s.Name]; old != nil && same(old, &s) {
		return old, nil
	}
	if err := c.reserve(ctx, 1); err != nil {
		return nil, err
	}
	if s.ID == 0 {
		if len(c.schedules) >= MaxSchedules {
			return nil, fmt.Errorf("there are %d schedules, at most %d: %w", len(c.schedules), MaxSchedules, ErrInvalidConfig)
		}
		s.ID = c.id()
		s.CreatedAt = time.Now().UTC().Truncate(time.Millisecond)
	}
	rev, err := c.put(ctx, schedulePrefix+s.Name, s, s.Revision)
	if err != nil {
		return nil, fmt.Errorf("put schedule %s: %w", s.Name, err)
	}
	s.Revision = rev
	c.mu.Lock()
	c.schedules[s.Name] = &s
	c.mu.Unlock()
	return &s, nil
}

// DeleteSchedule removes a schedule's definition.
func (c *Catalog) DeleteSchedule(ctx context.Context, s *Schedule) error {
	if err := c.meta.Delete(ctx, schedulePrefix+s.Name, s.Revision); err != nil {
		return fmt.Errorf("delete schedule %s: %w", s.Name, err)
	}
	c.mu.Lock()
	delete(c.schedules, s.Name)
	c.mu.Unlock()
	return nil
}

func (c *Catalog) openSchedules(ctx context.Context) error {
	defs, err := c.meta.List(ctx, schedulePrefix)
	if err != nil {
		return fmt.Errorf("list schedules: %w", err)
	}
	for _, d := range defs {
		s := &Schedule{Name: strings.TrimPrefix(d.Name, schedulePrefix), Revision: d.Revision}
		if err := json.Unmarshal(d.Value, s); err != nil {
			return fmt.Errorf("definition of schedule %s: %w: %w", s.Name, store.ErrCorrupt, err)
		}
		c.schedules[s.Name] = s
	}
	return nil
}

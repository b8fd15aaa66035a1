package catalog

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

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

// Times says when a schedule fires.
type Times struct {
	spec   cron.Schedule
	zone   *time.Location
	hourly bool // every hour, or every nth: then it follows time, not the hands of the clock
}

// ParseCron reads a cron expression of five fields (minute hour day month weekday), or @hourly, @daily, @weekly, @monthly, @yearly.
func ParseCron(expr, zone string) (*Times, error) {
	loc, err := time.LoadLocation(zone)
	if err != nil || zone == "Local" { // which is whatever this machine has
		return nil, fmt.Errorf("zone is %q: there is no such time zone", zone)
	}
	if strings.Contains(expr, "TZ=") || strings.HasPrefix(expr, "@every") {
		return nil, fmt.Errorf("cron is %q: use five fields and \"zone\"", expr)
	}
	fields := strings.Fields(expr)
	for i, f := range fields {
		if slices.Contains(strings.Split(f, ","), "") { // the parser passes over them
			return nil, fmt.Errorf("cron is %q: an element of the list %q is empty", expr, f)
		}
		if i == 4 {
			fields[i] = sundays(f)
		}
	}
	spec, err := cron.ParseStandard(strings.Join(fields, " "))
	if err != nil {
		return nil, fmt.Errorf("cron is %q: %v", expr, err)
	}
	hourly := expr == "@hourly" || len(fields) == 5 && strings.HasPrefix(fields[1], "*")
	t := &Times{spec: spec, zone: loc, hourly: hourly}
	if t.Next(time.Now()).IsZero() {
		return nil, fmt.Errorf("cron is %q: it never fires", expr)
	}
	return t, nil
}

// sundays writes Sunday as 0 where a field of weekdays has it as 7, alone or as the end of a range, as crontab(5) allows and the parser does not.
func sundays(field string) string {
	list := strings.Split(field, ",")
	for i, item := range list {
		days, step, stepped := strings.Cut(item, "/")
		first, last, isRange := strings.Cut(days, "-")
		from, err := strconv.Atoi(first)
		by := 1
		if stepped && err == nil {
			by, err = strconv.Atoi(step)
		}
		if err != nil || from > 7 || from < 0 || by < 1 || !(days == "7" || isRange && last == "7") {
			continue
		}
		var named []string
		for d := from; d <= 7; d += by {
			named = append(named, strconv.Itoa(d%7))
		}
		list[i] = strings.Join(named, ",")
	}
	return strings.Join(list, ",")
}

// Next returns the first firing after t; zero if there is none within five years. A schedule that names hours fires once on days when
// clocks are put forward over its time (as much later) or back over it (the first time); one for every hour follows time.
func (t *Times) Next(after time.Time) time.Time {
	if t.hourly {
		return t.spec.Next(after.In(t.zone)).UTC()
	}
	local := after.In(t.zone)
	hands := time.Date(local.Year(), local.Month(), local.Day(), local.Hour(), local.Minute(), local.Second(), 0, time.UTC)
	for {
		if hands = t.spec.Next(hands); hands.IsZero() {
			return hands
		}
		at := firstAt(hands, t.zone)
		if at.After(after) {
			return at.UTC()
		}
	}
}

// firstAt returns the first time at which clocks in a zone show what hands shows; for what is skipped, as much later.
func firstAt(hands time.Time, zone *time.Location) time.Time {
	at := time.Date(hands.Year(), hands.Month(), hands.Day(), hands.Hour(), hands.Minute(), hands.Second(), 0, zone)
	_, offset := at.Zone()
	_, before := at.Add(-3 * time.Hour).Zone()
	earlier := at.Add(time.Duration(offset-before) * time.Second)
	if earlier.Before(at) && earlier.Hour() == at.Hour() && earlier.Minute() == at.Minute() {
		return earlier
	}
	return at
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

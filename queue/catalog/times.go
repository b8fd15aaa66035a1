package catalog

import (
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

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

// Newest returns the newest firing after a time that is not after another one; zero if there is none. It takes no longer for a million firings than for two.
func (t *Times) Newest(after, until time.Time) time.Time {
	first := t.Next(after)
	if first.IsZero() || first.After(until) {
		return time.Time{}
	}
	minute := func(i int) time.Time { return first.Add(time.Duration(i) * time.Minute) }
	// They fire on whole minutes: the newest is in the first one behind which none is left.
	last := sort.Search(int(until.Sub(first)/time.Minute), func(i int) bool {
		next := t.Next(minute(i))
		return next.IsZero() || next.After(until)
	})
	if last == 0 {
		return first
	}
	return t.Next(minute(last - 1))
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

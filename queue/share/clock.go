package share

import "time"

// Clock is the time that leases, backoff and rates run on: the wall clock when the process started plus what has
// passed since by the monotonic one, so that a jump of the wall clock moves nothing.
type Clock struct {
	start time.Time // with a monotonic reading
	base  int64     // ns since the Unix epoch, by the wall clock, at start
	wall  func() time.Time
}

// NewClock starts a clock. wall is the wall clock; nil = time.Now.
func NewClock(wall func() time.Time) Clock {
	c := Clock{start: time.Now(), wall: wall}
	c.base = c.wallAt(c.start).UnixNano()
	return c
}

// wallAt returns what the wall clock says, by a reading of time.Now.
func (c Clock) wallAt(now time.Time) time.Time {
	if c.wall != nil {
		return c.wall()
	}
	return now
}

// Now returns milliseconds since the Unix epoch.
func (c Clock) Now() int64 { return c.at(time.Now()) }

func (c Clock) at(now time.Time) int64 {
	return (c.base + int64(now.Sub(c.start))) / int64(time.Millisecond)
}

// Wall returns what the wall clock says, which may have jumped: the time of appends.
func (c Clock) Wall() time.Time { return c.wallAt(time.Now()) }

// Read returns the time of this clock, and how far the wall clock has jumped ahead of it since the start; ms.
func (c Clock) Read() (now, ahead int64) {
	t := time.Now()
	now = c.at(t)
	if ahead = c.wallAt(t).UnixMilli() - now; -1 <= ahead && ahead <= 1 { // the two clocks are read one after the other
		ahead = 0
	}
	return now, ahead
}

// Next returns the next whole millisecond: what is to last so long begins there, since the clock is cut to milliseconds.
func (c Clock) Next() int64 {
	return (c.base + int64(time.Since(c.start)) + int64(time.Millisecond) - 1) / int64(time.Millisecond)
}

// now returns the time of the group's clock, and has its windows follow the wall clock; the lock is held.
func (g *Group) now() int64 {
	now, ahead := g.env.Clock.Read()
	if ahead != g.ahead {
		g.ahead = ahead
		for _, w := range g.windows {
			w.machine.Wall(ahead)
		}
	}
	return now
}

// Time turns milliseconds of this clock into the time that the wall clock shows then, if it does not jump any more.
func (c Clock) Time(ms int64) time.Time {
	_, ahead := c.Read()
	return time.UnixMilli(ms + ahead).UTC()
}

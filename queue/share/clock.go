package share

import "time"

// Clock is the time that leases, backoff and rates run on: the wall clock when the process started plus what has
// passed since by the monotonic one, so that a jump of the wall clock moves nothing.
type Clock struct{ start time.Time }

// NewClock starts a clock.
func NewClock() Clock { return Clock{start: time.Now()} }

// Now returns milliseconds since the Unix epoch.
func (c Clock) Now() int64 { return c.start.UnixMilli() + time.Since(c.start).Milliseconds() }

// Time turns milliseconds of this clock into a time.
func (c Clock) Time(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

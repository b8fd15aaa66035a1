package cron

import (
	"fmt"
	"sync"
	"time"

	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/topic"
)

const (
	restFiring = 10 * time.Second // how long a schedule rests whose record could not be published
	maxSleep   = 10 * time.Second // the wall clock, which schedules follow, may jump
)

// Runner fires the recurring schedules of a broker.
type Runner struct {
	env *topic.Env

	mu     sync.Mutex // taken before a schedule's
	byName map[string]*recurring
}

// New returns a runner of no schedules.
func New(env *topic.Env) *Runner { return &Runner{env: env, byName: map[string]*recurring{}} }

// Start brings a schedule to life, in place of the one of its name. Errors: an expression that cannot be read.
func (r *Runner) Start(def *catalog.Schedule) error {
	times, err := catalog.ParseCron(def.Config.Cron, def.Config.Zone)
	if err != nil {
		return fmt.Errorf("schedule %s: %w", def.Name, err)
	}
	s := &recurring{env: r.env, def: def, times: times, began: r.env.Now()}
	s.timer = time.AfterFunc(time.Hour, s.tick)
	r.mu.Lock()
	if old := r.byName[def.Name]; old != nil {
		old.close()
		s.began = old.began
	}
	r.byName[def.Name] = s
	r.mu.Unlock()
	s.arm(0)
	return nil
}

// End ends a schedule.
func (r *Runner) End(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.byName[name]; s != nil {
		s.close()
		delete(r.byName, name)
	}
}

// Status is a schedule at work.
type Status struct {
	Def    *catalog.Schedule
	LastAt time.Time // that it fired for; zero = it has not fired yet
	NextAt time.Time
}

// Status returns what is known of a schedule; false if there is none.
func (r *Runner) Status(name string) (Status, bool) {
	r.mu.Lock()
	s := r.byName[name]
	r.mu.Unlock()
	if s == nil {
		return Status{}, false
	}
	st := Status{Def: s.def, NextAt: s.next()}
	if t, err := r.env.Topics.Get(s.def.Config.Topic); err == nil {
		if at, ok := t.Delayed.Fired(s.def.ID); ok {
			st.LastAt = at
		}
	}
	return st, true
}

// Close ends all schedules; firings under way finish within Env.Background.
func (r *Runner) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.byName {
		s.close()
	}
}

// recurring runs one schedule.
type recurring struct {
	env   *topic.Env
	def   *catalog.Schedule
	times *catalog.Times
	began time.Time // when this process took it up: what was due before was missed

	mu     sync.Mutex
	timer  *time.Timer
	closed bool
}

func (s *recurring) close() {
	s.mu.Lock()
	s.closed = true
	s.timer.Stop()
	s.mu.Unlock()
}

// arm sets the timer to the next firing, at least rest from now.
func (s *recurring) arm(rest time.Duration) {
	next := s.next()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.timer.Reset(max(rest, sleepFor(next, s.env.Now())))
	}
}

// sleepFor is how long to sleep for a firing; zero is none within the years that schedules look ahead.
func sleepFor(next, now time.Time) time.Duration {
	if next.IsZero() {
		return maxSleep
	}
	return min(max(0, next.Sub(now)), maxSleep)
}

// lastFor returns the time that the last firing was for, or when the schedule began.
func (s *recurring) lastFor() time.Time {
	t, err := s.env.Topics.Get(s.def.Config.Topic)
	if err == nil {
		if at, ok := t.Delayed.Fired(s.def.ID); ok && at.After(s.def.Since) {
			return at
		}
	}
	return s.def.Since
}

func (s *recurring) next() time.Time { return s.times.Next(s.lastFor()) }

func (s *recurring) tick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.env.Background.Go(func() {
			s.env.Committer.Turn("schedule " + s.def.Name)
			s.run()
		})
	}
}

// run fires if it is time.
func (s *recurring) run() {
	now := s.env.Now()
	newest := s.times.Newest(s.lastFor(), now)
	if newest.IsZero() {
		s.arm(0)
		return
	}
	// The one that is due now is no missed one, unless nobody was there when it was: it is at most a timer late.
	missed := newest.Before(s.began) || now.Sub(newest) > maxSleep+restFiring
	if err := s.fire(newest, missed && s.def.Config.CatchUp == catalog.CatchUpNone); err != nil {
		if s.env.Ctx.Err() == nil {
			s.env.Logger.Error("a schedule cannot fire; trying again", "schedule", s.def.Name, "topic", s.def.Config.Topic, "error", err)
		}
		s.arm(restFiring)
		return
	}
	s.arm(0)
}

// fire publishes the record for a time, in one unit with noting that; skip only notes.
func (s *recurring) fire(at time.Time, skip bool) error {
	t, err := s.env.Topics.Get(s.def.Config.Topic)
	if err != nil {
		return err
	}
	if t.Def.ID != s.def.TopicID {
		return fmt.Errorf("topic %s was made again: %w", t.Def.Name, topic.ErrNotFound)
	}
	if skip {
		s.commit(func() { t.Delayed.Pass(s.def.ID, at) })
		return s.env.Durable(s.env.Ctx)
	}
	pub, err := topic.NewPublication(s.env, &topic.Item{Topic: t, Messages: []topic.Message{MessageFor(s.def.Config.Record)}})
	if err != nil {
		return err
	}
	if err := pub.Begin(); err != nil {
		return err
	}
	if !s.commit(func() { t.Delayed.Fire(pub, s.def.ID, at) }) {
		pub.Abort()
		return nil
	}
	return s.env.Durable(s.env.Ctx)
}

// commit runs what enqueues a firing unless the schedule has ended; once End has returned, nothing is enqueued any more.
func (s *recurring) commit(enqueue func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		enqueue()
	}
	return !s.closed
}

// MessageFor returns what a schedule publishes.
func MessageFor(r catalog.ScheduleRecord) topic.Message {
	return topic.Message{Key: r.Key, Value: r.Value, Headers: r.Headers, TTL: r.TTL, Priority: r.Priority, Partition: r.Partition}
}

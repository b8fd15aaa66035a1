package tail

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
)

// Limits of a stream.
const (
	MaxChunk      = 256      // records of one event
	MaxChunkBytes = 64 << 10 // bytes of them; a larger record comes alone
	MaxBehind     = 64 << 20 // bytes of a partition that a reader which had caught up may be behind before it is moved on
	maxPassed     = 4 << 20  // bytes looked at for a key before the other partitions have their turn
)

// Config says what to follow.
type Config struct {
	Hub   *Hub
	Topic string
	// Partitions returns the topic's partitions as they are now; false: it is deleted.
	Partitions func() ([]*partition.Partition, bool)
	// Start returns where the reader begins on a partition.
	Start     func(*partition.Partition) record.Offset
	Keyed     bool
	Key       []byte          // with Keyed: only its records
	MaxBehind int64           // 0 = MaxBehind
	Stop      <-chan struct{} // closed when the server stops
}

// Kind is what happened.
type Kind uint8

// The kinds of events.
const (
	Records  Kind = iota + 1
	Gap           // the records of [From, To) do not come
	Beat          // nothing, for as long as asked
	Deleted       // the topic is gone: the last event
	Stopping      // the server stops: the last event
)

// Event is one step of a stream.
type Event struct {
	Kind      Kind
	Partition int
	Records   []record.Record // bytes are shared
	From, To  record.Offset
}

// Stream follows a topic. Use it from one goroutine, and Close it.
type Stream struct {
	cfg   Config
	parts []*follow
	turn  int           // the partition to look at next
	woken chan struct{} // one slot
}

// follow is where the reader is on one partition.
type follow struct {
	part *partition.Partition
	next record.Offset // to be looked at next
	live bool          // it had caught up once
}

// Open begins to follow a topic that is there.
func Open(cfg Config) *Stream {
	if cfg.MaxBehind == 0 {
		cfg.MaxBehind = MaxBehind
	}
	s := &Stream{cfg: cfg, woken: make(chan struct{}, 1)}
	cfg.Hub.add(cfg.Topic, s)
	if parts, ok := cfg.Partitions(); ok {
		for _, p := range parts {
			s.parts = append(s.parts, &follow{part: p, next: cfg.Start(p)})
		}
	}
	return s
}

// Close ends the following.
func (s *Stream) Close() {
	s.cfg.Hub.remove(s.cfg.Topic, s)
	for _, f := range s.parts {
		f.part.Unwatch(s)
	}
}

// Position returns the offset to come next, by partition.
func (s *Stream) Position() []record.Offset {
	out := make([]record.Offset, len(s.parts))
	for i, f := range s.parts {
		out[i] = f.next
	}
	return out
}

func (s *Stream) nudge() {
	select {
	case s.woken <- struct{}{}:
	default:
	}
}

// Advanced implements partition.Watcher.
func (s *Stream) Advanced(*partition.Partition) { s.nudge() }

// Next returns what happens next, a Beat if that is nothing for idle. Errors: the context's, store.ErrCorrupt.
func (s *Stream) Next(ctx context.Context, idle time.Duration) (Event, error) {
	over := time.NewTimer(idle)
	defer over.Stop()
	for {
		if !s.grow() {
			return Event{Kind: Deleted}, nil
		}
		e, more, err := s.round(ctx)
		if err != nil || e.Kind != 0 {
			return e, err
		}
		if more || !s.watch() {
			s.nudge()
		}
		select {
		case <-s.cfg.Stop:
			return Event{Kind: Stopping}, nil
		case <-ctx.Done():
			return Event{}, ctx.Err()
		case <-over.C:
			return Event{Kind: Beat}, nil
		case <-s.woken:
		}
	}
}

// grow takes partitions that were added, from their beginning; false if the topic is deleted.
func (s *Stream) grow() bool {
	parts, ok := s.cfg.Partitions()
	if !ok {
		return false
	}
	for _, p := range parts[len(s.parts):] {
		s.parts = append(s.parts, &follow{part: p})
	}
	return true
}

// round looks once at each partition, beginning behind the one that gave the last event. more says that there is more to look at.
func (s *Stream) round(ctx context.Context) (e Event, more bool, err error) {
	for range s.parts {
		f := s.parts[s.turn]
		s.turn = (s.turn + 1) % len(s.parts)
		e, err := f.step(ctx, &s.cfg)
		if err != nil || e.Kind != 0 {
			return e, true, err
		}
		_, end := f.part.Bounds()
		more = more || f.next < end
	}
	return Event{}, more, nil
}

// watch asks all partitions to tell when they grow; false if one has grown already.
func (s *Stream) watch() bool {
	for _, f := range s.parts {
		if !f.part.Watch(f.next, s) {
			return false
		}
	}
	return true
}

// step takes the next chunk of a partition, or the gap before it.
func (f *follow) step(ctx context.Context, cfg *Config) (Event, error) {
	start, end := f.part.Bounds()
	if f.next < start {
		return f.gap(start), nil
	}
	if f.next >= end {
		f.live = true
		return Event{}, nil
	}
	if f.live && f.part.BytesFrom(f.next) > cfg.MaxBehind {
		return f.gap(end), nil
	}
	records, err := f.chunk(ctx, cfg, end)
	if len(records) > 0 { // an error comes again
		return Event{Kind: Records, Partition: f.part.Index, Records: records}, nil
	}
	if errors.Is(err, store.ErrTrimmed) { // just now: the next step names the gap
		return Event{}, nil
	}
	return Event{}, err
}

func (f *follow) gap(to record.Offset) Event {
	e := Event{Kind: Gap, Partition: f.part.Index, From: f.next, To: to}
	f.next = to
	return e
}

// chunk reads on, at most to end.
func (f *follow) chunk(ctx context.Context, cfg *Config, end record.Offset) (out []record.Record, err error) {
	size, passed, full := 0, 0, false
	err = f.part.Scan(ctx, f.next, MaxChunkBytes, func(r *record.Reader) error {
		if r.Offset() >= end {
			return partition.Stop()
		}
		if full = len(out) == MaxChunk || len(out) > 0 && size+r.Size() > MaxChunkBytes || passed > maxPassed; full {
			return partition.Stop()
		}
		passed += r.Size()
		if !cfg.Keyed || r.Key() != nil && bytes.Equal(r.Key(), cfg.Key) {
			size += r.Size()
			out = append(out, r.Record())
		}
		f.next = r.Offset() + 1
		return nil
	})
	if err == nil && !full {
		f.next = max(f.next, end) // what is left before end are holes
	}
	return slices.Clip(out), err
}

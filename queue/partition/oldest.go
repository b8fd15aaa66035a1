package partition

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/holtmq/holt/queue/record"
)

// Stamp remembers when the first record from an offset on was appended, for who asks again and again about the first one that it has still to do. It may be used by
// any number of goroutines.
type Stamp struct {
	mu sync.Mutex
	at record.Offset
	ms int64 // 0 = nothing is known
}

// of returns when (ms) the first record from an offset on was appended if that is what it remembers, else a time before which it was not.
func (s *Stamp) of(at record.Offset) (ms int64, exact bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ms == 0 || at < s.at {
		return math.MinInt64, false
	}
	return s.ms, at == s.at // timestamps never go back within a partition
}

func (s *Stamp) set(at record.Offset, ms int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at, s.ms = at, ms
}

// Oldest finds the oldest of several records. It is for one goroutine. The zero value has none.
type Oldest struct {
	found  bool
	ms     int64 // when it was appended
	unread []unread
}

// unread is a record that may be older than what is found.
type unread struct {
	part  *Partition
	at    record.Offset
	stamp *Stamp
	floor int64 // ms: it is not older
}

// AddKnown adds a record that was appended at ms.
func (o *Oldest) AddKnown(ms int64) {
	if !o.found || ms < o.ms {
		o.found, o.ms = true, ms
	}
}

// Add adds the first record of a partition from an offset on, of which stamp remembers what was read. It reads nothing.
func (o *Oldest) Add(p *Partition, at record.Offset, stamp *Stamp) {
	ms, exact := stamp.of(at)
	if exact && at >= p.WholeFrom() { // else the record may be gone
		o.AddKnown(ms)
		return
	}
	if !o.found || ms < o.ms {
		o.unread = append(o.unread, unread{p, at, stamp, ms})
	}
}

// Time returns when the oldest was appended; zero if there is no record. It reads those only that may be older than what is known of the others. Errors: the context's, at
// once; of reading, once all else is read, with what it came to without these.
func (o *Oldest) Time(ctx context.Context) (at time.Time, err error) {
	slices.SortFunc(o.unread, func(x, y unread) int { return cmp.Compare(x.floor, y.floor) })
	for _, u := range o.unread {
		if o.found && u.floor >= o.ms {
			break
		}
		if ctx.Err() != nil {
			return time.Time{}, ctx.Err()
		}
		t, cause := u.part.Appended(ctx, u.at)
		if cause != nil {
			err = errors.Join(err, cause)
		} else if !t.IsZero() {
			u.stamp.set(u.at, t.UnixMilli())
			o.AddKnown(t.UnixMilli())
		}
	}
	if o.found {
		at = time.UnixMilli(o.ms).UTC()
	}
	return at, err
}

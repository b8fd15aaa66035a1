package admit

import (
	"fmt"
	"reflect"

	"github.com/holtmq/holt/lease"
	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/ordered"
)

// Join refuses a request over a limit. Errors: ErrInvalidRequest.
func (l *Limits) Join(req ordered.JoinRequest) error {
	switch {
	case req.Session < ordered.MinSession || req.Session > ordered.MaxSession:
		return fmt.Errorf("%w: session is %s: it must be \"1s\" to \"1h\"", ErrInvalidRequest, req.Session)
	case len(req.Member) > lease.MaxMember:
		return fmt.Errorf("%w: member takes %d bytes, at most %d", ErrInvalidRequest, len(req.Member), lease.MaxMember)
	}
	return nil
}

// Poll refuses a request over a limit, or that names a partition twice. Errors: ErrInvalidRequest.
func (l *Limits) Poll(req ordered.PollRequest) error {
	most := l.MaxRead
	if req.Batches {
		most = ordered.MaxBatched
	}
	switch {
	case req.Max < 1 || int64(req.Max) > most:
		return fmt.Errorf("%w: max is %d: it must be 1 to %d", ErrInvalidRequest, req.Max, most)
	case req.MaxBytes < 0 || req.MaxBytes > l.MaxBytes:
		return fmt.Errorf("%w: max_bytes is %d: it must be 0 to %d", ErrInvalidRequest, req.MaxBytes, l.MaxBytes)
	case req.Wait < 0 || req.Wait > l.MaxWait:
		return fmt.Errorf("%w: wait is %s: it must be \"0s\" to %q", ErrInvalidRequest, req.Wait, l.MaxWait)
	}
	return l.Owned(req.Owned)
}

// Owned refuses too many partitions, and one named twice. Errors: ErrInvalidRequest.
func (l *Limits) Owned(owned []ordered.Owned) error {
	if len(owned) > ordered.MaxOwned {
		return fmt.Errorf("%w: owned names %d partitions, at most %d", ErrInvalidRequest, len(owned), ordered.MaxOwned)
	}
	return once(owned, func(o ordered.Owned) ordered.Place { return o.Place })
}

// Offsets refuses a commit of too many partitions, of one twice, or of what no offset is. Errors: ErrInvalidRequest.
func (l *Limits) Offsets(offsets []ordered.Committed) error {
	if len(offsets) > ordered.MaxOwned {
		return fmt.Errorf("%w: %d offsets, at most %d", ErrInvalidRequest, len(offsets), ordered.MaxOwned)
	}
	for _, o := range offsets {
		if o.Offset < 0 || len(o.Metadata) > ordered.MaxMetadata {
			return fmt.Errorf("%w: offset %d of %s: an offset is 0 or more, and its metadata takes at most %d bytes", ErrInvalidRequest, o.Offset, o.Place, ordered.MaxMetadata)
		}
	}
	return once(offsets, func(o ordered.Committed) ordered.Place { return o.Place })
}

// once refuses a list that names a partition twice.
func once[T any](list []T, place func(T) ordered.Place) error {
	seen := make(map[ordered.Place]struct{}, len(list))
	for _, v := range list {
		p := place(v)
		if _, again := seen[p]; again {
			return fmt.Errorf("%w: partition %s is named twice", ErrInvalidRequest, p)
		}
		seen[p] = struct{}{}
	}
	return nil
}

// OrderedConfig refuses a configuration that only share groups have. Errors: catalog.ErrInvalidConfig.
func OrderedConfig(group string, c catalog.GroupConfig) error {
	def := catalog.DefaultGroup(group)
	def.Start, def.Pin, def.Paused = c.Start, c.Pin, c.Paused
	if !reflect.DeepEqual(def, c) {
		return fmt.Errorf("%w: a group of kind ordered has start, pin and paused; all else is for share groups", catalog.ErrInvalidConfig)
	}
	return nil
}

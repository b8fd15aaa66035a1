package topic

import (
	"context"
	"fmt"

	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
)

// TailRequest follows a topic from a position on, or where an earlier tail was.
type TailRequest struct {
	Topic  string
	From   partition.Position
	At     map[int]record.Offset // by partition, instead of From; a partition not named begins at its start
	Resume bool                  // At is what an earlier tail said: an offset past the end is of a former topic of that name, and the partition begins at its start
	Keyed  bool
	Key    []byte // with Keyed: only its records
}

// Starts returns where a tail of the topic begins, by partition. Errors: ErrPartitionNotFound, *partition.RangeError, the log's.
func (req TailRequest) Starts(ctx context.Context, t *Topic) (map[int]record.Offset, error) {
	for index := range req.At {
		if index >= len(t.Partitions) && !req.Resume {
			return nil, fmt.Errorf("partition %d: topic %s has %d: %w", index, req.Topic, len(t.Partitions), ErrPartitionNotFound)
		}
	}
	out := map[int]record.Offset{}
	for _, p := range t.Partitions {
		start, end := p.Bounds()
		at, named := req.At[p.Index]
		switch {
		case req.At == nil:
			var err error
			if at, err = req.From.Find(ctx, p); err != nil {
				return nil, p.InRange(err)
			}
		case !named, req.Resume && at > end:
			at = start
		case at > end:
			return nil, fmt.Errorf("%s/%d at %d: %w", req.Topic, p.Index, at, &partition.RangeError{Start: start, End: end})
		}
		out[p.Index] = at
	}
	return out, nil
}

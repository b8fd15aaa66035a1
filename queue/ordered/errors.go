package ordered

import (
	"errors"
	"fmt"

	"github.com/holtmq/holt/queue/ordered/roster"
	"github.com/holtmq/holt/queue/record"
)

// Sentinels of ordered groups.
var (
	ErrMemberNotFound = roster.ErrMemberNotFound
	ErrFenced         = roster.ErrFenced
	ErrTooManyMembers = roster.ErrTooManyMembers
	ErrRebalancing    = errors.New("the group has members")
	ErrTooManyWaiting = errors.New("too many parked calls")
	ErrClosed         = errors.New("the group is closed")
)

// Place names a partition of a topic.
type Place struct {
	Topic     string
	Partition int
}

// String returns topic/partition.
func (p Place) String() string { return fmt.Sprintf("%s/%d", p.Topic, p.Partition) }

// FencedError says that a commit named partitions that are not the member's: nothing was applied. It is ErrFenced.
type FencedError struct {
	Member string
	Failed []Place
}

// Error implements error.
func (e *FencedError) Error() string {
	return fmt.Sprintf("%d of the partitions are not member %s's, %s first: nothing was committed", len(e.Failed), e.Member, e.Failed[0])
}

// Is says that it is ErrFenced.
func (e *FencedError) Is(target error) bool { return target == ErrFenced }

// RangeError says that a commit was past the end of a partition: nothing was applied.
type RangeError struct {
	Place
	Offset     record.Offset
	Start, End record.Offset
}

// Error implements error.
func (e *RangeError) Error() string {
	return fmt.Sprintf("offset %d of %s: the partition ends at %d", e.Offset, e.Place, e.End)
}

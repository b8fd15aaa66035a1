package share

import "errors"

// Sentinels of share groups.
var (
	ErrLeaseLost      = errors.New("the lease is lost")
	ErrAlreadySettled = errors.New("the lease was settled already")
	ErrInvalidReceipt = errors.New("not a receipt of this group")
	ErrNotAttached    = errors.New("the group does not read this topic")
	ErrTooManyLogs    = errors.New("too many partitions in one unit")
	ErrTooManyWaiting = errors.New("too many parked calls")
	ErrNoSpace        = errors.New("there is no space left for dead letters")
	ErrDying          = errors.New("dead letters are not written yet; try again")
	ErrClosed         = errors.New("the group is closed")
)

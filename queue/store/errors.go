package store

import (
	"errors"
	"fmt"
)

// Sentinels of the seam. Engines wrap them with operation and identity.
var (
	ErrFenced     = errors.New("another owner has taken the log")
	ErrUnknown    = errors.New("outcome unknown: wholly applied or not at all")
	ErrDead       = errors.New("the store has failed; restart the process")
	ErrClosed     = errors.New("the store is closed")
	ErrCorrupt    = errors.New("stored data is damaged")
	ErrTrimmed    = errors.New("offset is before the start of the log")
	ErrOutOfRange = errors.New("offset is past the end of the log")
	ErrConflict   = errors.New("the definition has changed")
	ErrNotFound   = errors.New("no such definition")
	ErrInvalid    = errors.New("unit breaks a rule of the store") // a programmer's error of the caller: limits, chain, sequence
)

// Damage is ErrCorrupt of batches whose extent is known: none of the offsets [From, Last] can be read, and Last + 1 is where the next batch begins, or the
// log's end.
type Damage struct {
	From, Last Offset
	Err        error // wraps ErrCorrupt
}

// Error implements error.
func (d *Damage) Error() string { return fmt.Sprintf("offsets %d to %d: %v", d.From, d.Last, d.Err) }

// Unwrap gives the cause.
func (d *Damage) Unwrap() error { return d.Err }

// Takes tells whether an offset is among those that cannot be read.
func (d *Damage) Takes(at Offset) bool { return d.From <= at && at <= d.Last }

// DamageAt returns the damage that an error tells of, if its extent is known and it takes an offset.
func DamageAt(err error, at Offset) (*Damage, bool) {
	var d *Damage
	if errors.As(err, &d) && d.Takes(at) {
		return d, true
	}
	return nil, false
}

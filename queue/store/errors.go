package store

import "errors"

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

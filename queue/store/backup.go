package store

import (
	"context"
	"fmt"
	"io"
	"time"
)

// Backer is what an engine can do beside Store if it can be copied while it is at work.
type Backer interface {
	// Snapshot keeps everything that is durable at one moment, between the call and its return: a prefix of the commits, all logs and definitions
	// alike. Commits go on beside it, but space of what is deleted meanwhile does not come back before it is closed. Errors: ErrDead, ErrClosed, the context's.
	Snapshot(ctx context.Context) (Snapshot, error)
}

// Snapshot is a moment of a store.
type Snapshot interface {
	// Info describes the moment; Keys and Bytes are 0.
	Info() Backup

	// Copy writes the moment to w without the first from bytes, and says what all of it holds. The bytes are the same each time, and end with a mark that tells a whole copy
	// from a cut one. It blocks on w. Errors: w's, ErrInvalid (there are fewer than from bytes), ErrCorrupt (what is stored is damaged: the copy ends without its mark), ErrDead, ErrClosed, the
	// context's.
	Copy(ctx context.Context, w io.Writer, from int64) (Backup, error)

	// Close lets go of the moment, once.
	Close()
}

// Backup describes a copy of a store.
type Backup struct {
	Engine   string    `json:"engine"`
	Sequence uint64    `json:"sequence"` // the newest commit in it
	Opens    uint64    `json:"opens"`
	At       time.Time `json:"at"`
	About    int64     `json:"about"` // bytes that the store took then: about how long the copy is
	Keys     int64     `json:"keys,omitempty"`
	Bytes    int64     `json:"bytes,omitempty"` // of keys and values
}

// Tag names the moment among all of its store.
func (b Backup) Tag() string { return fmt.Sprintf("%d-%d", b.Opens, b.Sequence) }

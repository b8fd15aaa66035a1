package store

import (
	"context"
	"io"
	"time"
)

// Backer is what an engine can do beside Store if it can be copied while it is at work.
type Backer interface {
	// Backup writes everything that is durable at one moment, between the call and its first byte: a prefix of the commits, all logs and
	// definitions alike. It ends with a mark that tells a whole copy from a cut one. Commits go on beside it, but space of
	// what is deleted meanwhile does not come back before it returns. Any number may run at once; each blocks on w.
	// Errors: w's, ErrCorrupt (what is stored is damaged: the copy ends without its mark), ErrDead, ErrClosed, the context's.
	Backup(ctx context.Context, w io.Writer) (Backup, error)
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

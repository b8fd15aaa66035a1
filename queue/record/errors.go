package record

import "errors"

// Sentinels of the package; errors wrap them with what was wrong and where.
var (
	// ErrCorrupt: the bytes are not a whole, undamaged batch.
	ErrCorrupt = errors.New("record batch is damaged")
	// ErrUnsupported: the bytes may be a good batch, but of a format, codec or kind (transactional, control) that Holt does not take.
	ErrUnsupported = errors.New("record batch is of an unsupported kind")
	// ErrNotFound: no record at that offset (it was removed by a rewrite, or is outside the batch).
	ErrNotFound = errors.New("no record at this offset")
	// ErrTooLarge: the records take more than MaxUncompressed bytes, or more offsets than a batch can cover.
	ErrTooLarge = errors.New("record batch is too large")
	// ErrEmpty: a batch must cover at least one offset.
	ErrEmpty = errors.New("record batch covers no offset")
)

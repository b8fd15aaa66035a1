package lease

import "errors"

// ErrCorrupt is wrapped by what Replay and Restore return for bytes that no window wrote. The window is then of no use.
var ErrCorrupt = errors.New("lease: corrupt")

//go:build !linux && !darwin

package badger

import "math"

// freeSpace knows nothing here: the guard of free space never closes.
func freeSpace(string) (size, free int64, err error) { return 0, math.MaxInt64 / 2, nil }

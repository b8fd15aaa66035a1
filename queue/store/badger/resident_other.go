//go:build !linux

package badger

import badgerdb "github.com/dgraph-io/badger/v4"

// dropPages does nothing where /proc/self/maps is not.
func dropPages(string, *badgerdb.Item) {}

// giveBackPages does nothing where /proc/self/maps and MADV_PAGEOUT are not.
func giveBackPages(string) {}

// writeSmallPages does nothing where /proc/self/maps is not.
func writeSmallPages(string) {}

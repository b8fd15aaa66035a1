//go:build !linux

package badger

// giveBackPages does nothing where /proc/self/maps and MADV_PAGEOUT are not.
func giveBackPages(string) {}

// writeSmallPages does nothing where /proc/self/maps is not.
func writeSmallPages(string) {}

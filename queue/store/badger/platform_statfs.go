//go:build linux || darwin

package badger

import "golang.org/x/sys/unix"

// freeSpace returns the size of dir's file system and what of it this process may still use, in bytes.
func freeSpace(dir string) (size, free int64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, 0, err
	}
	return int64(st.Blocks) * int64(st.Bsize), int64(st.Bavail) * int64(st.Bsize), nil
}

package badger

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	badgerdb "github.com/dgraph-io/badger/v4"
)

// identityName is the file that makes a directory one of Holt's. While a directory is being made it has the name
// newIdentityName: nothing in it was acknowledged yet.
const (
	identityName    = "HOLT"
	newIdentityName = "HOLT.new"
	identity        = "holt data directory, engine badger, format 2\n"

	// oldIdentity is that of versions that did not know of the files in front of Badger, and would pass over the commits in them.
	oldIdentity = "holt data directory, engine badger, format 1\n"
)

// makeDir makes the data directory, readable by its owner only.
func makeDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	fi, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if !fi.IsDir() {
		return fmt.Errorf("%w: not a directory", ErrForeign)
	}
	if fi.Mode().Perm()&0o077 != 0 {
		return os.Chmod(dir, 0o700)
	}
	return nil
}

// checkIdentity says whether the directory is one to begin in, and marks it so; it refuses one that is not Holt's.
func checkIdentity(dir string) (fresh bool, err error) {
	fresh, err = isFresh(dir)
	if err != nil || !fresh {
		return false, err
	}
	return true, writeFile(dir, newIdentityName, identity)
}

// isFresh says whether nothing in the directory was acknowledged yet. A directory whose list of tables is gone is an
// error: Badger would begin a new one and delete the tables.
func isFresh(dir string) (fresh bool, err error) {
	b, err := os.ReadFile(filepath.Join(dir, identityName))
	if err == nil {
		if string(b) != identity && string(b) != oldIdentity {
			return false, fmt.Errorf("%w: %s says %q", ErrForeign, identityName, firstLine(b))
		}
		if _, err := os.Stat(filepath.Join(dir, badgerdb.ManifestFilename)); err != nil {
			return false, corrupt("%s is missing: %v", badgerdb.ManifestFilename, err)
		}
		return false, nil
	}
	if !os.IsNotExist(err) {
		return false, err
	}
	if _, err := os.Stat(filepath.Join(dir, newIdentityName)); err == nil {
		return true, nil // a first start that did not come to its end
	}
	if _, err := os.Stat(filepath.Join(dir, restoringName)); err == nil {
		return false, ErrRestore
	}
	names, err := os.ReadDir(dir)
	if err != nil {
		return false, err
	}
	for _, n := range names {
		if isData(n.Name()) {
			return false, fmt.Errorf("%w: there is %s but no %s", ErrForeign, n.Name(), identityName)
		}
	}
	return true, nil
}

// isData says whether a file holds data of a store.
func isData(name string) bool {
	switch filepath.Ext(name) {
	case ".sst", ".vlog", ".mem":
		return true
	}
	return name == badgerdb.ManifestFilename || name == sideName
}

// writeIdentity gives a directory the identity of this version. It ends the making of a new one: from here on what it holds was acknowledged.
func writeIdentity(dir string) error {
	name := filepath.Join(dir, identityName)
	if b, err := os.ReadFile(name); err == nil && string(b) == identity {
		return nil
	}
	if err := writeFile(dir, newIdentityName, identity); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(dir, newIdentityName), name); err != nil {
		return err
	}
	return syncDir(dir)
}

// writeFile writes a small file durably.
func writeFile(dir, name, content string) error {
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(content)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return syncDir(dir)
}

func firstLine(b []byte) string {
	line, _, _ := strings.Cut(string(b[:min(len(b), 200)]), "\n")
	return line
}

package badger

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	badgerdb "github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/table"
)

// Verify checks a data directory without changing it: every table that Badger's list names is there.
func Verify(_ context.Context, dir string) error {
	f, err := os.Open(filepath.Join(dir, badgerdb.ManifestFilename))
	if err != nil {
		return corrupt("%v", err)
	}
	defer f.Close()
	m, _, err := badgerdb.ReplayManifestFile(f, 0, badgerOptions(dir))
	if err != nil {
		return corrupt("%s: %v", badgerdb.ManifestFilename, err)
	}
	for id := range m.Tables {
		if _, err := os.Stat(table.NewFilename(id, dir)); err != nil {
			return corrupt("%s: %v", fmt.Sprintf("table %d", id), err)
		}
	}
	return nil
}

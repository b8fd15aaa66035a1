package badger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	badgerdb "github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/pb"
	"google.golang.org/protobuf/proto"
)

// Badger drops the error of a compaction's table that could not be made or synced: it goes on without the table, and removes those whose keys it held. But it logs each
// table that it begins, and in the list of tables stands what became of them. compactions holds the two against each other.
type compactions struct {
	dir string

	mu    sync.Mutex
	begun map[int]int  // by the compactor's number: tables since its last compaction ended
	blind map[int]bool // compactors at work when a new list was begun
	at    int64        // how much of the list was read
	list  os.FileInfo  // which list: Badger begins a new one now and then
	made  []int        // of each change of the list by a compaction that has not been told ended yet: tables made
}

// Formats of what Badger logs, and the arguments looked at.
const (
	logBuilt = "[%d] LOG Compact. Added %d keys."              // compactor, keys
	logDone  = "[Compactor: %d] Compaction for level: %d DONE" // compactor
)

func newCompactions(dir string) *compactions {
	return &compactions{dir: dir, begun: map[int]int{}, blind: map[int]bool{}}
}

// begin finds where the list ends, if there is one: before Badger opens it, or when Badger has made it.
func (c *compactions) begin() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.list != nil {
		return nil
	}
	f, err := os.Open(filepath.Join(c.dir, badgerdb.ManifestFilename))
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if c.list, err = f.Stat(); err == nil {
		_, c.at, err = badgerdb.ReplayManifestFile(f, 0, badgerOptions(c.dir).WithLogger(nil))
	}
	return err
}

// heard takes in a line of Badger's log. Errors: ErrLost, when a compaction has lost a table; those of reading the list.
func (c *compactions) heard(format string, args []any) error {
	built := strings.HasPrefix(format, logBuilt)
	if !built && format != logDone {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	compactor := args[0].(int)
	if !built {
		return c.done(compactor)
	}
	if args[1].(uint64) > 0 {
		c.begun[compactor]++
	}
	return nil
}

// done looks for a change of the list that made as many tables as a compactor began.
func (c *compactions) done(compactor int) error {
	if err := c.read(); err != nil {
		return fmt.Errorf("%s: %w", badgerdb.ManifestFilename, err)
	}
	want, blind := c.begun[compactor], c.blind[compactor]
	delete(c.begun, compactor)
	delete(c.blind, compactor)
	if want == 0 || blind {
		return nil
	}
	i := slices.Index(c.made, want)
	if i < 0 {
		return fmt.Errorf("%w: a compaction has lost one of %d tables", ErrLost, want)
	}
	c.made = slices.Delete(c.made, i, i+1)
	return nil
}

// read reads what was added to the list.
func (c *compactions) read() error {
	f, err := os.Open(filepath.Join(c.dir, badgerdb.ManifestFilename))
	if err != nil {
		return err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	if !os.SameFile(c.list, fi) { // a new list does not tell of single compactions
		c.list, c.at, c.made = fi, fi.Size(), nil
		for compactor := range c.begun {
			c.blind[compactor] = true
		}
		return nil
	}
	b, err := io.ReadAll(io.NewSectionReader(f, c.at, fi.Size()-c.at))
	if err != nil {
		return err
	}
	for {
		const header = 8 // length and checksum
		if len(b) < header {
			return nil
		}
		n := header + int(binary.BigEndian.Uint32(b))
		if n > len(b) { // it is being written
			return nil
		}
		var changes pb.ManifestChangeSet
		if err := proto.Unmarshal(b[header:n], &changes); err != nil {
			return err
		}
		c.change(&changes)
		b, c.at = b[n:], c.at+int64(n)
	}
}

// change takes in one change of the list. A table that was written out of memory is made and replaces none.
func (c *compactions) change(set *pb.ManifestChangeSet) {
	made := 0
	for _, x := range set.Changes {
		if x.Op == pb.ManifestChange_CREATE {
			made++
		}
	}
	if made > 0 && made < len(set.Changes) {
		c.made = append(c.made, made)
	}
}

// lostName is the file that says what was lost, so that the next start knows.
const lostName = "HOLT.lost"

// noteLoss ends the store, and tells the next start of a loss.
func (s *Store) noteLoss(err error) {
	if errors.Is(err, ErrLost) {
		err = errors.Join(err, writeFile(s.cfg.Dir, lostName, err.Error()+"\n"))
	}
	s.fail(err)
}

// knownLoss returns what the last process found lost, or nil.
func knownLoss(dir string) error {
	b, err := os.ReadFile(filepath.Join(dir, lostName))
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("%w: %s", ErrLost, firstLine(b))
}

package system

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/journal"
	"github.com/holtmq/holt/queue/store"
)

// LogID is the server's own log. The catalog's identities begin at 1.
const LogID store.LogID = 0

// Log is the server's own log. Keep and KeepEach are called before Open, the others after it, from any goroutine.
type Log struct {
	committer *commit.Committer

	alone map[store.Journal]*Journal // by name; read by Open only
	each  []family                   // likewise

	checkpoints atomic.Uint64 // begun that are longer than a piece

	work   sync.WaitGroup // checkpoints being written
	ctx    context.Context
	cancel context.CancelFunc
}

// family makes the machines of journals whose names begin alike.
type family struct {
	prefix store.Journal
	found  func(*Journal) Machine
}

// New returns the log for a committer.
func New(c *commit.Committer) *Log {
	l := &Log{committer: c, alone: map[store.Journal]*Journal{}}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// Keep has a machine restored from the journal of a name, and returns the journal, which may be new. Names are "kind", or "kind/id" for KeepEach;
// docs/FORMAT.md lists them.
func (l *Log) Keep(name store.Journal, m Machine) *Journal {
	if l.alone[name] != nil {
		panic(fmt.Sprintf("journal %s is kept twice", name))
	}
	j := l.journal(name, m, journal.New(name))
	l.alone[name] = j
	return j
}

// KeepEach has found called, by Open, with each stored journal whose name begins with prefix. It returns the machine to restore, or nil for
// one that nobody owns any more: that is forgotten.
func (l *Log) KeepEach(prefix store.Journal, found func(*Journal) Machine) {
	l.each = append(l.each, family{prefix, found})
}

// Begin returns the journal of a new machine, under a prefix that is kept. There must be none of the name.
func (l *Log) Begin(name store.Journal, m Machine) *Journal {
	return l.journal(name, m, journal.New(name))
}

func (l *Log) journal(name store.Journal, m Machine, inner *journal.Journal) *Journal {
	return &Journal{log: l, name: name, machine: m, inner: inner}
}

// Open takes the log, making it at the first start, and restores the machines. stray is to be committed before anything else: it forgets what nobody owns any
// more. Errors: the store's and the machines'.
func (l *Log) Open(ctx context.Context, st store.Store) (stray []commit.Unit, err error) {
	log, err := st.Open(ctx, LogID)
	if err != nil {
		return nil, fmt.Errorf("open the server's log: %w", err)
	}
	found := map[store.Journal]*Journal{}
	kept, unowned, err := journal.Replay(ctx, log, func(name store.Journal) journal.Machine {
		j := found[name]
		if j == nil {
			j = l.find(name)
			found[name] = j
		}
		if j.machine == nil { // nobody's
			return nil
		}
		return j.machine
	})
	if err != nil {
		return nil, fmt.Errorf("replay the server's log: %w", err)
	}
	for name, inner := range kept {
		found[name].inner = inner
	}
	for _, name := range unowned {
		if l.familyOf(name) != nil { // others may be of a newer version
			stray = append(stray, commit.Unit{forget(name)})
		}
	}
	return stray, nil
}

// find returns the journal of a stored name, with its machine if it has an owner.
func (l *Log) find(name store.Journal) *Journal {
	if j := l.alone[name]; j != nil {
		return j
	}
	j := l.journal(name, nil, nil)
	if f := l.familyOf(name); f != nil {
		j.machine = f.found(j)
	}
	return j
}

func (l *Log) familyOf(name store.Journal) *family {
	for i := range l.each {
		if strings.HasPrefix(string(name), string(l.each[i].prefix)) {
			return &l.each[i]
		}
	}
	return nil
}

// Close waits for checkpoints under way to stop; what is left of them counts for nothing.
func (l *Log) Close() {
	l.cancel()
	l.work.Wait()
}

package queue

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/journal"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/share"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/system"
)

// Config is what a broker can be told; the zero value is the documented default.
type Config struct {
	Limits        Limits
	NoAutoCreate  bool // topics and groups are not made by publishing and leasing
	CacheBytes    int  // of encoded batches; 0 = 32 MiB
	Logger        *slog.Logger
	Version       string
	RetainEvery   time.Duration                                // how often retention looks at the topics; 0 = 10 s
	ObserveCommit func(took time.Duration, units, records int) // told of every commit; may be nil
}

// Broker is the whole of Holt over one store. Its methods may be called from any goroutine.
type Broker struct {
	cfg       Config
	log       *slog.Logger
	store     store.Store
	committer *commit.Committer
	catalog   *catalog.Catalog
	cache     *partition.Cache
	system    *system.Log
	env       *share.Env

	mu        sync.RWMutex // guards the maps
	topics    map[string]*topic
	internal  map[string]*topic // the server's own; see internalTopic
	groups    map[string]*share.Group
	schedules map[string]*recurring

	positions chan struct{} // one slot: held while starts of logs and groups are moved

	stop     chan struct{} // closed by Stop
	stopOnce sync.Once
	dead     chan struct{}  // closed when the committer failed
	cause    error          // set before dead is closed
	work     sync.WaitGroup // the committer, and deletions under way

	ctx        context.Context // of background work that enqueues; ends with Close
	cancel     context.CancelFunc
	background sync.WaitGroup
}

// receiptKeyName names the secret of the receipts in the store's Meta.
const receiptKeyName = "receipt-key"

// Open reads the definitions, replays every log, and brings topics and groups to life. Errors: the store's, wrapped.
func Open(ctx context.Context, st store.Store, cfg Config) (*Broker, error) {
	cfg.Limits = cfg.Limits.withDefaults()
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.RetainEvery == 0 {
		cfg.RetainEvery = DefaultRetainEvery
	}
	if cfg.CacheBytes == 0 {
		cfg.CacheBytes = partition.DefaultCacheBytes
	}
	b := &Broker{
		cfg: cfg, log: cfg.Logger, store: st,
		committer: commit.New(st, cfg.ObserveCommit), cache: partition.NewCache(cfg.CacheBytes),
		topics: map[string]*topic{}, internal: map[string]*topic{}, groups: map[string]*share.Group{}, schedules: map[string]*recurring{}, positions: make(chan struct{}, 1),
		stop: make(chan struct{}), dead: make(chan struct{}),
	}
	b.system = system.New(b.committer) // what it keeps is said before restore
	b.ctx, b.cancel = context.WithCancel(context.Background())
	key, err := receiptKey(ctx, st.Meta())
	if err != nil {
		return nil, err
	}
	b.env = &share.Env{
		Committer: b.committer, Clock: share.NewClock(), Receipts: share.NewReceipts(key, uint32(st.Health().Opens)),
		Logger: b.log, Waiting: new(atomic.Int64), Stop: b.stop, Letters: b.letters,
	}
	if b.catalog, err = catalog.Open(ctx, st.Meta()); err != nil {
		return nil, err
	}
	if err := b.restore(ctx); err != nil {
		return nil, err
	}
	return b, nil
}

// receiptKey reads the secret of the receipts, making it at the first start.
func receiptKey(ctx context.Context, meta store.Meta) (key [share.ReceiptKeySize]byte, err error) {
	b, _, err := meta.Get(ctx, receiptKeyName)
	switch {
	case errors.Is(err, store.ErrNotFound):
		_, _ = rand.Read(key[:]) // never fails
		_, err = meta.Put(ctx, receiptKeyName, key[:], 0)
	case err == nil && len(b) != len(key):
		err = store.ErrCorrupt
	}
	if err != nil {
		return key, fmt.Errorf("key of the receipts: %w", err)
	}
	copy(key[:], b)
	return key, nil
}

// restore opens all partitions, replays what groups did with them, and starts the committer.
func (b *Broker) restore(ctx context.Context) error {
	groups := b.catalog.Groups("", everything)
	was := restored{map[string][]share.Part{}, map[string][]*share.Letters{}, map[string][]*share.Answers{}}
	stray, err := b.system.Open(ctx, b.store)
	if err != nil {
		return err
	}
	for _, def := range append(b.catalog.Internals(), b.catalog.Topics("", everything)...) {
		t, err := b.openTopic(ctx, def, nil, true)
		if err != nil {
			return err
		}
		b.among(def.Name)[def.Name] = t
		lost, err := b.replayTopic(ctx, t, groups, &was)
		if err != nil {
			return err
		}
		stray = append(stray, lost...)
	}
	b.work.Go(b.commit)
	for _, u := range stray { // of groups that were deleted or detached just before a crash
		b.committer.Enqueue(u)
	}
	for _, def := range groups {
		sortParts(def, was.parts[def.Name])
		g := share.NewGroup(b.env, def, was.parts[def.Name], was.letters[def.Name], was.answers[def.Name])
		b.mu.Lock() // the groups made before are at work already
		b.groups[def.Name] = g
		b.mu.Unlock()
	}
	b.mu.RLock() // likewise
	for _, t := range b.topics {
		t.delayed.arm()
	}
	b.mu.RUnlock()
	for _, def := range b.catalog.Schedules("", everything) {
		if err := b.startSchedule(def); err != nil {
			return err
		}
	}
	b.background.Go(b.retain)
	deleted, err := b.catalog.DeletedTopics(ctx)
	if err != nil {
		return err
	}
	for _, def := range deleted {
		t, err := b.openTopic(ctx, def, nil, true) // nobody asks for the size of what is dropped
		if err != nil {
			return err
		}
		b.work.Go(func() { b.drop(t) })
	}
	return nil
}

// sortParts puts a group's partitions in order of attachment.
func sortParts(def *catalog.Group, parts []share.Part) {
	names := def.Names()
	slices.SortFunc(parts, func(x, y share.Part) int {
		return cmp.Or(
			cmp.Compare(slices.Index(names, x.Partition.Topic), slices.Index(names, y.Partition.Topic)),
			cmp.Compare(x.Partition.Index, y.Partition.Index))
	})
}

// everything is a page size without an end.
const everything = 1 << 30

// restored is what a replay found, by group.
type restored struct {
	parts   map[string][]share.Part
	letters map[string][]*share.Letters
	answers map[string][]*share.Answers
}

// replayTopic restores what groups have on a topic's partitions: windows, counts of letters, remembered answers.
func (b *Broker) replayTopic(ctx context.Context, t *topic, groups []*catalog.Group, was *restored) (stray []commit.Unit, err error) {
	if err := b.replayDelayed(ctx, t.delayed); err != nil {
		return nil, err
	}
	for _, p := range t.partitions {
		lost, err := b.replayPartition(ctx, t, p, groups, was)
		if err != nil {
			return nil, fmt.Errorf("replay %s/%d: %w", p.Topic, p.Index, err)
		}
		for _, name := range lost {
			stray = append(stray, commit.Unit{share.Forget(p.ID, name)})
		}
	}
	return stray, nil
}

// replayPartition is replayTopic for one partition; stray are journals that nobody owns any more.
func (b *Broker) replayPartition(ctx context.Context, t *topic, p *partition.Partition, groups []*catalog.Group, was *restored) (stray []store.Journal, err error) {
	machines := map[store.Journal]journal.Machine{partition.SizeJournal: p.Sizes()}
	journals, stray, err := journal.Replay(ctx, p.Log(), func(name store.Journal) journal.Machine {
		if m := t.ids.Replay(name, p.Index); m != nil {
			return m
		}
		if machines[name] == nil {
			if m := b.machineFor(name, t, p, groups); m != nil {
				machines[name] = m
			}
		}
		return machines[name]
	})
	if err != nil {
		return nil, err
	}
	for _, j := range journals {
		t.ids.Recover(p.ID, j)
	}
	if err := p.Recover(ctx, journals[partition.SizeJournal]); err != nil {
		return nil, err
	}
	for _, g := range groups {
		if j := journals[share.LettersName(g.ID)]; j != nil {
			l := machines[j.Name()].(*share.Letters)
			l.Recover(j)
			was.letters[g.Name] = append(was.letters[g.Name], l)
		}
		if j := journals[share.AnswersName(g.ID)]; j != nil {
			a := machines[j.Name()].(*share.Answers)
			if err := a.Recover(j); err != nil {
				return nil, err
			}
			was.answers[g.Name] = append(was.answers[g.Name], a)
		}
		a := g.Attachment(t.def.ID)
		if a == nil {
			continue
		}
		part := share.Part{Partition: p, Epoch: a.Epoch}
		if j := journals[share.JournalName(g.ID)]; j != nil {
			part.Restored, part.Journal = machines[j.Name()].(*share.Restored), j
		} else if part.Start, err = b.startOf(ctx, p, *a); err != nil { // made just before a crash
			return nil, err
		}
		was.parts[g.Name] = append(was.parts[g.Name], part)
	}
	return stray, nil
}

// machineFor returns the machine of a group's journal on a partition, or nil if the journal is no living group's.
func (b *Broker) machineFor(name store.Journal, t *topic, p *partition.Partition, groups []*catalog.Group) journal.Machine {
	kind, id, _ := strings.Cut(string(name), "/")
	for _, g := range groups {
		if id != strconv.FormatUint(g.ID, 10) {
			continue
		}
		a := g.Attachment(t.def.ID)
		switch {
		case name == share.LettersName(g.ID):
			return share.NewLetters(p)
		case a != nil && name == share.JournalName(g.ID):
			return share.NewRestored(share.MachineConfig(g), a.Epoch)
		case a != nil && name == share.AnswersName(g.ID):
			return share.NewAnswers(p.ID)
		}
	}
	b.log.Debug("a journal of a group that is gone", "topic", p.Topic, "partition", p.Index, "kind", kind)
	return nil
}

// commit runs the committer; its failure is the broker's end.
func (b *Broker) commit() {
	if err := b.committer.Run(); err != nil {
		b.cause = err
		close(b.dead)
	}
}

// Dead is closed when a commit has failed: memory is void, and only a new Open knows what is stored. Cause says why.
func (b *Broker) Dead() <-chan struct{} { return b.dead }

// Cause returns why Dead is closed.
func (b *Broker) Cause() error {
	select {
	case <-b.dead:
		return b.cause
	default:
		return nil
	}
}

// Stop begins the shutdown: parked calls end, and new work is refused with ErrShuttingDown; settles are taken until Close.
func (b *Broker) Stop() { b.stopOnce.Do(func() { close(b.stop) }) }

// Stopping is closed when Stop was called.
func (b *Broker) Stopping() <-chan struct{} { return b.stop }

// Close stops what still runs and returns once everything that was enqueued is durable. The store stays open. Errors: the commit's that failed.
func (b *Broker) Close() error {
	b.Stop()
	b.cancel()
	b.mu.RLock()
	groups := make([]*share.Group, 0, len(b.groups))
	for _, g := range b.groups {
		groups = append(groups, g)
	}
	b.mu.RUnlock()
	for _, g := range groups {
		g.Close()
	}
	b.mu.RLock()
	for _, t := range b.topics {
		t.delayed.close()
	}
	for _, t := range b.internal {
		t.delayed.close()
	}
	for _, r := range b.schedules {
		r.close()
	}
	b.mu.RUnlock()
	b.background.Wait()
	b.system.Close()
	b.committer.Close()
	b.work.Wait()
	return b.Cause()
}

// Ready returns nil when calls can be served. Errors: ErrShuttingDown, ErrUnavailable.
func (b *Broker) Ready() error {
	select {
	case <-b.stop:
		return ErrShuttingDown
	case <-b.dead:
		return fmt.Errorf("%w: %w", ErrUnavailable, b.cause)
	case <-b.store.Health().Dead:
		return fmt.Errorf("%w: %w", ErrUnavailable, b.store.Health().Cause)
	default:
		return nil
	}
}

// Info describes the server.
type Info struct {
	Version, Engine string
	Limits          Limits
}

// Info returns version, engine and limits.
func (b *Broker) Info() Info {
	return Info{Version: b.cfg.Version, Engine: b.store.Health().Engine, Limits: b.cfg.Limits}
}

// Running returns how many leases run.
func (b *Broker) Running() (n int) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	for _, g := range b.groups {
		n += g.Running("")
	}
	return n
}

// Health returns what the store knows of itself.
func (b *Broker) Health() store.Health { return b.store.Health() }

// durable waits for everything enqueued so far.
func (b *Broker) durable(ctx context.Context) error {
	return b.committed(b.committer.Wait(ctx, b.committer.Last()))
}

// committed turns the error of a failed commit into the callers' terms.
func (b *Broker) committed(err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrUnknown) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnknown, err)
}

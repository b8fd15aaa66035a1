package queue

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holtmq/holt/queue/backup"
	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/cron"
	"github.com/holtmq/holt/queue/definition"
	"github.com/holtmq/holt/queue/group"
	"github.com/holtmq/holt/queue/history"
	"github.com/holtmq/holt/queue/keys"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/redrive"
	"github.com/holtmq/holt/queue/share"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/system"
	"github.com/holtmq/holt/queue/tail"
	"github.com/holtmq/holt/queue/topic"
	"github.com/holtmq/holt/queue/topology"
	"github.com/holtmq/holt/queue/traffic"
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
	Turns         func(who string)                             // returns when a commit, or a piece of background work, may begin; nil = at once. For simulations, which decide what comes first
	Wall          func() time.Time                             // the wall clock, which may jump: of appends, due times, ttls, retention; nil = time.Now
}

// Broker is the whole of Holt over one store. Its methods may be called from any goroutine.
type Broker struct {
	cfg       Config
	log       *slog.Logger
	store     store.Store
	committer *commit.Committer
	catalog   *catalog.Catalog
	system    *system.Log
	redrives  *redrive.Jobs
	history   *history.Ring

	topics   *topic.Set
	openings *topic.Env // what topics are opened with
	cron     *cron.Runner
	indexes  *keys.Set // of compacted topics
	tails    tail.Hub  // of topics that are followed

	groups      *group.Set // at work
	definitions *definition.Editor
	topology    *topology.Watcher

	backups backup.Keeper

	stop     chan struct{} // closed by Stop
	stopOnce sync.Once
	dead     chan struct{}  // closed when the committer failed
	cause    error          // set before dead is closed
	work     sync.WaitGroup // the committer, and deletions under way

	ctx        context.Context // of background work that enqueues; ends with Close
	cancel     context.CancelFunc
	background sync.WaitGroup
}

// withDefaults fills in what was not told.
func (cfg Config) withDefaults() Config {
	cfg.Limits = cfg.Limits.WithDefaults()
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.RetainEvery == 0 {
		cfg.RetainEvery = DefaultRetainEvery
	}
	if cfg.CacheBytes == 0 {
		cfg.CacheBytes = partition.DefaultCacheBytes
	}
	return cfg
}

// Open reads the definitions, replays every log, and brings topics and groups to life. Errors: the store's, wrapped.
func Open(ctx context.Context, st store.Store, cfg Config) (*Broker, error) {
	cfg = cfg.withDefaults()
	b := &Broker{
		cfg: cfg, log: cfg.Logger, store: st,
		committer: commit.New(st, cfg.ObserveCommit), topics: topic.NewSet(),
		stop: make(chan struct{}), dead: make(chan struct{}),
	}
	b.committer.Turns(cfg.Turns)
	b.indexes = keys.NewSet(b.committer, b.log)
	b.system = system.New(b.committer) // what it keeps is said before restore
	seen := traffic.Keep(b.system, b.committer)
	b.redrives = redrive.Keep(b.system, b.committer)
	b.history = history.Keep(b.system, b.committer)
	b.ctx, b.cancel = context.WithCancel(context.Background())
	b.openings = &topic.Env{
		Store: st, Cache: partition.NewCache(cfg.CacheBytes), Committer: b.committer, Logger: b.log,
		Topics: b.topics, Background: &b.background, Ctx: b.ctx, Wall: cfg.Wall,
	}
	b.cron = cron.New(b.openings)
	key, err := share.ReceiptKey(ctx, st.Meta())
	if err != nil {
		return nil, err
	}
	shared := &share.Env{
		Committer: b.committer, Clock: share.NewClock(cfg.Wall), Receipts: share.NewReceipts(key, uint32(st.Health().Opens)),
		Logger: b.log, Waiting: new(atomic.Int64), Stop: b.stop, Spent: b.spent,
		Letters: func(ctx context.Context, def *catalog.Group) (*partition.Partition, error) {
			return b.definitions.Letters(ctx, def)
		},
		Edited: func(ctx context.Context, group string, make bool) (*partition.Partition, error) {
			return b.definitions.Edited(ctx, group, make)
		},
	}
	if b.catalog, err = catalog.Open(ctx, st.Meta()); err != nil {
		return nil, err
	}
	b.groups = group.NewSet(b.catalog, b.topics, shared, b.orderedEnv(shared), b.log)
	b.topology = topology.New(b.catalog, b.topics, b.groups, seen)
	b.definitions = definition.New(definition.Config{
		Catalog: b.catalog, Openings: b.openings, Groups: b.groups, Cron: b.cron, Indexes: b.indexes, Tails: &b.tails,
		Limits: cfg.Limits, NoAutoCreate: cfg.NoAutoCreate, Work: &b.work,
	})
	if err := b.restore(ctx); err != nil {
		return nil, err
	}
	b.redrives.Opened()
	b.background.Go(func() { b.topology.Run(b.ctx) })
	return b, nil
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
	b.groups.Close()
	for _, t := range b.topics.All() {
		t.Delayed.Close()
	}
	b.cron.Close()
	b.background.Wait()
	b.indexes.Close()
	b.system.Close()
	b.committer.Close()
	b.backups.Close()
	b.work.Wait()
	return b.Cause()
}

// Ready returns nil when calls can be served. Errors: ErrShuttingDown, ErrUnavailable, which says more when both are so.
func (b *Broker) Ready() error {
	switch {
	case isClosed(b.dead):
		return fmt.Errorf("%w: %w", ErrUnavailable, b.cause)
	case isClosed(b.store.Health().Dead):
		return fmt.Errorf("%w: %w", ErrUnavailable, b.store.Health().Cause)
	case isClosed(b.stop):
		return ErrShuttingDown
	}
	return nil
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
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
func (b *Broker) Running() int { return b.groups.Running() }

// Health returns what the store knows of itself.
func (b *Broker) Health() store.Health { return b.store.Health() }

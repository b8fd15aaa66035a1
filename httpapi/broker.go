package httpapi

import (
	"context"
	"io"
	"time"

	"github.com/holtmq/holt/dlq"
	"github.com/holtmq/holt/dlq/letter"
	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/backup"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/tail"
)

// Broker is what the API needs of the queue; *queue.Broker is one. Every method may be called by any number of goroutines, blocks
// until what it answers is durable, and returns errors that wrap the sentinels of queue, or the context's.
type Broker interface {
	Topics
	Schemas
	Traffic
	Records
	Schedules
	Groups
	GroupSummaries
	Leases
	Streams
	Inspection
	Process
}

// Topics changes and shows topics.
type Topics interface {
	// PutTopic makes or changes a topic; edit gets what is there, or the defaults, and returns what is to be. Its errors come back as they are.
	PutTopic(ctx context.Context, name string, cond queue.Condition, edit func(old queue.TopicConfig, exists bool) (queue.TopicConfig, error)) (info queue.TopicInfo, created bool, err error)
	Topic(ctx context.Context, name string) (queue.TopicInfo, error)
	// Topics returns up to limit topics with names after the given one, by name.
	Topics(ctx context.Context, after string, limit int) ([]queue.TopicInfo, error)
	// TopicSummaries is Topics with no more of each topic's groups than their lag: no record is read for it.
	TopicSummaries(ctx context.Context, after string, limit int) ([]queue.TopicInfo, error)
	DeleteTopic(ctx context.Context, name string, force bool, cond queue.Condition) error
}

// Traffic knows who talks to whom.
type Traffic interface {
	// Published and Worked note what a client did; "" is nobody. They cost next to nothing.
	Published(client, topic string, records int)
	Worked(client, group string, records int)
	Topology(ctx context.Context) (queue.Topology, error)
}

// Schemas shows the schemas of topics; PutTopic changes them.
type Schemas interface {
	// SchemaVersion returns a version, 0 = the one that values are checked by.
	SchemaVersion(ctx context.Context, topic string, version int) (queue.SchemaVersion, error)
	// SchemaVersions returns up to limit versions after the given one.
	SchemaVersions(ctx context.Context, topic string, after, limit int) ([]queue.SchemaVersion, error)
	// CheckSchema changes nothing.
	CheckSchema(ctx context.Context, topic string, req queue.SchemaCheck) (queue.SchemaVerdict, error)
}

// Records publishes and reads.
type Records interface {
	// Publish appends all messages or none, waiting up to wait for room in the backlog. It does not keep their bytes after it returned without an error.
	Publish(ctx context.Context, topic string, msgs []queue.Message, wait time.Duration) (places []queue.Place, created []string, err error)
	Read(ctx context.Context, r queue.ReadRequest) (queue.ReadResult, error)
	ReadOne(ctx context.Context, topic string, partition int, at queue.Offset) (queue.Record, error)
	// ReadKey returns the newest record of a key of a compacted topic, and its partition.
	ReadKey(ctx context.Context, topic string, key []byte) (r queue.Record, partition int, err error)
	// Tail follows all partitions of a topic; the caller closes the stream.
	Tail(ctx context.Context, req queue.TailRequest) (*tail.Stream, error)
	// Scheduled returns up to limit delayed records from an id on ("" = the first), and the id to go on with; "" at the end.
	Scheduled(ctx context.Context, topic, from string, limit int) (items []queue.ScheduledRecord, next string, err error)
	// ScheduledCount returns how many delayed records there are.
	ScheduledCount(topic string) (int, error)
	CancelScheduled(ctx context.Context, topic, id string) error
	// RunScheduled appends a delayed record now and returns where it went.
	RunScheduled(ctx context.Context, topic, id string) (queue.Place, error)
}

// Groups changes and shows groups.
type Groups interface {
	// PutGroup makes or changes a group; edit gets what is there, or the defaults, and returns what is to be. Its errors come back as they are.
	PutGroup(ctx context.Context, name string, cond queue.Condition, edit func(old queue.GroupChange, exists bool) (queue.GroupChange, error)) (info queue.GroupInfo, created bool, err error)
	Group(ctx context.Context, name string) (queue.GroupInfo, error)
	// Groups returns up to limit groups with names after the given one, by name.
	Groups(ctx context.Context, after string, limit int) ([]queue.GroupInfo, error)
	DeleteGroup(ctx context.Context, name string, force bool, cond queue.Condition) error
	Reset(ctx context.Context, group string, req queue.ResetRequest) ([]queue.ResetMove, error)
}

// GroupSummaries shows groups without what there is of each partition; what is not said of the oldest costs the same however many there are.
type GroupSummaries interface {
	GroupSummary(ctx context.Context, name string) (queue.GroupInfo, error)
	// GroupSummaries returns what Groups does otherwise.
	GroupSummaries(ctx context.Context, after string, limit int) ([]queue.GroupInfo, error)
	// GroupOverviews is that with the times of what is oldest: it looks at each partition, yet reads only where that is another record than the last time.
	GroupOverviews(ctx context.Context, after string, limit int) ([]queue.GroupInfo, error)
}

// Schedules changes and shows recurring schedules.
type Schedules interface {
	// PutSchedule makes or changes a schedule; edit gets what is there, or the defaults, and returns what is to be. Its errors come back as they are.
	PutSchedule(ctx context.Context, name string, cond queue.Condition, edit func(old queue.ScheduleConfig, exists bool) (queue.ScheduleConfig, error)) (info queue.ScheduleInfo, created bool, err error)
	Schedule(ctx context.Context, name string) (queue.ScheduleInfo, error)
	// Schedules returns up to limit schedules with names after the given one, by name.
	Schedules(ctx context.Context, after string, limit int) ([]queue.ScheduleInfo, error)
	DeleteSchedule(ctx context.Context, name string, cond queue.Condition) error
}

// Leases hands records out and takes them back.
type Leases interface {
	// Lease waits as long as the request says; it returns early and empty when the server shuts down.
	Lease(ctx context.Context, group string, req queue.LeaseRequest) (ds []queue.Delivery, created []string, err error)
	// LeaseAndSettle settles first. Receipts that were refused are in settled.Failed and stop nothing; with them, or records to publish, the lease does not wait.
	LeaseAndSettle(ctx context.Context, group string, settle queue.SettleRequest, req queue.LeaseRequest) (settled queue.SettleResult, ds []queue.Delivery, created []string, err error)
	// GiveBack ends leases nobody heard of, at once and uncounted.
	GiveBack(group string, ds []queue.Delivery)
	// SettleAndPublish returns a *queue.SettleError when none of the receipts was settled, or, with records to publish, one was not. It does not keep the
	// records' bytes after it returned without an error.
	SettleAndPublish(ctx context.Context, group string, req queue.SettleRequest) (queue.SettleResult, error)
}

// Streams are the calls of the members of ordered groups.
type Streams interface {
	Join(ctx context.Context, group string, req queue.JoinRequest) (j queue.Joined, created []string, err error)
	// Poll waits as long as the request says; it returns early and empty when the server shuts down.
	Poll(ctx context.Context, group string, req queue.PollRequest) (queue.PollAnswer, error)
	// Heartbeat with owned nil changes nothing of what the member holds.
	Heartbeat(ctx context.Context, group, member string, epoch int64, owned []queue.OwnedPartition) (queue.PollAnswer, error)
	// CommitOffsets returns a *queue.FencedError when a partition is not the member's, a *queue.RangeError past an end.
	CommitOffsets(ctx context.Context, group, member string, epoch int64, offsets []queue.Committed) error
	Offsets(ctx context.Context, group string) ([]queue.Committed, error)
	// Leave with epoch 0 takes the member out whatever its epoch is.
	Leave(ctx context.Context, group, member string, epoch int64) error
}

// Inspection shows and settles records of a group by their places, for operators.
type Inspection interface {
	// GroupRecords returns up to limit unsettled records in one state from a place on, and where to go on; nil at the end.
	GroupRecords(ctx context.Context, group string, state queue.RecordState, from queue.GroupPlace, limit int) (items []queue.GroupEntry, next *queue.GroupPlace, err error)
	GroupRecord(ctx context.Context, group string, at queue.GroupPlace) (queue.GroupRecord, error)
	// Ribbon shows the windows of a share group, in so many cells each.
	Ribbon(ctx context.Context, group string, cells int) ([]queue.GroupRibbon, error)
	// SettleAt takes release, ack and reject.
	SettleAt(ctx context.Context, group string, at queue.GroupPlace, v queue.Verb) error
	// ExtendAt moves the deadline of a running lease to length from now (0 = the group's lease).
	ExtendAt(ctx context.Context, group string, at queue.GroupPlace, length time.Duration) (until time.Time, err error)
}

// DeadLetters is what the API needs of the service of dead letters; *dlq.Service is one. What is said of Broker holds for it.
type DeadLetters interface {
	List(ctx context.Context, group string, f letter.Filter, from dlq.Mark, limit int) (dlq.Page, error)
	Get(ctx context.Context, group, id string) (dlq.Detail, error)
	Summary(ctx context.Context, group string, f letter.Filter, by letter.By, most int) (buckets []dlq.Bucket, total int, err error)
	// Export calls fn for each letter that the filter chooses, until it returns an error, which comes back.
	Export(ctx context.Context, group string, f letter.Filter, fn func(*dlq.Detail) error) error
	Letterbox
	Jobs
}

// Letterbox does something to dead letters.
type Letterbox interface {
	Redrive(ctx context.Context, group, id string, e dlq.Edit) (dlq.Redriven, error)
	// Preview tells which letters a choice comes to.
	Preview(ctx context.Context, group string, c dlq.Choice) (dlq.Preview, error)
	Purge(ctx context.Context, group string, c dlq.Choice) (purged int, err error)
	PurgeOne(ctx context.Context, group, id string) error
}

// Jobs are jobs that redrive dead letters.
type Jobs interface {
	Start(ctx context.Context, group string, c dlq.Choice, p dlq.Plan) (dlq.Job, error)
	// Job waits up to wait for the job to end.
	Job(ctx context.Context, id string, wait time.Duration) (dlq.Job, error)
	// Jobs returns up to limit jobs made before the one of an id, the newest first.
	Jobs(ctx context.Context, before string, limit int) ([]dlq.Job, error)
	Cancel(ctx context.Context, id string) error
}

// Process tells how the server is.
type Process interface {
	// Ready is nil while the store is open and the server is not shutting down.
	Ready() error
	Info() queue.Info
	// Health is cheap: what it tells of the disk may be some seconds old.
	Health() store.Health
	// Backup streams a copy of the store, or the rest of one that broke off.
	Backup(ctx context.Context, at backup.Place, begin func(store.Backup) io.Writer) (store.Backup, error)
	// AddHistory keeps a sample for a day, without waiting; History returns those from a time (Unix seconds) on.
	AddHistory(s queue.HistorySample)
	History(since int64) []queue.HistorySample
	// Stopping is closed when shutdown begins.
	Stopping() <-chan struct{}
}

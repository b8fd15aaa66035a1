package share

import (
	"fmt"
	"time"

	"github.com/holtmq/holt/lease"
	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
)

// Limits of the calls.
const (
	MaxLeaseRecords  = 1000     // records of one lease
	MaxLeaseBytes    = 16 << 20 // bytes of one lease; a larger record still comes, alone
	MaxSettle        = 10_000   // receipts of one settle
	MaxStack         = 8 << 10  // bytes of a worker's stack that are kept
	MaxMessage       = 2 << 10  // bytes of a worker's message, type and fingerprint each that are kept
	MaxWaiting       = 10_000   // parked leases of all groups
	MaxRequests      = 100_000  // request keys of settles a group remembers; the oldest go first
	MaxRequestBytes  = 64 << 20 // bytes of their answers; likewise
	MaxLeaseKeys     = 10_000   // request keys of leases a group remembers; the oldest go first
	MaxLeaseKeyBytes = 16 << 20 // bytes of what they got; likewise
	RequestMemory    = 10 * time.Minute
)

// LeaseRequest asks for records.
type LeaseRequest struct {
	Max      int              // 1 to MaxLeaseRecords
	Wait     time.Duration    // how long to wait for the first record
	Length   time.Duration    // of the leases; 0 = the group's
	MaxBytes int64            // 0 = MaxLeaseBytes
	Topics   []string         // limits the call to these; nil = all the group reads
	Member   string           // who asks, for operators; ≤ lease.MaxMember bytes
	Room     *partition.Share // what the answer may take of the memory; nil = no limit
	Request  string           // the same again gets the leases of the first call that still run; "" = none
}

// SettleRequest settles leases, and publishes records in the same unit.
type SettleRequest struct {
	Actions []Action
	Request string      // the same again within RequestMemory gets the first call's answer; "" = none. A call for leases that still run is another one
	Publish Publication // nil = none; with it, one refused receipt refuses the whole
}

// Publication is a set of records ready to be appended in one unit with a settle. Its locks stand between the group's and
// the committer's.
type Publication interface {
	// Begin takes the locks; Commit or Abort follows. Errors: what keeps the records from being taken.
	Begin() error
	// Commit gives the records their places, enqueues one unit of them and what extra then returns, and gives the locks back. It does not block.
	Commit(c *commit.Committer, now time.Time, extra func() []commit.Part) commit.Ticket
	Abort()
	// Places says where the records went, by topic in the order of the request: within extra and after Commit.
	Places() [][]partition.Place
	// Logs is how many logs Commit touches, at most.
	Logs() int
}

// Delivery is one record handed out.
type Delivery struct {
	Receipt    string
	Topic      string
	Partition  int
	Record     record.Record
	Attempt    int
	Deliveries int
	ExpiresAt  time.Time
	ExpiresIn  time.Duration
}

// Action is one verb on one receipt.
type Action struct {
	Receipt string
	Verb    lease.Verb
	Delay   *time.Duration // of a nack; nil = the group's backoff
	For     time.Duration  // of an extend; 0 = the group's lease
	Error   *WorkerError   // of a nack or reject
}

// WorkerError is what a worker said of a failure.
type WorkerError struct {
	Type        string `json:"type,omitempty"`
	Message     string `json:"message,omitempty"`
	Stack       string `json:"stack,omitempty"`
	Fingerprint string `json:"fingerprint,omitempty"`
}

// Failure is one receipt that was not settled, and why: ErrLeaseLost, ErrAlreadySettled, ErrInvalidReceipt.
type Failure struct {
	Receipt string
	Err     error
}

// SettleResult counts the accepted verbs, repeats and extends too. Places are where the published records went.
type SettleResult struct {
	Settled int
	Failed  []Failure
	Places  [][]partition.Place
	Created []string // what was made on the way
}

// SettleError is returned when nothing was settled; it unwraps to the first failure's error.
type SettleError struct{ Failed []Failure }

func (e *SettleError) Error() string {
	if len(e.Failed) == 1 { // of several receipts, perhaps, when records were to be published with them
		return fmt.Sprintf("nothing was settled: %v", e.Failed[0].Err)
	}
	return fmt.Sprintf("nothing was settled: %d receipts failed, the first one because %v", len(e.Failed), e.Failed[0].Err)
}

// Unwrap returns the first failure's error.
func (e *SettleError) Unwrap() error { return e.Failed[0].Err }

package storetest

import (
	"testing"
	"testing/synctest"

	"github.com/holtmq/holt/queue/store"
)

// Harness holds one store of the engine under test, which outlives single openings. The suite uses it from the test's
// own goroutine, inside a bubble of testing/synctest. The open function registers with t.Cleanup whatever must be
// closed; at the end of a test the last opened store is still open, unless the test closed it.
//
// A harness may also be a Collector, an Injector, a Holder, or all of them.
type Harness interface {
	// Store returns the store that is open now.
	Store() store.Store

	// Reopen closes the store cleanly, unless the test did, and opens it again.
	Reopen(t *testing.T) store.Store

	// Crash abandons the store without Close, as a killed process would, and opens what is durable. No call is in flight.
	Crash(t *testing.T) store.Store
}

// Collector is a Harness that can make its engine reclaim space at once: flush, compact, rewrite files.
type Collector interface {
	Collect(t *testing.T)
}

// Injector is a Harness whose engine can be made to fail a Commit.
type Injector interface {
	// FailCommit makes the next Commit end in ErrFenced or ErrUnknown. variant (0, 1, 2, …) lets the harness
	// choose what becomes of the units; any number is valid, and Variants tells how many differ.
	FailCommit(t *testing.T, variant int)
	Variants() int
}

// Holder is a Harness whose engine can be held in the middle of a Commit.
type Holder interface {
	// HoldCommit makes the next Commit block before any of it is durable, until release is called.
	HoldCommit(t *testing.T) (release func())
}

// Open makes a fresh, empty store. It is called inside the bubble of the test that it is for.
type Open func(t *testing.T) Harness

// Run runs the whole suite as subtests of t.
func Run(t *testing.T, open Open) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { c.run(newKit(t, open)) })
		})
	}
	for _, c := range programs {
		t.Run(c.name, func(t *testing.T) { c.run(t, open) })
	}
}

// cases run in one bubble each.
var cases = []struct {
	name string
	run  func(k *kit)
}{
	{"Order", testOrder},
	{"Atomic", testAtomic},
	{"Prefix", testPrefix},
	{"OffsetGaps", testOffsetGaps},
	{"BadBatches", testBadBatches},
	{"JournalGaps", testJournalGaps},
	{"Replay", testReplay},
	{"ReplayEnds", testReplayEnds},
	{"Checkpoints", testCheckpoints},
	{"CheckpointRules", testCheckpointRules},
	{"IncompleteCheckpoint", testIncompleteCheckpoint},
	{"Forget", testForget},
	{"Notes", testNotes},
	{"Trim", testTrim},
	{"Rewrite", testRewrite},
	{"RewriteRules", testRewriteRules},
	{"Times", testTimes},
	{"Readers", testReaders},
	{"SeenTogether", testSeenTogether},
	{"DropBesideReaders", testDropBesideReaders},
	{"InFlight", testInFlight},
	{"Drop", testDrop},
	{"Meta", testMeta},
	{"MetaConcurrent", testMetaConcurrent},
	{"EditLimits", testEditLimits},
	{"UnitBytes", testUnitBytes},
	{"EntryLimits", testEntryLimits},
	{"MetaLimits", testMetaLimits},
	{"ManyEntries", testManyEntries},
	{"LargeBatches", testLargeBatches},
	{"ManyLogs", testManyLogs},
	{"Concurrent", testConcurrent},
	{"Aliases", testAliases},
	{"NotOpen", testNotOpen},
	{"Contexts", testContexts},
	{"Health", testHealth},
	{"Closed", testClosed},
	{"CloseBesideCalls", testCloseBesideCalls},
}

// programs make a bubble for every store that they open.
var programs = []struct {
	name string
	run  func(t *testing.T, open Open)
}{
	{"EveryPrefix", testEveryPrefix},
	{"Unknown", testUnknown},
	{"Random", testRandom},
}

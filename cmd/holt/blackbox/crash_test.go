package blackbox_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	bb "github.com/holtmq/holt/cmd/holt/blackbox"
)

const (
	// seedVariable repeats a run's choices; the interleaving is the machine's.
	seedVariable = "HOLT_BLACKBOX_SEED"
	// cyclesVariable changes the number of crashes of a run; CI makes 40.
	cyclesVariable = "HOLT_BLACKBOX_CYCLES"
	usualCycles    = 8
	shortCycles    = 4
	drainWithin    = 2 * time.Minute
)

// loadGroup is a group of the crash test.
type loadGroup struct {
	name        string
	topics      []string
	maxAttempts int
	ordered     bool // by key
}

var (
	crashTopics = map[string]int{"orders": 4, "events": 1, crashResults: 2}
	crashLanes  = map[string]int{"orders": 2}
	crashGroups = []loadGroup{
		{"billing", []string{"orders", "events"}, 3, false},
		{"audit", []string{"orders"}, 0, false},
		{"search", []string{"events", crashResults}, 5, false},
		{"ledger", []string{"orders", "events"}, 4, true},
	}
)

// crashResults is the topic that settles publish to.
const crashResults = "results"

func TestCrashes(t *testing.T) {
	t.Parallel()
	seed, cycles := runSeed(t), runCycles(t)
	t.Logf("%d cycles; %s=%d repeats this run's choices", cycles, seedVariable, seed)
	s := newServer(t)
	c := newClient(t, s)
	setUp(c)

	h := newHistory(t)
	l := newMixedLoad(s, h, seed)
	l.run(5, 12)
	crashes(t, s, h, cycles, l.rand(9999))
	l.await(t)
	l.finish()

	settleDown(t, c, l)
	verify(t, h)
}

// newMixedLoad is a load with key order, priorities, delays, ids and settles that publish.
func newMixedLoad(s *server, h *bb.History, seed uint64) *load {
	l := newLoad(s, h, seed)
	l.topics = slices.DeleteFunc(slices.Sorted(maps.Keys(crashTopics)), func(t string) bool { return t == crashResults })
	l.lanes, l.delays, l.results = crashLanes, true, crashResults
	for _, g := range crashGroups {
		l.groups = append(l.groups, g.name)
	}
	return l
}

// setUp makes the topics and the groups.
func setUp(c client) {
	for name, partitions := range crashTopics {
		c.makeTopic(name, obj{"partitions": partitions, "priorities": max(1, crashLanes[name])})
	}
	for _, g := range crashGroups {
		ordering := "none"
		if g.ordered {
			ordering = "key"
		}
		c.makeGroup(g.name, obj{
			"topics": g.topics, "max_attempts": g.maxAttempts, "ordering": ordering,
			"backoff": obj{"initial": "100ms", "max": "500ms", "jitter": 0},
		})
	}
}

// newHistory keeps its file only when the test fails.
func newHistory(t *testing.T) *bb.History {
	t.Helper()
	file, err := os.CreateTemp("", "holt-history-*.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		file.Close()
		if t.Failed() {
			t.Logf("history: %s", file.Name())
			return
		}
		os.Remove(file.Name())
	})
	return bb.NewHistory(file)
}

func runSeed(t *testing.T) uint64 {
	t.Helper()
	v := os.Getenv(seedVariable)
	if v == "" {
		return rand.Uint64()
	}
	seed, err := strconv.ParseUint(v, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", seedVariable, err)
	}
	return seed
}

func runCycles(t *testing.T) int {
	t.Helper()
	if v := os.Getenv(cyclesVariable); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil {
			t.Fatalf("%s: %v", cyclesVariable, err)
		}
		return n
	}
	if testing.Short() {
		return shortCycles
	}
	return usualCycles
}

// crashes kills and starts the server at random moments, some of them shortly
// after a start.
func crashes(t *testing.T, s *server, h *bb.History, cycles int, rng *rand.Rand) {
	t.Helper()
	for range cycles {
		up := 50 + rng.IntN(900)
		if rng.IntN(5) == 0 {
			up = rng.IntN(50)
		}
		pause(time.Duration(up) * ms)
		call := h.Now()
		s.kill()
		h.Add(bb.Event{Client: "nemesis", Op: bb.Kill, Call: call, Ret: h.Now(), Out: bb.OK})
		if rng.IntN(3) == 0 {
			pause(time.Duration(rng.IntN(300)) * ms)
		}
		call = h.Now()
		s.start(t)
		h.Add(bb.Event{Client: "nemesis", Op: bb.Start, Call: call, Ret: h.Now(), Out: bb.OK})
	}
}

// settleDown drains every group and writes what there is at the end.
func settleDown(t *testing.T, c client, l *load) {
	t.Helper()
	for topic := range crashTopics {
		awaitDelayed(c, topic)
	}
	for _, g := range crashGroups {
		drain(c, l, g)
	}
	for topic := range crashTopics {
		l.history.Add(readings(c, l, bb.Event{Op: bb.Read, Topic: topic}, topic, seen))
	}
	for _, g := range crashGroups {
		dead := g.name + ".dlq"
		if c.get("/v1/topics/"+dead).status == 200 {
			l.history.Add(readings(c, l, bb.Event{Op: bb.Letters, Group: g.name}, dead, origin))
		}
		v := c.group(g.name)
		checkMetrics(c, g.name, v.Totals)
		final := bb.Totals(v.Totals)
		l.history.Add(bb.Event{Client: "end", Op: bb.Final, Group: g.name, Call: l.history.Now(), Ret: l.history.Now(), Out: bb.OK,
			Totals: &final, MaxAttempts: g.maxAttempts, Topics: g.topics, Ordered: g.ordered})
	}
}

// awaitDelayed returns when everything delayed is appended.
func awaitDelayed(c client, topic string) {
	c.t.Helper()
	for deadline := time.Now().Add(drainWithin); time.Now().Before(deadline); pause(20 * ms) {
		var scheduled struct{ Items []json.RawMessage }
		a := c.get("/v1/topics/" + topic + "/scheduled")
		if a.status == 200 && json.Unmarshal(a.body, &scheduled) == nil && len(scheduled.Items) == 0 {
			return
		}
	}
	c.t.Errorf("records of %s are still delayed after %v", topic, drainWithin)
}

// checkMetrics requires that the gauges say what the group says (I7).
func checkMetrics(c client, group string, want totals) {
	c.t.Helper()
	for name, n := range map[string]int64{
		"holt_group_lag": want.Lag, "holt_group_leased": want.Leased, "holt_group_dead_letters": want.DeadLetters,
	} {
		if v, found := c.metric(name, group); !found || v != float64(n) {
			c.t.Errorf("%s of %s is %v (found %v), the group says %d", name, group, v, found, n)
		}
	}
}

// drain leases and acks until the group has nothing left, or for long enough.
func drain(c client, l *load, g loadGroup) {
	c.t.Helper()
	deadline := time.Now().Add(drainWithin)
	for c.group(g.name).Totals.Lag > 0 && time.Now().Before(deadline) {
		items := l.lease("drain", g.name, 1000, time.Second, time.Minute)
		if len(items) > 0 {
			l.settle("drain", g.name, map[bb.Op][]bb.Item{bb.Ack: items})
		}
	}
}

// readings reads a whole topic into an event.
func readings(c client, l *load, e bb.Event, topic string, item func(wireRecord) bb.Item) bb.Event {
	e.Client, e.Call, e.Out = "end", l.history.Now(), bb.OK
	for p := range c.topic(topic).Partitions {
		for _, r := range c.readAll(topic, p) {
			r.Topic, r.Partition = topic, p
			it := item(r)
			it.Timestamp -= l.history.Start().UnixNano() // as the clock of the run has it
			e.Items = append(e.Items, it)
		}
	}
	e.Ret = l.history.Now()
	return e
}

// origin turns a dead letter into an item at the place it came from.
func origin(r wireRecord) bb.Item {
	it := seen(r)
	it.Topic = r.Headers["holt-dl-topic"]
	it.Partition, _ = strconv.Atoi(r.Headers["holt-dl-partition"])
	it.Offset, _ = strconv.ParseInt(r.Headers["holt-dl-offset"], 10, 64)
	it.Attempt, _ = strconv.Atoi(r.Headers["holt-dl-attempts"])
	it.Reason = r.Headers["holt-dl-reason"]
	return it
}

// verify checks the history and that it has something of everything in it.
func verify(t *testing.T, h *bb.History) {
	t.Helper()
	events, err := h.Events()
	if err != nil {
		t.Fatal(err)
	}
	verifyEvents(t, events)
}

func verifyEvents(t *testing.T, events []bb.Event) {
	t.Helper()
	counts := map[string]int{}
	for _, e := range events {
		for _, it := range e.Items {
			out := it.Out
			if out == "" {
				out = e.Out
			}
			counts[fmt.Sprint(e.Op, " ", out)]++
		}
	}
	t.Logf("records by call and outcome: %v", counts)
	for _, op := range loadOps {
		if counts[fmt.Sprint(op, " ok")] == 0 {
			t.Errorf("the load has no successful %s: it tests nothing", op)
		}
	}
	const shown = 30
	violations := bb.Check(events)
	for i, v := range violations {
		if i == shown {
			t.Errorf("… and %d more violations", len(violations)-shown)
			break
		}
		t.Error(v)
	}
}

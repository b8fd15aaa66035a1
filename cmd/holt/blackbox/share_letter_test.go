package blackbox_test

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

// letterCase is one way to die.
type letterCase struct {
	config   obj
	die      func(q queue)
	attempts int
	reason   string
	error    string
}

func TestScenario64_Letters(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]letterCase{
		"reject": {obj{}, func(q queue) {
			q.verb("reject", q.one(obj{"member": "w1"}), obj{"error": "cannot parse"}).ok(1)
		}, 1, "rejected", "cannot parse"},
		"nack at the limit": {obj{"max_attempts": 2}, func(q queue) {
			q.nack(q.one(obj{"member": "w0"}), "0s")
			q.verb("nack", q.one(obj{"member": "w1"}), obj{"error": "second"}).ok(1)
		}, 2, "max_attempts", "second"},
		"expiry at the limit": {obj{"max_attempts": 1, "lease": "1s"}, func(q queue) {
			q.one(obj{"member": "w1"})
		}, 1, "max_attempts", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.check(t)
		})
	}
}

func (tt letterCase) check(t *testing.T) {
	q := newQueue(t, 3, tt.config)
	q.publish(q.name, obj{"text": "filler", "partition": 2})
	q.ack(q.one())
	before := time.Now().Add(-time.Second)
	q.publish(q.name, obj{"key": "k", "value": obj{"a": 1}, "headers": obj{"trace": "t1", "b": "2"}, "partition": 2})
	tt.die(q)
	l := q.awaitLetters(1)[0]
	if key, ok := l.key(); !ok || key != "k" || string(l.Value) != `{"a":1}` {
		t.Errorf("letter has key %q and value %s", key, l.Value)
	}
	want := map[string]string{
		"trace": "t1", "b": "2",
		"holt-dl-group":     q.gname,
		"holt-dl-topic":     q.name,
		"holt-dl-partition": "2",
		"holt-dl-offset":    "1",
		"holt-dl-attempts":  strconv.Itoa(tt.attempts),
		"holt-dl-reason":    tt.reason,
		"holt-dl-member":    "w1",
	}
	for name, value := range want {
		if l.Headers[name] != value {
			t.Errorf("header %s is %q, want %q", name, l.Headers[name], value)
		}
	}
	if !strings.Contains(l.Headers["holt-dl-error"], tt.error) {
		t.Errorf("holt-dl-error is %q, want %q", l.Headers["holt-dl-error"], tt.error)
	}
	first := wantTime(t, "holt-dl-first-at", l.Headers["holt-dl-first-at"])
	at := wantTime(t, "holt-dl-at", l.Headers["holt-dl-at"])
	if first.Before(before) || at.Before(first) || at.After(time.Now().Add(time.Second)) {
		t.Errorf("first delivered %v, dead %v, want them in order since %v", first, at, before)
	}
	if v := q.view(); v.Totals != (totals{DeadLetters: 1}) {
		t.Errorf("totals %+v, want one dead letter alone", v.Totals)
	}
}

// wantTime requires RFC 3339 UTC with milliseconds.
func wantTime(t testing.TB, what, s string) time.Time {
	t.Helper()
	at, err := time.Parse("2006-01-02T15:04:05.000Z", s)
	if err != nil {
		t.Errorf("%s is %q, want RFC 3339 UTC with milliseconds", what, s)
	}
	return at
}

func TestScenario64_LetterTopicOfOwnName(t *testing.T) {
	t.Parallel()
	dead := unique("graveyard")
	q := newQueue(t, 1, obj{"dead_letter": obj{"topic": dead}})
	q.fill(0, 0, 1)
	q.get("/v1/topics/"+dead).problem(404, "topic_not_found")
	q.verb("reject", q.one()).ok(1)
	n := 0
	for p := range q.topic(dead).Partitions {
		n += len(q.readAll(dead, p))
	}
	if n != 1 {
		t.Errorf("%d records in the dead-letter topic, want 1", n)
	}
}

// Anything that reads topics can read dead letters, but for the group itself.
func TestScenario64_LettersAreARecordsOfATopic(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	q.fill(0, 0, 1)
	q.verb("reject", q.one()).ok(1)
	reader := queue{q.client, q.gname + ".dlq", unique("reader")}
	reader.makeGroup(reader.gname, obj{"topics": list{reader.name}})
	r := reader.one()
	if !isNumber(r, 0) || r.Headers["holt-dl-group"] != q.gname {
		t.Errorf("a group on the dead-letter topic got %s with headers %v", r.bytes(), r.Headers)
	}
	reader.ack(r)
	a := q.put(q.groupPath(), obj{"topics": list{q.name, q.gname + ".dlq"}})
	if p := a.anyProblem(); p.Status != 400 && p.Status != 409 {
		t.Errorf("a group may read its own dead-letter topic: %d", p.Status)
	}
}

func TestScenario65_DisabledLetters(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, obj{"max_attempts": 1, "dead_letter": obj{"enabled": false}})
	q.fill(0, 0, 3)
	got := q.take(3)
	q.verb("reject", got[0]).ok(1)
	q.nack(got[1], "0s")
	if v := q.view(); v.Totals != (totals{Lag: 1, Leased: 1}) {
		t.Errorf("totals %+v, want two dropped", v.Totals)
	}
	q.get("/v1/topics/"+q.gname+".dlq").problem(404, "topic_not_found")
	q.none("300ms")
	q.ack(got[2])
	if p := q.only(); p.StartOffset != 3 || p.Lag != 0 {
		t.Errorf("partition %+v, want all settled", p)
	}
}

// The dead-letter topic's own limits do not stop letters.
func TestScenario66_LetterTopicInTrouble(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	q.makeTopic(q.gname+".dlq", obj{"max_record_bytes": 10, "partitions": 1})
	q.publish(q.name, obj{"text": string(make1(5000))})
	q.verb("reject", q.one()).ok(1)
	if l := q.awaitLetters(1)[0]; len(l.bytes()) != 5000 {
		t.Errorf("the letter has %d bytes, want 5000", len(l.bytes()))
	}
}

func TestScenario66_LetterTopicDeleted(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	q.fill(0, 0, 2)
	got := q.take(2)
	q.verb("reject", got[0]).ok(1)
	dead := "/v1/topics/" + q.gname + ".dlq"
	q.delete(dead).problem(409, "topic_in_use")
	q.delete(dead + "?force=true").is(204)
	if v := q.view(); v.Totals.DeadLetters != 0 {
		t.Errorf("%d dead letters after the topic was deleted by force, want 0", v.Totals.DeadLetters)
	}
	q.verb("reject", got[1]).ok(1)
	l := q.awaitLetters(1)[0]
	if l.Headers["holt-dl-offset"] != "1" {
		t.Errorf("the letter is of record %s, want 1", l.Headers["holt-dl-offset"])
	}
}

// Rejects under which the server is killed: each record dies exactly once.
func TestScenario67_CrashWhileDying(t *testing.T) {
	t.Parallel()
	const cycles, each = 6, 24
	s := newServer(t)
	c := newClient(t, s)
	q := queueOn(c, 2, obj{"lease": "10m"})
	for cycle := range cycles {
		q.fill(cycle%2, cycle*each, each)
		held := q.take(each)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for _, r := range held {
				q.send(t.Context(), "POST", q.groupPath()+"/reject", obj{"receipt": r.Receipt})
			}
		}()
		pause(time.Duration(5+7*cycle) * time.Millisecond)
		s.crash(t)
		<-done
		q.post(q.groupPath()+"/reject", obj{"receipts": receipts(held)}).ok(each)
	}
	seen := map[string]int{}
	for _, l := range q.awaitLetters(cycles * each) {
		seen[l.Headers["holt-dl-partition"]+"/"+l.Headers["holt-dl-offset"]]++
	}
	for at, n := range seen {
		if n != 1 {
			t.Errorf("record %s has %d letters", at, n)
		}
	}
	if v := q.view(); len(seen) != cycles*each || v.Totals.Lag != 0 {
		t.Errorf("%d records have letters, lag %d, want %d and 0", len(seen), v.Totals.Lag, cycles*each)
	}
}

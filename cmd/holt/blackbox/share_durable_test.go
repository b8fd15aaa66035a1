package blackbox_test

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// onOwnServer makes a queue on a server of its own, to be crashed.
func onOwnServer(t *testing.T, partitions int, config obj) (*server, queue) {
	t.Helper()
	s := newServer(t)
	return s, queueOn(newClient(t, s), partitions, config)
}

func TestScenario50_RestartAfterAck(t *testing.T) {
	t.Parallel()
	s, q := onOwnServer(t, 4, nil)
	for p := range 4 {
		q.fill(p, 0, 25)
	}
	got := q.take(60)
	q.ack(got...)
	s.crash(t)
	if lag := q.view().Totals.Lag; lag != 40 {
		t.Errorf("lag %d after the restart, want 40", lag)
	}
	acked := map[string]bool{}
	for _, r := range got {
		acked[fmt.Sprint(r.Partition, "/", r.Offset)] = true
	}
	rest := q.drain()
	for _, r := range rest {
		if acked[fmt.Sprint(r.Partition, "/", r.Offset)] {
			t.Errorf("record %d/%d was acked and came again", r.Partition, r.Offset)
		}
	}
	if len(rest) != 40 {
		t.Errorf("%d records came after the restart, want 40", len(rest))
	}
	s.crash(t)
	q.none("500ms")
	q.verb("ack", got[0]).ok(1)
}

func TestScenario51_RestartWithHoles(t *testing.T) {
	t.Parallel()
	s, q := onOwnServer(t, 1, nil)
	q.fill(0, 0, 30)
	got := q.take(30)
	q.ack(got[:10]...)
	q.ack(got[20:]...)
	q.settle(obj{"release": receipts(got[10:20])}).ok(10)
	s.crash(t)
	if p := q.only(); p.StartOffset != 10 || p.Lag != 10 || p.LogEndOffset != 30 {
		t.Errorf("partition %+v, want start 10, lag 10", p)
	}
	wantOffsets(t, "after the restart", q.take(10), between(10, 20))
	q.none("300ms")
}

func TestScenario52_RestartWithLeases(t *testing.T) {
	t.Parallel()
	const length = 10 * time.Second // what settles before it is over must not take so long
	s, q := onOwnServer(t, 1, obj{"lease": length.String()})
	q.fill(0, 0, 4)
	held := q.take(4)
	pause(700 * time.Millisecond)
	s.kill()
	pause(length)
	started := time.Now()
	s.start(t)
	if got := q.lease(10, "1s"); len(got) > 0 {
		t.Fatalf("records %v came %v after the start, their leases have %v", offsets(got), time.Since(started), length)
	}
	q.ack(held[0])
	q.nack(held[1], "1h")
	again := q.take(2, obj{"lease": "60s"})
	if took := time.Since(started); took < length {
		t.Errorf("leased again %v after the start, want not before %v", took, length)
	}
	wantOffsets(t, "expired after the restart", again, []int64{2, 3})
	for _, r := range again {
		wantAttempt(t, r, 2, 2)
	}
}

func TestOldReceiptsSettleAfterKill(t *testing.T) {
	t.Parallel()
	s, q := onOwnServer(t, 2, obj{"lease": "30s"})
	q.fill(0, 0, 30)
	q.fill(1, 0, 30)
	held := q.take(60)
	s.crash(t)
	q.settle(obj{"extend": list{obj{"receipt": held[59].Receipt, "for": "60s"}}}).ok(1)
	q.ack(held[:20]...)
	s.crash(t)
	q.ack(held[:20]...)
	q.ack(held[20:40]...)
	q.settle(obj{"release": receipts(held[40:50])}).ok(10)
	again := q.take(10)
	for _, r := range again {
		wantAttempt(t, r, 1, 2)
	}
	q.ack(again...)
	q.ack(held[50:]...)
	if v := q.view(); v.Totals != (totals{}) {
		t.Errorf("totals %+v, want nothing left", v.Totals)
	}
}

func TestScenario53_AttemptsAndDeferredSurvive(t *testing.T) {
	t.Parallel()
	s, q := onOwnServer(t, 1, obj{"max_attempts": 4})
	q.fill(0, 0, 2)
	first := q.one()
	q.nack(first, "1h")
	r := q.one()
	q.nack(r, "0s")
	r = q.one()
	before := time.Now()
	q.nack(r, "3s")
	s.crash(t)
	if v := q.view(); v.Totals != (totals{Lag: 2, Deferred: 2}) && time.Since(before) < 3*time.Second {
		t.Errorf("totals %+v after the restart, want 2 deferred", v.Totals)
	}
	r = q.one()
	if took := time.Since(before); took < 3*time.Second {
		t.Errorf("deferred record came after %v, want not before 3 s", took)
	}
	if r.Offset != 1 {
		t.Errorf("record %d came, want 1", r.Offset)
	}
	wantAttempt(t, r, 3, 3)
	q.nack(r, "0s")
	s.crash(t)
	r = q.one()
	wantAttempt(t, r, 4, 4)
	q.nack(r, "0s")
	s.crash(t)
	if got := q.awaitLetters(1)[0].Headers["holt-dl-offset"]; got != "1" {
		t.Errorf("the letter is of record %s, want 1", got)
	}
}

func TestScenario56_CommitOffsetReadOrder(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	const producers, each = 8, 50
	var mu sync.Mutex
	var acknowledged []int64
	inParallel(producers, func(i int) {
		last := int64(-1)
		for n := range each {
			p := q.publish(q.name, obj{"value": obj{"producer": i, "n": n}, "partition": 0}).Records[0]
			if p.Offset <= last {
				t.Errorf("producer %d got offset %d after %d", i, p.Offset, last)
			}
			last = p.Offset
			mu.Lock()
			acknowledged = append(acknowledged, last)
			mu.Unlock()
		}
	})
	all := q.readAll(q.name, 0)
	wantOffsets(t, "log", all, between(0, producers*each))
	next := map[int]int{}
	for i, r := range all {
		var v struct{ Producer, N int }
		(answer{t: t, body: r.Value}).into(&v)
		if r.Offset != int64(i) || v.N != next[v.Producer] {
			t.Fatalf("record %d is %s at offset %d, want number %d of its producer", i, r.Value, r.Offset, next[v.Producer])
		}
		next[v.Producer]++
	}
	wantOffsets(t, "lease order", q.take(producers*each), between(0, producers*each))
}

func TestScenario57_Start(t *testing.T) {
	t.Parallel()
	c := shared(t)
	topic := c.makeTopic(unique("topic"), obj{"partitions": 1})
	c.publish(topic, obj{"value": 1}, obj{"value": 2})
	pause(20 * time.Millisecond)
	at := time.Now().UTC().Format("2006-01-02T15:04:05.000Z")
	pause(20 * time.Millisecond)
	c.publish(topic, obj{"value": 3})
	for start, want := range map[string][]int64{
		"earliest": {0, 1, 2, 3}, "latest": {3}, at: {2, 3},
		"2001-01-01T00:00:00.000Z": {0, 1, 2, 3}, "2999-01-01T00:00:00.000Z": {3},
	} {
		q := queue{c, topic, unique("group")}
		c.makeGroup(q.gname, obj{"topics": list{topic}, "start": start})
		defer func() { wantOffsets(t, "start "+start, q.take(len(want)), want) }()
	}
	c.publish(topic, obj{"value": 4})
}

func TestScenario57_PartitionAddedLaterStartsAtZero(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, obj{"start": "latest"})
	q.put(q.topicPath(), obj{"partitions": 2}).is(200)
	q.fill(1, 0, 3)
	wantOffsets(t, "new partition", q.take(3), between(0, 3))
	if v := q.view(); len(v.Partitions) != 2 {
		t.Errorf("group has %d partitions, want 2", len(v.Partitions))
	}
}

func TestScenario59_Retention(t *testing.T) {
	t.Parallel()
	c := shared(t)
	for _, keep := range []bool{true, false} {
		t.Run(fmt.Sprint("keep_unsettled ", keep), func(t *testing.T) {
			t.Parallel()
			c := client{t, c.s, c.http}
			q := queueOn(c, 1, nil)
			q.fill(0, 0, 10)
			q.ack(q.take(4)...)
			q.put(q.topicPath(), obj{"retention": obj{"age": "1s", "keep_unsettled": keep}}).is(200)
			want := map[bool]int64{true: 4, false: 10}[keep]
			eventually(t, 2*soon, fmt.Sprintf("start offset %d", want), func() bool {
				return q.topic(q.name).Partitions[0].StartOffset == want
			})
			p := q.get(q.topicPath()+"/partitions/0/records?offset=0").problem(416, "offset_out_of_range")
			if p.StartOffset == nil || p.EndOffset == nil || *p.StartOffset != want || *p.EndOffset != 10 {
				t.Errorf("416 does not say where to go on: %+v", p)
			}
			if lag := q.view().Totals.Lag; lag != 10-want {
				t.Errorf("lag %d, want %d", lag, 10-want)
			}
			if keep {
				wantOffsets(t, "kept", q.take(6), between(4, 10))
			}
		})
	}
}

func TestScenario60_TopicDeletedAndMadeAgain(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	q.fill(0, 0, 10)
	old := q.take(3)
	q.nack(old[0], "0s")
	q.delete(q.topicPath()).problem(409, "topic_in_use")
	q.delete(q.topicPath() + "?force=true").is(204)
	if v := q.view(); len(v.Topics) != 0 || v.Totals.Lag != 0 {
		t.Errorf("group still has topics %v, lag %d", v.Topics, v.Totals.Lag)
	}
	q.makeTopic(q.name, obj{"partitions": 1})
	if v := q.topic(q.name); v.Partitions[0].EndOffset != 0 || len(v.Groups) != 0 {
		t.Errorf("new topic shows %+v of the old one", v)
	}
	q.put(q.groupPath(), obj{"topics": list{q.name}}).is(200)
	q.none("300ms")
	if p := q.publish(q.name, obj{"value": "new"}).Records[0]; p.Offset != 0 {
		t.Errorf("first offset of the new topic is %d", p.Offset)
	}
	if a := q.verb("ack", old[1]); a.status != 409 {
		t.Errorf("a receipt of the old topic is answered %d, want 409", a.status)
	}
	r := q.one()
	wantAttempt(t, r, 1, 1)
	if string(r.Value) != `"new"` {
		t.Errorf("record of the new topic is %s", r.Value)
	}
}

func TestScenario61_GroupDeletedAndMadeAgain(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	q.fill(0, 0, 4)
	old := q.take(3)
	q.ack(old[0])
	q.nack(old[1], "0s")
	q.delete(q.groupPath()).problem(409, "group_in_use")
	q.delete(q.groupPath() + "?force=true").is(204)
	q.get(q.groupPath()).problem(404, "group_not_found")
	q.makeGroup(q.gname, obj{"topics": list{q.name}})
	if v := q.view(); v.Totals != (totals{Lag: 4, Available: 4}) {
		t.Errorf("totals %+v, want a fresh group", v.Totals)
	}
	for _, r := range q.take(4) {
		wantAttempt(t, r, 1, 1)
	}
	if a := q.verb("ack", old[2]); a.status != 409 {
		t.Errorf("a receipt of the old group is answered %d, want 409", a.status)
	}
	if v := q.view(); v.Totals != (totals{Lag: 4, Leased: 4}) {
		t.Errorf("totals %+v, want 4 leased", v.Totals)
	}
}

func TestScenario62_Lag(t *testing.T) {
	t.Parallel()
	s, q := onOwnServer(t, 2, obj{"max_attempts": 1})
	q.fill(0, 0, 10)
	q.fill(1, 0, 10)
	lag := func(want int64) {
		t.Helper()
		v := q.view()
		sum := int64(0)
		for _, p := range v.Partitions {
			sum += p.Lag
			if p.Lag != p.Available+p.Leased+p.Deferred || p.StartOffset > p.EndOffset || p.EndOffset > p.LogEndOffset {
				t.Errorf("partition %+v does not add up", p)
			}
			if (p.Lag == 0) != (p.Oldest == nil) {
				t.Errorf("partition %+v: oldest_unsettled_at %v with lag %d", p, p.Oldest, p.Lag)
			}
		}
		topic := q.topic(q.name)
		if len(topic.Groups) != 1 || topic.Groups[0].Lag != want || topic.Groups[0].Group != q.gname || topic.Groups[0].Kind != "share" {
			t.Errorf("the topic says of its groups %+v, want lag %d", topic.Groups, want)
		}
		if v.Totals.Lag != want || sum != want || v.Totals.Available+v.Totals.Leased+v.Totals.Deferred != want {
			t.Errorf("totals %+v, sum of lags %d, want lag %d", v.Totals, sum, want)
		}
	}
	lag(20)
	got := q.take(8)
	q.ack(got[0], got[1])
	lag(18)
	q.verb("reject", got[2]).ok(1)
	lag(17)
	q.verb("extend", got[3], obj{"for": "1s"}).ok(1)
	q.awaitLetters(2)
	lag(16)
	s.crash(t)
	lag(16)
	q.delete(q.topicPath() + "?force=true").is(204)
	if v := q.view(); v.Totals.Lag != 0 {
		t.Errorf("lag %d without topics", v.Totals.Lag)
	}
}

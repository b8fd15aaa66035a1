// Settles with records, request keys, reset, pause: the share groups' later verbs.

package blackbox_test

import (
	"fmt"
	"reflect"
	"testing"
)

func TestScenario16_SameRequest(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, obj{"lease": "60s"})
	q.fill(0, 0, 6)
	key := obj{"request": "r-1"}
	first := q.lease(3, "0s", key)
	again := q.lease(3, "0s", key)
	if !reflect.DeepEqual(receipts(first), receipts(again)) {
		t.Errorf("the same request got %v, then %v", offsets(first), offsets(again))
	}
	q.ack(first[0])
	if got := q.lease(3, "0s", key); !reflect.DeepEqual(offsets(got), []int64{1, 2}) {
		t.Errorf("the same request after an ack got %v, want the leases that still run", offsets(got))
	}
	q.ack(first[1], first[2])
	wantOffsets(t, "the same request after all ended", q.lease(3, "0s", key), between(3, 6))
	q.post(q.groupPath()+"/lease", obj{"request": string(make1(257))}).problem(400, "invalid_request")
}

func TestScenario33_SettleWithPublish(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	out := q.makeTopic(unique("topic"), obj{"partitions": 1})
	q.fill(0, 0, 3)
	old, now := q.lost()
	good := q.take(2)
	publish := list{obj{"topic": out, "records": list{obj{"value": "derived"}}}}
	q.settle(obj{"ack": list{good[0].Receipt, old.Receipt}, "publish": publish}).problem(409, "lease_lost")
	if end := q.topic(out).Partitions[0].EndOffset; end != 0 || q.only().Leased != 3 {
		t.Errorf("a refused settle published %d records, %d leases run", end, q.only().Leased)
	}
	body := obj{"ack": list{good[0].Receipt}, "publish": publish, "request": "once"}
	first := q.settle(body).is(200)
	if again := q.settle(body).is(200); string(again.body) != string(first.body) {
		t.Errorf("the repeated request is answered %s, was %s", again.body, first.body)
	}
	q.settle(obj{"ack": list{good[0].Receipt}, "publish": publish}).problem(409, "already_settled")
	if got := q.readAll(out, 0); len(got) != 1 || string(got[0].Value) != `"derived"` {
		t.Errorf("published %+v, want one record", got)
	}
	q.ack(good[1], now)
}

func TestScenario33_SurvivesACrash(t *testing.T) {
	t.Parallel()
	s, q := onOwnServer(t, 1, nil)
	out := q.makeTopic(unique("topic"), obj{"partitions": 1})
	q.fill(0, 0, 1)
	r := q.one()
	body := obj{"ack": list{r.Receipt}, "publish": list{obj{"topic": out, "records": list{obj{"value": 1}}}}, "request": "once"}
	first := q.settle(body).is(200)
	s.crash(t)
	if again := q.settle(body).is(200); string(again.body) != string(first.body) {
		t.Errorf("after a crash the request is answered %s, was %s", again.body, first.body)
	}
	if n := len(q.readAll(out, 0)); n != 1 {
		t.Errorf("%d records published, want 1", n)
	}
}

func TestLeaseSettlesFirst(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	q.fill(0, 0, 4)
	held := q.take(2)
	var got struct {
		leased
		Settle settled `json:"settle"`
	}
	q.post(q.groupPath()+"/lease", obj{"max": 1, "settle": obj{"ack": list{held[0].Receipt}, "release": list{held[1].Receipt}}}).is(200).into(&got)
	if got.Settle.Settled != 2 || len(got.Records) != 1 || got.Records[0].Offset != 1 {
		t.Errorf("settled %d, leased %v, want 2 and the released one", got.Settle.Settled, offsets(got.Records))
	}
	q.post(q.groupPath()+"/lease", obj{"max": 1, "wait": "50s", "settle": obj{"ack": list{"forged"}}}).is(200).into(&got)
	if len(got.Settle.Failed) != 1 || len(got.Records) != 1 {
		t.Errorf("settle in a lease: failed %v, leased %d, want the lease in spite of it", got.Settle.Failed, len(got.Records))
	}
}

func TestScenario58_Reset(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	q.fill(0, 0, 10)
	got := q.take(6)
	q.ack(got[:4]...)
	q.verb("reject", got[4]).ok(1)
	path := q.groupPath() + "/reset"
	before := q.view()
	var dry, done struct {
		Partitions []struct {
			Topic     string `json:"topic"`
			Partition int    `json:"partition"`
			From      int64  `json:"from"`
			To        int64  `json:"to"`
		} `json:"partitions"`
	}
	q.post(path, obj{"to": "earliest", "dry_run": true}).is(200).into(&dry)
	if after := q.view(); after.Totals != before.Totals {
		t.Errorf("a dry run changed %+v to %+v", before.Totals, after.Totals)
	}
	q.post(path, obj{"to": "earliest"}).is(200).into(&done)
	if fmt.Sprint(dry) != fmt.Sprint(done) || len(done.Partitions) != 1 || done.Partitions[0].From != 5 || done.Partitions[0].To != 0 {
		t.Errorf("dry run %+v, reset %+v, want from 5 to 0", dry, done)
	}
	q.verb("ack", got[5]).refused("lease_lost")
	if v := q.view(); v.Totals != (totals{Lag: 10, Available: 10}) {
		t.Errorf("totals %+v after reset to earliest, want all available and the letter closed", v.Totals)
	}
	for _, r := range q.take(10) {
		wantAttempt(t, r, 1, 1)
	}
	q.post(path, obj{"to": "offset:7"}).is(200)
	wantOffsets(t, "from 7", q.take(3), between(7, 10))
	q.post(path, obj{"to": "latest"}).is(200)
	q.none("300ms")
	for _, bad := range []obj{{}, {"to": "bogus"}, {"to": "offset:-1"}, {"to": "offset:x"}, {"to": "latest", "colour": 1}, {"to": "latest", "partition": -1}} {
		q.post(path, bad).problem(400, "invalid_request")
	}
}

func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	q.fill(0, 0, 2)
	held := q.one()
	q.post(q.groupPath()+"/pause", nil).is(200)
	q.none("300ms")
	q.ack(held)
	p := q.park(t.Context(), 1, "50s")
	p.asleep()
	q.post(q.groupPath()+"/resume", nil).is(200)
	p.woken()
}

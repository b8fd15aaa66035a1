package blackbox_test

import (
	"encoding/json"
	"testing"
	"time"
)

// entry is one record's place, or when it will have one.
type entry struct {
	place
	Duplicate bool `json:"duplicate"`
	Scheduled *struct {
		ID        string `json:"id"`
		DeliverAt string `json:"deliver_at"`
	} `json:"scheduled"`
}

func (q queue) entries(records ...obj) []entry {
	q.t.Helper()
	var p struct {
		Records []json.RawMessage `json:"records"`
	}
	q.post(q.topicPath()+"/records", obj{"records": records}).is(200).into(&p)
	all := make([]entry, len(p.Records))
	for i, raw := range p.Records {
		(answer{t: q.t, body: raw}).into(&all[i])
	}
	return all
}

func TestScenario47_Delay(t *testing.T) {
	t.Parallel()
	s, q := onOwnServer(t, 1, nil)
	before := time.Now()
	got := q.entries(obj{"value": 1, "delay": "3s", "id": "soon"}, obj{"value": 2, "delay": "1h", "id": "never"}, obj{"value": 3, "delay": "0s"})
	if got[0].Scheduled == nil || got[1].Scheduled == nil || got[2].Scheduled != nil {
		t.Fatalf("entries %+v, want two scheduled", got)
	}
	s.crash(t)
	var l struct {
		Items []json.RawMessage `json:"items"`
	}
	q.get(q.topicPath() + "/scheduled").is(200).into(&l)
	if len(l.Items) != 2 && time.Since(before) < 3*time.Second {
		t.Errorf("%d scheduled records, want 2", len(l.Items))
	}
	q.delete(q.topicPath() + "/scheduled/never").is(204)
	q.delete(q.topicPath()+"/scheduled/never").problem(404, "record_not_found")
	for _, r := range q.take(2) {
		if string(r.Value) == "1" && time.Since(before) < 3*time.Second {
			t.Errorf("a record with a delay of 3 s came after %v", time.Since(before))
		}
		q.ack(r)
	}
	q.none("500ms")
}

func TestScenario48_TTL(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	const ttl = 10 * time.Second // what is leased before must not take so long
	q.entries(obj{"value": 1, "ttl": ttl.String()}, obj{"value": 2, "ttl": ttl.String()}, obj{"value": 3})
	held := q.one()
	pause(ttl + 200*ms)
	got := q.lease(10, "0s")
	if len(got) != 1 || string(got[0].Value) != "3" {
		t.Errorf("leased %v, want only the record without ttl", offsets(got))
	}
	q.ack(held)
	if v := q.view(); v.Totals.Lag != 1 {
		t.Errorf("totals %+v, want lag 1", v.Totals)
	}
}

func TestScenario49_Dedupe(t *testing.T) {
	t.Parallel()
	s, q := onOwnServer(t, 3, nil)
	first := q.entries(obj{"value": 1, "id": "x"}, obj{"value": 2, "id": "x"}, obj{"value": 3, "id": "y"})
	if first[0].Duplicate || !first[1].Duplicate || first[1].place != first[0].place || first[2].Duplicate {
		t.Errorf("entries %+v, want the second a duplicate of the first", first)
	}
	s.crash(t)
	again := q.entries(obj{"value": "other", "id": "x", "key": "elsewhere", "partition": 2}, obj{"value": 4})
	if !again[0].Duplicate || again[0].Partition != first[0].Partition || again[0].Offset != first[0].Offset || again[1].Duplicate {
		t.Errorf("entries %+v after a crash, want the first a duplicate of %+v", again, first[0])
	}
	if n := len(q.take(3)); n != 3 {
		t.Errorf("%d records, want 3", n)
	}
	q.none("300ms")
}

func TestScenario46_Priorities(t *testing.T) {
	t.Parallel()
	q := queue{shared(t), unique("topic"), unique("group")}
	q.makeTopic(q.name, obj{"partitions": 1, "priorities": 2})
	q.makeGroup(q.gname, obj{"topics": list{q.name}})
	var records []obj
	for i := range 200 {
		records = append(records, obj{"value": i, "priority": i % 2})
	}
	q.publish(q.name, records...)
	counts := map[int]int{}
	for range 100 {
		r := q.one()
		counts[r.Partition]++
		q.ack(r)
	}
	high := q.topic(q.name).Partitions
	for _, p := range high {
		switch n := counts[p.Partition]; {
		case *p.Lane == 1 && n < 80:
			t.Errorf("of 100 leases %d were of the higher lane", n)
		case *p.Lane == 0 && n < 5:
			t.Errorf("of 100 leases %d were of the lower lane: it starves", n)
		}
	}
}

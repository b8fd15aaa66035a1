package blackbox_test

import (
	"strings"
	"testing"
)

// Below --min-free nothing is published and everything else goes on, so that
// the groups can be drained.
func TestLittleFreeSpace(t *testing.T) {
	t.Parallel()
	s, q := onOwnServer(t, 1, obj{"lease": "60s"})
	q.fill(0, 0, 10)
	held := q.take(4)
	s.terminate(t)
	s.flags = []string{"--min-free", "1000TiB"}
	s.start(t)

	for _, record := range []obj{{"value": 1}, {"text": string(make1(1 << 20))}} {
		p := q.post(q.topicPath()+"/records", record).problem(507, "storage_full")
		if !strings.Contains(p.Detail, q.gname) {
			t.Errorf("507 does not name the group that holds most: %q", p.Detail)
		}
	}
	absent := unique("topic")
	q.post("/v1/topics/"+absent+"/records", obj{"value": 1}).problem(507, "storage_full")
	q.get("/v1/topics/"+absent).problem(404, "topic_not_found")

	q.ack(held[:2]...)
	q.verb("release", held[2]).ok(1)
	q.verb("reject", held[3]).ok(1)
	if rest := q.drain(); len(rest) != 7 {
		t.Errorf("%d records drained, want 7", len(rest))
	}
	q.awaitLetters(1)
	s.crash(t)
	if p := q.only(); p.Lag != 0 || p.LogEndOffset != 10 {
		t.Errorf("partition %+v after a crash with little space, want all settled", p)
	}
	s.terminate(t)
	s.flags = nil
	s.start(t)
	if p := q.publish(q.name, obj{"value": 1}).Records[0]; p.Offset != 10 {
		t.Errorf("first offset after there is space again is %d, want 10", p.Offset)
	}
}

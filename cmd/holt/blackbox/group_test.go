package blackbox_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
)

func TestLeaseCreatesTopicAndGroup(t *testing.T) {
	t.Parallel()
	c := shared(t)
	topic, group := unique("emails"), unique("mailer")
	var l leased
	c.post("/v1/groups/"+group+"/lease", obj{"topics": list{topic}}).is(200).into(&l)
	if want := []string{"topics/" + topic, "groups/" + group}; !slices.Equal(l.Created, want) {
		t.Errorf("created %v, want %v", l.Created, want)
	}
	if v := c.group(group); v.Kind != "share" || !slices.Equal(v.Topics, []string{topic}) || len(v.Partitions) != 4 {
		t.Errorf("group %+v, want a share group with defaults on %s", v, topic)
	}
	var again leased
	c.post("/v1/groups/"+group+"/lease", obj{"topics": list{topic}}).is(200).into(&again)
	if again.Created != nil {
		t.Errorf("created %v for what is there", again.Created)
	}
}

func TestLeaseWithTopicsOfAnExistingGroup(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	other, absent := q.makeTopic(unique("topic"), obj{"partitions": 1}), unique("topic")
	path := q.groupPath() + "/lease"
	q.post(path, obj{"topics": list{absent}}).problem(404, "topic_not_found")
	q.get("/v1/topics/"+absent).problem(404, "topic_not_found")
	q.fill(0, 0, 2)
	q.publish(other, obj{"value": "other"})
	for _, r := range q.lease(10, "0s", obj{"topics": list{other}}) {
		if r.Topic != other {
			t.Errorf("a lease of %s gave a record of %s", other, r.Topic)
		}
	}
	if v := q.view(); len(v.Topics) != 2 || !slices.Contains(v.Topics, other) {
		t.Errorf("topics %v, want %s attached", v.Topics, other)
	}
	if got := q.take(2); got[0].Topic != q.name || got[1].Topic != q.name {
		t.Errorf("the rest is %+v", got)
	}
}

// A refused call creates nothing on the way.
func TestRefusedCallsCreateNothing(t *testing.T) {
	t.Parallel()
	c := shared(t)
	topic, group := unique("topic"), unique("group")
	for _, body := range []obj{
		{"topics": list{topic}, "max": 0}, {"topics": list{topic}, "lease": "0s"}, {"topics": list{topic}, "wait": "61s"},
		{"topics": list{topic, "a/b"}}, {"topics": list{topic}, "colour": 1}, {"topics": list{topic, 5}},
	} {
		c.post("/v1/groups/"+group+"/lease", body).problem(400, "invalid_request")
	}
	c.post("/v1/groups/"+group+"/lease", obj{"max": 1}).problem(404, "group_not_found")
	c.post("/v1/topics/"+topic+"/records", obj{"value": 1, "partition": 99}).problem(404, "partition_not_found")
	c.post("/v1/topics/"+topic+"/records", obj{"value": 1, "headers": obj{"holt-x": ""}}).problem(400, "invalid_request")
	c.post("/v1/topics/"+topic+"/records", obj{"text": string(make1(1<<20 + 1))}).problem(413, "record_too_large")
	c.put("/v1/groups/"+group, obj{"topics": list{topic}}).problem(404, "topic_not_found")
	c.get("/v1/topics/"+topic).problem(404, "topic_not_found")
	c.get("/v1/groups/"+group).problem(404, "group_not_found")
}

func TestDetachedTopic(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	other := q.makeTopic(unique("topic"), obj{"partitions": 1})
	q.fill(0, 0, 3)
	got := q.take(2)
	q.ack(got[0])
	q.put(q.groupPath(), obj{"topics": list{other}}).is(200)
	q.verb("ack", got[1]).refused("lease_lost")
	q.none("300ms")
	if v := q.view(); v.Totals != (totals{}) || len(v.Partitions) != 1 {
		t.Errorf("group %+v after its topic was detached", v)
	}
	if groups := q.topic(q.name).Groups; len(groups) != 0 {
		t.Errorf("the detached topic still names %+v", groups)
	}
	q.put(q.groupPath(), obj{"topics": list{other, q.name}}).is(200)
	again := q.take(3)
	wantOffsets(t, "attached again, progress forgotten", again, between(0, 3))
	for _, r := range again {
		wantAttempt(t, r, 1, 1)
	}
	q.verb("ack", got[1]).refused("lease_lost")
}

func TestDetachedTopicKeepsItsLetters(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	q.fill(0, 0, 1)
	q.verb("reject", q.one()).ok(1)
	q.put(q.groupPath(), obj{"topics": list{}}).is(200)
	q.awaitLetters(1)
}

func TestGroupDeletion(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	q.fill(0, 0, 2)
	held := q.one()
	q.delete(q.groupPath()).problem(409, "group_in_use")
	q.ack(held)
	q.verb("reject", q.one()).ok(1)
	q.delete(q.groupPath()).problem(409, "group_in_use")
	for _, bad := range []string{"force=yes", "force=", "force=1x"} {
		q.delete(q.groupPath()+"?"+bad).problem(400, "invalid_request")
	}
	q.delete(q.groupPath() + "?force=true").is(204)
	q.delete(q.groupPath()).problem(404, "group_not_found")
	q.delete(q.topicPath()).is(204)
	q.delete(q.topicPath()).problem(404, "topic_not_found")
}

func TestTopicIsInUseWhileGroupsReadIt(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 1, nil)
	q.delete(q.topicPath()).problem(409, "topic_in_use")
	q.delete(q.topicPath()+"?force=false").problem(409, "topic_in_use")
	q.delete(q.groupPath()).is(204)
	a := q.delete(q.topicPath()).is(204)
	if len(a.body) != 0 {
		t.Errorf("204 with a body: %s", a.body)
	}
	q.get(q.topicPath()).problem(404, "topic_not_found")
}

func TestManyTopicsOfOneGroup(t *testing.T) {
	t.Parallel()
	c := shared(t)
	q := queue{c, "", unique("group")}
	var topics []string
	for range 10 {
		topics = append(topics, c.makeTopic(unique("topic"), obj{"partitions": 2}))
	}
	c.makeGroup(q.gname, obj{"topics": topics})
	for _, topic := range topics {
		c.publish(topic, obj{"value": 1, "partition": 0}, obj{"value": 2, "partition": 1})
	}
	seen := map[string]int{}
	for _, r := range q.take(20) {
		seen[fmt.Sprint(r.Topic, "/", r.Partition)]++
	}
	if len(seen) != 20 {
		t.Errorf("20 records came from %d partitions: %v", len(seen), seen)
	}
	if v := q.view(); !slices.Equal(v.Topics, topics) {
		t.Errorf("topics %v, want %v", v.Topics, topics)
	}
}

// Of many that create the same at once, one has created it.
func TestCreationRaces(t *testing.T) {
	t.Parallel()
	c := shared(t)
	topic, group := unique("topic"), unique("group")
	count := func(f func() string) map[string]int {
		var mu sync.Mutex
		got := map[string]int{}
		inParallel(16, func(int) {
			s := f()
			mu.Lock()
			defer mu.Unlock()
			got[s]++
		})
		return got
	}
	if got := count(func() string { return fmt.Sprint(c.put("/v1/topics/"+topic, obj{"partitions": 2}).status) }); got["201"] != 1 || got["200"] != 15 {
		t.Errorf("16 PUTs of one topic at once: %v, want one 201", got)
	}
	path := "/v1/groups/" + unique("group")
	if got := count(func() string { return fmt.Sprint(c.put(path, nil, "If-None-Match", "*").status) }); got["201"] != 1 || got["412"] != 15 {
		t.Errorf("16 PUTs with If-None-Match at once: %v, want one 201", got)
	}
	fresh := unique("topic")
	if got := count(func() string { return fmt.Sprint(c.publish(fresh, obj{"value": 1}).Created) }); got["[topics/"+fresh+"]"] != 1 || got["[]"] != 15 {
		t.Errorf("16 publishes to a new topic at once: created %v, want it named once", got)
	}
	if got := count(func() string {
		var l leased
		c.post("/v1/groups/"+group+"/lease", obj{"topics": list{topic}}).is(200).into(&l)
		return fmt.Sprint(l.Created)
	}); got["[groups/"+group+"]"] != 1 || got["[]"] != 15 {
		t.Errorf("16 leases of a new group at once: created %v, want it named once", got)
	}
}

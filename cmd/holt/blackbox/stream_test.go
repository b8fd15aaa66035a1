package blackbox_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// Compaction keeps the newest of each key and every unsettled record, over crashes; keys are found before and after.
func TestScenario63_Compaction(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	q := queueOn(newClient(t, s), 1, nil)
	q.put(q.topicPath(), obj{"cleanup": "compact"}).is(200)
	for i := range 20 {
		q.publish(q.name, obj{"key": fmt.Sprint(i % 3), "value": i})
	}
	q.ack(q.take(20)[:15]...) // 15 to 19 stay unsettled
	newest := map[string]int{"0": 18, "1": 19, "2": 17}
	check := func(when string) {
		t.Helper()
		for key, want := range newest {
			if got := q.get(q.topicPath() + "/keys/" + key).is(200).body; !strings.Contains(string(got), fmt.Sprintf(`"offset":%d,`, want)) {
				t.Errorf("%s, key %s: %s, want %d", when, key, got, want)
			}
		}
	}
	check("at once")
	s.crash(t)
	check("after a crash")
	eventually(t, 4*soon, "superseded records are gone", func() bool { return len(q.readAll(q.name, 0)) == 5 })
	var left []int64
	for _, r := range q.readAll(q.name, 0) {
		left = append(left, r.Offset)
	}
	if !slices.Equal(left, []int64{15, 16, 17, 18, 19}) {
		t.Errorf("left are %v", left)
	}
	s.crash(t)
	check("compacted, after a crash")
	if lag := q.view().Totals.Lag; lag != 5 {
		t.Errorf("lag %d, want 5", lag)
	}
}

// A tail goes on where it was, over a crash, and hears of a partition that was added.
func TestTailIsResumed(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	c := newClient(t, s)
	name := c.makeTopic("tailed", obj{"partitions": 1})
	path := "/v1/topics/" + name
	c.publish(name, obj{"value": 0}, obj{"value": 1})
	first := c.tail(path+"/tail?from=earliest", "")
	first.record(`"offset":0,`)
	id := first.record(`"offset":1,`)
	s.crash(t)
	c.publish(name, obj{"value": 2})
	second := c.tail(path+"/tail", id)
	second.record(`"offset":2,`)
	c.put(path, obj{"partitions": 2}).is(200)
	c.publish(name, obj{"value": "new", "partition": 1})
	if id := second.record(`"partition":1,`); id != "0:3,1:1" {
		t.Errorf("the id is %s", id)
	}
	c.delete(path).is(204)
	second.line("event: end")
}

// follower reads a tail.
type follower struct {
	t testing.TB
	r *bufio.Scanner
}

func (c client) tail(path, lastID string) *follower {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 4*soon)
	c.t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.s.addr+path, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != 200 {
		c.t.Fatalf("%s: %d", path, resp.StatusCode)
	}
	return &follower{c.t, bufio.NewScanner(resp.Body)}
}

// line reads on to a line that begins so, and returns the id before it.
func (f *follower) line(prefix string) (id, line string) {
	f.t.Helper()
	for f.r.Scan() {
		text := f.r.Text()
		if v, ok := strings.CutPrefix(text, "id: "); ok {
			id = v
		}
		if strings.HasPrefix(text, prefix) {
			return id, text
		}
	}
	f.t.Fatalf("no line %q: the tail ended, %v", prefix, f.r.Err())
	return "", ""
}

// record reads the next record, which holds some text, and returns its id.
func (f *follower) record(text string) string {
	f.t.Helper()
	id, line := f.line("data: ")
	if !strings.Contains(line, text) {
		f.t.Fatalf("the record is %s, want %s", line, text)
	}
	return id
}

package queue_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/catalog"
)

// table makes a compacted topic of one partition.
func (h *house) table(name string) {
	h.t.Helper()
	h.retention(name, func(c *queue.TopicConfig) { c.Cleanup = catalog.CleanupCompact })
}

// put publishes one record of a key; no value is a tombstone.
func (h *house) put(topic, key string, value ...string) {
	h.t.Helper()
	m := queue.Message{Key: []byte(key)}
	if len(value) > 0 {
		m.Value = []byte(value[0])
	}
	h.publishMsgs(topic, m)
}

// get returns the newest record of a key as "offset=value", "-" for a tombstone, or what was wrong.
func (h *house) get(topic, key string) string {
	h.t.Helper()
	r, _, err := h.ReadKey(h.t.Context(), topic, []byte(key))
	switch {
	case errors.Is(err, queue.ErrRecordNotFound):
		return "none"
	case err != nil:
		return err.Error()
	case r.Value == nil:
		return fmt.Sprint(r.Offset, "=-")
	}
	return fmt.Sprint(r.Offset, "=", string(r.Value))
}

// left returns the offsets of all records that are left of partition 0.
func (h *house) left(topic string) []queue.Offset {
	h.t.Helper()
	res, err := h.Read(h.t.Context(), queue.ReadRequest{Topic: topic, From: queue.Position{Earliest: true}})
	if err != nil {
		h.t.Fatal(err)
	}
	out := []queue.Offset{}
	for _, r := range res.Records {
		out = append(out, r.Offset)
	}
	return out
}

func (h *house) wantOffsets(topic, want string) {
	h.t.Helper()
	if got := fmt.Sprint(h.left(topic)); got != want {
		h.t.Fatalf("%s has the records %s, want %s", topic, got, want)
	}
}

func TestScenario63CompactionKeepsTheNewestAndWhatIsNotSettled(t *testing.T) {
	inBubble(t, func(h *house) {
		h.table("t")
		h.group("g", []string{"t"}, nil)
		h.group("loose", []string{"t"}, func(c *queue.GroupConfig) { c.Pin = false })
		for _, v := range []string{"a1", "b1", "a2", "b2", "a3", "c1"} {
			h.put("t", v[:1], v)
		}
		ds := h.lease("g", 6, 0)
		for _, i := range []int{0, 2, 3, 4, 5} { // b1, at 1, is not settled
			if _, err := h.settle("g", ack, ds[i]); err != nil {
				h.t.Fatal(err)
			}
		}
		h.lease("loose", 1, 0)
		time.Sleep(30 * time.Second)
		h.wantOffsets("t", "[1 3 4 5]")
		if lag, loose := h.totals("g").Lag, h.totals("loose"); lag != 1 || loose.Lag != 4 || loose.Leased != 0 {
			h.t.Fatalf("lag of g %d; a group that holds nothing back: %+v", lag, loose)
		}
		if _, err := h.ReadOne(h.t.Context(), "t", 0, 2); !errors.Is(err, queue.ErrRecordNotFound) {
			h.t.Fatalf("a superseded record: %v", err)
		}
		if _, err := h.settle("g", ack, ds[1]); err != nil {
			h.t.Fatal(err)
		}
		h.restart()
		time.Sleep(3 * time.Minute)
		h.wantOffsets("t", "[3 4 5]")
		if got := fmt.Sprint(values(h.lease("loose", 9, 0))); got != "[b2 a3 c1]" {
			h.t.Fatalf("a reader that was behind gets %s", got)
		}
		if got := h.totals("loose"); got != (queue.GroupTotals{Lag: 3, Leased: 3}) {
			h.t.Fatalf("totals %+v", got)
		}
	})
}

func TestKeysAnswerBeforeAndAfterCompactionAndRestarts(t *testing.T) {
	inBubble(t, func(h *house) {
		h.table("t")
		if got := h.get("t", "a"); got != "none" {
			h.t.Fatalf("of an empty topic: %s", got)
		}
		check := func(when string) {
			h.t.Helper()
			for key, want := range map[string]string{"a": "3=a2", "b": "1=b1", "": "2=empty", "gone": "5=-", "no": "none"} {
				if got := h.get("t", key); got != want {
					h.t.Errorf("%s, key %q: %s, want %s", when, key, got, want)
				}
			}
		}
		h.put("t", "a", "a1")
		h.put("t", "b", "b1")
		h.put("t", "", "empty")
		h.put("t", "a", "a2")
		h.put("t", "gone", "x")
		h.put("t", "gone")
		check("at once")
		h.restart()
		check("after a restart")
		time.Sleep(20 * time.Second)
		check("compacted")
		h.wantOffsets("t", "[1 2 3 5]")
		h.restart()
		check("compacted, after a restart")
		h.put("t", "b", "b2")
		if got := h.get("t", "b"); got != "6=b2" {
			h.t.Errorf("a newer one: %s", got)
		}
	})
}

func TestTombstonesVanishAfterADay(t *testing.T) {
	inBubble(t, func(h *house) {
		h.table("t")
		h.put("t", "a", "a1")
		h.put("t", "b", "b1")
		h.put("t", "a")
		time.Sleep(23 * time.Hour)
		h.wantOffsets("t", "[1 2]")
		h.restart()
		time.Sleep(2 * time.Hour)
		h.wantOffsets("t", "[1]")
		if got := h.get("t", "a") + " " + h.get("t", "b"); got != "none 1=b1" {
			h.t.Errorf("after a day: %s", got)
		}
		h.put("t", "a", "again")
		if got := h.get("t", "a"); got != "3=again" {
			h.t.Errorf("made again: %s", got)
		}
	})
}

// A tombstone outlives what it is for: a record of its key that somebody has not settled yet would be the newest without it.
func TestTombstonesStayWhileWhatTheyDeletedDoes(t *testing.T) {
	inBubble(t, func(h *house) {
		h.table("t")
		h.group("g", []string{"t"}, nil)
		h.put("t", "a", "a1")
		h.put("t", "a")
		h.put("t", "b", "b1")
		ds := h.lease("g", 3, 0)
		for _, d := range ds[1:] {
			if _, err := h.settle("g", ack, d); err != nil {
				h.t.Fatal(err)
			}
		}
		time.Sleep(25 * time.Hour)
		h.wantOffsets("t", "[0 1 2]")
		h.restart()
		time.Sleep(25 * time.Hour)
		h.wantOffsets("t", "[0 1 2]")
		if got := h.get("t", "a"); got != "1=-" {
			h.t.Errorf("while the record before it waits: %s", got)
		}
		if _, err := h.settle("g", ack, h.lease("g", 1, 0)[0]); err != nil {
			h.t.Fatal(err)
		}
		time.Sleep(time.Hour)
		h.wantOffsets("t", "[2]")
		if got := h.get("t", "a"); got != "none" {
			h.t.Errorf("afterwards: %s", got)
		}
	})
}

// Records without a key are nobody's predecessor: they go by age.
func TestRecordsWithoutKeyGoByAge(t *testing.T) {
	inBubble(t, func(h *house) {
		h.retention("t", func(c *queue.TopicConfig) {
			c.Cleanup, c.Retention.Age = catalog.CleanupCompact, time.Hour
		})
		h.publish("t", "x", "y")
		h.put("t", "a", "a1")
		time.Sleep(50 * time.Minute)
		h.wantOffsets("t", "[0 1 2]")
		time.Sleep(20 * time.Minute)
		h.wantOffsets("t", "[2]")
		if got := h.bounds("t"); got != "2-3" {
			h.t.Errorf("bounds %s", got)
		}
		time.Sleep(48 * time.Hour)
		h.wantOffsets("t", "[2]")
	})
}

func TestCompactionTurnedOnAndOff(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 1)
		for i := range 10 {
			h.put("t", fmt.Sprint(i%2), fmt.Sprint(i))
		}
		if _, _, err := h.ReadKey(h.t.Context(), "t", []byte("0")); !errors.Is(err, queue.ErrInvalidRequest) {
			h.t.Errorf("a topic that is not compacted: %v", err)
		}
		h.table("t")
		if got := h.get("t", "0") + " " + h.get("t", "1"); got != "8=8 9=9" {
			h.t.Errorf("turned on: %s", got)
		}
		time.Sleep(time.Minute)
		h.wantOffsets("t", "[8 9]")
		h.retention("t", func(c *queue.TopicConfig) { c.Cleanup = catalog.CleanupDelete })
		h.put("t", "0", "10")
		h.put("t", "0", "11")
		h.restart()
		time.Sleep(time.Minute)
		h.wantOffsets("t", "[8 9 10 11]")
		h.table("t")
		if got := h.get("t", "0") + " " + h.get("t", "1"); got != "11=11 9=9" {
			h.t.Errorf("turned on again: %s", got)
		}
		time.Sleep(time.Minute)
		h.wantOffsets("t", "[9 11]")
	})
}

func TestCompactionIsNotForDeadLetters(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("jobs", 1)
		h.group("g", []string{"jobs"}, nil)
		compact := func(name string) error {
			_, _, err := h.PutTopic(h.t.Context(), name, queue.Condition{}, func(c queue.TopicConfig, _ bool) (queue.TopicConfig, error) {
				c.Cleanup = catalog.CleanupCompact
				return c, nil
			})
			return err
		}
		if err := compact("g.dlq"); !errors.Is(err, queue.ErrInvalidConfig) {
			h.t.Errorf("before the first letter: %v", err)
		}
		h.publish("jobs", "a")
		if _, err := h.settle("g", reject, h.lease("g", 1, 0)...); err != nil {
			h.t.Fatal(err)
		}
		if err := compact("g.dlq"); !errors.Is(err, queue.ErrInvalidConfig) {
			h.t.Errorf("with a letter: %v", err)
		}
		h.table("table")
		_, _, err := h.PutGroup(h.t.Context(), "other", queue.Condition{}, func(c queue.GroupChange, _ bool) (queue.GroupChange, error) {
			c.Config.DeadLetterTopic = "table"
			return c, nil
		})
		if !errors.Is(err, queue.ErrInvalidConfig) {
			h.t.Errorf("letters into a compacted topic: %v", err)
		}
	})
}

// A topic deleted and made again shows nothing of the old one, keys neither.
func TestScenario60KeysOfADeletedTopic(t *testing.T) {
	inBubble(t, func(h *house) {
		h.table("t")
		h.put("t", "a", "old")
		time.Sleep(time.Minute)
		if err := h.DeleteTopic(h.t.Context(), "t", false, queue.Condition{}); err != nil {
			h.t.Fatal(err)
		}
		if got := h.get("t", "a"); got == "0=old" {
			h.t.Errorf("deleted: %s", got)
		}
		h.table("t")
		if got := h.get("t", "a"); got != "none" {
			h.t.Errorf("made again: %s", got)
		}
		h.put("t", "a", "new")
		h.restart()
		synctest.Wait()
		if got := h.get("t", "a"); got != "0=new" {
			h.t.Errorf("made again, with a record: %s", got)
		}
	})
}

// Many keys go through memory into notes and come back.
func TestManyKeysAreFound(t *testing.T) {
	inBubble(t, func(h *house) {
		h.table("t")
		const keys, rounds = 12_000, 2
		for round := range rounds {
			for from := 0; from < keys; from += 1000 {
				msgs := make([]queue.Message, 1000)
				for i := range msgs {
					msgs[i] = queue.Message{Key: fmt.Append(nil, from+i), Value: fmt.Append(nil, round)}
				}
				h.publishMsgs("t", msgs...)
			}
		}
		for range 2 {
			for _, k := range []int{0, 1, 999, 5000, 8191, 8192, keys - 1} {
				if got, want := h.get("t", fmt.Sprint(k)), fmt.Sprint(keys+k, "=1"); got != want {
					h.t.Errorf("key %d: %s, want %s", k, got, want)
				}
			}
			time.Sleep(time.Minute)
			h.restart()
		}
		if got := h.bounds("t"); got != fmt.Sprint(keys, "-", 2*keys) {
			h.t.Errorf("bounds %s", got)
		}
	})
}

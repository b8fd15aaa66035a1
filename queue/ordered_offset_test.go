package queue_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/holtmq/holt/queue"
)

func TestOrderedScenario16Commit(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 2)
		h.publishTo("t", 0, "a", "b", "c")
		h.publishTo("t", 1, "d")
		a, b := h.join("g", "a", "t"), h.join("g", "b", "t")
		if err := h.commitAt(a, at("t", 0, 1), at("t", 1, 1)); err != nil { // t/1 is to be given up: it is a's still
			t.Fatal(err)
		}
		a.poll().poll()
		b.poll()
		err := h.commitAt(a, at("t", 0, 3), at("t", 1, 0)) // a former owner
		var fenced *queue.FencedError
		if !errors.As(err, &fenced) || fmt.Sprint(fenced.Failed) != "[t/1]" {
			t.Errorf("%v", err)
		}
		h.wantErr(h.commitAt(b, at("t", 7, 0)), queue.ErrFenced) // nobody's
		h.wantErr(h.commitAt(b, at("u", 0, 0)), queue.ErrFenced)
		if got := h.offsets("g"); got != "t/0@1 t/1@1" {
			t.Errorf("offsets %s", got)
		}
		err = h.commitAt(a, at("t", 0, 4))
		var out *queue.RangeError
		if !errors.As(err, &out) || out.Start != 0 || out.End != 3 {
			t.Errorf("past the end: %v", err)
		}
		if err := h.commitAt(a, at("t", 0, 3)); err != nil {
			t.Error(err)
		}
		o := at("t", 0, 2) // back
		o.Metadata = "m"
		if err := h.commitAt(a, o); err != nil {
			t.Error(err)
		}
		if got := h.offsets("g"); got != "t/0@2m t/1@1" {
			t.Errorf("offsets %s", got)
		}
		h.wantErr(h.commitAt(a, at("t", 0, 1), at("t", 0, 2)), queue.ErrInvalidRequest)
		h.wantErr(h.commitAt(a, at("t", 0, -1)), queue.ErrInvalidRequest)
	})
}

func TestOrderedScenario17Start(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 1)
		h.publish("t", "a", "b")
		time.Sleep(time.Hour)
		since := time.Now()
		h.publish("t", "c")
		for start, want := range map[string]string{"earliest": "[t/0:a t/0:b t/0:c t/0:d]", "latest": "[t/0:d]", since.Format(time.RFC3339): "[t/0:c t/0:d]"} {
			name := "g" + start[:4]
			_, _, err := h.PutGroup(h.t.Context(), name, queue.Condition{}, func(c queue.GroupChange, _ bool) (queue.GroupChange, error) {
				c.Kind, c.Topics, c.Config.Start = "ordered", []string{"t"}, start
				return c, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if got := fmt.Sprint(h.join(name, "a").poll().read); got != want {
					t.Errorf("start %s: %s, want %s", start, got, want)
				}
			}()
		}
		h.restart() // latest was then, not now
		h.publish("t", "d")
	})
}

func TestOrderedScenario17OutOfRange(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 1)
		h.publish("t", "a", "b")
		a := h.join("g", "a", "t")
		a.at[queue.TopicPartition{Topic: "t"}] = 99
		ans, err := a.ask(10, time.Minute)
		if err != nil || len(ans.Moved) != 1 || ans.Moved[0].From != 99 || ans.Moved[0].To != 0 || len(ans.Records) != 2 {
			t.Fatalf("%+v, %v", ans, err)
		}
		a.take(ans)
		if err := a.commit(); err != nil {
			t.Fatal(err)
		}
		_, _, err = h.PutTopic(h.t.Context(), "t", queue.Condition{}, func(c queue.TopicConfig, _ bool) (queue.TopicConfig, error) {
			c.Retention.Age = time.Minute
			return c, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		h.publish("t", "c")
		a.leave()
		time.Sleep(2 * time.Minute) // all is gone
		h.publish("t", "d")
		b := h.join("g", "b", "t")
		if b.at[queue.TopicPartition{Topic: "t"}] != 2 {
			t.Errorf("b begins at %v", b.at)
		}
		ans, err = b.ask(10, 0)
		if err != nil || len(ans.Moved) != 1 || ans.Moved[0].From != 2 || ans.Moved[0].To != 3 || ans.Assignment[0].Offset != 3 || len(ans.Records) != 1 {
			t.Fatalf("%+v, %v", ans, err)
		}
		if lag := h.totals("g").Lag; lag != 1 { // what retention took is no lag
			t.Errorf("lag %d", lag)
		}
	})
}

func TestOrderedScenario18Reset(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 2)
		h.publishTo("t", 0, "a", "b")
		h.publishTo("t", 1, "c")
		a := h.join("g", "a", "t").poll()
		if err := a.commit(); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() {
			_, err := a.ask(1, time.Minute)
			done <- err
		}()
		time.Sleep(time.Second)
		_, err := h.Reset(h.t.Context(), "g", queue.ResetRequest{To: queue.Position{Earliest: true}})
		h.wantErr(err, queue.ErrRebalancing)
		moves, err := h.Reset(h.t.Context(), "g", queue.ResetRequest{To: queue.Position{Earliest: true}, DryRun: true})
		if err != nil || fmt.Sprint(moves) != "[{t 0 2 0} {t 1 1 0}]" {
			t.Errorf("%v, %v", moves, err)
		}
		moves, err = h.Reset(h.t.Context(), "g", queue.ResetRequest{To: queue.Position{Offset: 99}, Partition: new(0), Force: true})
		if err != nil || fmt.Sprint(moves) != "[{t 0 2 2}]" {
			t.Errorf("%v, %v", moves, err)
		}
		h.wantErr(<-done, queue.ErrFenced)
		h.wantErr(a.commit(), queue.ErrFenced)
		moves, err = h.Reset(h.t.Context(), "g", queue.ResetRequest{To: queue.Position{Earliest: true}}) // nobody is there
		if err != nil || len(moves) != 2 {
			t.Errorf("%v, %v", moves, err)
		}
		if got := len(h.join("g", "a", "t").poll().read); got != 3 {
			t.Errorf("%d records again", got)
		}
	})
}

func TestOrderedScenario19OffsetsAndMembersSurviveARestart(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 4)
		a, b := h.join("g", "a", "t"), h.join("g", "b", "t")
		a.poll().poll()
		b.poll()
		h.publishTo("t", 0, "x", "y")
		a.poll()
		if err := a.commit(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(25 * time.Second)
		before := []string{a.holds(), b.holds(), h.offsets("g")}
		h.restart()
		time.Sleep(29 * time.Second) // a full session for each
		if after := []string{a.poll().holds(), b.poll().holds(), h.offsets("g")}; fmt.Sprint(after) != fmt.Sprint(before) {
			t.Errorf("before %v, after %v", before, after)
		}
		if c := h.join("g", "c", "t"); c.Epoch <= b.Epoch {
			t.Errorf("epoch %d after %d", c.Epoch, b.Epoch)
		}
		a.poll().poll()
		b.poll().poll()
		before = []string{a.holds(), b.holds()}
		h.restart()
		if after := []string{a.poll().holds(), b.poll().holds()}; fmt.Sprint(after) != fmt.Sprint(before) {
			t.Errorf("with a third one: before %v, after %v", before, after)
		}
	})
}

func TestOrderedScenario20Lag(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 2)
		h.publishTo("t", 0, "a", "b")
		time.Sleep(time.Hour)
		began := time.Now()
		h.publishTo("t", 0, "c")
		time.Sleep(time.Hour)
		h.publishTo("t", 1, "d")
		a := h.join("g", "a", "t")
		if err := h.commitAt(a, at("t", 0, 2)); err != nil {
			t.Fatal(err)
		}
		info, err := h.Group(h.t.Context(), "g")
		if err != nil || info.Totals.Lag != 2 || info.Partitions[0].Lag != 1 || info.Partitions[1].Lag != 1 || info.Kind != "ordered" {
			t.Fatalf("%+v, %v", info, err)
		}
		if p := info.Partitions[0]; p.Start != 2 || p.LogEnd != 3 || p.Member != "a" {
			t.Errorf("%+v", p)
		}
		if len(info.Members) != 1 || info.Members[0].Member != "a" || len(info.Members[0].Assignment) != 2 {
			t.Errorf("%+v", info.Members)
		}
		ti, err := h.Topic(h.t.Context(), "t")
		if err != nil || len(ti.Groups) != 1 || ti.Groups[0].Lag != 2 || ti.Groups[0].Kind != "ordered" {
			t.Errorf("%+v, %v", ti.Groups, err)
		}
		if p := info.Partitions; p[0].OldestUnsettled.Sub(began) >= time.Minute || p[0].OldestUnsettled.Before(began) || p[1].OldestUnsettled.Sub(began) < time.Hour ||
			!ti.Groups[0].OldestUnsettled.Equal(p[0].OldestUnsettled) || !p[0].OldestAvailable.Equal(p[0].OldestUnsettled) {
			t.Errorf("from %v on: the oldest are %+v, of all %v", began, p, ti.Groups[0].OldestUnsettled)
		}
		if err := h.commitAt(a, at("t", 0, 3), at("t", 1, 1)); err != nil {
			t.Fatal(err)
		}
		if info, err = h.Group(h.t.Context(), "g"); err != nil || !info.Partitions[0].OldestUnsettled.IsZero() || !info.Partitions[1].OldestAvailable.IsZero() {
			t.Errorf("all is read: %+v, %v", info.Partitions, err)
		}
	})
}

func TestOrderedScenario23NextToAShareGroup(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 1)
		h.group("share", []string{"t"}, nil)
		a := h.join("stream", "a", "t")
		h.publish("t", "x", "y")
		ds := h.lease("share", 10, 0)
		if _, err := h.settle("share", ack, ds...); err != nil || len(ds) != 2 {
			t.Fatalf("%d, %v", len(ds), err)
		}
		if got := fmt.Sprint(a.poll().read); got != "[t/0:x t/0:y]" {
			t.Errorf("read %s", got)
		}
		_, _, err := h.Lease(h.t.Context(), "stream", queue.LeaseRequest{Max: 1})
		h.wantErr(err, queue.ErrKindMismatch)
		_, err = h.Settle(h.t.Context(), "stream", nil)
		h.wantErr(err, queue.ErrKindMismatch)
		_, err = h.tryJoin("share", queue.JoinRequest{})
		h.wantErr(err, queue.ErrKindMismatch)
		_, err = h.Offsets(h.t.Context(), "share")
		h.wantErr(err, queue.ErrKindMismatch)
		_, _, err = h.PutGroup(h.t.Context(), "share", queue.Condition{}, func(c queue.GroupChange, _ bool) (queue.GroupChange, error) {
			c.Kind = "ordered"
			return c, nil
		})
		h.wantErr(err, queue.ErrKindMismatch)
		_, _, err = h.PutGroup(h.t.Context(), "stream", queue.Condition{}, func(c queue.GroupChange, _ bool) (queue.GroupChange, error) {
			c.Config.MaxAttempts = 9
			return c, nil
		})
		h.wantErr(err, queue.ErrInvalidConfig)
		h.wantErr(h.DeleteGroup(h.t.Context(), "stream", false, queue.Condition{}), queue.ErrGroupInUse)
		if err := h.DeleteGroup(h.t.Context(), "stream", true, queue.Condition{}); err != nil {
			t.Fatal(err)
		}
		_, err = a.ask(1, 0)
		h.wantErr(err, queue.ErrGroupNotFound)
		if got := fmt.Sprint(h.join("stream", "a", "t").poll().read); got != "[t/0:x t/0:y]" { // made again: from the beginning
			t.Errorf("read %s", got)
		}
	})
}

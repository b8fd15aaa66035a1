package queue_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holtmq/holt/queue"
)

// reader is a member of an ordered group as a client would be one: it knows what it holds and where it is.
type reader struct {
	h     *house
	group string
	queue.Joined
	at   map[queue.TopicPartition]queue.Offset
	read []string // topic/partition:value, in order of arrival
	last queue.PollAnswer
}

func (h *house) join(group, member string, topics ...string) *reader {
	h.t.Helper()
	r, err := h.tryJoin(group, queue.JoinRequest{Member: member, Topics: topics})
	if err != nil {
		h.t.Fatalf("join %s as %s: %v", group, member, err)
	}
	return r
}

func (h *house) tryJoin(group string, req queue.JoinRequest) (*reader, error) {
	j, _, err := h.Join(h.t.Context(), group, req)
	r := &reader{h: h, group: group, Joined: j, at: map[queue.TopicPartition]queue.Offset{}}
	for _, a := range j.Assignment {
		r.at[a.Place] = a.Offset
	}
	return r, err
}

func (r *reader) owned() []queue.OwnedPartition {
	out := []queue.OwnedPartition{}
	for p, at := range r.at {
		out = append(out, queue.OwnedPartition{Place: p, Offset: at})
	}
	slices.SortFunc(out, func(a, b queue.OwnedPartition) int { return strings.Compare(a.String(), b.String()) })
	return out
}

func (r *reader) ask(max int, wait time.Duration) (queue.PollAnswer, error) {
	return r.h.Poll(r.h.t.Context(), r.group, queue.PollRequest{Member: r.Member, Epoch: r.Epoch, Owned: r.owned(), Max: max, Wait: wait})
}

// take makes a member's own what an answer gives it: what is to be given up is given up at once.
func (r *reader) take(a queue.PollAnswer) {
	r.last = a
	had := r.at
	r.at = map[queue.TopicPartition]queue.Offset{}
	for _, p := range a.Assignment {
		if at, ours := had[p.Place]; ours {
			r.at[p.Place] = at
		} else {
			r.at[p.Place] = p.Offset
		}
	}
	for _, m := range a.Moved {
		r.at[m.Place] = m.To
	}
	for _, d := range a.Records {
		r.read = append(r.read, fmt.Sprintf("%s:%s", d.Place, d.Value))
		r.at[d.Place] = d.Offset + 1
	}
}

// poll polls once without waiting and takes what comes.
func (r *reader) poll() *reader {
	r.h.t.Helper()
	a, err := r.ask(1000, 0)
	if err != nil {
		r.h.t.Fatalf("poll by %s: %v", r.Member, err)
	}
	r.take(a)
	return r
}

func (r *reader) holds() string {
	var out []string
	for p := range r.at {
		out = append(out, p.String())
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func (r *reader) commit() error {
	var all []queue.Committed
	for p, at := range r.at {
		all = append(all, queue.Committed{Place: p, Offset: at})
	}
	return r.h.CommitOffsets(r.h.t.Context(), r.group, r.Member, r.Epoch, all)
}

func (r *reader) leave() {
	r.h.t.Helper()
	if err := r.h.Leave(r.h.t.Context(), r.group, r.Member, r.Epoch); err != nil {
		r.h.t.Fatalf("leave: %v", err)
	}
}

func (h *house) publishTo(topic string, partition int, values ...string) {
	h.t.Helper()
	msgs := make([]queue.Message, len(values))
	for i, v := range values {
		msgs[i] = queue.Message{Value: []byte(v), Partition: &partition}
	}
	if _, _, err := h.Publish(h.t.Context(), topic, msgs, 0); err != nil {
		h.t.Fatal(err)
	}
}

func at(topic string, partition int, offset queue.Offset) queue.Committed {
	return queue.Committed{Place: queue.TopicPartition{Topic: topic, Partition: partition}, Offset: offset}
}

func (h *house) commitAt(r *reader, offsets ...queue.Committed) error {
	return h.CommitOffsets(h.t.Context(), r.group, r.Member, r.Epoch, offsets)
}

func (h *house) offsets(group string) string {
	h.t.Helper()
	os, err := h.Offsets(h.t.Context(), group)
	if err != nil {
		h.t.Fatal(err)
	}
	var out []string
	for _, o := range os {
		out = append(out, fmt.Sprintf("%s@%d%s", o.Place, o.Offset, o.Metadata))
	}
	return strings.Join(out, " ")
}

func (h *house) wantHolds(r *reader, want string) {
	h.t.Helper()
	if got := r.holds(); got != want {
		h.t.Errorf("%s holds %q, want %q", r.Member, got, want)
	}
}

func (h *house) wantErr(err, want error) {
	h.t.Helper()
	if !errors.Is(err, want) {
		h.t.Errorf("got %v, want %v", err, want)
	}
}

func TestOrderedScenario01FirstMemberGetsAll(t *testing.T) {
	inBubble(t, func(h *house) {
		_, created, err := h.Join(h.t.Context(), "g", queue.JoinRequest{Topics: []string{"orders"}})
		if err != nil || fmt.Sprint(created) != "[topics/orders groups/g]" {
			t.Fatalf("created %v, %v", created, err)
		}
		h.topic("t", 3)
		a := h.join("h", "", "t")
		if a.Member == "" || a.Epoch == 0 || a.Heartbeat != 3*time.Second {
			t.Errorf("joined as %+v", a.Joined)
		}
		h.wantHolds(a, "t/0 t/1 t/2")
		h.publishTo("t", 1, "x", "y")
		if got := fmt.Sprint(a.poll().read); got != "[t/1:x t/1:y]" {
			t.Errorf("read %s", got)
		}
	})
}

func TestOrderedScenario02And03OnlyTheSurplusMovesAndOnlyOnceGivenUp(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 4)
		a := h.join("g", "a", "t")
		b := h.join("g", "b", "t")
		h.wantHolds(b, "")
		held := a.owned()
		ans, err := a.ask(10, 0)
		if err != nil || len(ans.Assignment) != 2 || len(ans.Revoke) != 2 {
			t.Fatalf("a is told %+v, %v", ans, err)
		}
		h.wantHolds(b.poll(), "") // a has not given them up
		beat, err := h.Heartbeat(h.t.Context(), "g", "a", a.Epoch, held)
		if err != nil || len(beat.Revoke) != 2 {
			t.Fatalf("%+v, %v", beat, err)
		}
		beat, err = h.Heartbeat(h.t.Context(), "g", "a", a.Epoch, nil) // changes nothing
		if err != nil || len(beat.Revoke) != 2 {
			t.Fatalf("%+v, %v", beat, err)
		}
		h.wantHolds(b.poll(), "")
		a.take(ans)
		h.wantHolds(a.poll(), "t/0 t/1")
		h.wantHolds(b.poll(), "t/2 t/3")
		if len(a.last.Revoke) != 0 {
			t.Errorf("a is to give up %v", a.last.Revoke)
		}
	})
}

func TestOrderedScenario04SessionOver(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 2)
		a, b := h.join("g", "a", "t"), h.join("g", "b", "t")
		a.poll().poll()
		h.wantHolds(b.poll(), "t/1")
		for range 3 { // b lives on
			time.Sleep(11 * time.Second)
			b.poll()
		}
		h.wantHolds(b.poll(), "t/0 t/1")
		_, err := a.ask(1, 0)
		h.wantErr(err, queue.ErrMemberNotFound)
	})
}

func TestAParkedPollKeepsTheSession(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 1)
		a, err := h.tryJoin("g", queue.JoinRequest{Member: "a", Topics: []string{"t"}, Session: 2 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, err := a.ask(1, 30*time.Second); err != nil || time.Since(began) != 30*time.Second {
			t.Fatalf("after %v: %v", time.Since(began), err)
		}
		time.Sleep(1999 * time.Millisecond)
		a.poll()
		time.Sleep(2001 * time.Millisecond)
		_, err = a.ask(1, 0)
		h.wantErr(err, queue.ErrMemberNotFound)
	})
}

func TestOrderedScenario05Leave(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 2)
		a, b := h.join("g", "a", "t"), h.join("g", "b", "t")
		a.poll().poll()
		b.poll()
		a.leave()
		h.wantHolds(b.poll(), "t/0 t/1")
		h.wantErr(h.Leave(h.t.Context(), "g", "a", a.Epoch), queue.ErrMemberNotFound)
	})
}

func TestOrderedScenario06And07StaleEpochAndUnknownMember(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 1)
		a := h.join("g", "a", "t")
		old := *a
		again := h.join("g", "a", "t")
		for name, call := range map[string]func(r *reader) error{
			"poll":      func(r *reader) error { _, err := r.ask(1, 0); return err },
			"heartbeat": func(r *reader) error { _, err := h.Heartbeat(h.t.Context(), "g", r.Member, r.Epoch, nil); return err },
			"commit":    func(r *reader) error { return r.commit() },
			"leave":     func(r *reader) error { return h.Leave(h.t.Context(), "g", r.Member, r.Epoch) },
		} {
			if err := call(&old); !errors.Is(err, queue.ErrFenced) {
				t.Errorf("%s with an old epoch: %v", name, err)
			}
			nobody := old
			nobody.Member = "nobody"
			if err := call(&nobody); !errors.Is(err, queue.ErrMemberNotFound) {
				t.Errorf("%s by nobody: %v", name, err)
			}
		}
		h.wantHolds(again.poll(), "t/0")
	})
}

func TestOrderedScenario08RepeatedPollGetsTheSameRecords(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 3)
		a := h.join("g", "a", "t")
		for p := range 3 {
			h.publishTo("t", p, "a", "b", "c", "d", "e")
		}
		for range 8 {
			one, err := a.ask(4, 0)
			if err != nil {
				t.Fatal(err)
			}
			two, err := a.ask(4, 0) // the answer was lost
			if err != nil || fmt.Sprint(one.Records) != fmt.Sprint(two.Records) {
				t.Fatalf("%v\nthen %v, %v", one.Records, two.Records, err)
			}
			a.take(two)
		}
		slices.Sort(a.read)
		if len(a.read) != 15 || len(slices.Compact(a.read)) != 15 {
			t.Errorf("read %v", a.read)
		}
	})
}

func TestOrderedScenario09MoreMembersThanPartitions(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 2)
		var all []*reader
		for i := range 5 {
			all = append(all, h.join("g", fmt.Sprint("m", i), "t"))
		}
		held := 0
		for range 3 {
			held = 0
			for _, r := range all {
				held += len(r.poll().at)
			}
		}
		if held != 2 {
			t.Errorf("%d partitions are held", held)
		}
		if a, err := all[4].ask(1, time.Second); err != nil || len(a.Records) != 0 {
			t.Errorf("an idle member: %+v, %v", a, err)
		}
	})
}

func TestOrderedScenario10PartitionsAdded(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 1)
		_, _, err := h.PutGroup(h.t.Context(), "g", queue.Condition{}, func(c queue.GroupChange, _ bool) (queue.GroupChange, error) {
			c.Kind, c.Topics, c.Config.Start = "ordered", []string{"t"}, "latest"
			return c, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		a := h.join("g", "a")
		done := make(chan queue.PollAnswer, 1)
		go func() {
			ans, _ := a.ask(10, time.Minute)
			done <- ans
		}()
		time.Sleep(time.Second)
		began := time.Now()
		h.topic("t", 3)
		ans := <-done // woken at once
		if time.Since(began) != 0 {
			t.Errorf("woken after %v", time.Since(began))
		}
		a.take(ans)
		h.wantHolds(a, "t/0 t/1 t/2")
		h.publishTo("t", 2, "first")
		if got := fmt.Sprint(a.poll().read); got != "[t/2:first]" { // from 0, whatever start says
			t.Errorf("read %s", got)
		}
	})
}

func TestOrderedScenario11TopicDeleted(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 2)
		h.topic("u", 1)
		a := h.join("g", "a", "t", "u")
		h.publishTo("t", 0, "old")
		if err := a.poll().commit(); err != nil {
			t.Fatal(err)
		}
		h.wantErr(h.DeleteTopic(h.t.Context(), "t", false, queue.Condition{}), queue.ErrTopicInUse)
		done := make(chan queue.PollAnswer, 1)
		go func() {
			ans, _ := a.ask(10, time.Minute)
			done <- ans
		}()
		time.Sleep(time.Second)
		if err := h.DeleteTopic(h.t.Context(), "t", true, queue.Condition{}); err != nil {
			t.Fatal(err)
		}
		a.take(<-done)
		h.wantHolds(a, "u/0")
		h.topic("t", 2) // made again
		h.wantHolds(a.poll(), "u/0")
		a = h.join("g", "a", "t", "u")
		h.publishTo("t", 0, "new")
		if got := fmt.Sprint(a.poll().read); got != "[t/0:new]" {
			t.Errorf("read %s", got)
		}
		if got := h.offsets("g"); got != "u/0@0" {
			t.Errorf("offsets %s", got)
		}
		h.restart()
		if got := h.offsets("g"); got != "u/0@0" {
			t.Errorf("offsets after a restart %s", got)
		}
	})
}

func TestOrderedScenario12TopicsChangedByAMember(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 2)
		h.topic("u", 2)
		h.join("g", "a", "t")
		a := h.join("g", "a", "u")
		h.wantHolds(a.poll(), "u/0 u/1")
		_, err := h.tryJoin("g", queue.JoinRequest{Member: "a", Topics: []string{"nothing"}})
		h.wantErr(err, queue.ErrTopicNotFound)
		b := h.join("g", "b") // all that the group reads
		a.poll().poll()
		h.wantHolds(b.poll(), "t/0 t/1")
	})
}

func TestOrderedScenario13MixedSubscriptions(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 6)
		h.topic("u", 6)
		all := []*reader{h.join("g", "a", "t"), h.join("g", "b", "u"), h.join("g", "c", "t", "u"), h.join("g", "d", "t", "u")}
		for range 4 {
			for _, r := range all {
				r.poll()
			}
		}
		for _, r := range all {
			if len(r.at) != 3 {
				t.Errorf("%s holds %s", r.Member, r.holds())
			}
		}
		if strings.Contains(all[0].holds(), "u/") || strings.Contains(all[1].holds(), "t/") {
			t.Errorf("a %s, b %s", all[0].holds(), all[1].holds())
		}
	})
}

func TestOrderedScenario14StaticMemberComesBack(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 4)
		a, b := h.join("g", "a", "t"), h.join("g", "b", "t")
		a.poll().poll()
		b.poll()
		held, epoch := a.holds(), b.Epoch
		time.Sleep(20 * time.Second)
		b.poll()
		back := h.join("g", "a", "t")
		h.wantHolds(back, held)
		began := time.Now()
		if ans, err := b.ask(1, time.Second); err != nil || len(ans.Revoke) != 0 || time.Since(began) != time.Second {
			t.Errorf("b was disturbed: %+v, %v after %v", ans, err, time.Since(began))
		}
		if b.last.Epoch != epoch {
			t.Errorf("b's epoch went from %d to %d", epoch, b.last.Epoch)
		}
	})
}

func TestOrderedScenario15StaticIdInUseTwice(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 2)
		a := h.join("g", "a", "t")
		done := make(chan error, 1)
		go func() {
			_, err := a.ask(1, time.Minute)
			done <- err
		}()
		time.Sleep(time.Second)
		newer := h.join("g", "a", "t")
		h.wantErr(<-done, queue.ErrFenced) // at once
		h.wantHolds(newer, "t/0 t/1")
		h.wantErr(a.commit(), queue.ErrFenced)
		if err := newer.commit(); err != nil {
			t.Error(err)
		}
	})
}

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

func TestOrderedScenario22ThousandsJoinAtOnce(t *testing.T) {
	inBubble(t, func(h *house) {
		const n, partitions = 2000, 64
		h.topic("t", partitions)
		h.join("g", "first", "t").leave()
		joined := make(chan *reader, n)
		for i := range n {
			go func() {
				r, err := h.tryJoin("g", queue.JoinRequest{Member: fmt.Sprint("m", i), Topics: []string{"t"}})
				if err != nil {
					t.Error(err)
				}
				ans, err := r.ask(1, time.Second)
				if err != nil {
					t.Error(err)
				}
				r.take(ans)
				joined <- r
			}()
		}
		held := map[string]bool{}
		all := make([]*reader, n)
		for i := range all {
			all[i] = <-joined
		}
		for range 2 {
			for _, r := range all {
				r.poll()
			}
		}
		info, err := h.Group(h.t.Context(), "g")
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range info.Members {
			for _, p := range m.Assignment {
				held[p.String()] = true
			}
			if len(m.Assignment) > 1 {
				t.Errorf("%s holds %v", m.Member, m.Assignment)
			}
		}
		if len(held) != partitions || len(info.Members) != n {
			t.Errorf("%d members hold %d partitions", len(info.Members), len(held))
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

func TestOrderedScenario21NothingBeforeItWasGivenUp(t *testing.T) {
	inBubble(t, func(h *house) {
		h.topic("t", 2)
		a := h.join("g", "a", "t")
		for i := range 10 {
			h.publishTo("t", i%2, fmt.Sprint(i/2))
		}
		ans, err := a.ask(4, 0) // it works on some of both
		if err != nil {
			t.Fatal(err)
		}
		b := h.join("g", "b", "t")
		for range 3 { // a is slow, and lives
			time.Sleep(9 * time.Second)
			if _, err := h.Heartbeat(h.t.Context(), "g", "a", a.Epoch, nil); err != nil {
				t.Fatal(err)
			}
			if b.poll(); len(b.read) > 0 {
				t.Fatalf("b read %v", b.read)
			}
		}
		a.take(ans)
		if err := a.commit(); err != nil {
			t.Fatal(err)
		}
		a.poll()
		a.poll()
		b.poll()
		if got := strings.Join(b.read, " "); got != "t/1:2 t/1:3 t/1:4" { // from where a had come, each once
			t.Errorf("a read %v, b read %s", a.read, got)
		}
	})
}

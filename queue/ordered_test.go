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

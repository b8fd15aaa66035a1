package roster

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// all names everything, none nothing, and but all except some.
func all(Log) bool  { return true }
func none(Log) bool { return false }
func but(give ...Log) func(Log) bool {
	return func(l Log) bool { return !slices.Contains(give, l) }
}

// orders is a topic of four partitions.
func orders() []Topic { return []Topic{{ID: 1, Partitions: []Log{10, 11, 12, 13}}} }

func withOrders() *Roster {
	r := New()
	r.SetTopics(orders())
	return r
}

func join(t *testing.T, r *Roster, now int64, name string, topics ...uint64) int64 {
	t.Helper()
	epoch, err := r.Join(now, Join{Member: name, Topics: topics, Session: 30_000})
	if err != nil {
		t.Fatal(err)
	}
	return epoch
}

func show(r *Roster, name string, epoch int64) string {
	v, err := r.View(name, epoch)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(v.Keep, v.Revoke)
}

func want(t *testing.T, r *Roster, name string, epoch int64, w string) {
	t.Helper()
	if got := show(r, name, epoch); got != w {
		t.Errorf("%s has %s, want %s", name, got, w)
	}
}

func TestOnlyTheSurplusMovesAndOnlyOnceItIsGivenUp(t *testing.T) {
	r := withOrders()
	a := join(t, r, 0, "a")
	want(t, r, "a", a, "[10 11 12 13] []")
	b := join(t, r, 0, "b")
	want(t, r, "a", a, "[10 11] [12 13]")
	want(t, r, "b", b, "[] []")
	if err := r.Report(1, "a", a, all); err != nil {
		t.Fatal(err)
	}
	want(t, r, "b", b, "[] []")
	if err := r.Report(2, "a", a, but(12)); err != nil {
		t.Fatal(err)
	}
	want(t, r, "a", a, "[10 11] [13]")
	want(t, r, "b", b, "[12] []")
	if err := r.Report(3, "a", a, but(12, 13)); err != nil {
		t.Fatal(err)
	}
	want(t, r, "a", a, "[10 11] []")
	want(t, r, "b", b, "[12 13] []")
	if !r.Holds("b", b, 12) || r.Holds("a", a, 12) || r.Holds("b", b+1, 12) || r.Holder(10) != "a" || r.Holder(99) != "" {
		t.Error("holders are not what the views say")
	}
}

func TestWhatIsToBeGivenUpCanComeBack(t *testing.T) {
	r := withOrders()
	a := join(t, r, 0, "a")
	b := join(t, r, 0, "b")
	r.Told("a", a)
	if err := r.Leave("b", b); err != nil {
		t.Fatal(err)
	}
	want(t, r, "a", a, "[10 11 12 13] []")
	if v, _ := r.View("a", a); !v.News {
		t.Error("it was told to give two up, and not that it may keep them")
	}
}

func TestSessions(t *testing.T) {
	r := withOrders()
	a, b := join(t, r, 0, "a"), join(t, r, 0, "b")
	_ = r.Report(0, "a", a, none)
	if gone := r.Expire(29_999); gone != nil {
		t.Errorf("%v went too early", gone)
	}
	if err := r.Seen(20_000, "a", a); err != nil {
		t.Fatal(err)
	}
	if gone := r.Expire(30_000); fmt.Sprint(gone) != "[b]" {
		t.Errorf("%v went", gone)
	}
	if err := r.Check("b", b); !errors.Is(err, ErrMemberNotFound) {
		t.Errorf("b: %v", err)
	}
	want(t, r, "a", a, "[10 11 12 13] []")
	if err := r.Park("a", a); err != nil {
		t.Fatal(err)
	}
	if gone := r.Expire(500_000); gone != nil {
		t.Errorf("%v went with a call parked", gone)
	}
	r.Unpark(600_000, "a", a)
	if gone := r.Expire(629_999); gone != nil {
		t.Errorf("%v went: the session runs from the end of the call on", gone)
	}
	if gone := r.Expire(630_000); fmt.Sprint(gone) != "[a]" {
		t.Errorf("%v went", gone)
	}
	if _, ok := r.NextDeadline(); ok {
		t.Error("an empty roster has a deadline")
	}
}

func TestOneThatJoinsAgainKeepsWhatItHadAndFencesTheOther(t *testing.T) {
	r := withOrders()
	old, b := join(t, r, 0, "a"), join(t, r, 0, "b")
	_ = r.Report(0, "a", old, but(13))
	again := join(t, r, 5, "a")
	if again <= old {
		t.Errorf("epoch %d after %d", again, old)
	}
	if err := r.Check("a", old); !errors.Is(err, ErrFenced) {
		t.Errorf("the old one: %v", err)
	}
	want(t, r, "a", again, "[10 11] []")
	want(t, r, "b", b, "[12 13] []") // 12 was to be given up: the new one never had it
	r.Unpark(100, "a", old)          // a call of the old one ends late
	_ = r.Seen(25_000, "b", b)
	if gone := r.Expire(30_005); fmt.Sprint(gone) != "[a]" {
		t.Errorf("%v went", gone)
	}
}

func TestSubscriptions(t *testing.T) {
	r := New()
	r.SetTopics([]Topic{{ID: 1, Partitions: []Log{10, 11}}, {ID: 2, Partitions: []Log{20, 21}}})
	a, b, c := join(t, r, 0, "a", 1), join(t, r, 0, "b", 2), join(t, r, 0, "c")
	_, _ = r.Report(0, "a", a, none), r.Report(0, "b", b, none)
	for name, epoch := range map[string]int64{"a": a, "b": b, "c": c} {
		v, _ := r.View(name, epoch)
		if n := len(v.Keep); n < 1 || n > 2 || len(v.Revoke) > 0 {
			t.Errorf("%s has %v", name, v)
		}
	}
	a = join(t, r, 1, "a", 2) // other topics
	if v, _ := r.View("a", a); slices.ContainsFunc(v.Keep, func(l Log) bool { return l < 20 }) {
		t.Errorf("a has %v of a topic that it reads no more", v.Keep)
	}
	r.SetTopics([]Topic{{ID: 2, Partitions: []Log{20, 21, 22, 23, 24, 25}}}) // one is gone, one grew
	_, _ = r.Report(2, "b", b, none), r.Report(2, "c", c, none)
	total := 0
	for name, epoch := range map[string]int64{"a": a, "b": b, "c": c} {
		v, _ := r.View(name, epoch)
		total += len(v.Keep)
		if len(v.Keep) != 2 {
			t.Errorf("%s has %v", name, v)
		}
	}
	if total != 6 {
		t.Errorf("%d partitions are held", total)
	}
}

func TestFenceThrowsAllOut(t *testing.T) {
	r := withOrders()
	a := join(t, r, 0, "a")
	r.Fence()
	if err := r.Check("a", a); !errors.Is(err, ErrFenced) {
		t.Errorf("a: %v", err)
	}
	if err := r.Check("b", 1); !errors.Is(err, ErrMemberNotFound) {
		t.Errorf("b: %v", err)
	}
	if r.Len() != 0 || r.Holder(10) != "" {
		t.Error("somebody is left")
	}
	again := join(t, r, 0, "a")
	want(t, r, "a", again, "[10 11 12 13] []")
	if err := r.Check("a", a); !errors.Is(err, ErrFenced) {
		t.Errorf("a: %v", err)
	}
}

func TestLimits(t *testing.T) {
	r := New()
	for i := range MaxMembers {
		r.add(&member{name: fmt.Sprint(i), epoch: int64(i)})
	}
	if _, err := r.Join(0, Join{Member: "one more", Session: 1}); !errors.Is(err, ErrTooManyMembers) {
		t.Errorf("%v", err)
	}
	join(t, r, 0, "7") // is in already
	r.Fence()
	if len(r.fenced) != maxFenced {
		t.Errorf("%d are remembered", len(r.fenced))
	}
}

func TestDeltasAreCut(t *testing.T) {
	r := New()
	topic := Topic{ID: 1}
	for i := range 20_000 {
		topic.Partitions = append(topic.Partitions, Log(1e12+i))
	}
	r.SetTopics([]Topic{topic})
	join(t, r, 0, strings.Repeat("m", 200))
	deltas := r.TakeDeltas()
	for _, d := range deltas {
		if len(d) > 64<<10 {
			t.Errorf("a delta takes %d bytes", len(d))
		}
	}
	if len(deltas) < 2 || r.TakeDeltas() != nil {
		t.Errorf("%d deltas", len(deltas))
	}
}

func FuzzReplay(f *testing.F) {
	r := withOrders()
	_, _ = r.Join(0, Join{Member: "a", Topics: []uint64{1}, Session: 1})
	f.Add(r.Checkpoint())
	f.Add([]byte{opPart, 1, 2, 3, opGone, 1, 'a'})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := New()
		if err := r.Replay(b); err != nil {
			return
		}
		r.SetTopics(orders())
		r.Resume(0)
		again := New()
		if err := again.Restore(r.Checkpoint()); err != nil {
			t.Fatal(err)
		}
	})
}

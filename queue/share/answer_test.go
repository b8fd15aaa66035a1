package share

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holtmq/holt/queue/journal"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
)

func place1(p int, at record.Offset, ms int64) partition.Place {
	return partition.Place{Partition: p, Offset: at, Timestamp: time.UnixMilli(ms).UTC()}
}

func answers() []*Answer {
	many := make([]partition.Place, 10_000)
	for i := range many {
		many[i] = place1(i%300, record.Offset(i)*1_000_003, int64(i))
	}
	duplicate, scheduled, both := place1(0, 5, 10), place1(0, 0, 99), place1(0, 0, 98)
	duplicate.Duplicate, scheduled.Scheduled, both.Scheduled, both.Duplicate = true, "1x", "z", true
	return []*Answer{
		{request: "", at: 1},
		{request: strings.Repeat("ü", 128), at: 1_800_000_000_000, settled: 10_000, failed: []refused{{0, 0}, {9_999, 2}}},
		{request: "p", at: 50, settled: 1, places: [][]partition.Place{{duplicate, scheduled, both}, {}, {place1(1, 2, 3)}}},
		{request: "many", at: 50, places: [][]partition.Place{many}},
	}
}

func sameAnswers(t *testing.T, what string, want, got []*Answer) {
	t.Helper()
	if len(got) == len(want) && len(want) > 3 { // the largest one by its bytes: comparing thousands of places takes long
		if n := len(want) - 1; !bytes.Equal(want[n].append(nil), got[n].append(nil)) {
			t.Errorf("%s: the largest answer differs", what)
		}
		want, got = want[:3], got[:3]
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(Answer{}, refused{}), cmp.Transformer("empty", func(p []partition.Place) []partition.Place {
		return append([]partition.Place{}, p...)
	})); diff != "" {
		t.Errorf("%s (−want +got):\n%.2000s", what, diff)
	}
}

func TestAnswersComeBackFromDeltasAndCheckpoints(t *testing.T) {
	var all []byte
	for _, a := range answers() {
		all = a.append(all)
	}
	for _, cut := range []int{997, store.MaxEntryBytes, len(all)} {
		got := NewAnswers(0)
		for b := all; len(b) > 0; b = b[min(cut, len(b)):] {
			if err := got.Replay(b[:min(cut, len(b))]); err != nil {
				t.Fatal(err)
			}
		}
		if err := got.Recover(journal.New("r/1")); err != nil {
			t.Fatal(err)
		}
		sameAnswers(t, "from deltas", answers(), got.all)
		if err := got.Restore(all); err != nil {
			t.Fatal(err)
		}
		sameAnswers(t, "from a checkpoint", answers(), got.all)
	}
}

func TestAnswersCutShortAreDamage(t *testing.T) {
	b := answers()[2].append(nil)
	for n := 1; n < len(b); n++ {
		a := NewAnswers(0)
		if err := a.Replay(b[:n]); err != nil {
			t.Fatalf("%d bytes may be followed by others: %v", n, err)
		}
		if err := a.Recover(journal.New("r/1")); !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("%d of %d bytes: %v", n, len(b), err)
		}
	}
}

func FuzzAnswers(f *testing.F) {
	for _, a := range answers()[:3] {
		f.Add(a.append(nil))
	}
	f.Add([]byte{answerVersion, 0})
	f.Add([]byte{answerVersion, 0xff, 0xff, 0xff, 0xff, 0x0f, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		first := NewAnswers(0)
		if err := first.Restore(b); err != nil {
			if !errors.Is(err, store.ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		var again []byte
		for _, a := range first.all {
			again = a.append(again)
		}
		second := NewAnswers(0)
		if err := second.Restore(again); err != nil || len(second.all) != len(first.all) {
			t.Fatalf("%d answers, encoded again %d: %v", len(first.all), len(second.all), err)
		}
	})
}

func TestRequestsForgetTheOldest(t *testing.T) {
	r := newRequests()
	wall := time.Now()
	now := wall.UnixMilli()
	for i := range 3 {
		r.add(&Answer{request: string(rune('a' + i)), at: now - RequestMemory.Milliseconds() + int64(i-1)*60_000})
	}
	for request, want := range map[string]bool{"a": false, "b": true, "c": true, "": false} {
		if got := r.find(request, wall) != nil; got != want {
			t.Errorf("%q: %v, want %v", request, got, want)
		}
	}
	for range MaxRequests {
		r.add(&Answer{request: "same", at: now})
	}
	if len(r.order) > MaxRequests || r.find("same", wall) == nil || r.find("c", wall) != nil {
		t.Errorf("%d answers in order, %d by key", len(r.order), len(r.by))
	}
}

func TestRequestsAreBoundedInBytes(t *testing.T) {
	r := newRequests()
	places := make([]partition.Place, 10_000)
	for i := range 1000 {
		r.add(&Answer{request: fmt.Sprint(i), at: time.Now().UnixMilli(), places: [][]partition.Place{places}})
	}
	if r.bytes > MaxRequestBytes || r.find("999", time.Now()) == nil || r.find("0", time.Now()) != nil {
		t.Errorf("%d bytes of answers are remembered, at most %d", r.bytes, MaxRequestBytes)
	}
	sum := 0
	for _, a := range r.order {
		sum += a.bytes()
	}
	if sum != r.bytes {
		t.Errorf("%d bytes are counted, there are %d", r.bytes, sum)
	}
}

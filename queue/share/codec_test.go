package share

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/holtmq/holt/dlq/letter"
	"github.com/holtmq/holt/lease"
	"github.com/holtmq/holt/queue/journal"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
)

var receipts = NewReceipts([ReceiptKeySize]byte{1, 2, 3}, 7)

func TestScenario23ReceiptsOfOthersAndDamagedOnes(t *testing.T) {
	c := lease.Claim{Offset: 1<<60 + 3, Delivery: 1<<32 - 1, Incarnation: 7, Epoch: 1 << 16}
	good := receipts.encode(5, 9, c)
	if len(good) > 128 || strings.ContainsAny(good, "+/=") {
		t.Errorf("%q is not a receipt of at most 128 URL-safe bytes", good)
	}
	if log, got, ok := receipts.decode(5, good); !ok || log != 9 || got != c {
		t.Fatalf("decoded log %d, %+v, %v", log, got, ok)
	}
	if _, _, ok := receipts.decode(6, good); ok {
		t.Error("another group's receipt was taken")
	}
	if _, _, ok := NewReceipts([ReceiptKeySize]byte{1, 2, 4}, 7).decode(5, good); ok {
		t.Error("another store's receipt was taken")
	}
	raw, err := base64.RawURLEncoding.DecodeString(good)
	if err != nil {
		t.Fatal(err)
	}
	for bit := range len(raw) * 8 {
		raw[bit/8] ^= 1 << (bit % 8)
		if _, _, ok := receipts.decode(5, base64.RawURLEncoding.EncodeToString(raw)); ok {
			t.Errorf("taken with bit %d flipped", bit)
		}
		raw[bit/8] ^= 1 << (bit % 8)
	}
	for _, bad := range []string{"", "x", good[:len(good)-1], good + "A", good + "==", good + "\n", "\n" + good, strings.Repeat("A", len(good))} {
		if _, _, ok := receipts.decode(5, bad); ok {
			t.Errorf("%q was taken", bad)
		}
	}
}

// Each receipt has one form: what differs in the bits that the last letter does not use is refused.
func FuzzReceipts(f *testing.F) {
	f.Add(receipts.encode(5, 9, lease.Claim{Offset: 1, Delivery: 1, Incarnation: 7}))
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		if log, c, ok := receipts.decode(5, s); ok && receipts.encode(5, log, c) != s {
			t.Fatalf("%q is a second form of a receipt", s)
		}
	})
}

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
	now := time.Now().UnixMilli()
	for i := range 3 {
		r.add(&Answer{request: string(rune('a' + i)), at: now - RequestMemory.Milliseconds() + int64(i-1)*60_000})
	}
	for request, want := range map[string]bool{"a": false, "b": true, "c": true, "": false} {
		if got := r.find(request) != nil; got != want {
			t.Errorf("%q: %v, want %v", request, got, want)
		}
	}
	for range MaxRequests {
		r.add(&Answer{request: "same", at: now})
	}
	if len(r.order) > MaxRequests || r.find("same") == nil || r.find("c") != nil {
		t.Errorf("%d answers in order, %d by key", len(r.order), len(r.by))
	}
}

func TestRequestsAreBoundedInBytes(t *testing.T) {
	r := newRequests()
	places := make([]partition.Place, 10_000)
	for i := range 1000 {
		r.add(&Answer{request: fmt.Sprint(i), at: time.Now().UnixMilli(), places: [][]partition.Place{places}})
	}
	if r.bytes > MaxRequestBytes || r.find("999") == nil || r.find("0") != nil {
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

// some makes entries of places, whose letters begin at an offset.
func some(from record.Offset, places ...place) (out []*entry) {
	for i, at := range places {
		out = append(out, &entry{
			place: at, letter: from + record.Offset(i), born: 1_700_000_000_000 + int64(i), key: uint64(at.at) * 77, size: 9, deliveries: uint32(i), state: letter.Open,
			info: &letter.Info{},
		})
	}
	return out
}

func TestLettersComeBack(t *testing.T) {
	l := NewLetters(&partition.Partition{ID: 3})
	l.journal = journal.New("d/1")
	var deltas [][]byte
	keep := func(bodies ...[]byte) { deltas = append(deltas, bodies...) }
	open := some(7, place{1, 5}, place{2, 5}, place{1, 1 << 40}, place{1, 6}, place{1, 7})
	keep(encodeOpened(open)...)
	for _, e := range open {
		l.put(e)
	}
	keep([]byte{opBareLetter, 9, 1, 2})
	l.put(&entry{place: place{9, 1}, letter: 2, state: letter.Open, bare: true})
	keep(encodeRedriven([]place{{1, 6}}, 400)...)
	l.redriven(open[3], 400)
	keep(encodePlaces(opPurged, []place{{1, 7}})...)
	l.move(open[4], letter.Purged)
	again := some(20, place{1, 5}) // dies again
	again[0].redrives = 1
	keep(encodeOpened(again)...)
	l.put(again[0])
	keep(encodePlaces(opCloseLetter, []place{{9, 1}})...)
	l.take(l.by[place{9, 1}])
	keep(encodePlaces(opCloseFrom, []place{{1, 1 << 30}})...)
	if !l.closeFrom(place{1, 1 << 30}) || l.closeFrom(place{1, 1 << 30}) {
		t.Fatal("closed otherwise than once")
	}
	replayed, restored := NewLetters(l.part), NewLetters(l.part)
	for _, b := range deltas {
		if err := replayed.Replay(b); err != nil {
			t.Fatal(err)
		}
	}
	if err := restored.Restore(l.checkpoint()); err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]*Letters{"replayed": replayed, "restored": restored} {
		got.Recover(journal.New("d/1"))
		if diff := cmp.Diff(l.checkpoint(), got.checkpoint()); diff != "" || got.counts != l.counts || len(got.by) != 4 || got.edits[place{1, 6}] != 400 {
			t.Errorf("%s: %v letters %v (−want +got):\n%s", name, len(got.by), got.counts, diff)
		}
	}
}

func TestLetterIDsComeBack(t *testing.T) {
	for _, id := range []LetterID{{0, 0}, {1, 2}, {1<<64 - 1, 1<<63 - 1}} {
		if got, ok := ParseLetterID(id.String()); !ok || got != id {
			t.Errorf("%s: %v %v", id, got, ok)
		}
	}
	for _, s := range []string{"", "-", "1", "1-", "-1", "1--1", "01-1", "1-01", "g-1", "1-1-1", "1-+1", "A-1", "1-9223372036854775808"} {
		if id, ok := ParseLetterID(s); ok {
			t.Errorf("%q is read as %v", s, id)
		}
	}
}

func FuzzLetters(f *testing.F) {
	for _, b := range encodeOpened(some(7, place{1, 300}, place{1, 301})) {
		f.Add(b)
	}
	f.Add([]byte{opBareLetter, 1, 2, 3})
	f.Add([]byte{opCloseLetter, 1, 2})
	f.Add([]byte{})
	l := NewLetters(nil)
	for _, e := range some(7, place{1, 300}, place{1, 301}) {
		l.put(e)
	}
	f.Add(l.checkpoint())
	f.Fuzz(func(t *testing.T, b []byte) {
		l := NewLetters(nil)
		if err := l.Replay(b); err != nil {
			if !errors.Is(err, store.ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		if len(l.by) > len(b)/3 {
			t.Fatalf("%d letters of %d bytes", len(l.by), len(b))
		}
		again := NewLetters(nil)
		if err := again.Replay(l.checkpoint()); err != nil || len(again.by) != len(l.by) || again.counts != l.counts {
			t.Fatalf("a checkpoint comes back with %d of %d letters: %v", len(again.by), len(l.by), err)
		}
	})
}

func TestHistoryKeepsTheNewestTenAndReplacesAProvisionalExpiry(t *testing.T) {
	var h history
	for i := range uint32(12) {
		h = h.add(Attempt{Attempt: int(i + 1), Delivery: i + 1, Outcome: outcomeExpired})
	}
	h = h.add(Attempt{Attempt: 12, Delivery: 12, Outcome: outcomeNacked})
	if len(h) != maxHistory || h[0].Attempt != 3 || h[9].Attempt != 12 || h[9].Outcome != outcomeNacked || h[8].Outcome != outcomeExpired {
		t.Errorf("%+v", h)
	}
}

func TestHistoriesFitTheirNote(t *testing.T) {
	for _, fill := range []string{"x", "<", "\xff", "語"} {
		long := strings.Repeat(fill, 64<<10)
		var h history
		for i := range uint32(maxHistory) {
			h = h.add(Attempt{Delivery: i + 1, Member: long[:lease.MaxMember], Error: trimError(&WorkerError{Type: long, Message: long, Stack: long, Fingerprint: long})})
			if i%4 != 1 {
				continue
			}
			if n := h.note("g/1", 5); len(n.Bytes) > store.MaxNoteBytes {
				t.Fatalf("%q: %d attempts take %d bytes", fill, i+1, len(n.Bytes))
			}
		}
		if h[0].Error == nil || h[0].Error.Stack == "" {
			t.Errorf("%q: encoding changed the history", fill)
		}
	}
}

func FuzzHistories(f *testing.F) {
	f.Add([]byte(`[{"attempt":1,"delivery":1,"at":5,"took":6,"member":"w","outcome":"nacked","error":{"message":"no","stack":"s"}}]`))
	f.Add([]byte("null"))
	f.Add([]byte("["))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := decodeHistory(b)
		if err != nil {
			if !errors.Is(err, store.ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		_ = h.lastError()
		again, err := decodeHistory(h.note("g/1", 0).Bytes)
		if err != nil || len(again) != len(h) {
			t.Fatalf("%d attempts, encoded again %d: %v", len(h), len(again), err)
		}
	})
}

func TestErrorsAreCutAtTheirLimitWithAMark(t *testing.T) {
	for n := MaxStack - 3; n <= MaxStack+3; n++ {
		for _, fill := range []string{"a", "é", "語", "😀"} {
			s := strings.Repeat(fill, n/len(fill)+1)[:n-n%len(fill)]
			got := cut(s, MaxStack)
			if len(got) > MaxStack || !utf8.ValidString(got) || (len(s) <= MaxStack) != (got == s) || len(s) > MaxStack && !strings.HasSuffix(got, cutMark) {
				t.Errorf("%d bytes of %q: %d bytes, …%q", len(s), fill, len(got), got[len(got)-20:])
			}
		}
	}
	if trimError(nil) != nil {
		t.Error("an error out of nothing")
	}
	if got := trimError(&WorkerError{Message: strings.Repeat("m", MaxMessage)}); len(got.Message) != MaxMessage {
		t.Errorf("a message at its limit: %d bytes", len(got.Message))
	}
}

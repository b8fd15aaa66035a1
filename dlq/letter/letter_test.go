package letter

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holtmq/holt/queue/record"
)

func TestWrapKeepsTheRecordAndSaysWhereItComesFrom(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6_700_000, time.FixedZone("", 3600))
	r := record.Record{
		Offset: 9, Timestamp: at, Key: []byte{}, Value: nil,
		Headers: []record.Header{{Name: "trace", Value: []byte{0xff}}, {Name: "holt-ttl", Value: []byte("12345678")}, {Name: "holt-priority", Value: []byte("1")}},
	}
	was := slices.Clone(r.Headers)
	got := Wrap(r, Origin{
		Group: "g", Topic: "t", Partition: 0, Offset: 9, Attempts: 3, Reason: Rejected, Error: "no", Member: "w", FirstAt: at, At: at.Add(time.Second),
	})
	want := record.Record{Key: []byte{}, Headers: []record.Header{
		{Name: "trace", Value: []byte{0xff}},
		{Name: "holt-dl-group", Value: []byte("g")}, {Name: "holt-dl-topic", Value: []byte("t")},
		{Name: "holt-dl-partition", Value: []byte("0")}, {Name: "holt-dl-offset", Value: []byte("9")},
		{Name: "holt-dl-attempts", Value: []byte("3")}, {Name: "holt-dl-reason", Value: []byte("rejected")},
		{Name: "holt-dl-error", Value: []byte("no")}, {Name: "holt-dl-member", Value: []byte("w")},
		{Name: "holt-dl-first-at", Value: []byte("2026-01-02T02:04:05.006Z")}, {Name: "holt-dl-at", Value: []byte("2026-01-02T02:04:06.006Z")},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("letter (−want +got):\n%s", diff)
	}
	if diff := cmp.Diff(was, r.Headers); diff != "" {
		t.Errorf("the record's own headers changed:\n%s", diff)
	}
	if got := Wrap(record.Record{}, Origin{Reason: TTL}); len(got.Headers) != 4 { // partition, offset, attempts, reason
		t.Errorf("of nothing known: %v", got.Headers)
	}
}

func TestALetterThatDiesAsARecordComesBackAsTheLetterItWas(t *testing.T) {
	user := record.Header{Name: "trace", Value: []byte("7f")}
	first := Wrap(record.Record{Key: []byte("k"), Headers: []record.Header{user}}, Origin{Group: "a", Topic: "t", Attempts: 3, Reason: Rejected, Error: "one"})
	second := Wrap(first, Origin{Group: "b", Topic: "a.dlq", Attempts: 1, Reason: Rejected, Error: "two"})
	third := Wrap(second, Origin{Group: "c", Topic: "b.dlq", Attempts: 1, Reason: Rejected, Error: "three"})
	if o := OriginOf(third); o.Group != "c" || o.Error != "three" {
		t.Errorf("the third is a letter of %+v", o)
	}
	if diff := cmp.Diff(second, Body(third)); diff != "" {
		t.Errorf("out of the third (−want +got):\n%s", diff)
	}
	if diff := cmp.Diff(first, Body(Body(third))); diff != "" {
		t.Errorf("out of the second (−want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]record.Header{user}, Body(first).Headers); diff != "" {
		t.Errorf("out of the first (−want +got):\n%s", diff)
	}
}

func FuzzOuter(f *testing.F) {
	f.Add(outer([]record.Header{{Name: HeaderGroup, Value: []byte("g")}, {Name: HeaderOuter}}))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, h := range parseOuter(b) {
			if len(h.Name)+len(h.Value) > len(b) {
				t.Errorf("%q out of %q", h, b)
			}
		}
	})
}

func TestLostLettersHoldNothing(t *testing.T) {
	damaged := Origin{Group: "g", Topic: "t", Reason: Rejected, Error: Damaged, History: []byte("[]")}
	if got := Lost(Wrap(record.Record{}, damaged)); got != Damaged {
		t.Errorf("a letter without its record: %q", got)
	}
	if got := Lost(Wrap(record.Record{}, Origin{Error: Gone})); got != Gone {
		t.Errorf("a letter of a record that is gone: %q", got)
	}
	for name, l := range map[string]record.Record{
		"a tombstone without key": Wrap(record.Record{}, Origin{Error: "no"}),
		"a key":                   Wrap(record.Record{Key: []byte{}}, damaged),
		"a value":                 Wrap(record.Record{Value: []byte{}}, damaged),
		"a header":                Wrap(record.Record{Headers: []record.Header{{Name: "x"}}}, damaged),
		"a letter":                Wrap(Wrap(record.Record{}, damaged), damaged),
	} {
		if got := Lost(l); got != "" {
			t.Errorf("%s, in a letter whose worker said the words: %q", name, got)
		}
	}
}

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
		Headers: []record.Header{{Name: "trace", Value: []byte{0xff}}, {Name: "holt-ttl", Value: []byte("12345678")}, {Name: HeaderReason, Value: []byte("old")}},
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

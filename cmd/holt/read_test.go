package main

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holtmq/holt/client"
)

// TestOldest: partitions are merged by time, the first one first where it is the same, and an error comes at once.
func TestOldest(t *testing.T) {
	at := func(partition int, seconds ...int64) *head {
		h := &head{}
		h.next = func() (*client.Record, error, bool) {
			if len(seconds) == 0 {
				return nil, nil, false
			}
			r := &client.Record{Partition: partition, Timestamp: time.Unix(seconds[0], 0)}
			seconds = seconds[1:]
			return r, nil, true
		}
		h.advance()
		return h
	}
	heads := []*head{at(0, 3, 5), at(1), at(2, 1, 3, 4)}
	var got [][2]int64
	for h := oldest(heads); h != nil; h = oldest(heads) {
		got = append(got, [2]int64{int64(h.record.Partition), h.record.Timestamp.Unix()})
		h.advance()
	}
	want := [][2]int64{{2, 1}, {0, 3}, {2, 3}, {2, 4}, {0, 5}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	broken := &head{err: errors.New("broken")}
	if oldest([]*head{at(0, 1), broken}) != broken {
		t.Error("an error waits behind a record")
	}
}

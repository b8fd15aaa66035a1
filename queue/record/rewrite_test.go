package record_test

import (
	"bytes"
	"errors"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/holtmq/holt/queue/record"
)

func none(record.Record) bool { return false }

// kept are the records with these offsets.
func kept(rs []record.Record, keep func(record.Record) bool) []record.Record {
	var out []record.Record
	for _, r := range rs {
		if keep(r) {
			out = append(out, r)
		}
	}
	return out
}

func TestRewrite(t *testing.T) {
	all := goldenRecords()
	tests := map[string]func(record.Record) bool{
		"all":   func(record.Record) bool { return true },
		"first": func(r record.Record) bool { return r.Offset == goldenBase },
		"last":  func(r record.Record) bool { return r.Offset == goldenBase+7 },
		"inner": func(r record.Record) bool { return r.Offset > goldenBase+2 && r.Offset < goldenBase+6 },
		"keys":  func(r record.Record) bool { return r.Key != nil },
	}
	for name, keep := range tests {
		for _, c := range codecs {
			b := build(t, goldenBase, c, all...)
			before := bytes.Clone(b)
			got, err := record.Rewrite(b, keep)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(before, b) {
				t.Errorf("%s, %v: the batch itself was changed", name, c)
			}
			want := kept(all, keep)
			if diff := cmp.Diff(want, readAll(t, got)); diff != "" {
				t.Errorf("%s, %v: records differ (-want +got):\n%s", name, c, diff)
			}
			info, err := record.Check(got)
			if err != nil {
				t.Fatal(err)
			}
			wantInfo := record.Info{
				Base: goldenBase, Last: goldenBase + 7, Count: len(want), Codec: c, Size: len(got),
				FirstTime: want[0].Timestamp, MaxTime: want[len(want)-1].Timestamp,
			}
			if diff := cmp.Diff(wantInfo, info); diff != "" {
				t.Errorf("%s, %v: info differs (-want +got):\n%s", name, c, diff)
			}
		}
	}
}

// TestRewriteToNothing keeps a batch that holds the place, and the time, of what was there.
func TestRewriteToNothing(t *testing.T) {
	for _, c := range codecs {
		b, err := record.Rewrite(build(t, 50, c, samples()...), none)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			info, err := record.Check(b)
			if err != nil {
				t.Fatal(err)
			}
			newest := samples()[7].Timestamp
			want := record.Info{Base: 50, Last: 57, FirstTime: newest, MaxTime: newest, Size: record.HeaderSize}
			if diff := cmp.Diff(want, info); diff != "" {
				t.Errorf("%v: info differs (-want +got):\n%s", c, diff)
			}
			if got := readAll(t, b); got != nil {
				t.Errorf("%v: %d records", c, len(got))
			}
			if b, err = record.Rewrite(b, nil); err != nil { // and again
				t.Fatal(err)
			}
		}
	}
}

// TestKafkaEmptyBatch reads an empty batch as Kafka's own compaction leaves it.
func TestKafkaEmptyBatch(t *testing.T) {
	kb := kafkaBatch(7, 3)
	kb.NumRecords, kb.FirstTimestamp = 0, -1
	b := sealKafka(kb)
	if got := readAll(t, b); got != nil {
		t.Errorf("%d records", len(got))
	}
	if again, err := record.Rewrite(b, nil); err != nil || readAll(t, again) != nil {
		t.Errorf("rewritten: %v", err)
	}
}

func TestJoin(t *testing.T) {
	all := samples()
	parts := [][]byte{
		build(t, 0, record.None, all[:2]...),
		build(t, 2, record.LZ4, all[2:3]...),
		build(t, 3, record.Zstd, all[3:6]...),
		build(t, 6, record.None, all[6:]...),
	}
	tests := map[string]func(record.Record) bool{
		"all":              nil,
		"odd":              func(r record.Record) bool { return r.Offset%2 == 1 },
		"none of a middle": func(r record.Record) bool { return r.Offset != 2 },
		"ends":             func(r record.Record) bool { return r.Offset == 0 || r.Offset == 7 },
		"inner":            func(r record.Record) bool { return r.Offset == 4 },
	}
	for name, keep := range tests {
		b, err := record.Join(parts, keep)
		if err != nil {
			t.Fatal(err)
		}
		want := all
		if keep != nil {
			want = kept(all, keep)
		}
		if diff := cmp.Diff(want, readAll(t, b)); diff != "" {
			t.Errorf("%s: records differ (-want +got):\n%s", name, diff)
		}
		info, err := record.Check(b)
		if err != nil || info.Base != 0 || info.Last != 7 || info.Codec != record.LZ4 || !info.MaxTime.Equal(want[len(want)-1].Timestamp) {
			t.Errorf("%s: %+v, %v", name, info, err)
		}
	}
	b, err := record.Join(parts, none)
	if err != nil {
		t.Fatal(err)
	}
	info, err := record.Check(b)
	if err != nil || info.Base != 0 || info.Last != 7 || info.Count != 0 || !info.MaxTime.Equal(all[7].Timestamp) {
		t.Errorf("none: %+v, %v", info, err)
	}
}

func TestJoinRefuses(t *testing.T) {
	one := record.Record{Timestamp: start}
	damaged := build(t, 1, record.None, one)
	damaged[len(damaged)-1]++
	wide := func(base int64) []byte {
		return sealKafka(kmsg.RecordBatch{FirstOffset: base, Magic: 2, LastOffsetDelta: math.MaxInt32})
	}
	tests := map[string]struct {
		batches [][]byte
		want    error
	}{
		"none at all": {nil, record.ErrEmpty},
		"a gap":       {[][]byte{build(t, 0, record.None, one), build(t, 2, record.None, one)}, record.ErrCorrupt},
		"wrong order": {[][]byte{build(t, 1, record.None, one), build(t, 0, record.None, one)}, record.ErrCorrupt},
		"damage":      {[][]byte{build(t, 0, record.None, one), damaged}, record.ErrCorrupt},
		"too wide":    {[][]byte{wide(0), build(t, math.MaxInt32+1, record.None, one)}, record.ErrTooLarge},
	}
	for name, tt := range tests {
		if _, err := record.Join(tt.batches, nil); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
	b, err := record.Join([][]byte{wide(9)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := record.Check(b); err != nil || info.Last != 9+math.MaxInt32 {
		t.Errorf("the widest batch: last %d, %v", info.Last, err)
	}
}

func TestJoinTooLarge(t *testing.T) {
	half := record.MaxUncompressed / 2
	parts := [][]byte{
		build(t, 0, record.Zstd, filler(half)), build(t, 1, record.Zstd, filler(half)), build(t, 2, record.Zstd, record.Record{Timestamp: start}),
	}
	if _, err := record.Join(parts[:2], nil); err != nil {
		t.Errorf("at the limit: %v", err)
	}
	if _, err := record.Join(parts, nil); !errors.Is(err, record.ErrTooLarge) {
		t.Errorf("over the limit: %v, want ErrTooLarge", err)
	}
}

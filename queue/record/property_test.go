package record_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/holtmq/holt/queue/record"
)

// drawBytes draws nil, empty or some bytes.
func drawBytes(t *rapid.T, label string) []byte {
	if rapid.IntRange(0, 4).Draw(t, label+" nil") == 0 {
		return nil
	}
	return rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, label)
}

// drawRecords draws records as a log has them: offsets dense from base, times that never go back.
func drawRecords(t *rapid.T, base record.Offset) []record.Record {
	now := time.UnixMilli(rapid.Int64Range(-1<<50, 1<<50).Draw(t, "first time")).UTC()
	out := make([]record.Record, rapid.IntRange(1, 80).Draw(t, "records"))
	for i := range out {
		out[i] = record.Record{Offset: base + record.Offset(i), Timestamp: now, Key: drawBytes(t, "key"), Value: drawBytes(t, "value")}
		for range rapid.IntRange(0, 3).Draw(t, "headers") {
			out[i].Headers = append(out[i].Headers, record.Header{
				Name: rapid.SampledFrom([]string{"", "a", "type", "ü"}).Draw(t, "name"), Value: drawBytes(t, "header"),
			})
		}
		now = now.Add(time.Duration(rapid.Int64Range(0, 1<<uint(rapid.IntRange(0, 40).Draw(t, "step bits"))).Draw(t, "step")) * time.Millisecond)
	}
	return out
}

// TestAgainstModel holds every operation against the same one on a slice of records.
func TestAgainstModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		base := record.Offset(rapid.Int64Range(0, 1<<60).Draw(rt, "base"))
		all := drawRecords(rt, base)
		codec := rapid.SampledFrom(codecs).Draw(rt, "codec")
		parts := cut(rt, t, codec, all)

		whole := build(t, base, codec, all...)
		same(rt, "a batch", all, readAll(t, whole))

		mask := rapid.SliceOfN(rapid.Bool(), len(all), len(all)).Draw(rt, "kept")
		keep := func(r record.Record) bool { return mask[r.Offset-base] }
		survivors := kept(all, keep)
		joined, err := record.Join(parts, keep)
		if err != nil {
			rt.Fatal(err)
		}
		same(rt, "joined", survivors, readAll(t, joined))
		rewritten, err := record.Rewrite(whole, keep)
		if err != nil {
			rt.Fatal(err)
		}
		same(rt, "rewritten", survivors, readAll(t, rewritten))
		if joined, err = record.Join(parts, nil); err != nil {
			rt.Fatal(err)
		}
		same(rt, "joined whole", all, readAll(t, joined))
	})
}

// cut encodes records as batches that follow each other.
func cut(rt *rapid.T, t *testing.T, c record.Codec, all []record.Record) [][]byte {
	var out [][]byte
	for len(all) > 0 {
		n := rapid.IntRange(1, len(all)).Draw(rt, "part")
		out = append(out, build(t, all[0].Offset, c, all[:n]...))
		all = all[n:]
	}
	return out
}

func same(rt *rapid.T, what string, want, got []record.Record) {
	if diff := cmp.Diff(want, got); diff != "" {
		rt.Fatalf("%s: records differ (-want +got):\n%s", what, diff)
	}
}

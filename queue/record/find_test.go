package record_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holtmq/holt/queue/record"
)

func TestFind(t *testing.T) {
	for _, c := range codecs {
		t.Run(c.String(), func(t *testing.T) {
			all := goldenRecords()
			b, err := record.Rewrite(build(t, goldenBase, c, all...), func(r record.Record) bool { return r.Offset%2 == 1 })
			if err != nil {
				t.Fatal(err)
			}
			for i := -1; i <= len(all); i++ {
				at := record.Offset(goldenBase + i)
				got, err := record.Find(b, at)
				if at%2 == 0 || i < 0 || i == len(all) {
					if !errors.Is(err, record.ErrNotFound) {
						t.Errorf("offset %d: %v, want ErrNotFound", at, err)
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(all[i], got); diff != "" {
					t.Errorf("offset %d differs (-want +got):\n%s", at, diff)
				}
			}
		})
	}
}

func TestFindInDamage(t *testing.T) {
	for name, b := range map[string][]byte{
		"no batch":        []byte("none"),
		"damaged record":  raw(1, "\x0c\x00\x00\x08\x03\x01\x00"),
		"damage before":   raw(2, plain+"\x00\x00\x00\x00\x00\x00\x00"),
		"offset twice":    raw(3, plain+plain+plain7),
		"nothing more":    raw(2, plain+"\x80\x80\x80\x80\x80\x80\x80"),
		"offset too far":  raw(1, "\x0c\x00\x00\x10\x01\x01\x00"),
		"too many to say": raw(1, plain+plain),
	} {
		if r, err := record.Find(b, 4); !errors.Is(err, record.ErrCorrupt) {
			t.Errorf("%s: found %v, %v, want ErrCorrupt", name, r, err)
		}
	}
}

func TestFirstAt(t *testing.T) {
	b := build(t, 100, record.LZ4, samples()...)
	tests := map[string]struct {
		after time.Duration // of the first record
		at    record.Offset
		ok    bool
	}{
		"before all":                 {-time.Hour, 100, true},
		"the first":                  {0, 100, true},
		"between two milliseconds":   {time.Nanosecond, 102, true},
		"after the first":            {time.Millisecond, 102, true},
		"a time of two":              {3 * time.Millisecond, 102, true},
		"after them":                 {4 * time.Millisecond, 104, true},
		"the last":                   {time.Millisecond << 40, 107, true},
		"a nanosecond after the end": {time.Millisecond<<40 + 1, 0, false},
	}
	for name, tt := range tests {
		at, ok, err := record.FirstAt(b, start.Add(tt.after))
		if err != nil || at != tt.at || ok != tt.ok {
			t.Errorf("%s: %d, %v, %v, want %d, %v", name, at, ok, err, tt.at, tt.ok)
		}
	}
	early := time.UnixMilli(-7)
	if at, ok, err := record.FirstAt(build(t, 0, record.None, record.Record{Timestamp: early}), early.Add(-time.Nanosecond)); at != 0 || !ok || err != nil {
		t.Errorf("before 1970: %d, %v, %v", at, ok, err)
	}
	for name, b := range map[string][]byte{"no batch": nil, "damage": raw(1, plain+plain)} {
		if _, ok, err := record.FirstAt(b, start.Add(time.Hour)); ok || !errors.Is(err, record.ErrCorrupt) {
			t.Errorf("%s: %v, %v, want ErrCorrupt", name, ok, err)
		}
	}
}

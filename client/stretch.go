package client

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/queue/record"
)

// acceptBatches asks for stored batches, and takes JSON from a server that has none.
var acceptBatches = http.Header{"Accept": {api.MediaBatches + ", " + mediaJSON}}

// isBatches tells whether an answer carries stored batches.
func isBatches(h http.Header) bool {
	media, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	return strings.EqualFold(strings.TrimSpace(media), api.MediaBatches)
}

// stretch is stored batches of one partition that follow each other.
type stretch struct {
	api.Place
	from    int64  // records before it are not wanted
	batches []byte // one behind the other
}

// splitBatches takes an answer of stored batches apart and decodes its head. docs/HTTP-API.md has the form.
func splitBatches(body []byte, head any) ([]stretch, error) {
	r := frame{b: body}
	if err := json.Unmarshal(r.take(int(r.uint(4))), head); r.short || err != nil {
		return nil, fmt.Errorf("%w: %w: the head of its batches", ErrUnknown, ErrAnswer)
	}
	var out []stretch
	for len(r.b) > 0 && !r.short {
		s := stretch{Place: api.Place{Topic: string(r.take(int(r.uint(2)))), Partition: int(r.uint(4))}, from: int64(r.uint(8))}
		s.batches = r.take(int(r.uint(4)))
		out = append(out, s)
	}
	if r.short {
		return nil, fmt.Errorf("%w: %w: its batches are cut off", ErrUnknown, ErrAnswer)
	}
	return out, nil
}

// frame takes bytes from the front.
type frame struct {
	b     []byte
	short bool
}

func (f *frame) take(n int) []byte {
	if n < 0 || n > len(f.b) {
		f.short, f.b = true, nil
		return nil
	}
	out := f.b[:n]
	f.b = f.b[n:]
	return out
}

// uint takes a big-endian number of n bytes.
func (f *frame) uint(n int) uint64 {
	var wide [8]byte
	copy(wide[8-n:], f.take(n))
	return binary.BigEndian.Uint64(wide[:])
}

// records decodes a stretch: at most max records, and where to go on. hidden are the names of headers that are not shown.
func (s *stretch) records(max int, hidden []string) (out []*Record, next int64, err error) {
	next = s.from
	for rest := s.batches; len(rest) > 0; {
		n := batchSize(rest)
		if n > len(rest) {
			return nil, 0, s.broken(record.ErrCorrupt)
		}
		info, err := record.Check(rest[:n])
		if err != nil {
			return nil, 0, s.broken(err)
		}
		r, err := record.NewReader(rest[:n])
		if err != nil {
			return nil, 0, s.broken(err)
		}
		for r.Next() {
			if int64(r.Offset()) < s.from {
				continue
			}
			if len(out) == max {
				return out, int64(r.Offset()), nil
			}
			out = append(out, s.record(r.Record(), hidden))
		}
		if err := r.Err(); err != nil {
			return nil, 0, s.broken(err)
		}
		next = int64(info.Last) + 1
		rest = rest[n:]
	}
	return out, next, nil
}

// batchSize returns how many bytes the batch at the front of b says that it has.
func batchSize(b []byte) int {
	const length = 8 // where the length of what follows it stands
	if len(b) < length+4 {
		return len(b) + 1
	}
	return length + 4 + int(binary.BigEndian.Uint32(b[length:]))
}

func (s *stretch) record(r record.Record, hidden []string) *Record {
	out := &Record{Topic: s.Topic, Partition: s.Partition, Offset: int64(r.Offset), Timestamp: r.Timestamp, Key: r.Key, Value: r.Value}
	for _, h := range r.Headers {
		if !slices.Contains(hidden, h.Name) {
			put(&out.Headers, h.Name, string(h.Value))
		}
	}
	return out
}

func (s *stretch) broken(err error) error {
	return fmt.Errorf("%w: batches of %s/%d: %w", ErrAnswer, s.Topic, s.Partition, err)
}

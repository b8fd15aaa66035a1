package console

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/holtmq/holt/client/api"
)

// shelf is an API that has one topic of partitions of records, and serves reads as the real one does: by count, and by bytes but for one record.
type shelf struct {
	t          *testing.T
	partitions [][]api.Record
}

func newShelf(t *testing.T, partitions, records, size int, at func(partition, offset int) time.Time) *shelf {
	s := &shelf{t: t, partitions: make([][]api.Record, partitions)}
	value := strings.Repeat("A", size/4*4)
	for p := range s.partitions {
		for o := range records {
			r := api.Record{Partition: p, Offset: int64(o), Timestamp: api.Time(at(p, o))}
			r.ValueBase64 = &value
			s.partitions[p] = append(s.partitions[p], r)
		}
	}
	return s
}

func (s *shelf) topic() *api.Topic {
	t := &api.Topic{Name: "t"}
	for p, all := range s.partitions {
		t.Partitions = append(t.Partitions, api.TopicPartition{Partition: p, EndOffset: int64(len(all))})
	}
	return t
}

func (s *shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	var n [3]int
	for i, name := range []string{"offset", "max", "max_bytes"} {
		v, err := strconv.Atoi(q.Get(name))
		if err != nil {
			s.t.Errorf("%s: %v", r.URL, err)
		}
		n[i] = v
	}
	p, err := strconv.Atoi(strings.Split(r.URL.Path, "/")[5])
	if err != nil || n[2] > readBytes {
		s.t.Errorf("%s: %v, or more bytes than a read may have", r.URL, err)
		return
	}
	all := s.partitions[p]
	res := api.ReadResponse{EndOffset: int64(len(all)), NextOffset: int64(n[0])}
	for bytes := 0; res.NextOffset < res.EndOffset && len(res.Records) < n[1]; res.NextOffset++ {
		one := all[res.NextOffset]
		if bytes += len(*one.ValueBase64) * 3 / 4; bytes > n[2] && len(res.Records) > 0 {
			break
		}
		res.Records = append(res.Records, one)
	}
	if err := json.NewEncoder(w).Encode(res); err != nil {
		s.t.Error(err)
	}
}

// scanAll scans page by page, and returns the places of what came.
func (s *shelf) scanAll(f filter, limit int) (places []string) {
	s.t.Helper()
	v := &visit{c: New(Config{API: s, Source: bare{}}), r: httptest.NewRequestWithContext(s.t.Context(), http.MethodGet, Base, nil)}
	f.Partition = -1
	for at := ""; ; {
		got, err := v.scan(s.topic(), f, at, limit)
		if err != nil {
			s.t.Fatal(err)
		}
		held := 0
		for i := range got.Records {
			r := &got.Records[i]
			held += bytesIn(r)
			places = append(places, fmt.Sprintf("%d:%d", r.Partition, r.Offset))
		}
		if len(got.Records) > limit || held > scanBytes && len(got.Records) > 1 {
			s.t.Fatalf("a page of %d records has %d with %d bytes", limit, len(got.Records), held)
		}
		if at = got.More; at == "" {
			return places
		}
	}
}

// Pages give every record once, whatever their number and size, also those of one time.
func TestScanGivesEachRecordOnce(t *testing.T) {
	start := time.UnixMilli(0).UTC()
	sameTime := func(int, int) time.Time { return start }
	inTurns := func(p, o int) time.Time { return start.Add(time.Duration(o*1000+p) * time.Millisecond) }
	for _, c := range []struct {
		partitions, records, size int
		at                        func(int, int) time.Time
		ordered                   bool // the times say in which order all of them come
	}{
		{1, 700, 16, sameTime, true},
		{3, 120, 16, sameTime, false},
		{3, 120, 16, inTurns, true},
		{2, 30, 400 << 10, inTurns, true},
		{8, 1, 3 << 20, inTurns, true},
	} {
		for _, from := range []string{"newest", "oldest"} {
			for _, text := range []string{"", "\x00"} { // what is AAAA in base64 is zeros
				s := newShelf(t, c.partitions, c.records, c.size, c.at)
				what := fmt.Sprintf("%d partitions of %d records of %d bytes, %s first, text %q", c.partitions, c.records, c.size, from, text)
				got := s.scanAll(filter{From: from, Text: text}, pageRecords)
				seen := map[string]int{}
				for _, place := range got {
					seen[place]++
				}
				if len(got) != c.partitions*c.records || len(seen) != len(got) {
					t.Errorf("%s: %d came, %d different ones, want %d", what, len(got), len(seen), c.partitions*c.records)
					continue
				}
				for i := range got {
					n := i
					if from == "newest" {
						n = len(got) - 1 - i
					}
					if want := fmt.Sprintf("%d:%d", n%c.partitions, n/c.partitions); c.ordered && got[i] != want {
						t.Errorf("%s: number %d is %s, want %s", what, i, got[i], want)
						break
					}
				}
			}
		}
	}
}

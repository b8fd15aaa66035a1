package letter

import (
	"cmp"
	"slices"
	"strings"
)

// By says what letters are counted by.
type By string

// What letters can be counted by.
const (
	ByFingerprint By = "fingerprint"
	ByError       By = "error"
	ByReason      By = "reason"
	ByTopic       By = "topic"
	ByKey         By = "key"
)

// ParseBy reads what to count by.
func ParseBy(s string) (By, bool) {
	switch b := By(s); b {
	case ByFingerprint, ByError, ByReason, ByTopic, ByKey:
		return b, true
	}
	return "", false
}

// value gives what a letter is counted under.
func (b By) value(i *Info) string {
	switch b {
	case ByError:
		return i.Error
	case ByReason:
		return string(i.Reason)
	case ByTopic:
		return i.Topic
	case ByKey:
		return i.Key
	default:
		return i.Fingerprint
	}
}

// MaxBuckets is how many values one summary tells apart; letters of further ones are counted under none.
const MaxBuckets = 100_000

// Bucket counts the letters of one value.
type Bucket struct {
	Value   string
	Missing bool // the value is none, not "": letters without key
	Count   int
	Again   int   // of them: died again after a redrive
	FirstAt int64 // ms: of the first death
	LastAt  int64
}

// Summary counts letters by a value.
type Summary struct {
	by      By
	buckets map[string]*Bucket
	none    *Bucket
}

// NewSummary begins to count.
func NewSummary(by By) *Summary { return &Summary{by: by, buckets: map[string]*Bucket{}} }

// Add counts a letter and returns its bucket, nil if there are too many, and whether it is the newest of it so far.
func (s *Summary) Add(i *Info) (b *Bucket, newest bool) {
	b = s.bucket(i)
	if b == nil {
		return nil, false
	}
	if b.Count == 0 || i.At < b.FirstAt {
		b.FirstAt = i.At
	}
	newest = b.Count == 0 || i.At >= b.LastAt
	if newest {
		b.LastAt = i.At
	}
	b.Count++
	return b, newest
}

func (s *Summary) bucket(i *Info) *Bucket {
	if s.by == ByKey && !i.HasKey {
		if s.none == nil {
			s.none = &Bucket{Missing: true}
		}
		return s.none
	}
	v := s.by.value(i)
	b := s.buckets[v]
	if b == nil && len(s.buckets) < MaxBuckets {
		b = &Bucket{Value: v}
		s.buckets[v] = b
	}
	return b
}

// Buckets returns what was counted, the largest first.
func (s *Summary) Buckets() []*Bucket {
	out := make([]*Bucket, 0, len(s.buckets)+1)
	for _, b := range s.buckets {
		out = append(out, b)
	}
	if s.none != nil {
		out = append(out, s.none)
	}
	slices.SortFunc(out, func(a, b *Bucket) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Value, b.Value), cmp.Compare(btoi(a.Missing), btoi(b.Missing)))
	})
	return out
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

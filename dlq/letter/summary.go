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

// Bucket counts the letters of one value; an S names a letter.
type Bucket[S any] struct {
	Value   string
	Missing bool // the value is none, not "": letters without key
	Count   int
	Again   int   // of them: died again after a redrive
	FirstAt int64 // ms: of the first death
	LastAt  int64
	Sample  S // the newest of them
}

// Summary counts letters by a value.
type Summary[S any] struct {
	by      By
	buckets map[string]*Bucket[S]
	none    *Bucket[S]
}

// NewSummary begins to count.
func NewSummary[S any](by By) *Summary[S] {
	return &Summary[S]{by: by, buckets: map[string]*Bucket[S]{}}
}

// Add counts a letter and returns its bucket, nil if there are too many.
func (s *Summary[S]) Add(i *Info, letter S) *Bucket[S] {
	b := s.bucket(i)
	if b == nil {
		return nil
	}
	if b.Count == 0 || i.At < b.FirstAt {
		b.FirstAt = i.At
	}
	if b.Count == 0 || i.At >= b.LastAt {
		b.LastAt, b.Sample = i.At, letter
	}
	b.Count++
	return b
}

func (s *Summary[S]) bucket(i *Info) *Bucket[S] {
	if s.by == ByKey && !i.HasKey {
		if s.none == nil {
			s.none = &Bucket[S]{Missing: true}
		}
		return s.none
	}
	v := s.by.value(i)
	b := s.buckets[v]
	if b == nil && len(s.buckets) < MaxBuckets {
		b = &Bucket[S]{Value: v}
		s.buckets[v] = b
	}
	return b
}

// Largest returns the largest buckets, at most so many (0 = all), the largest first, and how many there are.
func (s *Summary[S]) Largest(most int) (out []*Bucket[S], total int) {
	for _, b := range s.buckets {
		out = append(out, b)
	}
	if s.none != nil {
		out = append(out, s.none)
	}
	if most <= 0 {
		most = len(out)
	}
	return foremost(out, most, compareBuckets[S]), len(out)
}

func compareBuckets[S any](a, b *Bucket[S]) int {
	return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Value, b.Value), cmp.Compare(btoi(a.Missing), btoi(b.Missing)))
}

// foremost returns the n elements that come first, in order, at less than the cost of sorting all; it uses the room of all.
func foremost[E any](all []E, n int, compare func(a, b E) int) []E {
	kept := all[:min(n, len(all))]
	slices.SortFunc(kept, compare)
	if len(kept) < n || n == 0 {
		return kept
	}
	last := kept[n-1]
	for _, e := range all[n:] {
		if compare(e, last) >= 0 {
			continue
		}
		if kept = append(kept, e); len(kept) == 2*n {
			slices.SortFunc(kept, compare)
			kept = kept[:n]
			last = kept[n-1]
		}
	}
	slices.SortFunc(kept, compare)
	return kept[:n]
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

package retain

import (
	"cmp"
	"slices"
	"sort"

	"github.com/holtmq/holt/lease"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
)

// maxRanges is how many ranges of unsettled records one group is asked for.
const maxRanges = 64 << 10

// need is what has to stay of a partition whatever its age: disjoint ranges in order.
type need []lease.Range

// needOf asks everybody about [from, to).
func needOf(t *Topic, p *partition.Partition, from, to record.Offset) need {
	var all []lease.Range
	if t.Config.Retention.KeepUnsettled {
		for _, g := range t.Readers() {
			all = g.Unsettled(p, from, to, maxRanges, all)
		}
	}
	for _, h := range t.Holders() {
		for _, at := range h.OpenLettersOn(p) {
			if at >= from && at < to {
				all = append(all, lease.Range{From: lease.Offset(at), To: lease.Offset(at) + 1})
			}
		}
	}
	slices.SortFunc(all, func(a, b lease.Range) int { return cmp.Compare(a.From, b.From) })
	out := all[:0]
	for _, r := range all {
		if n := len(out); n > 0 && out[n-1].To >= r.From {
			out[n-1].To = max(out[n-1].To, r.To)
			continue
		}
		out = append(out, r)
	}
	return need(out)
}

// from returns the ranges from the one on that ends past an offset.
func (n need) from(at record.Offset) need {
	return n[sort.Search(len(n), func(i int) bool { return record.Offset(n[i].To) > at }):]
}

// has tells whether an offset has to stay.
func (n need) has(at record.Offset) bool {
	rest := n.from(at)
	return len(rest) > 0 && record.Offset(rest[0].From) <= at
}

// any tells whether one of [from, to) has to stay.
func (n need) any(from, to record.Offset) bool {
	rest := n.from(from)
	return len(rest) > 0 && record.Offset(rest[0].From) < to
}

// past returns the first offset from at on that need not stay.
func (n need) past(at record.Offset) record.Offset {
	if rest := n.from(at); len(rest) > 0 && record.Offset(rest[0].From) <= at {
		return record.Offset(rest[0].To)
	}
	return at
}

// print stands for all of it.
func (n need) print() uint64 {
	h := uint64(14695981039346656037)
	for _, r := range n {
		for _, v := range [2]lease.Offset{r.From, r.To} {
			h = (h ^ uint64(v)) * 1099511628211
		}
	}
	return h
}

package retain

import (
	"math/rand/v2"
	"testing"

	"github.com/holtmq/holt/lease"
	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/record"
)

// wants is a group that has not settled some offsets, and dead letters that have to stay.
type wants struct {
	unsettled []lease.Range
	letters   []record.Offset
	lost      []record.Offset // what it was told
	whole     []record.Offset // where its partition was whole from when it was told
}

func (w *wants) Unsettled(_ *partition.Partition, from, to record.Offset, _ int, dst []lease.Range) []lease.Range {
	for _, r := range w.unsettled {
		if r.From, r.To = max(r.From, lease.Offset(from)), min(r.To, lease.Offset(to)); r.From < r.To {
			dst = append(dst, r)
		}
	}
	return dst
}

func (w *wants) Needs(*partition.Partition) (record.Offset, bool) {
	if len(w.unsettled) == 0 {
		return 0, false
	}
	return record.Offset(w.unsettled[0].From), true
}

func (w *wants) Lost(_ *partition.Partition, from, to record.Offset, stays func(record.Offset) bool) {
	for at := from; at < to; at++ {
		if !stays(at) {
			w.lost = append(w.lost, at)
		}
	}
}

func (w *wants) Thinned(p *partition.Partition) { w.whole = append(w.whole, p.WholeFrom()) }

func (w *wants) Trimmed(*partition.Partition)                       {}
func (w *wants) OpenLettersOn(*partition.Partition) []record.Offset { return w.letters }
func (w *wants) LettersTrimmed(*partition.Partition)                {}

// topicOf is a topic whose readers and holders these are.
func topicOf(keep bool, all ...*wants) *Topic {
	t := &Topic{
		Readers: func() (out []Reader) {
			for _, w := range all {
				out = append(out, w)
			}
			return out
		},
		Followers: func() (out []Follower) {
			for _, w := range all {
				out = append(out, w)
			}
			return out
		},
		Holders: func() (out []Holder) {
			for _, w := range all {
				out = append(out, w)
			}
			return out
		},
	}
	t.Config = catalog.DefaultTopic()
	t.Config.Retention.KeepUnsettled = keep
	return t
}

// What has to stay is what any group has not settled, and every open letter; whatever the ranges, each question is answered as by looking at each offset.
func TestNeedIsWhatAnybodyNeeds(t *testing.T) {
	const end = 60
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		from, to := record.Offset(rnd.IntN(10)), record.Offset(end-rnd.IntN(10))
		keep := rnd.IntN(4) > 0
		var stays [end + 2]bool
		var all []*wants
		for range rnd.IntN(4) {
			w := &wants{}
			for at := lease.Offset(rnd.IntN(20)); at < end; at += lease.Offset(1 + rnd.IntN(20)) {
				r := lease.Range{From: at, To: min(end, at+1+lease.Offset(rnd.IntN(10)))}
				w.unsettled = append(w.unsettled, r)
				for o := max(r.From, lease.Offset(from)); keep && o < min(r.To, lease.Offset(to)); o++ {
					stays[o] = true
				}
				at = r.To
			}
			for range rnd.IntN(4) {
				at := record.Offset(rnd.IntN(end))
				w.letters = append(w.letters, at)
				stays[at] = stays[at] || at >= from && at < to
			}
			all = append(all, w)
		}
		n := needOf(topicOf(keep, all...), nil, from, to)
		for i := range n {
			if n[i].From >= n[i].To || i > 0 && n[i-1].To >= n[i].From {
				t.Fatalf("seed %d: %v are not ranges apart, in order", seed, n)
			}
		}
		for at := range record.Offset(end) {
			past := at
			for stays[past] {
				past++
			}
			last := min(at+record.Offset(rnd.IntN(8)), end-1)
			left := int64(0)
			for o := at; o <= last; o++ {
				if stays[o] {
					left++
				}
			}
			if n.has(at) != stays[at] || n.past(at) != past || kept(at, last, n) != left || n.any(at, last+1) != (left > 0) {
				t.Fatalf("seed %d, %d to %d of %v: has %v, past %d, kept %d, any %v; want %v, %d, %d, %v", seed, at, last, n,
					n.has(at), n.past(at), kept(at, last, n), n.any(at, last+1), stays[at], past, left, left > 0)
			}
		}
	}
}

// The print tells needs apart that differ in one offset.
func TestPrintsOfNeeds(t *testing.T) {
	base := need{{From: 1, To: 3}, {From: 5, To: 9}}
	for _, other := range []need{nil, base[:1], {{From: 1, To: 3}, {From: 5, To: 8}}, {{From: 1, To: 4}, {From: 5, To: 9}}, {{From: 2, To: 3}, {From: 5, To: 9}}} {
		if other.print() == base.print() {
			t.Errorf("%v and %v have one print", base, other)
		}
	}
	if base.print() != append(need{}, base...).print() {
		t.Error("the same need has two prints")
	}
}

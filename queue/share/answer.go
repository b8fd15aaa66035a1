package share

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/holtmq/holt/lease"
	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/journal"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/store"
)

// AnswersName returns the name of a group's journal of remembered answers; it may be on each log the group reads.
func AnswersName(groupID uint64) store.Journal { return store.Journal(fmt.Sprintf("r/%d", groupID)) }

// Answer is what a settle with a request key was answered.
type Answer struct {
	request string
	at      int64 // ms, wall clock
	settled int
	failed  []refused
	places  [][]partition.Place
	log     store.LogID // whose journal holds it
}

// bytes is about what the answer takes of the memory.
func (a *Answer) bytes() int {
	n := 256 + len(a.request) + 16*len(a.failed)
	for _, places := range a.places {
		n += 64 * len(places)
		for i := range places {
			n += len(places[i].Scheduled)
		}
	}
	return n
}

// refused is one receipt that was not settled: which of the request, and why.
type refused struct {
	index int
	code  uint8 // of refusals
}

// refusals are the errors of receipts by their stored code.
var refusals = []error{ErrLeaseLost, ErrAlreadySettled, ErrInvalidReceipt}

// result gives the answer to a repeat of the call.
func (a *Answer) result(claims []claimed) SettleResult {
	res := SettleResult{Settled: a.settled, Places: a.places}
	for _, f := range a.failed {
		if f.index < len(claims) {
			res.Failed = append(res.Failed, Failure{Receipt: claims[f.index].Receipt, Err: refusals[f.code]})
		}
	}
	return res
}

// requests are the answers of the last RequestMemory, at most MaxRequests of MaxRequestBytes, the oldest going first. A repeat of one that went is safe: its leases
// are settled, so it is refused.
type requests struct {
	by    map[string]*Answer
	order []*Answer
	bytes int
	on    map[store.LogID]*journal.Journal
}

func newRequests() requests {
	return requests{by: map[string]*Answer{}, on: map[store.LogID]*journal.Journal{}}
}

// find returns the answer to an earlier call with the key, or nil; now is by the wall clock.
func (r *requests) find(request string, now time.Time) *Answer {
	if request == "" {
		return nil
	}
	r.sweep(now.UnixMilli())
	return r.by[request]
}

// known returns the answer to the call that this one repeats, or nil. What names a lease that the first call would have ended is no repeat but another
// call with its key, and must not be told that its leases are settled. The lock is held.
func (g *Group) known(request string, claims []claimed) *Answer {
	a := g.requests.find(request, g.env.Clock.Wall())
	if a == nil {
		return nil
	}
	now := g.now()
	for i := range claims {
		c := &claims[i]
		w := g.byLog[c.log]
		if !c.valid || c.Verb == lease.Extend || w == nil { // an extended lease goes on
			continue
		}
		if code := w.machine.Judge(now, g.action(c)); code == lease.OK || code == lease.NotOffered {
			return nil
		}
	}
	return a
}

func (r *requests) add(a *Answer) {
	r.by[a.request] = a
	r.order = append(r.order, a)
	r.bytes += a.bytes()
	r.sweep(a.at)
}

// sweep forgets what is too old or too much.
func (r *requests) sweep(now int64) {
	n := 0
	for n < len(r.order) && (r.order[n].at+RequestMemory.Milliseconds() < now || len(r.order)-n > MaxRequests || r.bytes > MaxRequestBytes) {
		a := r.order[n]
		if r.by[a.request] == a {
			delete(r.by, a.request)
		}
		r.bytes -= a.bytes()
		r.order[n] = nil
		n++
	}
	r.order = r.order[n:]
}

// remember keeps the answer to a call and returns what makes it durable; the lock is held.
func (g *Group) remember(request string, claims []claimed, res *SettleResult) []commit.Part {
	a := &Answer{request: request, at: g.env.Clock.Wall().UnixMilli(), settled: res.Settled, places: res.Places}
	for i, f := range res.Failed {
		a.failed = append(a.failed, refused{indexOf(claims, f.Receipt, i), codeOf(f.Err)})
	}
	g.requests.add(a)
	w := g.answersWindow(claims)
	if w == nil { // a group without topics: the answer lives as long as the process
		return nil
	}
	a.log = w.part.ID
	j := g.requests.on[a.log]
	if j == nil {
		j = journal.New(AnswersName(g.id))
		g.requests.on[a.log] = j
	}
	part := commit.Part{Log: a.log}
	for some := range slices.Chunk(a.append(nil), store.MaxEntryBytes) {
		part.Entries = append(part.Entries, j.Delta(some))
	}
	if j.Due() {
		g.writeCheckpoint(a.log, j, g.requests.checkpoint(a.log), &w.closed)
	}
	return []commit.Part{part}
}

// answersWindow returns the window whose log takes the answer: that of the first receipt, else any.
func (g *Group) answersWindow(claims []claimed) *window {
	for i := range claims {
		if w := g.byLog[claims[i].log]; claims[i].valid && w != nil {
			return w
		}
	}
	if len(g.windows) > 0 {
		return g.windows[0]
	}
	return nil
}

func indexOf(claims []claimed, receipt string, from int) int {
	for i := from; i < len(claims); i++ {
		if claims[i].Receipt == receipt {
			return i
		}
	}
	for i := range claims {
		if claims[i].Receipt == receipt {
			return i
		}
	}
	return 0
}

func codeOf(err error) uint8 {
	for i, e := range refusals {
		if err == e {
			return uint8(i)
		}
	}
	return 0
}

// checkpoint encodes the answers that a log holds.
func (r *requests) checkpoint(log store.LogID) []byte {
	var b []byte
	for _, a := range r.order {
		if a.log == log {
			b = a.append(b)
		}
	}
	return b
}

// restore takes what was replayed.
func (r *requests) restore(all []*Answers, now time.Time) {
	for _, a := range all {
		r.on[a.log] = a.journal
		r.order = append(r.order, a.all...)
	}
	slices.SortStableFunc(r.order, func(a, b *Answer) int { return cmp.Compare(a.at, b.at) })
	for _, a := range r.order {
		r.by[a.request] = a
		r.bytes += a.bytes()
	}
	r.sweep(now.UnixMilli())
}

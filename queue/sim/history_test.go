package sim

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/holtmq/holt/queue"
)

// place is where a record stands in the town's topic.
type place struct {
	partition int
	offset    queue.Offset
}

// sentRecord is one record a producer tried to publish.
type sentRecord struct {
	key     string
	known   bool // answered ok
	at      place
	ready   time.Time // when its answer came
	batch   int       // of its request
	stored  bool
	refused bool
}

// given is one hand-out as its member saw it.
type given struct {
	called, returned time.Time
	at, until        time.Time // the lease
	attempt          int
	ended            time.Time // when the first verb that may end it was sent; zero = none
}

// reader is what one group did with one record.
type reader struct {
	given []*given
	acks  []time.Time // when acks were sent, however they ended
	acked time.Time   // when the first ok ack returned; zero = none
	dying bool        // a verb was sent that may be its last
}

// history is what the clients of a town saw. It judges each event as it comes, by intervals: only what must have happened counts.
type history struct {
	mu          sync.Mutex
	tally       tally
	err         error
	records     []*sentRecord
	batches     int
	readers     map[string]map[int]*reader // by group and record
	keys        map[string][]int           // records known to be stored, by partition and key, in order of offset
	receipts    map[string]bool
	empty       map[string][][2]time.Time // polls that got nothing for all their time, by group
	crashes     []time.Time
	letterCount map[string]int64
	suspects    []suspect
}

// suspect is a hand-out before which an earlier record of its key must have died.
type suspect struct {
	uid, earlier int
	by           time.Time
}

func newHistory() *history {
	return &history{readers: map[string]map[int]*reader{"ordered": {}, "loose": {}}, keys: map[string][]int{}, receipts: map[string]bool{},
		empty: map[string][][2]time.Time{}, letterCount: map[string]int64{}}
}

// violated notes that an invariant does not hold.
func (h *history) violated(invariant, format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.violatedLocked(invariant, format, args...)
}

func (h *history) violatedLocked(invariant, format string, args ...any) {
	if h.err == nil {
		h.err = fmt.Errorf("%s: %s", invariant, fmt.Sprintf(format, args...))
	}
}

func (h *history) crashed(at time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.crashes = append(h.crashes, at)
}

// crashIn says whether the broker died between two times.
func (h *history) crashIn(from, to time.Time) bool {
	for _, c := range h.crashes {
		if !c.Before(from) && !c.After(to) {
			return true
		}
	}
	return false
}

// sent makes the records of a publish.
func (h *history) sent(n, key int) (uids []int, msgs []queue.Message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.batches++
	for range n {
		uid := len(h.records)
		r := &sentRecord{key: "k" + strconv.Itoa(key), batch: h.batches}
		h.records = append(h.records, r)
		uids = append(uids, uid)
		msgs = append(msgs, queue.Message{Key: []byte(r.key), Value: []byte(strconv.Itoa(uid))})
	}
	return uids, msgs
}

// published notes the answer to a publish.
func (h *history) published(uids []int, places []queue.Place, err error, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tally.calls++
	for i, uid := range uids {
		r := h.records[uid]
		if err != nil {
			r.refused = refused(err)
			continue
		}
		h.tally.records++
		r.known, r.ready, r.at = true, now, place{places[i].Partition, places[i].Offset}
	}
}

// leased judges the answer to a lease.
func (h *history) leased(group string, req *queue.LeaseRequest, ds []queue.Delivery, err error, called, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tally.calls++
	h.tally.handouts += len(ds)
	if len(ds) > req.Max {
		h.violatedLocked("lease", "%d records, %d were asked for", len(ds), req.Max)
	}
	if err == nil && len(ds) == 0 && req.Wait > 0 && now.Sub(called) >= req.Wait {
		h.empty[group] = append(h.empty[group], [2]time.Time{called, now})
	}
	for i := range ds {
		h.delivered(group, &ds[i], called, now)
	}
}

// delivered judges one hand-out.
func (h *history) delivered(group string, d *queue.Delivery, called, now time.Time) {
	uid, err := strconv.Atoi(string(d.Record.Value))
	if err != nil || uid >= len(h.records) || h.records[uid].refused || h.records[uid].key != string(d.Record.Key) {
		h.violatedLocked("I2 no phantom", "%s hands out %q of key %q", group, d.Record.Value, d.Record.Key)
		return
	}
	rec := h.records[uid]
	if at := (place{d.Partition, d.Record.Offset}); rec.known && rec.at != at {
		h.violatedLocked("I12 offsets", "record %d was published to %v and comes from %v", uid, rec.at, at)
	}
	rd := h.readers[group][uid]
	if rd == nil {
		rd = &reader{}
		h.readers[group][uid] = rd
		h.awaited(group, uid, called)
	}
	g := &given{called: called, returned: now, at: d.ExpiresAt.Add(-townLease), until: d.ExpiresAt, attempt: d.Attempt}
	if !rd.acked.IsZero() && rd.acked.Before(called) {
		h.violatedLocked("I3 ack is final", "%s hands out record %d at %v, acked at %v", group, uid, called, rd.acked)
	}
	if d.Attempt > townAttempts || d.Attempt > d.Deliveries || d.Attempt < 1 {
		h.violatedLocked("I6 attempts", "%s hands out record %d at attempt %d of %d, delivery %d", group, uid, d.Attempt, townAttempts, d.Deliveries)
	}
	if h.receipts[d.Receipt] {
		h.violatedLocked("I5 fencing", "a receipt was given twice")
	}
	h.receipts[d.Receipt] = true
	for _, old := range rd.given {
		// One that a crash may have forgotten does not count: it was made at most 100 ms before, and the commit took its time. A lease begins at the next whole millisecond.
		if old.returned.Before(called) && g.at.Before(old.until) && old.ended.IsZero() && !h.crashIn(old.at.Add(-time.Millisecond), old.at.Add(100*time.Millisecond+2*slowest)) {
			h.violatedLocked("I4 exclusive lease", "%s hands out record %d at %v while it is leased until %v (given at %v)", group, uid, g.at, old.until, old.at)
		}
	}
	rd.given = append(rd.given, g)
	if d.Attempt == townAttempts {
		rd.dying = true
	}
	if group == "ordered" {
		h.inOrder(uid, d, now)
	}
}

// inOrder checks that the records of the key before this one can have been settled by now. One that no member settled has died of hand-outs that
// nobody saw, or the order is broken: its letter tells.
func (h *history) inOrder(uid int, d *queue.Delivery, now time.Time) {
	key := strconv.Itoa(d.Partition) + "/" + string(d.Record.Key)
	seen := h.keys[key]
	for _, o := range seen {
		if h.records[o].at.offset >= d.Record.Offset {
			break
		}
		if rd := h.readers["ordered"][o]; len(rd.acks) == 0 && !rd.dying {
			h.suspects = append(h.suspects, suspect{uid, o, now})
		}
	}
	if len(seen) == 0 || h.records[seen[len(seen)-1]].at.offset < d.Record.Offset {
		h.records[uid].at = place{d.Partition, d.Record.Offset}
		h.keys[key] = append(seen, uid)
	}
}

// awaited checks a record's first hand-out: nobody waited in vain while it was there.
func (h *history) awaited(group string, uid int, called time.Time) {
	ready := h.records[uid].ready
	if group != "loose" || ready.IsZero() {
		return
	}
	for _, poll := range h.empty[group] {
		from := ready
		if poll[0].After(from) {
			from = poll[0]
		}
		if poll[1].Sub(from) > time.Second && poll[1].Before(called) && !h.crashIn(poll[0].Add(-time.Second), poll[1]) {
			h.violatedLocked("I16 progress", "lost wake-up: record %d was there at %v, a poll from %v to %v got nothing", uid, ready, poll[0], poll[1])
		}
	}
}

// settling notes that verbs are on their way.
func (h *history) settling(group string, ds []queue.Delivery, actions []queue.Action, now time.Time) []int {
	h.mu.Lock()
	defer h.mu.Unlock()
	uids := make([]int, len(ds))
	for i, d := range ds {
		uids[i], _ = strconv.Atoi(string(d.Record.Value))
		rd := h.readers[group][uids[i]]
		switch actions[i].Verb {
		case queue.Ack:
			rd.acks = append(rd.acks, now)
		case queue.Reject:
			rd.dying = true
		}
		for _, g := range rd.given {
			if g.until.Equal(d.ExpiresAt) && g.attempt == d.Attempt && g.ended.IsZero() && actions[i].Verb != queue.Extend {
				g.ended = now
			}
		}
	}
	return uids
}

// settled notes the answer to a settle.
func (h *history) settled(group string, uids []int, actions []queue.Action, res queue.SettleResult, err error, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tally.calls++
	h.tally.verbs += len(actions)
	var none *queue.SettleError
	if errors.As(err, &none) {
		res.Failed, err = none.Failed, nil
	}
	if err != nil {
		return
	}
	failed := map[string]error{}
	for _, f := range res.Failed {
		failed[f.Receipt] = f.Err
		if errors.Is(f.Err, queue.ErrInvalidReceipt) {
			h.violatedLocked("I5 fencing", "a receipt that was given is invalid")
		}
	}
	for i, uid := range uids {
		if rd := h.readers[group][uid]; actions[i].Verb == queue.Ack && failed[actions[i].Receipt] == nil && rd.acked.IsZero() {
			rd.acked = now
		}
	}
}

func (h *history) lettersAre(group string, n int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.letterCount[group] = n
}

// stored judges the logs: what was answered for is where it was said to be, a request is there wholly or not at all.
func (h *history) stored(logs map[place]int) {
	for at, uid := range logs {
		if uid >= len(h.records) || h.records[uid].refused || h.records[uid].stored {
			h.violated("I2 no phantom", "record %d is at %v", uid, at)
			return
		}
		h.records[uid].stored = true
		if r := h.records[uid]; r.known && r.at != at {
			h.violated("I12 offsets", "record %d is at %v, it was published to %v", uid, at, r.at)
		}
	}
	whole := map[int]bool{}
	for uid, r := range h.records {
		if r.known && !r.stored {
			h.violated("I1 no loss", "record %d was published and is not there", uid)
		}
		if stored, seen := whole[r.batch]; seen && stored != r.stored {
			h.violated("I1 no loss", "a publish is stored in part")
		}
		whole[r.batch] = r.stored
	}
}

// conserved judges a group at rest: every record was acked, or has a letter, and not both.
func (h *history) conserved(group string, logs map[place]int, letters map[int]time.Time) {
	for _, s := range h.suspects {
		if died, is := letters[s.earlier]; group == "ordered" && (!is || died.After(s.by)) {
			h.violated("I9 key order", "record %d was handed out by %v, and %d before it of its key was unsettled", s.uid, s.by, s.earlier)
		}
	}
	for _, uid := range logs {
		_, died := letters[uid]
		rd := h.readers[group][uid]
		acked := rd != nil && len(rd.acks) > 0
		switch {
		case !died && !acked:
			h.violated("I7 conservation", "record %d is gone from %s, never acked and without a letter", uid, group)
		case died && rd != nil && !rd.acked.IsZero():
			h.violated("I7 conservation", "record %d of %s was acked and has a letter", uid, group)
		}
	}
	if int64(len(letters)) != h.letterCount[group] {
		h.violated("I7 conservation", "%s has %d letters and counts %d", group, len(letters), h.letterCount[group])
	}
	h.tally.letters += len(letters)
}

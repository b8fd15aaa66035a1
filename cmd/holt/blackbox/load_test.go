package blackbox_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	bb "github.com/holtmq/holt/cmd/holt/blackbox"
)

// loadCallLimit ends a call of the load that the server never answers.
const loadCallLimit = 20 * time.Second

// payload names itself, so that any record seen can be held against its publish.
type payload struct {
	UUID     string `json:"uuid"`
	Producer string `json:"producer"`
	Seq      int    `json:"seq"`
	Key      string `json:"key"`
	CRC      uint32 `json:"crc"`
}

func (p payload) sum() uint32 {
	return crc32.ChecksumIEEE(fmt.Appendf(nil, "%s|%s|%d|%s", p.UUID, p.Producer, p.Seq, p.Key))
}

// seen turns a record that was read or delivered into an item of the history.
// The sum is computed again, so that a changed payload does not match.
func seen(r wireRecord) bb.Item {
	var p payload
	json.Unmarshal(r.bytes(), &p)
	crc := p.sum()
	if p.CRC != crc {
		crc = 0
	}
	key, _ := r.key()
	stamp, _ := time.Parse(time.RFC3339, r.Timestamp)
	return bb.Item{
		Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Key: key, Record: p.UUID, CRC: crc,
		Header: r.Headers["producer"], Timestamp: stamp.UnixNano(),
		Receipt: r.Receipt, Attempt: r.Attempt, Deliveries: r.Deliveries,
	}
}

// load is a set of clients that publish, lease and settle while the server dies.
type load struct {
	addr    string
	http    *http.Client
	history *bb.History
	seed    uint64
	topics  []string
	groups  []string
	lanes   map[string]int // priorities of the topics, where there are several
	delays  bool           // some records are delayed
	results string         // the topic that settles publish to; "" = none
	stopped atomic.Bool
	wg      sync.WaitGroup

	mu   sync.Mutex
	done map[bb.Op]bool // what succeeded at least once
}

// loadOps are what a load has to have done for its history to show anything.
var loadOps = []bb.Op{bb.Publish, bb.Lease, bb.Ack, bb.Nack, bb.Release, bb.Reject, bb.Extend}

func newLoad(s *server, history *bb.History, seed uint64) *load {
	transport := &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}
	return &load{addr: s.addr, history: history, seed: seed, http: &http.Client{Transport: transport, Timeout: loadCallLimit}, done: map[bb.Op]bool{}}
}

// run starts the clients; finish ends them after the calls under way.
func (l *load) run(publishers, workers int) {
	for i := range publishers {
		l.wg.Go(func() { l.publisher(fmt.Sprint("producer-", i), l.rand(i)) })
	}
	for i := range workers {
		l.wg.Go(func() { l.worker(fmt.Sprint("worker-", i), l.groups[i%len(l.groups)], l.rand(1000+i)) })
	}
}

func (l *load) finish() {
	l.stopped.Store(true)
	l.wg.Wait()
	l.http.CloseIdleConnections()
}

// add records an event.
func (l *load) add(e bb.Event) {
	l.history.Add(e)
	for _, it := range e.Items {
		if it.Out == bb.OK || it.Out == "" && e.Out == bb.OK {
			l.mu.Lock()
			l.done[e.Op] = true
			l.mu.Unlock()
			return
		}
	}
}

// await waits until everything has succeeded once, however slow the machine is.
func (l *load) await(t testing.TB) {
	t.Helper()
	eventually(t, time.Minute, "the load has done everything once", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return !slices.ContainsFunc(loadOps, func(op bb.Op) bool { return !l.done[op] })
	})
}

func (l *load) rand(n int) *rand.Rand { return rand.New(rand.NewPCG(l.seed, uint64(n))) }

// reply is what came of one call; a call that never reached the server is not sent.
type reply struct {
	call, ret time.Duration
	status    int
	body      []byte
	out       bb.Outcome
	sent      bool
}

func (l *load) post(path string, body any) reply {
	data, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	r := reply{call: l.history.Now(), out: bb.Unknown, sent: true}
	req, err := http.NewRequestWithContext(context.Background(), "POST", "http://"+l.addr+path, bytes.NewReader(data))
	if err != nil {
		panic(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := l.http.Do(req)
	if err == nil {
		r.status = resp.StatusCode
		r.body, err = io.ReadAll(resp.Body)
		resp.Body.Close()
	}
	r.ret = l.history.Now()
	var op *net.OpError
	switch {
	case errors.As(err, &op) && op.Op == "dial":
		r.sent = false
		pause(5 * time.Millisecond)
	case err != nil || r.status >= 500:
	case r.status >= 400:
		r.out = bb.Fail
	default:
		r.out = bb.OK
	}
	return r
}

func (l *load) publisher(name string, rng *rand.Rand) {
	for seq := 0; !l.stopped.Load(); {
		topic := l.topics[rng.IntN(len(l.topics))]
		n := 1
		if rng.IntN(3) == 0 {
			n = 2 + rng.IntN(18)
		}
		var items []bb.Item
		var records []obj
		withID, priorities := rng.IntN(3) == 0, l.lanes[topic]
		for range n {
			seq++
			p := payload{UUID: fmt.Sprintf("%s-%d", name, seq), Producer: name, Seq: seq, Key: fmt.Sprint("key-", rng.IntN(20))}
			p.CRC = p.sum()
			it := bb.Item{Topic: topic, Key: p.Key, Record: p.UUID, CRC: p.CRC, Header: name}
			record := obj{"key": p.Key, "value": p, "headers": obj{"producer": name}}
			if withID {
				it.ID = p.UUID
				record["id"] = it.ID
			}
			if priorities > 1 {
				record["priority"] = rng.IntN(priorities)
			}
			if l.delays && rng.IntN(10) == 0 {
				it.Delay = time.Duration(20+rng.IntN(1500)) * time.Millisecond
				record["delay"] = it.Delay.String()
			}
			items, records = append(items, it), append(records, record)
		}
		r := l.post("/v1/topics/"+topic+"/records", obj{"records": records})
		for tries := 0; withID && r.sent && r.out == bb.Unknown && tries < 200; tries++ { // with ids nothing happens twice
			again := l.post("/v1/topics/"+topic+"/records", obj{"records": records})
			if again.sent && again.out != bb.Fail {
				again.call = r.call
				r = again
			}
		}
		l.recordPublish(name, topic, items, r)
		pause(time.Duration(1+rng.IntN(15)) * time.Millisecond)
	}
}

func (l *load) recordPublish(name, topic string, items []bb.Item, r reply) {
	if !r.sent {
		return
	}
	var p published
	if r.out == bb.OK && (json.Unmarshal(r.body, &p) != nil || len(p.Records) != len(items)) {
		r.out = bb.Unknown
	}
	for i, place := range p.Records {
		if items[i].Delay > 0 {
			continue // it has none yet
		}
		items[i].Partition, items[i].Offset = place.Partition, place.Offset
	}
	l.add(bb.Event{Client: name, Op: bb.Publish, Topic: topic, Call: r.call, Ret: r.ret, Out: r.out, Items: items})
}

// lease makes one lease call and records what came.
func (l *load) lease(client, group string, max int, wait, length time.Duration) []bb.Item {
	r := l.post("/v1/groups/"+group+"/lease", obj{
		"max": max, "wait": wait.String(), "lease": length.String(), "member": client,
	})
	if !r.sent {
		return nil
	}
	var got leased
	if r.out == bb.OK && json.Unmarshal(r.body, &got) != nil {
		r.out = bb.Unknown
	}
	var items []bb.Item
	for _, rec := range got.Records {
		it := seen(rec)
		it.Lease = length
		items = append(items, it)
	}
	l.add(bb.Event{Client: client, Op: bb.Lease, Group: group, Call: r.call, Ret: r.ret, Out: r.out, Items: items})
	return items
}

// settle carries out verbs for some records in one call and records each.
func (l *load) settle(client, group string, verbs map[bb.Op][]bb.Item) {
	body := obj{}
	for op, items := range verbs {
		body[string(op)] = settleList(op, items)
	}
	r := l.post("/v1/groups/"+group+"/settle", body)
	if !r.sent {
		return
	}
	failed, whole := map[string]string{}, r.out
	if r.out != bb.Unknown {
		failed, whole = failures(r)
	}
	for op, items := range verbs {
		e := bb.Event{Client: client, Op: op, Group: group, Call: r.call, Ret: r.ret, Out: whole}
		for _, it := range items {
			it.Out = whole
			if code, is := failed[it.Receipt]; is {
				it.Out, it.Code = bb.Fail, code
			}
			e.Items = append(e.Items, it)
		}
		l.add(e)
	}
}

// failures reads which receipts of an answered settle failed.
func failures(r reply) (map[string]string, bb.Outcome) {
	var s settled
	if json.Unmarshal(r.body, &s) != nil {
		return nil, bb.Unknown
	}
	failed := map[string]string{}
	for _, f := range s.Failed {
		failed[f.Receipt] = f.Code
	}
	return failed, r.out
}

func settleList(op bb.Op, items []bb.Item) list {
	var entries list
	for _, it := range items {
		switch op {
		case bb.Nack:
			entries = append(entries, obj{"receipt": it.Receipt, "delay": it.For.String(), "error": "try again"})
		case bb.Reject:
			entries = append(entries, obj{"receipt": it.Receipt, "error": "cannot"})
		case bb.Extend:
			entries = append(entries, obj{"receipt": it.Receipt, "for": it.For.String()})
		default:
			entries = append(entries, it.Receipt)
		}
	}
	return entries
}

// later is a record whose worker settles it only after a while.
type later struct {
	at   time.Duration
	item bb.Item
}

// worker leases and settles in every way a worker can, good and bad.
type worker struct {
	*load
	name, group string
	rng         *rand.Rand
	waiting     []later
	old         []bb.Item
	seq         int // of records published with a settle
}

func (l *load) worker(name, group string, rng *rand.Rand) {
	w := &worker{load: l, name: name, group: group, rng: rng}
	for !l.stopped.Load() {
		wait := time.Duration(rng.IntN(300)) * ms
		length := time.Second + time.Duration(rng.IntN(5000))*ms
		w.work(l.lease(name, group, 1+rng.IntN(20), wait, length))
		w.settleLater()
	}
}

// work decides each record's fate and carries it out, in one call or one a verb.
func (w *worker) work(items []bb.Item) {
	verbs := map[bb.Op][]bb.Item{}
	for _, it := range items {
		op, wait := w.decide(&it)
		if wait > 0 {
			w.waiting = append(w.waiting, later{w.history.Now() + wait, it})
		}
		if op != "" {
			verbs[op] = append(verbs[op], it)
		}
		w.remember(it)
	}
	if acks := verbs[bb.Ack]; w.results != "" && len(acks) > 0 && w.rng.IntN(4) == 0 {
		w.publishWith(acks)
		delete(verbs, bb.Ack)
	}
	if len(verbs) == 0 {
		return
	}
	if w.rng.IntN(2) == 0 {
		w.repeatedly(verbs)
		return
	}
	for _, op := range []bb.Op{bb.Ack, bb.Nack, bb.Release, bb.Reject, bb.Extend} {
		if items := verbs[op]; len(items) > 0 {
			w.repeatedly(map[bb.Op][]bb.Item{op: items})
		}
	}
	if len(w.old) > 0 && w.rng.IntN(5) == 0 {
		it := w.old[w.rng.IntN(len(w.old))]
		op := []bb.Op{bb.Ack, bb.Release, bb.Nack, bb.Reject}[w.rng.IntN(4)]
		w.settle(w.name, w.group, map[bb.Op][]bb.Item{op: {it}})
	}
}

// publishWith acks records and publishes one in the same call: both happen, or neither.
func (w *worker) publishWith(items []bb.Item) {
	w.seq++
	p := payload{UUID: fmt.Sprintf("%s-%d", w.name, w.seq), Producer: w.name, Seq: w.seq, Key: fmt.Sprint("key-", w.rng.IntN(20))}
	p.CRC = p.sum()
	result := bb.Item{Topic: w.results, Key: p.Key, Record: p.UUID, CRC: p.CRC, Header: w.name}
	r := w.post("/v1/groups/"+w.group+"/settle", obj{
		"ack":     settleList(bb.Ack, items),
		"publish": list{obj{"topic": w.results, "records": list{obj{"key": p.Key, "value": p, "headers": obj{"producer": w.name}}}}},
	})
	if !r.sent {
		return
	}
	var answer struct {
		Records [][]place `json:"records"`
	}
	if r.out == bb.OK && (json.Unmarshal(r.body, &answer) != nil || len(answer.Records) != 1 || len(answer.Records[0]) != 1) {
		r.out = bb.Unknown
	}
	if r.out == bb.OK {
		result.Partition, result.Offset = answer.Records[0][0].Partition, answer.Records[0][0].Offset
	}
	failed := map[string]string{}
	if r.out == bb.Fail {
		failed, _ = failures(r)
	}
	acks := bb.Event{Client: w.name, Op: bb.Ack, Group: w.group, Call: r.call, Ret: r.ret, Out: r.out}
	for _, it := range items {
		if it.Out = r.out; r.out == bb.Fail {
			code, named := failed[it.Receipt]
			if !named {
				continue // nothing was done to it, and nothing is said of it
			}
			it.Code = code
		}
		acks.Items = append(acks.Items, it)
	}
	w.history.Add(acks)
	w.history.Add(bb.Event{Client: w.name, Op: bb.Publish, Group: w.group, Topic: w.results, Call: r.call, Ret: r.ret, Out: r.out, Items: []bb.Item{result}, Acks: items})
}

// repeatedly settles, and now and then settles the same again.
func (w *worker) repeatedly(verbs map[bb.Op][]bb.Item) {
	w.settle(w.name, w.group, verbs)
	if w.rng.IntN(12) == 0 {
		w.settle(w.name, w.group, verbs)
	}
}

// decide chooses a verb for now, or none, and how long later to ack.
func (w *worker) decide(it *bb.Item) (bb.Op, time.Duration) {
	switch n := w.rng.IntN(100); {
	case n < 58:
		return bb.Ack, 0
	case n < 68:
		it.For = time.Duration(w.rng.IntN(3)) * 150 * ms
		return bb.Nack, 0
	case n < 76:
		return bb.Release, 0
	case n < 80:
		return bb.Reject, 0
	case n < 86:
		it.For = time.Second + time.Duration(w.rng.IntN(4000))*ms
		return bb.Extend, time.Duration(w.rng.IntN(2000)) * ms
	case n < 93:
		return "", 50*ms + time.Duration(w.rng.IntN(4000))*ms
	}
	return "", 0
}

// remember keeps a few receipts to settle again when they are long lost.
func (w *worker) remember(it bb.Item) {
	const kept = 64
	if len(w.old) < kept {
		w.old = append(w.old, it)
		return
	}
	w.old[w.rng.IntN(kept)] = it
}

func (w *worker) settleLater() {
	rest := w.waiting[:0]
	var due []bb.Item
	for _, l := range w.waiting {
		if l.at <= w.history.Now() {
			due = append(due, l.item)
		} else {
			rest = append(rest, l)
		}
	}
	w.waiting = rest
	if len(due) > 0 {
		w.repeatedly(map[bb.Op][]bb.Item{bb.Ack: due})
	}
}

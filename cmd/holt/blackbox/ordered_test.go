package blackbox_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"testing"
	"time"
)

type assignedItem struct {
	Topic     string `json:"topic"`
	Partition int    `json:"partition"`
	Offset    int64  `json:"offset"`
}

type joinedView struct {
	Member     string         `json:"member"`
	Epoch      int64          `json:"epoch"`
	Assignment []assignedItem `json:"assignment"`
	Heartbeat  string         `json:"heartbeat"`
	Created    []string       `json:"created"`
}

type polledView struct {
	Epoch      int64          `json:"epoch"`
	Assignment []assignedItem `json:"assignment"`
	Revoke     []assignedItem `json:"revoke"`
	Moved      []obj          `json:"moved"`
	Records    []wireRecord   `json:"records"`
}

// stream is a topic and the name of an ordered group on a server.
type stream struct {
	queue
}

func streamOn(c client, partitions int) stream {
	c.t.Helper()
	s := stream{queue{c, unique("topic"), unique("stream")}}
	c.makeTopic(s.name, obj{"partitions": partitions})
	return s
}

func (s stream) join(body obj) (j joinedView) {
	s.t.Helper()
	if body["topics"] == nil {
		body["topics"] = list{s.name}
	}
	s.post(s.groupPath()+"/join", body).is(200).into(&j)
	return j
}

func (s stream) poll(j joinedView, more obj) (p polledView) {
	s.t.Helper()
	body := obj{"member": j.Member, "epoch": j.Epoch}
	for k, v := range more {
		body[k] = v
	}
	s.post(s.groupPath()+"/poll", body).is(200).into(&p)
	return p
}

func (s stream) offsets() map[int]int64 {
	s.t.Helper()
	var o struct{ Offsets []assignedItem }
	s.get(s.groupPath() + "/offsets").is(200).into(&o)
	out := map[int]int64{}
	for _, a := range o.Offsets {
		out[a.Partition] = a.Offset
	}
	return out
}

func TestOrderedCalls(t *testing.T) {
	t.Parallel()
	s := streamOn(shared(t), 2)
	s.fill(0, 0, 5)
	a := s.join(obj{"member": "a"})
	if len(a.Assignment) != 2 || a.Epoch < 1 || a.Heartbeat != "3s" || len(a.Created) != 1 {
		t.Errorf("joined: %+v", a)
	}
	p := s.poll(a, obj{"max": 3})
	if len(p.Records) != 3 || p.Records[0].Topic != s.name || p.Records[2].Offset != 2 || p.Revoke == nil || p.Moved == nil {
		t.Errorf("polled: %+v", p)
	}
	owned := list{obj{"topic": s.name, "partition": 0, "offset": 3}, obj{"topic": s.name, "partition": 1}}
	if p = s.poll(a, obj{"owned": owned, "wait": "1s"}); len(p.Records) != 2 || p.Records[0].Offset != 3 {
		t.Errorf("polled from 3: %+v", p)
	}
	commit := func(j joinedView, partition int, offset int64) answer {
		return s.post(s.groupPath()+"/commit", obj{"member": j.Member, "epoch": j.Epoch, "offsets": list{obj{"topic": s.name, "partition": partition, "offset": offset, "metadata": "m"}}})
	}
	commit(a, 0, 5).is(200)
	if at := s.offsets(); at[0] != 5 || len(at) != 1 {
		t.Errorf("offsets %v", at)
	}
	if pr := commit(a, 0, 6).problem(416, "offset_out_of_range"); pr.EndOffset == nil || *pr.EndOffset != 5 {
		t.Errorf("past the end: %+v", pr)
	}
	if pr := commit(a, 7, 0).problem(409, "fenced"); len(pr.Failed) != 1 {
		t.Errorf("not its own: %+v", pr)
	}
	again := s.join(obj{"member": "a"})
	commit(a, 0, 5).problem(409, "fenced")
	s.post(s.groupPath()+"/heartbeat", obj{"member": "nobody", "epoch": 1}).problem(404, "member_not_found")
	s.post(s.groupPath()+"/lease", obj{}).problem(409, "group_kind_mismatch")
	s.post(s.groupPath()+"/reset", obj{"to": "earliest"}).problem(409, "rebalancing")
	s.delete(s.groupPath()).problem(409, "group_in_use")
	s.post(s.groupPath()+"/poll", obj{"member": "a"}).problem(400, "invalid_request")
	s.post(s.groupPath()+"/leave", obj{"member": again.Member, "epoch": again.Epoch}).is(200)
	if v := s.view(); v.Kind != "ordered" || v.Totals.Lag != 0 {
		t.Errorf("group: %+v", v)
	}
	s.delete(s.groupPath()).is(204)
}

// TestOrderedBatches: a poll that accepts stored batches gets them in the documented form.
func TestOrderedBatches(t *testing.T) {
	t.Parallel()
	s := streamOn(shared(t), 1)
	s.fill(0, 0, 5)
	j := s.join(obj{"member": "a"})
	const media = "application/vnd.holt.record-batches"
	a := s.post(s.groupPath()+"/poll", obj{"member": j.Member, "epoch": j.Epoch}, "Accept", media).is(200)
	if got := a.header.Get("Content-Type"); got != media {
		t.Fatalf("content type %s", got)
	}
	b := a.body
	b = b[4+binary.BigEndian.Uint32(b):]
	name := int(binary.BigEndian.Uint16(b))
	if string(b[2:2+name]) != s.name {
		t.Fatalf("topic %q", b[2:2+name])
	}
	b = b[2+name:]
	if p, from, n := binary.BigEndian.Uint32(b), binary.BigEndian.Uint64(b[4:]), binary.BigEndian.Uint32(b[12:]); p != 0 || from != 0 || int(n) != len(b)-16 || b[16+16] != 2 {
		t.Fatalf("partition %d from %d, %d bytes of %d, magic %d", p, from, n, len(b)-16, b[16+16])
	}
}

func TestOrderedPollIsWoken(t *testing.T) {
	t.Parallel()
	s := streamOn(shared(t), 1)
	j := s.join(obj{"member": "a"})
	s.poll(j, nil)
	records := make(chan int, 1)
	go func() {
		a, err := s.send(context.Background(), "POST", s.groupPath()+"/poll", obj{"member": j.Member, "epoch": j.Epoch, "wait": "60s"})
		var p polledView
		if err == nil && a.status == 200 {
			a.into(&p)
		}
		records <- len(p.Records)
	}()
	s.fill(0, 0, 1)
	if n := <-records; n != 1 {
		t.Errorf("%d records", n)
	}
}

// TestOrderedSurvivesKill: members read and commit while the server is killed again and again. Offsets, members and assignment are there after each start; in each partition
// what is handled never skips a record and goes back to a commit only.
func TestOrderedSurvivesKill(t *testing.T) {
	t.Parallel()
	const partitions, records, kills = 4, 400, 4
	srv := newServer(t)
	s := streamOn(newClient(t, srv), partitions)
	for p := range partitions {
		s.fill(p, 0, records)
	}
	w := &orderedWatch{last: map[int]int64{}, acked: map[int]int64{}, tried: map[int]map[int64]bool{}}
	stop := make(chan struct{})
	halt := sync.OnceFunc(func() { close(stop) })
	var wg sync.WaitGroup
	defer wg.Wait()
	defer halt()
	for m := range 3 {
		wg.Go(func() { s.readOn(fmt.Sprint("m", m), w, stop) })
	}
	for i := range kills {
		eventually(t, time.Minute, "progress between two crashes", func() bool { return w.sum() >= int64(partitions*records*(i+1)/(kills+2)) })
		srv.crash(t)
	}
	eventually(t, 90*time.Second, "all is committed", func() bool { return w.all(partitions, records) })
	halt()
	wg.Wait()
	for _, fault := range w.faults {
		t.Error(fault)
	}
	before := s.offsets()
	for p := range partitions {
		if before[p] != records {
			t.Errorf("partition %d is committed up to %d", p, before[p])
		}
	}
	members := s.members()
	srv.crash(t)
	if after := s.offsets(); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("offsets %v became %v", before, after)
	}
	if after := s.members(); after != members || len(members) < 20 {
		t.Errorf("members %s became %s", members, after)
	}
}

// members describes who holds what.
func (s stream) members() string {
	var v struct {
		Members []struct {
			Member     string
			Epoch      int64
			Assignment []assignedItem
		}
	}
	s.get(s.groupPath()).is(200).into(&v)
	return fmt.Sprint(v.Members)
}

// orderedWatch is what was handled and committed.
type orderedWatch struct {
	mu     sync.Mutex
	last   map[int]int64 // handled last, of each partition; + 1
	acked  map[int]int64 // committed, as answered
	tried  map[int]map[int64]bool
	faults []string
}

func (w *orderedWatch) fault(format string, args ...any) {
	w.faults = append(w.faults, fmt.Sprintf(format, args...))
}

// handled notes that a member that is at an offset handled the record there.
func (w *orderedWatch) handled(member string, p int, offset int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if offset != w.last[p] && offset != w.acked[p] && !w.tried[p][offset] {
		w.fault("%s handled %d/%d after %d; committed is %d", member, p, offset, w.last[p]-1, w.acked[p])
	}
	w.last[p] = offset + 1
}

func (w *orderedWatch) trying(p int, offset int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.tried[p] == nil {
		w.tried[p] = map[int64]bool{}
	}
	w.tried[p][offset] = true
}

func (w *orderedWatch) committed(p int, offset int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.acked[p], w.tried[p] = offset, nil
}

func (w *orderedWatch) sum() (n int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, at := range w.acked {
		n += at
	}
	return n
}

func (w *orderedWatch) all(partitions int, records int64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for p := range partitions {
		if w.acked[p] != records {
			return false
		}
	}
	return true
}

// readOn is a member that reads, handles, and commits, whatever becomes of the server.
func (s stream) readOn(name string, w *orderedWatch, stop <-chan struct{}) {
	var j joinedView
	at := map[int]int64{}
	ask := func(path string, body obj, into any) (status int) {
		a, err := s.send(context.Background(), "POST", s.groupPath()+path, body)
		if err != nil || a.status >= 500 {
			select { // the server is away
			case <-stop:
			case <-time.After(20 * time.Millisecond):
			}
			return 0
		}
		if a.status == 200 {
			a.into(into)
		}
		return a.status
	}
	for {
		select {
		case <-stop:
			return
		default:
		}
		if j.Epoch == 0 {
			clear(at)
			if ask("/join", obj{"member": name, "topics": list{s.name}, "session": "60s"}, &j) != 200 {
				j.Epoch = 0
				continue
			}
		}
		owned := list{}
		for p, offset := range at {
			owned = append(owned, obj{"topic": s.name, "partition": p, "offset": offset})
		}
		var polled polledView
		switch ask("/poll", obj{"member": name, "epoch": j.Epoch, "owned": owned, "max": 20, "wait": "200ms"}, &polled) {
		case 0:
			continue
		case 200:
		default:
			j.Epoch = 0
			continue
		}
		mine := map[int]int64{}
		for _, a := range polled.Assignment {
			mine[a.Partition] = a.Offset
			if had, ours := at[a.Partition]; ours {
				mine[a.Partition] = had
			}
		}
		at = mine
		for _, r := range polled.Records {
			if r.Offset != at[r.Partition] {
				w.mu.Lock()
				w.fault("%s is at %d of %d and got %d", name, at[r.Partition], r.Partition, r.Offset)
				w.mu.Unlock()
			}
			w.handled(name, r.Partition, r.Offset)
			at[r.Partition] = r.Offset + 1
		}
		for p, offset := range at {
			w.trying(p, offset)
			switch ask("/commit", obj{"member": name, "epoch": j.Epoch, "offsets": list{obj{"topic": s.name, "partition": p, "offset": offset}}}, &obj{}) {
			case 0:
			case 200:
				w.committed(p, offset)
			default:
				j.Epoch = 0
			}
		}
	}
}

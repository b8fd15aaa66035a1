package queue_test

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/store/memory"
)

var streamSeed = flag.Uint64("stream-seed", 0, "run only the programs of this seed")

// stream is a topic of one partition as it should be: every record that was published, what a group that holds records back has settled of it, and when it went there.
type stream struct {
	*house
	r       *rand.Rand
	compact bool
	age     time.Duration
	all     []streamRecord
	held    []queue.Delivery
}

type streamRecord struct {
	key, value string // value "" = a tombstone
	at         time.Time
	settled    bool
}

// TestRetentionAndCompactionLoseNothing runs random programs of publishes, settles, resets, restarts and waits on a topic with retention, and on a compacted one. At each
// step: the newest of each key and every unsettled record is there, a look-up by key finds it, what is there is what was published, and lags count records that are there.
func TestRetentionAndCompactionLoseNothing(t *testing.T) {
	seeds := []uint64{*streamSeed}
	if *streamSeed == 0 {
		seeds = seeds[:0]
		for seed := range uint64(40) {
			seeds = append(seeds, seed+1)
		}
	}
	for _, seed := range seeds {
		for _, compact := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				s := &stream{house: &house{t: t, st: memory.New(memory.Config{})}, r: rand.New(rand.NewPCG(seed, 7)), compact: compact, age: time.Minute}
				s.open()
				defer func() {
					if err := s.Close(); err != nil {
						t.Errorf("close: %v", err)
					}
				}()
				defer func() {
					if t.Failed() {
						t.Logf("seed %d, compact %v (-stream-seed=%d runs it)", seed, compact, seed)
					}
				}()
				s.program()
			})
		}
	}
}

func (s *stream) program() {
	s.retention("t", func(c *queue.TopicConfig) {
		c.Retention.Age = s.age
		if s.compact {
			c.Cleanup = catalog.CleanupCompact
		}
	})
	s.group("g", []string{"t"}, func(c *queue.GroupConfig) { c.Lease, c.MaxAttempts = 12*time.Hour, 0 })
	s.group("loose", []string{"t"}, func(c *queue.GroupConfig) { c.Pin, c.MaxAttempts = false, 0 })
	for range 60 {
		switch n := s.r.IntN(20); {
		case n < 7:
			s.publishSome()
		case n < 10:
			s.held = append(s.held, s.lease("g", 1+s.r.IntN(6), 0)...)
		case n < 14:
			s.settleSome()
		case n < 15:
			s.reset()
		case n < 16:
			s.restart()
		case n < 17:
			s.lease("loose", 1+s.r.IntN(3), 0)
		default:
			time.Sleep(time.Duration(1+s.r.IntN(60)) * time.Second)
		}
		s.check()
	}
}

func (s *stream) publishSome() {
	msgs := make([]queue.Message, 1+s.r.IntN(5))
	for i := range msgs {
		key := fmt.Sprint("k", s.r.IntN(5))
		rec := streamRecord{key: key, at: time.Now()}
		msgs[i].Key = []byte(key)
		if s.r.IntN(6) > 0 {
			rec.value = fmt.Sprint(len(s.all))
			msgs[i].Value = []byte(rec.value)
		}
		s.all = append(s.all, rec)
	}
	s.publishMsgs("t", msgs...)
}

func (s *stream) settleSome() {
	var kept []queue.Delivery
	for _, d := range s.held {
		if s.r.IntN(2) == 0 {
			kept = append(kept, d)
			continue
		}
		_, err := s.settle("g", ack, d)
		if err != nil && !errors.Is(err, queue.ErrLeaseLost) && !errors.Is(err, queue.ErrAlreadySettled) {
			s.t.Fatal(err)
		}
		if err == nil {
			s.all[d.Record.Offset].settled = true
		}
	}
	s.held = kept
}

// reset goes to somewhere; what is there from then on is unsettled again.
func (s *stream) reset() {
	synctest.Wait()
	at := queue.Offset(s.r.IntN(len(s.all) + 1))
	moves, err := s.Reset(s.t.Context(), "g", queue.ResetRequest{To: queue.Position{Offset: at}})
	if err != nil {
		s.t.Fatal(err)
	}
	there := map[queue.Offset]bool{}
	for _, o := range s.left("t") {
		there[o] = true
	}
	for i := range s.all {
		o := queue.Offset(i)
		s.all[i].settled = o < moves[0].To || !there[o]
	}
	s.held = nil
}

func (s *stream) check() {
	s.t.Helper()
	synctest.Wait() // retention may be at work at this very moment
	res, err := s.Read(s.t.Context(), queue.ReadRequest{Topic: "t", From: queue.Position{Earliest: true}, Max: 10_000})
	if err != nil {
		s.t.Fatal(err)
	}
	there := map[queue.Offset]bool{}
	for _, r := range res.Records {
		if want := s.all[r.Offset]; string(r.Key) != want.key || string(r.Value) != want.value {
			s.t.Fatalf("the record at %d is %s=%s, published was %s=%s", r.Offset, r.Key, r.Value, want.key, want.value)
		}
		there[r.Offset] = true
	}
	if int(res.Next) != len(s.all) {
		s.t.Fatalf("a read ends at %d of %d", res.Next, len(s.all))
	}
	newest, unsettled := map[string]int{}, int64(0)
	for i, r := range s.all {
		newest[r.key] = i
		if !r.settled {
			unsettled++
			if !there[queue.Offset(i)] {
				s.t.Fatalf("the unsettled record at %d is gone", i)
			}
		}
	}
	if got := s.totals("g").Lag; got != unsettled {
		s.t.Fatalf("the lag is %d, %d records are unsettled", got, unsettled)
	}
	if got := s.totals("loose").Lag; got != int64(len(there)) {
		s.t.Fatalf("the lag of a group that settles nothing is %d, %d records are there", got, len(there))
	}
	if s.compact {
		s.checkKeys(newest, there)
	}
}

func (s *stream) checkKeys(newest map[string]int, there map[queue.Offset]bool) {
	s.t.Helper()
	for key, i := range newest {
		r, vanishes := s.all[i], time.Since(s.all[i].at) > 24*time.Hour
		switch got := s.get("t", key); {
		case got == fmt.Sprint(i, "=", r.value), r.value == "" && got == fmt.Sprint(i, "=-"):
			if !there[queue.Offset(i)] {
				s.t.Fatalf("key %s is found at %d, where nothing is", key, i)
			}
		case r.value == "" && vanishes && got == "none":
		default:
			s.t.Fatalf("key %s: %s, the newest is %d=%q", key, got, i, r.value)
		}
	}
}

// In the end what nobody needs is gone: one record a key, or nothing.
func TestNothingIsLeftThatNobodyNeeds(t *testing.T) {
	inBubble(t, func(h *house) {
		h.table("table")
		h.retention("log", func(c *queue.TopicConfig) { c.Retention.Age = time.Minute })
		h.group("g", []string{"table", "log"}, nil)
		for i := range 300 {
			for _, topic := range []string{"table", "log"} {
				h.put(topic, fmt.Sprint(i%7), fmt.Sprint(i))
			}
			if ds := h.lease("g", 10, 0); i%50 > 0 {
				if _, err := h.settle("g", ack, ds...); err != nil {
					h.t.Fatal(err)
				}
			} else if len(ds) == 0 {
				h.t.Fatal("nothing was leased")
			}
			time.Sleep(time.Second)
		}
		time.Sleep(2 * time.Minute) // leases are over
		for ds := h.lease("g", 100, 0); len(ds) > 0; ds = h.lease("g", 100, 0) {
			if _, err := h.settle("g", ack, ds...); err != nil {
				h.t.Fatal(err)
			}
		}
		time.Sleep(3 * time.Minute)
		h.wantOffsets("table", "[293 294 295 296 297 298 299]")
		h.wantOffsets("log", "[]")
		if got := h.bounds("table") + " " + h.bounds("log"); got != "293-300 300-300" {
			h.t.Errorf("bounds %s", got)
		}
	})
}

package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/httpapi"
	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/store/memory"
)

// stream is a real server in a bubble, and what readers read of it.
type stream struct {
	t      *testing.T
	broker *queue.Broker
	net    *network
	c      *Client

	mu   sync.Mutex
	read []string // member:topic/partition:value
	told []string
}

func inStream(t *testing.T, fn func(s *stream)) {
	inStreamBehind(t, func(h http.Handler) http.Handler { return h }, fn)
}

// inStreamBehind has a handler in front of the server's.
func inStreamBehind(t *testing.T, front func(http.Handler) http.Handler, fn func(s *stream)) {
	synctest.Test(t, func(t *testing.T) {
		b, err := queue.Open(t.Context(), memory.New(memory.Config{}), queue.Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		h, err := httpapi.New(b, httpapi.Config{Hosts: []string{"holt.test"}})
		if err != nil {
			t.Fatal(err)
		}
		s := &stream{t: t, broker: b}
		s.net, s.c = newNetwork(t, front(h))
		fn(s)
	})
}

func (s *stream) topic(name string, partitions int) {
	s.t.Helper()
	if _, err := s.c.PutTopic(s.t.Context(), name, map[string]any{"partitions": partitions}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stream) publish(topic string, partition int, values ...string) {
	s.t.Helper()
	for _, v := range values {
		if err := s.c.Publish(s.t.Context(), topic, Text(v), Partition(partition), Header("n", v)); err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *stream) note(member string, r *Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.read = append(s.read, fmt.Sprintf("%s:%s/%d:%s", member, r.Topic, r.Partition, r.Value))
}

func (s *stream) seen() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := slices.Clone(s.read)
	s.read = nil
	slices.Sort(out)
	return strings.Join(out, " ")
}

// say notes what a member is told.
func (s *stream) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = append(s.told, fmt.Sprintf(format, args...))
}

// said returns what say noted since it was asked last.
func (s *stream) said() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.told
	s.told = nil
	return strings.Join(out, " · ")
}

// consume starts a member; the function that comes back ends it and returns Consume's error.
func (s *stream) consume(member string, h Reader, opts ...ConsumeOption) (end func() error) {
	ctx, cancel := context.WithCancel(s.t.Context())
	done := make(chan error, 1)
	if h == nil {
		h = func(_ context.Context, r *Record) error {
			if r.Headers["n"] != string(r.Value) {
				return fmt.Errorf("headers %v", r.Headers)
			}
			s.note(member, r)
			return nil
		}
	}
	go func() { done <- s.c.Consume(ctx, "g", h, append([]ConsumeOption{FromTopics("t")}, opts...)...) }()
	return func() error {
		cancel()
		return <-done
	}
}

func (s *stream) offsets() string {
	s.t.Helper()
	os, err := s.c.Offsets(s.t.Context(), "g")
	if err != nil {
		s.t.Fatal(err)
	}
	var out []string
	for _, o := range os {
		out = append(out, fmt.Sprintf("%s/%d@%d", o.Topic, o.Partition, o.Offset))
	}
	return strings.Join(out, " ")
}

func (s *stream) want(what, got, want string) {
	s.t.Helper()
	if got != want {
		s.t.Errorf("%s: %s, want %s", what, got, want)
	}
}

func TestConsumeReadsCommitsAndLeaves(t *testing.T) {
	inStream(t, func(s *stream) {
		s.topic("t", 2)
		s.publish("t", 0, "a", "b")
		s.publish("t", 1, "c")
		end := s.consume("m", nil)
		time.Sleep(time.Second)
		s.want("read", s.seen(), "m:t/0:a m:t/0:b m:t/1:c")
		s.want("committed", s.offsets(), "t/0@2 t/1@1")
		s.publish("t", 1, "d") // it waits for more
		time.Sleep(time.Second)
		s.want("read", s.seen(), "m:t/1:d")
		if err := end(); err != nil {
			t.Error(err)
		}
		g, err := s.c.Group(s.t.Context(), "g")
		if err != nil || len(g.Members) != 0 || g.Totals.Lag != 0 {
			t.Errorf("%+v, %v", g, err)
		}
	})
}

func TestConsumeHandsPartitionsOver(t *testing.T) {
	inStream(t, func(s *stream) {
		s.topic("t", 2)
		a := s.consume("a", nil,
			OnAssigned(func(_ context.Context, ps []api.AssignedPartition) { s.say("a gets %d", len(ps)) }),
			OnRevoked(func(_ context.Context, ps []api.Place) { s.say("a gives %d up", len(ps)) }))
		time.Sleep(time.Second)
		b := s.consume("b", nil, OnAssigned(func(_ context.Context, ps []api.AssignedPartition) { s.say("b gets %d", len(ps)) }))
		time.Sleep(time.Second)
		s.publish("t", 0, "x")
		s.publish("t", 1, "y")
		time.Sleep(time.Second)
		s.want("read", s.seen(), "a:t/0:x b:t/1:y")
		if err := a(); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		s.publish("t", 0, "z")
		time.Sleep(time.Second)
		s.want("read", s.seen(), "b:t/0:z")
		if err := b(); err != nil {
			t.Error(err)
		}
		s.want("told", s.said(), "a gets 2 · a gives 1 up · b gets 1 · a gives 1 up · b gets 1")
	})
}

func TestConsumeEndsWithItsHandlersError(t *testing.T) {
	inStream(t, func(s *stream) {
		s.topic("t", 1)
		s.publish("t", 0, "a", "b", "c")
		bad := errors.New("cannot read b")
		end := s.consume("m", func(_ context.Context, r *Record) error {
			if string(r.Value) == "b" {
				return fmt.Errorf("%w: %w", bad, ErrUnknown) // one that Consume would try again were it its own
			}
			return nil
		})
		time.Sleep(time.Second)
		if err := end(); !errors.Is(err, bad) || !strings.Contains(err.Error(), "t/0/1") {
			t.Errorf("%v", err)
		}
		s.want("committed", s.offsets(), "t/0@1")
		end = s.consume("m", func(context.Context, *Record) error { panic("no") })
		time.Sleep(time.Second)
		if err := end(); err == nil || !strings.Contains(err.Error(), "no") {
			t.Errorf("%v", err)
		}
	})
}

func TestConsumeFinishesARecordAtItsEnd(t *testing.T) {
	inStream(t, func(s *stream) {
		s.topic("t", 1)
		s.publish("t", 0, "a", "b", "c")
		end := s.consume("m", func(ctx context.Context, r *Record) error {
			time.Sleep(10 * time.Second)
			s.note("m", r)
			return ctx.Err()
		})
		time.Sleep(15 * time.Second)
		if err := end(); err != nil {
			t.Error(err)
		}
		s.want("read", s.seen(), "m:t/0:a m:t/0:b")
		s.want("committed", s.offsets(), "t/0@2")
	})
}

func TestConsumeKeepsItsSessionWhileHandlersRun(t *testing.T) {
	inStream(t, func(s *stream) {
		s.topic("t", 1)
		s.publish("t", 0, "a", "b")
		end := s.consume("m", func(ctx context.Context, r *Record) error {
			time.Sleep(time.Minute)
			s.note("m", r)
			return ctx.Err()
		}, Session(5*time.Second))
		time.Sleep(90 * time.Second)
		s.want("committed on the way", s.offsets(), "t/0@1")
		time.Sleep(time.Minute)
		s.want("read", s.seen(), "m:t/0:a m:t/0:b")
		if err := end(); err != nil {
			t.Error(err)
		}
	})
}

func TestConsumeKeepsItsSessionWhileItTellsOfPartitions(t *testing.T) {
	inStream(t, func(s *stream) {
		s.topic("t", 2)
		s.publish("t", 0, "x")
		m := s.consume("m", nil, Session(5*time.Second),
			OnAssigned(func(ctx context.Context, ps []api.AssignedPartition) {
				time.Sleep(time.Minute)
				s.say("gets %d, %v", len(ps), ctx.Err())
			}),
			OnRevoked(func(ctx context.Context, ps []api.Place) {
				time.Sleep(time.Minute)
				s.say("gives %d up, %v", len(ps), ctx.Err())
			}),
			OnConsumeError(func(err error) { s.say("error: %v", err) }))
		time.Sleep(90 * time.Second)
		s.want("read by the first", s.seen(), "m:t/0:x")
		b := s.consume("b", nil)
		synctest.Wait() // it has joined, and the first knows
		s.publish("t", 1, "y")
		time.Sleep(30 * time.Second)
		s.want("read while the first gives up", s.seen(), "")
		time.Sleep(time.Minute)
		s.want("read then", s.seen(), "b:t/1:y")
		if err := m(); err != nil {
			t.Error(err)
		}
		s.want("told", s.said(), "gets 2, <nil> · gives 1 up, <nil> · gives 1 up, <nil>")
		if err := b(); err != nil {
			t.Error(err)
		}
	})
}

func TestConsumeJoinsAgainWhenItIsFenced(t *testing.T) {
	inStream(t, func(s *stream) {
		s.topic("t", 1)
		s.publish("t", 0, "a", "b")
		var cause error
		first := true
		end := s.consume("m", func(ctx context.Context, r *Record) error {
			if first {
				first = false
				<-ctx.Done() // the reset below
				cause = context.Cause(ctx)
				return nil
			}
			s.note("m", r)
			return nil
		}, StaticMember("m"))
		time.Sleep(time.Second)
		if _, err := s.c.ResetGroup(s.t.Context(), "g", api.ResetRequest{To: "earliest", Force: true}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Second)
		s.want("read", s.seen(), "m:t/0:a m:t/0:b")
		if err := end(); err != nil {
			t.Error(err)
		}
		if !errors.Is(cause, ErrFenced) {
			t.Errorf("the handler's context ended with %v", cause)
		}
		if g, err := s.c.Group(s.t.Context(), "g"); err != nil || len(g.Members) != 1 { // a static member does not leave
			t.Errorf("%+v, %v", g.Members, err)
		}
	})
}

func TestConsumeWaitsForAServerThatIsAway(t *testing.T) {
	inStream(t, func(s *stream) {
		s.topic("t", 1)
		troubles := 0
		end := s.consume("m", nil, OnConsumeError(func(error) { troubles++ }))
		time.Sleep(time.Second)
		s.net.down()
		time.Sleep(5 * time.Second)
		s.net.up()
		time.Sleep(15 * time.Second)
		s.publish("t", 0, "a")
		time.Sleep(time.Second)
		s.want("read", s.seen(), "m:t/0:a")
		if err := end(); err != nil || troubles == 0 {
			t.Errorf("%v, told of %d troubles", err, troubles)
		}
	})
}

func TestConsumeUntilTheEnd(t *testing.T) {
	inStream(t, func(s *stream) {
		s.topic("t", 2)
		s.publish("t", 0, "a", "b")
		s.publish("t", 1, "c")
		began := time.Now()
		err := s.c.Consume(s.t.Context(), "g", func(_ context.Context, r *Record) error { s.note("m", r); return nil }, FromTopics("t"), UntilEnd(), MaxRecords(1))
		if err != nil || time.Since(began) > time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		s.want("read", s.seen(), "m:t/0:a m:t/0:b m:t/1:c")
		s.want("committed", s.offsets(), "t/0@2 t/1@1")
	})
}

func TestConsumeGivesUpWhatTheServerRefuses(t *testing.T) {
	inStream(t, func(s *stream) {
		if _, err := s.c.PutGroup(s.t.Context(), "g", nil); err != nil {
			t.Fatal(err)
		}
		if err := s.c.Consume(s.t.Context(), "g", nil); !errors.Is(err, ErrGroupKindMismatch) {
			t.Errorf("%v", err)
		}
		if err := s.c.Consume(s.t.Context(), "h", nil, AtOnce(0)); err == nil {
			t.Error("no partitions at once")
		}
	})
}

func TestPollTakesBatchesOrJSON(t *testing.T) {
	inStream(t, func(s *stream) {
		s.topic("t", 2)
		s.publish("t", 0, "a", "b", "c")
		s.publish("t", 1, "d")
		j, err := s.c.Join(s.t.Context(), "g", JoinOptions{Topics: []string{"t"}})
		if err != nil {
			t.Fatal(err)
		}
		one := int64(1)
		o := PollOptions{Member: j.Member, Epoch: j.Epoch, Max: 2, Owned: []api.OwnedPartition{{Place: api.Place{Topic: "t"}, Offset: &one}}}
		show := func() string {
			p, err := s.c.Poll(s.t.Context(), "g", o)
			if err != nil {
				t.Fatal(err)
			}
			var out []string
			for _, r := range p.Records {
				out = append(out, fmt.Sprintf("%s=%s%v", place(r), r.Value, r.Headers))
			}
			slices.Sort(out)
			return fmt.Sprint(out, p.Next[api.Place{Topic: "t"}], len(p.Assignment))
		}
		s.want("batches", show(), "[t/0/1=bmap[n:b] t/1/0=dmap[n:d]] 2 2")
		acceptBatches["Accept"] = []string{mediaJSON}
		defer func() { acceptBatches["Accept"] = []string{api.MediaBatches + ", " + mediaJSON} }()
		s.want("JSON", show(), "[t/0/1=bmap[n:b] t/1/0=dmap[n:d]] 2 2")
		if err := s.c.CommitOffsets(s.t.Context(), "g", j.Member, j.Epoch, []api.CommittedOffset{{Place: api.Place{Topic: "t"}, Offset: 9}}); !errors.Is(err, ErrOffsetOutOfRange) {
			t.Errorf("%v", err)
		}
		if err := s.c.Leave(s.t.Context(), "g", j.Member, 0); err != nil {
			t.Error(err)
		}
		if _, err := s.c.Heartbeat(s.t.Context(), "g", j.Member, j.Epoch, nil); !errors.Is(err, ErrMemberNotFound) {
			t.Errorf("%v", err)
		}
	})
}

func FuzzSplitBatches(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x02{}\x00\x01t\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x01x"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var head api.PollHead
		stretches, err := splitBatches(b, &head)
		if err != nil {
			return
		}
		for i := range stretches {
			_, _, _ = stretches[i].records(100, nil)
		}
	})
}

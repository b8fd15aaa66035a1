//go:build linux

package queue_test

import (
	"context"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/store/badger"
)

// soakTime is how long retention works under load.
func soakTime(t *testing.T) time.Duration {
	text := os.Getenv("HOLT_SOAK_TIME")
	if text == "" {
		return 3 * time.Second
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("HOLT_SOAK_TIME: %v", err)
	}
	return d
}

// blocks returns the bytes that a directory takes on its disk.
func blocks(t *testing.T, dir string) (n int64) {
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil // collected meanwhile
		}
		if info, err := d.Info(); err == nil {
			n += info.Sys().(*syscall.Stat_t).Blocks * 512
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// soak is a run at full speed: producers, and a group that never settles its first records and all others at once.
type soak struct {
	t      *testing.T
	broker *queue.Broker
	store  *badger.Store
	dir    string
	limit  int64 // bytes of a partition of the big topic; 0 = no retention
	stuck  map[int]bool
}

const (
	soakPartitions = 4
	soakBatch      = 100
	soakValue      = 1 << 10
)

func newSoak(t *testing.T, limit int64) *soak {
	s := &soak{t: t, dir: filepath.Join(t.TempDir(), "data"), limit: limit, stuck: map[int]bool{}}
	st, err := badger.Open(t.Context(), badger.Config{Dir: s.dir, MinFree: 1, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	s.store = st
	if s.broker, err = queue.Open(t.Context(), st, queue.Config{}); err != nil {
		t.Fatal(err)
	}
	for name, bytes := range map[string]int64{"events": limit, "jobs": limit / 4} {
		_, _, err := s.broker.PutTopic(t.Context(), name, queue.Condition{}, func(c queue.TopicConfig, _ bool) (queue.TopicConfig, error) {
			c.Partitions, c.Retention.Bytes, c.Retention.Age = soakPartitions, bytes, 0
			return c, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	_, _, err = s.broker.PutGroup(t.Context(), "g", queue.Condition{}, func(c queue.GroupChange, _ bool) (queue.GroupChange, error) {
		c.Topics, c.Config.Lease = []string{"jobs"}, 12*time.Hour
		return c, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *soak) close() {
	if err := s.broker.Close(); err != nil {
		s.t.Error(err)
	}
	if err := s.store.Close(); err != nil {
		s.t.Error(err)
	}
}

// live returns the bytes that retention has not let go of.
func (s *soak) live() (n int64) {
	infos, err := s.broker.Topics(s.t.Context(), "", 10)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, info := range infos {
		for _, p := range info.Partitions {
			n += p.Bytes
		}
	}
	return n
}

// result is what a run gave.
type result struct {
	took      time.Duration
	published int64           // bytes
	waits     []time.Duration // of publishes
	worst     float64         // disk over 3 × live + 512 MB
	most      int64           // disk
}

func (r *result) p99() time.Duration {
	slices.Sort(r.waits)
	return r.waits[len(r.waits)*99/100]
}

// run loads the broker for a while and adds to what came of it so far.
func (s *soak) run(length time.Duration, all *result) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), length)
	defer cancel()
	var mu sync.Mutex
	var work sync.WaitGroup
	for i := range 8 {
		work.Go(func() {
			r := s.produce(ctx, i)
			mu.Lock()
			defer mu.Unlock()
			all.published += r.published
			all.waits = append(all.waits, r.waits...)
		})
	}
	work.Go(func() { s.consume(ctx) })
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
		disk := blocks(s.t, s.dir)
		all.most = max(all.most, disk)
		all.worst = max(all.worst, float64(disk)/float64(3*s.live()+512<<20))
	}
	work.Wait()
	all.took += length
}

// produce publishes to one partition in a closed loop, now and then to the topic of jobs.
func (s *soak) produce(ctx context.Context, i int) (r result) {
	msgs := make([]queue.Message, soakBatch)
	partition := i % soakPartitions
	for j := range msgs {
		msgs[j] = queue.Message{Value: make([]byte, soakValue), Partition: &partition}
	}
	for n := 0; ctx.Err() == nil; n++ {
		topic := "events"
		if n%10 == 0 {
			topic = "jobs"
		}
		began := time.Now()
		if _, _, err := s.broker.Publish(context.WithoutCancel(ctx), topic, msgs, 0); err != nil {
			s.t.Error(err)
			return r
		}
		r.waits = append(r.waits, time.Since(began))
		r.published += soakBatch * soakValue
	}
	return r
}

// consume settles everything but the first record of each partition.
func (s *soak) consume(ctx context.Context) {
	for ctx.Err() == nil {
		ds, _, err := s.broker.Lease(ctx, "g", queue.LeaseRequest{Max: 1000, Wait: time.Second})
		if err != nil {
			if ctx.Err() == nil {
				s.t.Error(err)
			}
			return
		}
		var actions []queue.Action
		for _, d := range ds {
			if !s.stuck[d.Partition] {
				s.stuck[d.Partition] = true
				continue
			}
			actions = append(actions, ack(d))
		}
		if len(actions) == 0 {
			continue
		}
		if _, err := s.broker.Settle(context.WithoutCancel(ctx), "g", actions); err != nil {
			s.t.Error(err)
			return
		}
	}
}

// Retention at full speed: the directory stays in bounds, and who publishes hardly notices. A broker without retention has turns in between, for half a minute
// in all at most. HOLT_SOAK_TIME=10m makes it a real one.
func TestRetentionUnderLoad(t *testing.T) {
	const rounds = 3
	length := soakTime(t) / rounds
	var free, kept result
	without, with := newSoak(t, 0), newSoak(t, 16<<20)
	for range rounds {
		without.run(min(length/2, 30*time.Second/rounds), &free)
		with.run(length, &kept)
	}
	live := with.live()
	with.close()
	without.close()
	for name, r := range map[string]*result{"without": &free, "with": &kept} {
		t.Logf("%s retention: %d publishes of %d KiB, %.0f MiB/s, p99 %v", name, len(r.waits), soakBatch*soakValue>>10, float64(r.published>>20)/r.took.Seconds(), r.p99())
	}
	t.Logf("p99 with ÷ without: %.2f; %d MiB were on disk at most, %.2f × (3 × live + 512 MiB); %d MiB are live at the end",
		float64(kept.p99())/float64(free.p99()), kept.most>>20, kept.worst, live>>20)
	if kept.worst > 1 {
		t.Errorf("the disk went to %.2f × (3 × live + 512 MiB)", kept.worst)
	}
	if kept.published > 1<<30 && live > kept.published/2 {
		t.Errorf("%d MiB are live of %d published: retention did nothing", live>>20, kept.published>>20)
	}
}

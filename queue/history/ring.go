package history

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/system"
	"github.com/holtmq/holt/queue/varint"
)

// Limits: at most 35 MB in memory and, with the last checkpoint, twice that on the disk; a server with ten topics and ten groups needs an eighth of it.
const (
	Span       = 24 * time.Hour
	Every      = 10 * time.Second
	MaxSamples = int(Span / Every)
	MaxSample  = 4 << 10 // bytes
)

// JournalName is the name of the journal on the server's log.
const JournalName store.Journal = "history"

// Sample is how the server was at one time.
type Sample struct {
	At    int64 // Unix seconds
	Bytes []byte
}

// Ring holds the samples. It is a system.Machine. Its lock is the last before the committer's.
type Ring struct {
	committer *commit.Committer
	journal   *system.Journal

	mu      sync.Mutex
	samples []Sample // the oldest first
}

// Keep makes the ring, which the server's log restores when it is opened.
func Keep(log *system.Log, c *commit.Committer) *Ring {
	r := &Ring{committer: c}
	r.journal = log.Keep(JournalName, r)
	return r
}

// Add takes a sample, and does not wait until it is durable. One that is too long, or not after the last one, is left out.
func (r *Ring) Add(s Sample) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(s.Bytes) > MaxSample || s.At < 0 || len(r.samples) > 0 && s.At <= r.samples[len(r.samples)-1].At {
		return
	}
	r.keep(s)
	r.committer.Enqueue(commit.Unit{r.journal.Part(encode(nil, s))})
}

// keep puts a sample at the end, and lets the old ones go; the lock is held.
func (r *Ring) keep(s Sample) {
	r.samples = append(r.samples, s)
	oldest := s.At - int64(Span/time.Second)
	n := max(len(r.samples)-MaxSamples, 0)
	for r.samples[n].At < oldest {
		n++
	}
	r.samples = r.samples[n:]
}

// Since returns the samples from a time on, the oldest first. Nobody changes them.
func (r *Ring) Since(at int64) []Sample {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := len(r.samples)
	for i > 0 && r.samples[i-1].At >= at {
		i--
	}
	return r.samples[i:len(r.samples):len(r.samples)]
}

// encode appends a sample: its time, and its bytes.
func encode(dst []byte, s Sample) []byte {
	return append(binary.AppendUvarint(dst, uint64(s.At)), s.Bytes...)
}

// Replay implements journal.Machine.
func (r *Ring) Replay(delta []byte) error {
	d := varint.NewReader(delta)
	at, sample := d.UintTo(1<<62), d.Rest()
	if d.Bad() || len(sample) > MaxSample {
		return fmt.Errorf("a sample of the history: %w", store.ErrCorrupt)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keep(Sample{int64(at), bytes.Clone(sample)})
	return nil
}

// Restore implements journal.Machine.
func (r *Ring) Restore(checkpoint []byte) error {
	r.mu.Lock()
	r.samples = nil
	r.mu.Unlock()
	for c := varint.NewReader(checkpoint); c.More(); {
		delta := c.Bytes()
		if c.Bad() {
			return fmt.Errorf("checkpoint of the history: %w", store.ErrCorrupt)
		}
		if err := r.Replay(delta); err != nil {
			return err
		}
	}
	return nil
}

// Checkpoint implements system.Machine: each sample as its delta, behind its length. The lock is held, by Add.
func (r *Ring) Checkpoint() []byte {
	var out, one []byte
	for _, s := range r.samples {
		one = encode(one[:0], s)
		out = varint.AppendString(out, one)
	}
	return out
}
